import { once } from 'node:events'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { createAlpnCertificate } from '../../certs/acme/alpn-certificate.ts'
import type { ChallengeSet } from '../../core/challenge-set.ts'
import { clientHelloOf, splitRecords } from './fixtures/client-hello.ts'
import { connectRaw, openClient, startTransport, until } from './transport-harness.ts'

const http = [{ token: 'tok-en_1', keyAuthorization: 'tok-en_1.thumb' }]

/** A whole exchange on a plain port. */
async function ask(port: number, target: string, { method = 'GET', authority = 'new.example' } = {}): Promise<string> {
  const connection = await connectRaw(port)
  connection.send(`${method} ${target} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`)
  return connection.whole()
}

const path = (token: string) => `/.well-known/acme-challenge/${token}`

t.test('http-01 is answered on both plain ports before anything else, for any authority', async (t) => {
  const { transport, ports, exchanges, finished, until } = await startTransport(t)
  transport.setChallenges({ http, tlsAlpn: [] })
  for (const port of [ports.http, ports.plain]) {
    for (const authority of ['new.example', 'blog.localhost', '192.0.2.1', 'new.example:80']) {
      const answer = await ask(port, path('tok-en_1'), { authority })
      t.match(answer, /^HTTP\/1\.1 200 /)
      t.match(answer, /content-type: text\/plain\r\n/)
      t.ok(answer.endsWith('\r\n\r\ntok-en_1.thumb'))
    }
    t.ok((await ask(port, path('tok-en_1'), { method: 'HEAD' })).endsWith('\r\n\r\n'))
    t.match(await ask(port, `http://new.example${path('tok-en_1')}`), ' 200 ', 'absolute-form')
  }
  t.equal(exchanges.length, 0, 'no site is asked')
  await until(() => finished.length === 12)
  t.match(finished[0]?.exchange.note, { how: 'static' })
})

t.test('what is no token that is asked for gets what it got before', async (t) => {
  const { transport, ports } = await startTransport(t)
  const targets = [
    path('other'),
    path(''),
    path('tok-en_1/'),
    path('tok-en_1?x'),
    path('tok%2Den_1'),
    path('../acme-challenge/tok-en_1'),
    path('%2e%2e/tok-en_1'),
    path('TOK-EN_1'),
    path('__proto__'),
    '/.well-known//acme-challenge/tok-en_1',
    '//.well-known/acme-challenge/tok-en_1',
    '/.WELL-KNOWN/acme-challenge/tok-en_1',
  ]
  const statuses = async () => {
    const all: string[] = []
    for (const port of [ports.http, ports.plain])
      for (const authority of ['new.example', 'blog.localhost'])
        for (const target of targets) all.push((await ask(port, target, { authority })).slice(9, 12))
    all.push((await ask(ports.http, path('tok-en_1'), { method: 'POST', authority: 'blog.localhost' })).slice(9, 12))
    return all
  }
  const before = await statuses()
  transport.setChallenges({ http, tlsAlpn: [] })
  t.same(await statuses(), before)
  t.same([...new Set(before)].sort(), ['200', '308', '400', '421'])
})

t.test('a challenge that was taken away is answered no more, and https never answers one', async (t) => {
  const harness = await startTransport(t)
  const { transport, ports } = harness
  transport.setChallenges({ http, tlsAlpn: [] })
  const client = openClient('1.1', harness)
  t.equal((await client.send({ path: path('tok-en_1') })).body, path('tok-en_1'), 'the site answers')
  client.close()
  transport.setChallenges({ http: [], tlsAlpn: [] })
  t.match(await ask(ports.http, path('tok-en_1')), ' 421 ')
})

/** A set with a real challenge certificate for each name. */
async function challengesFor(...names: string[]): Promise<ChallengeSet> {
  const tlsAlpn = names.map(async (name) => {
    const { cert, key } = await createAlpnCertificate({ name, keyAuthorization: `${name}.thumb` }, Date.now())
    return { name, chain: cert, key }
  })
  return { http: [], tlsAlpn: await Promise.all(tlsAlpn) }
}

/** A handshake: the names of the certificate and the protocol, whether data came; or the error's code. */
async function shake(port: number, options: ConnectionOptions) {
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  let bytes = 0
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  try {
    await once(socket, 'secureConnect')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
  const { subjectaltname } = socket.getPeerCertificate()
  const shown = { names: subjectaltname, protocol: socket.alpnProtocol }
  if (socket.alpnProtocol !== 'acme-tls/1') {
    socket.destroy()
    return shown
  }
  await once(socket, 'close')
  return { ...shown, bytes }
}

t.test('tls-alpn-01 is answered with the challenge certificate, and the connection ends', async (t) => {
  const harness = await startTransport(t)
  const { transport, ports } = harness
  const acme = { ALPNProtocols: ['acme-tls/1'] }
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const versions = { minVersion: version, maxVersion: version }
    transport.setChallenges({ http: [], tlsAlpn: [] })
    const before = await shake(ports.https, { ...acme, ...versions, servername: 'blog.localhost' })
    t.match(before, /^E/, `${version}: refused while nothing is asked for`)

    transport.setChallenges(await challengesFor('new.example', 'blog.localhost'))
    for (const name of ['new.example', 'blog.localhost', 'NEW.example']) {
      const shown = await shake(ports.https, { ...acme, ...versions, servername: name })
      t.same(shown, { names: `DNS:${name.toLowerCase()}`, protocol: 'acme-tls/1', bytes: 0 }, `${version}: ${name}`)
    }
    t.match(await shake(ports.https, { ...acme, ...versions, servername: 'other.example' }), /^E/, 'another name')
    t.match(await shake(ports.https, { ...acme, ...versions }), /^E/, 'no name')
    for (const [ALPNProtocols, protocol] of [
      [['h2'], 'h2'],
      [['acme-tls/1', 'h2'], 'h2'],
      [['http/1.1'], 'http/1.1'],
      [[], false],
    ] as const) {
      const options = { ...versions, servername: 'blog.localhost', ALPNProtocols: [...ALPNProtocols] }
      t.same(
        await shake(ports.https, options),
        { names: 'DNS:blog.localhost', protocol },
        `${version}: ${ALPNProtocols}`,
      )
      t.equal(
        (
          (await shake(ports.https, { ...options, ca: harness.ca.rootPem, rejectUnauthorized: true })) as {
            protocol: unknown
          }
        ).protocol,
        protocol,
        'with the site’s own certificate',
      )
    }
    t.match(await shake(ports.https, { ...versions, servername: 'new.example', ALPNProtocols: ['h2'] }), /^E/)
  }
  transport.setChallenges({ http: [], tlsAlpn: [] })
  t.match(await shake(ports.https, { ...acme, servername: 'new.example' }), /^E/, 'after it was taken away')
})

