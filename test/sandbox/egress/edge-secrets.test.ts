import t from 'tap'
import { getHeader } from '../../../core/headers.ts'
import { createEdgeSecrets, createPlaceholder } from '../../../sandbox/egress/edge-secrets.ts'
import type { Target } from '../../../sandbox/egress/targets.ts'
import { makeServerCertificate } from '../../services/test-certificates.ts'
import { readAll, startEgress, startNames, startSecureWeb, startWeb } from './fixtures/web.ts'

const value = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'
const placeholder = createPlaceholder()

function targetOf(href: string): Target {
  const url = new URL(href)
  return {
    url,
    hostname: url.hostname,
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    own: undefined,
  }
}

t.test('placeholders are replaced in headers, for the hosts of the secret', (t) => {
  const secrets = createEdgeSecrets([{ name: 'API_KEY', placeholder, value, hosts: ['api.example', '*.pay.example'] }])
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const given = [
    ...['authorization', `Bearer ${placeholder}`, 'x-two', `${placeholder}:${placeholder}`, 'x', 'plain'],
    ...['y', basic(`user:${placeholder}`), 'z', basic('user:pw'), 'half', placeholder.slice(0, 20)],
  ]
  for (const href of ['https://api.example/', 'https://a.pay.example/'])
    t.same(secrets.fill(given, targetOf(href)), [
      ...['authorization', `Bearer ${value}`, 'x-two', `${value}:${value}`, 'x', 'plain'],
      ...['y', basic(`user:${value}`), 'z', basic('user:pw'), 'half', placeholder.slice(0, 20)],
    ])
  t.end()
})

t.test('and for no other', (t) => {
  const secrets = createEdgeSecrets([{ name: 'API_KEY', placeholder, value, hosts: ['api.example'] }])
  for (const href of [
    'https://evil.example/',
    'https://api.example.evil.example/',
    'https://x.api.example/',
    'https://api.example:8443/',
  ])
    t.throws(
      () => secrets.fill(['authorization', `Bearer ${placeholder}`], targetOf(href)),
      { code: 'ERR_FETCH_REFUSED', message: /the secret API_KEY may not go to/ },
      href,
    )
  t.throws(() => secrets.fill(['a', placeholder], targetOf('http://api.example/')), { message: /by https only/ })
  t.throws(
    () =>
      createEdgeSecrets([{ name: 'K', placeholder, value: 'a\nb', hosts: ['api.example'] }]).fill(
        ['a', placeholder],
        targetOf('https://api.example/'),
      ),
    { message: /cannot stand in a header/ },
  )
  const long = createEdgeSecrets([{ name: 'K', placeholder, value: 'x'.repeat(5_000), hosts: ['api.example'] }])
  t.throws(() => long.fill(['a', placeholder.repeat(20)], targetOf('https://api.example/')), { message: /too long/ })
  const other = createPlaceholder()
  t.same(
    secrets.fill(['a', other], targetOf('https://api.example/')),
    ['a', other],
    "another site's stands for nothing",
  )
  t.equal(secrets.find(`x${placeholder}x`), 'API_KEY')
  t.equal(secrets.find(other), undefined)
  t.end()
})

t.test('headers with placeholders are dropped for another origin', (t) => {
  const secrets = createEdgeSecrets([{ name: 'API_KEY', placeholder, value, hosts: [] }])
  const basic = `Basic ${Buffer.from(`u:${placeholder}`).toString('base64')}`
  t.same(secrets.drop(['a', `x ${placeholder}`, 'b', basic, 'c', 'd']), ['c', 'd'])
  t.throws(() => createEdgeSecrets([{ name: 'K', placeholder, value, hosts: ['/'] }]), { code: 'ERR_CONFIG_INVALID' })
  t.end()
})

t.test('a secret over real connections', async (t) => {
  const pair = await makeServerCertificate(['api.example', 'other.example'])
  const seen: string[] = []
  const web = await startSecureWeb(t, pair, (request, response) => {
    seen.push(`${request.headers.host?.split(':')[0]} ${request.headers['x-key']}`)
    const url = new URL(request.url ?? '', 'https://x')
    const to = url.searchParams.get('to')
    response.setHeader('x-echo', `got ${request.headers['x-key']}`)
    response.setHeader('set-cookie', [`k=${request.headers['x-key']}`, 'b=2'])
    response.writeHead(
      to === null ? 200 : 307,
      `Hello ${request.headers['x-key']}`,
      to === null ? {} : { location: to },
    )
    response.end('body')
  })
  const plain = await startWeb(t, (request, response) => {
    seen.push(`plain ${request.headers['x-key']}`)
    response.end()
  })
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port, plain.port], {
    servers: [dns.server],
    ca: pair.cert,
    redact: (text) => text.replaceAll(value, '[secret API_KEY]'),
    policy: {
      secrets: [
        {
          name: 'API_KEY',
          placeholder,
          value,
          hosts: [`api.example:${web.port}`, `also.example:${web.port}`, `api.example:${plain.port}`],
        },
      ],
    },
  })
  const origin = `https://api.example:${web.port}`
  const headers = ['x-key', placeholder]
  const answer = await fetch(`${origin}/`, { headers })
  t.same(seen.splice(0), [`api.example ${value}`])
  t.equal(getHeader(answer.headers, 'x-echo'), 'got [secret API_KEY]', 'what echoes in headers is taken out')
  t.equal(getHeader(answer.headers, 'set-cookie'), 'k=[secret API_KEY]')
  t.equal(answer.statusText, 'Hello [secret API_KEY]')
  t.equal(await readAll(answer.body), 'body')

  await fetch(`${origin}/?to=/second`, { headers })
  t.same(seen.splice(0), [`api.example ${value}`, `api.example ${value}`], 'the same origin gets it again')
  await fetch(`${origin}/?to=https://other.example:${web.port}/`, { headers })
  t.same(
    seen.splice(0),
    [`api.example ${value}`, 'other.example undefined'],
    'another one does not, nor the placeholder',
  )
  await fetch(`${origin}/?to=http://api.example:${plain.port}/`, { headers })
  t.same(seen.splice(0), [`api.example ${value}`, 'plain undefined'], 'not even one of its hosts')

  await t.rejects(fetch(`https://other.example:${web.port}/`, { headers }), { code: 'ERR_FETCH_REFUSED' })
  await t.rejects(fetch(`http://api.example:${plain.port}/`, { headers }), { message: /by https only/ })
  await t.rejects(fetch(`${origin}/?key=${placeholder}`), { message: /cannot stand in a URL/ })
  t.same(seen, [])
  await t.rejects(fetch(`https://wrong.example:${web.port}/`), {
    code: 'ERR_UPSTREAM_DOWN',
    message: `wrong.example:${web.port}: its certificate is for other names`,
  })
  const { fetch: distrustful } = startEgress(t, [web.port], { servers: [dns.server] })
  await t.rejects(distrustful(`${origin}/`), { message: /not signed by an authority that is trusted/ })
})
