import t from 'tap'
import { getHeader, joinHeader } from '../../core/headers.ts'
import {
  cleanAnswerHeaders,
  encodeUserId,
  type Forwarding,
  forwardAnswerHeaders,
  forwardRequestHeaders,
  withoutHopByHop,
} from '../../proxy/forward-headers.ts'

const forwarding: Forwarding = {
  requestId: 'r-1',
  site: 'blog',
  origin: {
    scheme: 'https',
    authority: 'blog.localhost',
    port: 8443,
    hostport: 'blog.localhost:8443',
    text: 'https://blog.localhost:8443',
  },
  clientAddress: '192.0.2.7',
  httpVersion: '1.1',
}
const signedIn: Forwarding = { ...forwarding, identity: { userId: 'ada', token: 'a.b.c' } }
const ours = forwardRequestHeaders([], forwarding)

t.test('what an upstream learns of an anonymous request', (t) => {
  t.same(ours, [
    'host',
    'blog.localhost:8443',
    'via',
    '1.1 grove',
    'forwarded',
    'for=192.0.2.7;host="blog.localhost:8443";proto=https',
    'x-forwarded-for',
    '192.0.2.7',
    'x-forwarded-proto',
    'https',
    'x-forwarded-host',
    'blog.localhost:8443',
    'x-forwarded-port',
    '8443',
    'grove-request-id',
    'r-1',
    'grove-site',
    'blog',
  ])
  t.end()
})

t.test('what it learns besides of somebody who is signed in', (t) => {
  const headers = forwardRequestHeaders([], signedIn)
  t.same(headers.slice(ours.length), ['grove-user', 'ada', 'grove-identity', 'a.b.c'])
  t.end()
})

t.test('what it learns of a client that showed a certificate', (t) => {
  const client = { subject: 'CN=ada', certificate: 'MIIB' }
  const said = ['grove-client-subject', 'CN=ada', 'client-cert', ':MIIB:']
  const evil = ['grove-client-subject', 'CN=eve', 'client-cert', ':evil:', 'client-cert-chain', ':evil:']
  t.same(forwardRequestHeaders(evil, { ...forwarding, client }), [...ours, ...said])
  t.same(forwardRequestHeaders(evil, forwarding), ours)
  t.end()
})

t.test('an IPv6 address stands in brackets in Forwarded and bare in X-Forwarded-For', (t) => {
  const headers = forwardRequestHeaders([], { ...forwarding, clientAddress: '2001:db8::7' })
  t.match(getHeader(headers, 'forwarded'), 'for="[2001:db8::7]";')
  t.equal(getHeader(headers, 'x-forwarded-for'), '2001:db8::7')
  t.end()
})

t.test('the count of hops goes on, as itself alone', (t) => {
  const headers = forwardRequestHeaders(['grove-hops', '2', 'grove_hops', '0', 'grove.hops', '0'], forwarding)
  t.equal(getHeader(headers, 'grove-hops'), '2')
  t.notMatch(headers.join(), /grove[_.]hops/)
  t.end()
})

t.test('what no visitor may say is dropped, however it is spelled', (t) => {
  const rows: string[] = [
    'grove-user',
    'grove-identity',
    'grove-request-id',
    'grove-site',
    'grove-internal-session',
    'grove-anything',
    'grove_user',
    'grove.user',
    'grove_identity',
    'grove-internal_session',
    'grove.internal.session',
    'grove!user',
    'grove~user',
    'grove+user',
    "grove'user",
    'forwarded',
    'forwarded-for',
    'forwarded_for',
    'x-forwarded',
    'x-forwarded-for',
    'x_forwarded_for',
    'x.forwarded.for',
    'x-forwarded_for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'x_forwarded_host',
    'x-forwarded-port',
    'x-forwarded-prefix',
    'x-forwarded-user',
    'x-real-ip',
    'x_real_ip',
    'x.real.ip',
    'x-client-ip',
    'client-ip',
    'client-cert',
    'client_cert',
    'client.cert',
    'client-cert-chain',
    'grove-client-subject',
    'grove_client_subject',
    'true-client-ip',
    'true_client_ip',
    'cf-connecting-ip',
    'x-cluster-client-ip',
    'remote-user',
    'remote_user',
    'remote-addr',
    'x-original-url',
    'x-rewrite-url',
    'via',
    'proxy',
    'host',
    'connection',
    'proxy-connection',
    'keep-alive',
    'te',
    'trailer',
    'transfer-encoding',
    'transfer_encoding',
    'transfer.encoding',
    'upgrade',
    'http2-settings',
    'proxy-authorization',
    'proxy_authorization',
    'proxy-authenticate',
    'expect',
    'alt-svc',
    'content_length',
    'content.length',
    'content_type',
  ]
  for (const name of rows) {
    t.same(forwardRequestHeaders([name, 'evil'], forwarding), ours, name)
    t.same(
      forwardRequestHeaders([name, 'evil', name, 'evil2'], signedIn).filter((text) => text.startsWith('evil')),
      [],
      `${name}, twice, signed in`,
    )
  }
  t.end()
})