t.test('a challenge certificate that cannot be used changes nothing', async (t) => {
  const { transport, ports } = await startTransport(t)
  transport.setChallenges(await challengesFor('new.example'))
  const other = { http, tlsAlpn: [{ name: 'x.example', chain: 'no certificate', key: '' }] }
  t.throws(() => transport.setChallenges(other))
  const shown = await shake(ports.https, { ALPNProtocols: ['acme-tls/1'], servername: 'new.example' })
  t.match(shown, { protocol: 'acme-tls/1' })
  t.match(await ask(ports.http, path('tok-en_1')), ' 421 ')
})

t.test('visitors are served on both versions of HTTP while a challenge is answered', async (t) => {
  const harness = await startTransport(t)
  harness.transport.setChallenges(await challengesFor('new.example'))
  for (const version of ['1.1', '2.0'] as const) {
    const client = openClient(version, harness)
    t.match(await client.send({ path: '/x' }), { status: 200, body: '/x' })
    t.match(await client.send({ path: '/y', method: 'POST', body: 'z'.repeat(100_000) }), { status: 200 })
    client.close()
  }
})

/** Sends bytes piece by piece and answers what came back first, as hex; empty when the connection ended without. */
async function sendPieces(port: number, pieces: readonly Buffer[]): Promise<string> {
  const connection = await connectRaw(port)
  connection.socket.setNoDelay(true)
  for (const piece of pieces) {
    connection.send(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => connection.text !== '' || connection.closed)
  connection.socket.destroy()
  return Buffer.from(connection.text, 'latin1').subarray(0, 3).toString('hex')
}

function inPieces(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return pieces
}

t.test('ClientHellos in any pieces are understood, and hostile ones harm nobody', async (t) => {
  const harness = await startTransport(t, { limits: { handshakeTimeoutMs: 300 } })
  const { transport, ports } = harness
  transport.setChallenges(await challengesFor('new.example'))
  const hello = await clientHelloOf({ servername: 'new.example', ALPNProtocols: ['acme-tls/1'] })
  const visitor = await clientHelloOf({ servername: 'blog.localhost', ALPNProtocols: ['h2'] })
  const serverHello = '160303'
  const alert = /^1503/
  for (const bytes of [hello, visitor]) {
    t.equal(await sendPieces(ports.https, [bytes]), serverHello)
    t.equal(await sendPieces(ports.https, inPieces(bytes, 7)), serverHello, 'seven bytes at a time')
    t.equal(await sendPieces(ports.https, inPieces(splitRecords(bytes, 300), 100)), serverHello, 'in several records')
  }
  t.match(await sendPieces(ports.https, [splitRecords(hello, 20)]), alert, 'in a hundred records: it is no CA')
  t.equal(await sendPieces(ports.https, [splitRecords(visitor, 20)]), serverHello, 'that is a visitor still')
  t.match(await sendPieces(ports.https, [Buffer.from('GET / HTTP/1.1\r\n\r\n')]), /^(?:1503..|)$/, 'HTTP')
  t.match(await sendPieces(ports.https, [Buffer.alloc(20_000, 22)]), /^(?:1503..|)$/, 'garbage')
  const endless = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xff]), Buffer.alloc(20_000)])
  t.match(await sendPieces(ports.https, inPieces(endless, 4_000)), /^(?:1503..|)$/, '16 KB of nothing')
  t.equal(await sendPieces(ports.https, [hello.subarray(0, 100)]), '', 'never finished: the connection ends')
  t.equal(await sendPieces(ports.https, [visitor.subarray(0, 3)]), '')
  t.equal(await sendPieces(ports.https, []), '', 'nothing at all')
  const gone = await connectRaw(ports.https)
  gone.send(hello.subarray(0, 50))
  gone.socket.resetAndDestroy()
  const half = await connectRaw(ports.https)
  half.send(hello.subarray(0, 50))
  half.socket.end()
  await half.whole()
  await harness.until(() => transport.connections === 0)
  const client = openClient('2.0', harness)
  t.match(await client.send({ path: '/x' }), { status: 200 })
  client.close()
})

t.test('a drain ends connections whose ClientHello is still read', async (t) => {
  const { transport, ports } = await startTransport(t)
  transport.setChallenges(await challengesFor('new.example'))
  const silent = await connectRaw(ports.https)
  await until(() => transport.connections === 1)
  await transport.drain(50)
  t.equal(await silent.whole(), '')
})
