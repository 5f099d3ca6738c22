import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { connect, type TLSSocket } from 'node:tls'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { type AcmeListenerOptions, listenAcme } from '../../../certs/acme-server/listener.ts'
import { leafLifeMs } from '../../../certs/own-certificates.ts'
import { limits } from '../../../core/limits.ts'
import { setUp } from './fixture.ts'

const log = pino({ level: 'silent' })

async function listen(t: Test, options: Partial<AcmeListenerOptions> = {}) {
  const scene = await setUp(t)
  const { server, ca, environment } = scene
  const listener = await listenAcme({ server, ca, environment, log, port: 0, ...options })
  let closed: Promise<void> | undefined
  const close = () => (closed ??= Promise.resolve(listener[Symbol.asyncDispose]()))
  t.teardown(close)
  return { ...scene, port: listener.port, close }
}

/** Connects as somebody who trusts the root. */
async function dial(t: Test, port: number, ca: string, servername: string, host = '127.0.0.1'): Promise<TLSSocket> {
  const socket = connect({ host, port, ca, ...(servername && { servername }) })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

/** Sends lines and answers all that comes back until the server ends the connection. */
async function send(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text)
  let answer = ''
  for await (const part of socket.setEncoding('latin1')) answer += part
  return answer
}

const end = 'connection: close\r\n\r\n'

t.test('its certificate is one of the own CA, for the names and addresses of this machine', async (t) => {
  const { port, ca } = await listen(t, { names: ['acme.home.arpa', 'acme.example.com', 'not a name'] })
  for (const name of ['localhost', 'acme.home.arpa']) {
    const socket = await dial(t, port, ca.rootPem, name)
    t.equal(socket.authorized, true, name)
  }
  const { raw } = (await dial(t, port, ca.rootPem, 'localhost')).getPeerCertificate()
  const names = new X509Certificate(raw).subjectAltName ?? ''
  t.match(names, /IP Address:127\.0\.0\.1/)
  t.notMatch(names, /example\.com|not a name/)
  const [near] = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.filter(({ family, internal, address }) => family === 'IPv4' && !internal && ca.permits(address)),
  )
  if (near) t.match(names, near.address)
})

t.test('requests get answers whose URLs are those that were asked', async (t) => {
  const { port, ca } = await listen(t)
  const hosts: [host: string, status: number][] = [
    [`localhost:${port}`, 200],
    ['LOCALHOST', 200],
    [`127.0.0.1:${port}`, 200],
    [`[::1]:${port}`, 200],
    ['acme.internal', 200],
    ['evil.example.com', 421],
    ['8.8.8.8', 421],
    ['localhost:port', 421],
    ['a@localhost', 421],
    ['localhost/', 421],
    ['', 421],
  ]
  for (const [host, status] of hosts) {
    const socket = await dial(t, port, ca.rootPem, 'localhost')
    const answer = await send(socket, `GET /directory HTTP/1.1\r\nhost: ${host}\r\n${end}`)
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), host)
    if (status === 200) t.match(answer, `"newOrder":"https://${host.toLowerCase()}/acme/new-order"`)
  }
  const nonce = await send(
    await dial(t, port, ca.rootPem, 'localhost'),
    `HEAD /acme/new-nonce HTTP/1.1\r\nhost: localhost\r\n${end}`,
  )
  t.match(nonce, /^HTTP\/1\.1 200 [\s\S]*replay-nonce: [\w-]{22}[\s\S]*\r\n\r\n$/i)
  const empty = await send(
    await dial(t, port, ca.rootPem, 'localhost'),
    `GET /acme/new-nonce HTTP/1.1\r\nhost: localhost\r\n${end}`,
  )
  t.match(empty, /^HTTP\/1\.1 204 /)
  t.notMatch(empty, /content-length/i)
})