t.test('everything else passes as it came, in order', (t) => {
  const rows: string[][] = [
    ['accept', '*/*', 'accept-language', 'de'],
    ['authorization', 'Bearer x'],
    ['content-type', 'text/plain', 'content-length', '5'],
    ['x-grove', 'mine', 'grovesite', 'mine'],
    ['x_custom', '1', 'x.custom', '2'],
    ['if-none-match', '"a"', 'range', 'bytes=0-1'],
    ['x-a', '1', 'x-a', '2'],
    ['origin', 'https://blog.localhost:8443', 'sec-fetch-site', 'same-origin'],
    ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-protocol', 'chat'],
    ['forwarded2', 'x', 'xforwarded-for', 'y', 'viaduct', 'z'],
  ]
  for (const headers of rows)
    t.same(forwardRequestHeaders(headers, forwarding), [...ours.slice(0, 2), ...headers, ...ours.slice(2)])
  t.end()
})

t.test('what Connection names goes with it, in any case and over several fields', (t) => {
  const headers = [
    'connection',
    'close, X-Secret',
    'x-secret',
    '1',
    'x-kept',
    '2',
    'connection',
    ' x-also ',
    'x-also',
    '3',
  ]
  t.same(forwardRequestHeaders(headers, forwarding), [...ours.slice(0, 2), 'x-kept', '2', ...ours.slice(2)])
  const hostile = ['connection', 'grove-user, grove-identity, host, x-forwarded-for, forwarded, cookie']
  t.same(
    forwardRequestHeaders(hostile, signedIn),
    forwardRequestHeaders([], signedIn),
    'ours are set afterwards: nobody can have them taken away',
  )
  t.end()
})

t.test('the session cookie stays with Grove, other cookies go on', (t) => {
  const rows: [string[], string | undefined][] = [
    [['__Host-grove=secret'], undefined],
    [['a=1; __Host-grove=secret; b=2'], 'a=1; b=2'],
    [['a=1;__Host-grove=secret'], 'a=1'],
    [['a=1; \t__Host-grove \t= secret'], 'a=1'],
    [['__host-grove=secret; __HOST-GROVE=secret; a=1'], 'a=1'],
    [['__Host-grove=secret; a=1; __Host-grove=secret2'], 'a=1'],
    [['=__Host-grove=secret; a=1'], 'a=1'],
    [['__Host-grove; a=1'], 'a=1'],
    [['a="x; __Host-grove=secret"; b=2'], 'a="x; b=2'],
    [['a=1', '__Host-grove=secret', 'b=2'], 'a=1; b=2'],
    [['__Host-grove2=mine; x__Host-grove=mine'], '__Host-grove2=mine; x__Host-grove=mine'],
    [['a=1; b=; c'], 'a=1; b=; c'],
    [[';;  ; '], undefined],
  ]
  for (const [lines, expected] of rows) {
    const headers = forwardRequestHeaders(
      lines.flatMap((line) => ['cookie', line]),
      forwarding,
    )
    t.equal(joinHeader(headers, 'cookie'), expected, lines.join(' | '))
    t.notMatch(headers.join('\n'), /secret/, 'not under any name')
  }
  t.end()
})

