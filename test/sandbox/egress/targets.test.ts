import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { createAddressCheck } from '../../../sandbox/egress/addresses.ts'
import { compilePolicy, type EgressPolicy } from '../../../sandbox/egress/policy.ts'
import { toTarget } from '../../../sandbox/egress/targets.ts'

const check = createAddressCheck({ own: () => ['8.8.4.4'] })

function policyWith(more: Partial<EgressPolicy> = {}) {
  return compilePolicy({ site: 'blog', limits: defaultSandboxLimits, ...more })
}

const refusals: readonly (readonly [url: string, why: RegExp])[] = [
  // Row 75: every spelling of this machine.
  ['http://127.0.0.1/', /not a public address/],
  ['http://127.1/', /127\.0\.0\.1 is not a public address/],
  ['http://127.0.1/', /not a public address/],
  ['http://0/', /0\.0\.0\.0 is not a public address/],
  ['http://0.0.0.0/', /not a public address/],
  ['http://0x7f.1/', /127\.0\.0\.1 is not a public address/],
  ['http://0x7F000001/', /not a public address/],
  ['http://0177.0.0.1/', /not a public address/],
  ['http://017700000001/', /not a public address/],
  ['http://2130706433/', /not a public address/],
  ['http://127.0.0.1./', /not a public address/],
  ['http://１２７。０。０。１/', /not a public address/],
  ['http://①②⑦.0.0.1/', /not a public address/],
  ['http://127%2e0%2e0%2e1/', /not a public address/],
  ['http://%31%32%37.0.0.1/', /not a public address/],
  ['http://[::1]/', /::1 is not a public address/],
  ['http://[0:0:0:0:0:0:0:1]/', /not a public address/],
  ['http://[::]/', /not a public address/],
  ['http://[::ffff:127.0.0.1]/', /not a public address/],
  ['http://[::ffff:7f00:1]/', /not a public address/],
  ['http://[::127.0.0.1]/', /not a public address/],
  ['http://[64:ff9b::127.0.0.1]/', /not a public address/],
  ['http://[2002:7f00:1::]/', /not a public address/],
  ['http://8.8.4.4/', /not a public address/],
  ['http://localhost/', /not a name of the public internet/],
  ['http://LOCALHOST./', /not a name of the public internet/],
  ['http://ｌocalhost/', /not a name of the public internet/],
  ['http://a.localhost/', /not a name of the public internet/],
  // Row 76: metadata of clouds.
  ['http://169.254.169.254/latest/meta-data/', /not a public address/],
  ['http://2852039166/', /not a public address/],
  ['http://[fd00:ec2::254]/', /not a public address/],
  ['http://100.100.100.200/', /not a public address/],
  ['http://168.63.129.16/', /not a public address/],
  ['http://metadata.google.internal/', /not a name of the public internet/],
  ['http://metadata/', /not a name of the public internet/],
  ['http://kubernetes.default.svc.cluster.local/', /not a name of the public internet/],
  ['http://router.home.arpa/', /not a name of the public internet/],
  ['http://printer.lan/', /not a name of the public internet/],
  // Row 79: other schemes, and other ports.
  ['file:///etc/passwd', /file: URLs cannot be fetched/],
  ['data:text/plain,x', /data: URLs cannot be fetched/],
  ['unix:/run/grove.sock', /unix: URLs cannot be fetched/],
  ['http+unix://%2Frun%2Fgrove.sock/', /cannot be fetched/],
  ['ftp://ftp.example.com/', /ftp: URLs cannot be fetched/],
  ['ws://example.com/', /ws: URLs cannot be fetched/],
  ['javascript:alert(1)', /cannot be fetched/],
  ['blob:https://example.com/x', /cannot be fetched/],
  ['about:blank', /cannot be fetched/],
  ['http://example.com:22/', /port 22 of example\.com is none/],
  ['http://example.com:6379/', /port 6379/],
  ['https://example.com:8443/', /port 8443/],
  ['http://example.com:0/', /port 0/],
  // Row 83: credentials.
  ['https://user@example.com/', /a user or a password/],
  ['https://user:secret@example.com/', /a user or a password/],
  ['https://:secret@example.com/', /a user or a password/],
  // What is no URL, or no name.
  ['', /is not a URL/],
  ['/relative', /is not a URL/],
  ['http://', /is not a URL/],
  ['http://[fe80::1%25eth0]/', /is not a URL/],
  ['http://[::1/', /is not a URL/],
  ['http://exa mple.com/', /is not a URL/],
  ['http://example.com:99999/', /is not a URL/],
  ['http://1.2.3.4.5/', /is not a URL/],
  ['http://256.1.1.1/', /is not a URL/],
  ['http://a..b.com/', /is not a name of a host/],
  ['http://example.com../', /is not a name of a host/],
  [`http://${'a'.repeat(64)}.example.com/`, /is not a name of a host/],
  ['http://-a.example.com/', /is not a name of a host/],
  [`http://example.com/${'a'.repeat(16_384)}`, /more than 16384 characters/],
  [`http://example.com/${'ü'.repeat(4_000)}`, /more than 16384 characters/],
]

