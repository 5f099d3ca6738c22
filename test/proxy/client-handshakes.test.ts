import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { type ConnectionOptions, connect } from 'node:tls'
import t, { type Test } from 'tap'
import type { ClientRule } from '../../core/messages.ts'
import { makeClientCa } from './fixtures/client-ca.ts'
import { clientHelloOf, splitRecords } from './fixtures/client-hello.ts'
import { connectRaw, type Harness, startTransport, tlsFor } from './transport-harness.ts'

const versions = ['TLSv1.2', 'TLSv1.3'] as const

async function start(t: Test, required = true) {
  const ca = await makeClientCa('CN=Clients')
  const clients = new Map<string, ClientRule>([['blog.localhost', { roots: ca.root, required }]])
  return { ca, clients, harness: await startTransport(t, { clients }) }
}

/** One request on one connection: the answer's status, '' when there was none, and what was left to resume. */
async function ask(harness: Harness, options: ConnectionOptions, authority = 'blog.localhost') {
  const socket = connect({ port: harness.ports.https, host: '127.0.0.1', ...tlsFor(harness, options) })
  const sessions: Buffer[] = []
  socket.on('session', (session: Buffer) => sessions.push(session))
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  let resumed = false
  socket.on('secureConnect', () => {
    resumed = socket.isSessionReused()
    socket.write(`GET /x HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`)
  })
  await new Promise((resolve) => socket.once('close', resolve))
  return { status: text.slice(9, 12), sessions, resumed }
}

t.test('only clients with a certificate of the site’s CA come in, and their requests say who they are', async (t) => {
  const { ca, harness } = await start(t)
  const other = await makeClientCa('CN=Clients')
  const ada = await ca.issue('CN=Ada Lovelace,O=Analytical, C=GB')
  const refused: Readonly<Record<string, ConnectionOptions>> = {
    'no certificate': {},
    'of another CA with the same name': await other.issue('CN=Ada Lovelace'),
    ended: await ca.issue('CN=Ada Lovelace', { notAfterMs: Date.now() - 1_000 }),
    'for servers': await ca.issue('CN=Ada Lovelace', { usage: 'serverAuth' }),
    'of the CA of Grove': await harness.ca.issue('blog.localhost').then(({ chain, key }) => ({ cert: chain, key })),
    'too long': await ca.issue(`CN=Ada,${Array.from({ length: 300 }, (_, i) => `OU=unit number ${i}`).join(',')}`),
  }
  for (const version of versions) {
    const only = { minVersion: version, maxVersion: version }
    t.match(await ask(harness, { ...only, ...ada }), { status: '200' }, version)
    for (const [what, options] of Object.entries(refused))
      t.match(await ask(harness, { ...only, ...options }), { status: '' }, `${version}: ${what}`)
  }
  t.equal(harness.exchanges.length, 2)
  const { client } = harness.exchanges[0] ?? {}
  t.equal(client?.subject, 'C=GB,O=Analytical,CN=Ada Lovelace')
  t.equal(client?.certificate, ada.cert.replace(/-----[A-Z ]+-----|\s/g, ''))
})

t.test('a connection of one site is no way to another, with a certificate or without', async (t) => {
  const { ca, clients, harness } = await start(t)
  const ada = await ca.issue('CN=Ada')
  t.match(await ask(harness, { servername: 'shop.localhost' }, 'shop.localhost'), { status: '200' }, 'others need none')
  t.match(await ask(harness, { servername: 'shop.localhost', ...ada }, 'blog.localhost'), { status: '421' })
  t.match(await ask(harness, ada, 'shop.localhost'), { status: '421' })
  t.notOk(harness.exchanges.some(({ client }) => client !== undefined))

  // The rule changes while a connection is open.
  const rule = clients.get('blog.localhost') as ClientRule
  const session = connectHttp2('https://blog.localhost', {
    createConnection: () =>
      connect({ port: harness.ports.https, host: '127.0.0.1', ALPNProtocols: ['h2'], ...tlsFor(harness, ada) }),
  })
  const status = async () => {
    const [headers] = await once(session.request({ ':path': '/', ':authority': 'blog.localhost' }), 'response')
    return headers[':status']
  }
  t.equal(await status(), 200)
  for (const next of [{ ...rule, roots: (await makeClientCa('CN=New')).root }, undefined]) {
    if (next) clients.set('blog.localhost', next)
    else clients.delete('blog.localhost')
    t.equal(await status(), 421)
  }
  clients.set('blog.localhost', { ...rule })
  t.equal(await status(), 200, 'the same rule, told again, changes nothing')
  session.destroy()
})