t.test('a user id is readable where it can be and never more than one header value', (t) => {
  const rows: [string, string][] = [
    ['ada', 'ada'],
    ['ada@example.com', 'ada@example.com'],
    ['a b', 'a%20b'],
    ['50%', '50%25'],
    ['jürgen', 'j%C3%BCrgen'],
    ['日本', '%E6%97%A5%E6%9C%AC'],
    ['a\r\ngrove-user: root', 'a%0D%0Agrove-user:%20root'],
    ['a\u0000b', 'a%00b'],
    ['a\u007fb', 'a%7Fb'],
    ['\ud800', '%EF%BF%BD'],
    ['😀', '%F0%9F%98%80'],
  ]
  for (const [userId, expected] of rows) {
    t.equal(encodeUserId(userId), expected, JSON.stringify(userId))
    if (userId.isWellFormed()) t.equal(decodeURIComponent(encodeUserId(userId)), userId, 'and back')
  }
  t.end()
})

t.test('what an upstream may not say to a visitor', (t) => {
  const rows: string[][] = [
    ['connection', 'close'],
    ['connection', 'x-hop', 'x-hop', '1'],
    ['keep-alive', 'timeout=5'],
    ['transfer-encoding', 'chunked'],
    ['upgrade', 'h2c'],
    ['trailer', 'x'],
    ['te', 'trailers'],
    ['proxy-authenticate', 'Basic'],
    ['alt-svc', 'h3=":443"'],
    ['grove-version', 'blog@99'],
    ['grove_version', 'blog@99'],
    ['grove-user', 'root'],
    ['set-cookie', '__Host-grove=forged; Path=/; Secure'],
    ['set-cookie', '__host-GROVE=forged; Path=/; Secure'],
    ['set-cookie', '  __Host-grove =forged'],
    ['set-cookie', '=__Host-grove=forged; Path=/; Secure'],
    ['set-cookie', ' = __Host-grove=forged'],
    ['set-cookie', '__Host-grove; Path=/'],
    ['set-cookie', '__Host-grove=; Max-Age=0'],
  ]
  for (const headers of rows) t.same(cleanAnswerHeaders(headers), [], headers.join(': '))
  t.same(cleanAnswerHeaders(['set-cookie', 'a=1', 'set-cookie', '__Host-grove=x', 'set-cookie', 'b=__Host-grove']), [
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=__Host-grove',
  ])
  t.same(
    cleanAnswerHeaders([
      'location',
      '/a',
      'etag',
      '"1"',
      'location',
      '//evil',
      'vary',
      'a',
      'etag',
      '"1"',
      'vary',
      'b',
    ]),
    ['location', '/a', 'etag', '"1"', 'vary', 'a', 'vary', 'b'],
    'of what may come once the first counts',
  )
  t.same(
    withoutHopByHop(['connection', 'x-hop', 'x-hop', '1', 'te', 'x', 'grove-site', 'blog', 'content-length', '5']),
    ['grove-site', 'blog', 'content-length', '5'],
  )
  t.end()
})

t.test('answers say whom they are for', (t) => {
  const rows: [string[], boolean, string | undefined, string | undefined][] = [
    [[], true, 'private, no-cache', 'Cookie'],
    [[], false, undefined, 'Cookie'],
    [['cache-control', 'public, max-age=60'], true, 'public, max-age=60', 'Cookie'],
    [['vary', 'Accept'], true, 'private, no-cache', 'Accept, Cookie'],
    [['vary', 'accept, COOKIE'], false, undefined, 'accept, COOKIE'],
    [['vary', '*'], true, 'private, no-cache', '*'],
    [['vary', 'x-cookie, cookie2'], false, undefined, 'x-cookie, cookie2, Cookie'],
    [['vary', 'Accept', 'vary', 'cookie'], false, undefined, 'Accept, cookie'],
    [['connection', 'cache-control', 'cache-control', 'public'], true, 'private, no-cache', 'Cookie'],
  ]
  for (const [headers, isSignedIn, cacheControl, vary] of rows) {
    const sent = forwardAnswerHeaders(headers, isSignedIn)
    t.equal(joinHeader(sent, 'cache-control'), cacheControl, headers.join(': '))
    t.equal(joinHeader(sent, 'vary'), vary, headers.join(': '))
  }
  t.end()
})