t.test('what may not be fetched', (t) => {
  for (const [url, message] of refusals)
    t.throws(() => toTarget(url, policyWith(), check), { code: 'ERR_FETCH_REFUSED', message }, url.slice(0, 80))
  t.notMatch(
    (() => {
      try {
        toTarget('https://user:secret@example.com/', policyWith(), check)
      } catch (error) {
        return String(error)
      }
      return 'secret'
    })(),
    /secret/,
    'a password is not repeated',
  )
  t.end()
})

t.test('what may', (t) => {
  for (const [url, href, hostname, port] of [
    ['https://example.com', 'https://example.com/', 'example.com', 443],
    ['HTTP://Example.COM.:80/a?b#c', 'http://example.com/a?b', 'example.com', 80],
    ['http://example.com:443/', 'http://example.com:443/', 'example.com', 443],
    ['https://bücher.example.com/ü', 'https://xn--bcher-kva.example.com/%C3%BC', 'xn--bcher-kva.example.com', 443],
    ['https://1.1.1.1/', 'https://1.1.1.1/', '1.1.1.1', 443],
    ['https://0x1010101/', 'https://1.1.1.1/', '1.1.1.1', 443],
    ['https://[2606:4700:4700:0::1111]/', 'https://[2606:4700:4700::1111]/', '2606:4700:4700::1111', 443],
    ['https://a_b.example.com/', 'https://a_b.example.com/', 'a_b.example.com', 443],
  ] as const) {
    const target = toTarget(url, policyWith(), check)
    t.equal(target.url.href, href)
    t.equal(target.hostname, hostname)
    t.equal(target.port, port)
    t.equal(target.own, undefined)
  }
  t.end()
})

t.test('a redirect is relative to what answered', (t) => {
  const base = new URL('https://example.com/a/b')
  t.equal(toTarget('../c', policyWith(), check, base).url.href, 'https://example.com/c')
  t.equal(toTarget('//other.example.com/', policyWith(), check, base).url.href, 'https://other.example.com/')
  t.throws(() => toTarget('//127.0.0.1/', policyWith(), check, base), { code: 'ERR_FETCH_REFUSED' })
  t.throws(() => toTarget('http:', policyWith(), check, new URL('https://10.0.0.1/')), { code: 'ERR_FETCH_REFUSED' })
  t.end()
})

t.test("a site's allow-list", (t) => {
  const policy = policyWith({
    allow: ['api.example.com', '*.example.org', 'x.example.com:8443', '1.1.1.1'],
    ports: [8443],
  })
  for (const url of [
    'https://api.example.com/',
    'http://api.example.com/',
    'https://a.example.org/',
    'https://x.example.com:8443/',
    'https://1.1.1.1/',
  ])
    t.equal(toTarget(url, policy, check).url.href, url)
  for (const url of [
    'https://example.com/',
    'https://example.org/',
    'https://api.example.com.evil.test/',
    'https://x.example.com/',
    'https://api.example.com:8443/',
    'https://1.0.0.1/',
  ])
    t.throws(() => toTarget(url, policy, check), { code: 'ERR_FETCH_REFUSED', message: /not among the hosts/ }, url)
  t.throws(
    () => toTarget('https://y.example.com:9000/', policyWith({ allow: ['y.example.com:9000'] }), check),
    { message: /port 9000/ },
    'a port that the operator does not open stays closed',
  )
  t.throws(() => toTarget('https://127.0.0.1/', policyWith({ allow: ['127.0.0.1'] }), check), {
    message: /not a public address/,
  })
  t.throws(() => toTarget('https://example.com/', policyWith({ allow: [] }), check), { code: 'ERR_FETCH_REFUSED' })
  t.end()
})

t.test('hosts that this Grove serves itself are known by name and port', (t) => {
  const policy = policyWith({
    own: (hostname, port) =>
      hostname === 'shop.localhost' && port === 8443 ? { address: '127.0.0.1', port: 18_443 } : undefined,
  })
  t.same(toTarget('https://shop.localhost:8443/', policy, check).own, { address: '127.0.0.1', port: 18_443 })
  t.throws(() => toTarget('https://shop.localhost/', policy, check), { code: 'ERR_FETCH_REFUSED' })
  t.throws(() => toTarget('https://127.0.0.1:8443/', policy, check), { code: 'ERR_FETCH_REFUSED' })
  t.end()
})