t.test('nothing is resumed where certificates are asked for', async (t) => {
  const { ca, clients, harness } = await start(t)
  const ada = await ca.issue('CN=Ada')
  for (const version of versions) {
    const only = { minVersion: version, maxVersion: version }
    const { sessions, resumed } = await ask(harness, { ...only, ...ada })
    t.equal(resumed, false)
    for (const session of sessions) {
      t.match(await ask(harness, { ...only, session }), { status: '' }, `${version}: without the certificate`)
      t.match(await ask(harness, { ...only, ...ada, session }), { status: '200', resumed: false }, version)
    }
    // A session that began before there was a rule, and one of another site.
    const rule = clients.get('blog.localhost') as ClientRule
    clients.delete('blog.localhost')
    const before = await ask(harness, only)
    const another = await ask(harness, { ...only, servername: 'shop.localhost' }, 'shop.localhost')
    clients.set('blog.localhost', rule)
    t.ok(before.sessions.length > 0)
    for (const session of [...before.sessions, ...another.sessions]) {
      t.match(await ask(harness, { ...only, session }), { status: '' }, `${version}: by the name`)
      const aside = await ask(harness, { ...only, session, servername: 'shop.localhost' })
      t.equal(aside.status, '421', `${version}: past the name`)
    }
  }
})

t.test('where a certificate is welcome, visitors come in without, but not with a wrong one', async (t) => {
  const { ca, harness } = await start(t, false)
  const other = await makeClientCa('CN=Other')
  t.match(await ask(harness, {}), { status: '200' })
  t.match(await ask(harness, await ca.issue('CN=Ada')), { status: '200' })
  t.match(await ask(harness, await other.issue('CN=Ada')), { status: '' })
  t.same(
    harness.exchanges.map(({ client }) => client?.subject),
    [undefined, 'CN=Ada'],
  )
})

t.test('a ClientHello that is not understood does not get past the rule', async (t) => {
  const { harness } = await start(t)
  const hello = await clientHelloOf({ servername: 'blog.localhost', ALPNProtocols: ['http/1.1'] })
  const connection = await connectRaw(harness.ports.https)
  connection.send(splitRecords(hello, 10))
  t.match(
    Buffer.from(await connection.whole(), 'latin1')
      .subarray(0, 2)
      .toString('hex'),
    '1503',
    'an alert',
  )
  for (const servername of ['', 'other.localhost'])
    t.match(await ask(harness, { servername, checkServerIdentity: () => undefined }), { status: '' })
})

t.test('plain HTTP gets a redirect, and where there is none, no site that needs a certificate', async (t) => {
  for (const required of [true, false]) {
    const { harness } = await start(t, required)
    const plain = async (port: number) => {
      const connection = await connectRaw(port)
      connection.send('GET / HTTP/1.1\r\nHost: blog.localhost\r\nConnection: close\r\n\r\n')
      return (await connection.whole()).slice(9, 12)
    }
    t.equal(await plain(harness.ports.http), '308')
    t.equal(await plain(harness.ports.plain), required ? '421' : '200')
  }
})

t.test('subjects are spelled so that a header can hold them', async (t) => {
  const { ca, harness } = await start(t)
  for (const subject of ['CN=Zoë\\, 100%', 'CN=a\\0Ab', 'CN=x+OU=y']) {
    const client = await ca.issue(subject)
    t.match(await ask(harness, client), { status: '200' })
  }
  const spelled = harness.exchanges.map(({ client }) => client?.subject ?? '')
  t.equal(spelled[0], 'CN=Zo%C3%AB\\, 100%25')
  for (const subject of spelled) t.match(subject, /^[\x20-\x7e]+$/)
})