t.test('what is too large, or no request, is refused and costs no more than that', async (t) => {
  const { port, ca } = await listen(t)
  const most = limits.acmeServer.bodyBytes
  const post = 'POST /acme/new-account HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/jose+json\r\n'
  const cases: [name: string, text: string, status: RegExp][] = [
    [
      'a body at the bound',
      `${post}content-length: ${most}\r\n${end}${'x'.repeat(most)}`,
      /^HTTP\/1\.1 400 [\s\S]*malformed/,
    ],
    ['a body above it', `${post}content-length: ${most + 1}\r\n${end}${'x'.repeat(most + 1)}`, /^HTTP\/1\.1 413 /],
    [
      'a body without a length',
      `${post}transfer-encoding: chunked\r\n${end}${'ffff\r\n'.concat('x'.repeat(65_535), '\r\n').repeat(3)}`,
      /^HTTP\/1\.1 413 /,
    ],
    ['headers without end', `${post}x: ${'x'.repeat(20_000)}\r\n${end}`, /^HTTP\/1\.1 431 /],
    ['no host', `GET /directory HTTP/1.1\r\n${end}`, /^HTTP\/1\.1 400 /],
    ['no HTTP', 'EHLO localhost\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a path without end', `GET /${'x'.repeat(5_000)} HTTP/1.1\r\nhost: localhost\r\n${end}`, /^HTTP\/1\.1 405 /],
  ]
  for (const [name, text, status] of cases)
    t.match(await send(await dial(t, port, ca.rootPem, 'localhost'), text), status, name)
  t.match(
    await send(await dial(t, port, ca.rootPem, 'localhost'), `GET /directory HTTP/1.1\r\nhost: localhost\r\n${end}`),
    /^HTTP\/1\.1 200 /,
    'and it goes on',
  )
})

t.test('it renews its own certificate and sweeps, and a failure of either is not its end', async (t) => {
  const scene = await setUp(t)
  const turns: (() => void)[] = []
  const environment = {
    ...scene.environment,
    sleep: (_: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        turns.push(resolve)
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      }),
  }
  let swept = 0
  const server = {
    ...scene.server,
    async sweep() {
      swept += 1
      if (swept === 1) throw new Error('the disk is full')
      return 0
    },
  }
  const { ca } = scene
  const listener = await listenAcme({ server, ca, environment, log, port: 0, address: '127.0.0.1' })
  t.teardown(() => listener[Symbol.asyncDispose]())
  const serialOf = async () => {
    // Not verified: the clock of OpenSSL is not the test's.
    const socket = connect({ host: '127.0.0.1', port: listener.port, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const first = await serialOf()
  /** Lets it do its work once, and waits until it sleeps again. */
  const turn = async () => {
    const before = turns.length
    turns.at(-1)?.()
    while (turns.length === before) await new Promise((resolve) => setImmediate(resolve))
  }
  await turn()
  await turn()
  t.equal(await serialOf(), first)
  scene.clock.aheadMs += leafLifeMs - 60_000
  await turn()
  t.not(await serialOf(), first)
  t.equal(swept, 3)
})

t.test('a sweep that always fails does not keep the certificate from being renewed', async (t) => {
  const scene = await setUp(t)
  const renewed = Promise.withResolvers<void>()
  const turn = Promise.withResolvers<void>()
  let slept = 0
  const environment = {
    ...scene.environment,
    sleep: (_: number, signal?: AbortSignal) => {
      slept += 1
      if (slept === 1) return turn.promise
      return new Promise<void>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    },
  }
  const sweep = () => Promise.reject(new Error('the bucket is away'))
  const server = { ...scene.server, sweep }
  let issued = 0
  const ca = {
    permits: scene.ca.permits,
    issue: (...wish: Parameters<typeof scene.ca.issue>) => {
      issued += 1
      if (issued === 2) renewed.resolve()
      return scene.ca.issue(...wish)
    },
  }
  const listener = await listenAcme({ server, ca, environment, log, port: 0, address: '127.0.0.1' })
  t.teardown(() => listener[Symbol.asyncDispose]())
  scene.clock.aheadMs += leafLifeMs - 60_000
  turn.resolve()
  await renewed.promise
  t.equal(issued, 2)
})

t.test('a port that is taken is told, and a listener that is closed takes nobody', async (t) => {
  const { port, server, ca, environment, close } = await listen(t, { address: '127.0.0.1' })
  const again = { server, ca, environment, log, port, address: '127.0.0.1' }
  await t.rejects(listenAcme(again), { code: 'EADDRINUSE' })
  const half = await dial(t, port, ca.rootPem, 'localhost')
  half.write('POST /acme/new-order HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{')
  const idle = await dial(t, port, ca.rootPem, 'localhost')
  idle.write('GET /directory HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await once(idle, 'data')
  const ended = once(idle, 'close')
  await close()
  await ended
  await t.rejects(dial(t, port, ca.rootPem, 'localhost'), { code: 'ECONNREFUSED' })
})
