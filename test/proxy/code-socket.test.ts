import { once } from 'node:events'
import { BlockList } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { frameTypes } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import { shakeWithCode } from '../../proxy/code-socket.ts'
import { createCodeUpstream } from '../../proxy/code-upstream.ts'
import { createTransport } from '../../proxy/listen.ts'
import { SupervisorLink } from '../../proxy/supervisor-link.ts'
import { createWebSockets } from '../../proxy/web-socket.ts'
import { type OnFrame, startSupervisor } from './fixtures/tenant.ts'
import { noClientRules } from './transport-harness.ts'

const log = pino({ level: 'silent' })

/** A front whose site's code does this with frames; answers the address of its WebSocket. */
async function start(t: Test, onFrame: OnFrame) {
  const supervisor = await startSupervisor(t)
  const links = new SupervisorLink({ socket: supervisor.socket, log })
  const process = await supervisor.start('p1', onFrame)
  const webSockets = createWebSockets()
  const upstream = createCodeUpstream('blog', 1, links)
  const transport = createTransport({
    secureContext: () => Promise.resolve(undefined),
    ticketKeys: Buffer.alloc(48),
    begun: () => {},
    handle: () => {},
    upgrade: (exchange, connection) =>
      webSockets.open({
        exchange,
        connection,
        site: 'blog',
        session: undefined,
        shake: (ended) =>
          shakeWithCode({ exchange, connection, upstream, headers: exchange.headers, timeoutMs: 5_000 }, ended),
      }),
    finished: () => {},
    rejected: () => {},
    settings: () => ({ httpsPort: 443, trustedProxies: new BlockList(), serves: () => true, ...noClientRules }),
    log,
  })
  const { port } = await transport.listen('plain', 'k', { port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    webSockets.close()
    links[Symbol.dispose]()
    await transport.drain(0)
  })
  return { url: `ws://127.0.0.1:${port}/chat`, process }
}

const accept = (link: FrameLink, stream: number, headers: readonly string[] = []) =>
  link.write(frameTypes.answer, stream, JSON.stringify({ status: 101, headers, hasBody: false }))

/** Accepts, and says everything back. */
const echo: OnFrame = (link, type, stream, payload) => {
  if (type === frameTypes.request) accept(link, stream)
  if (type === frameTypes.textMessage || type === frameTypes.bytesMessage) link.write(type, stream, payload)
}

async function messages(socket: WebSocket, count: number): Promise<[string, boolean][]> {
  const found: [string, boolean][] = []
  for await (const [data, isBinary] of WebSocketEvents(socket)) {
    found.push([String(data), isBinary])
    if (found.length === count) break
  }
  return found
}

async function* WebSocketEvents(socket: WebSocket): AsyncGenerator<[Buffer, boolean]> {
  while (true) yield (await once(socket, 'message')) as [Buffer, boolean]
}

t.test('messages go both ways, texts as texts and bytes as bytes', async (t) => {
  const heads: unknown[] = []
  const { url } = await start(t, (link, type, stream, payload) => {
    if (type === frameTypes.request) heads.push(JSON.parse(payload.toString()))
    echo(link, type, stream, payload)
  })
  const socket = new WebSocket(url)
  await once(socket, 'open')
  socket.send('grüße')
  t.same(await messages(socket, 1), [['grüße', false]])
  socket.send(Buffer.from('bytes'))
  t.same(await messages(socket, 1), [['bytes', true]])
  socket.send('x'.repeat(1_000_000))
  t.equal((await messages(socket, 1))[0]?.[0].length, 1_000_000)
  t.match(heads, [{ isUpgrade: true, url: /^https:\/\/127\.0\.0\.1:\d+\/chat$/ }])
  socket.close()
})

t.test('either end can close, and the other learns how', async (t) => {
  const closed: unknown[] = []
  const { url } = await start(t, (link, type, stream, payload) => {
    if (type === frameTypes.closeSocket) closed.push(JSON.parse(payload.toString()))
    if (type === frameTypes.textMessage)
      link.write(frameTypes.closeSocket, stream, JSON.stringify({ code: Number(payload.toString()), reason: 'bye' }))
    if (type === frameTypes.request) accept(link, stream)
  })
  for (const [said, heard] of [
    [4_001, 4_001],
    [1_000, 1_000],
    [1_005, 1_011],
    [0, 1_005],
  ]) {
    const socket = new WebSocket(url)
    await once(socket, 'open')
    socket.send(String(said))
    const [code] = await once(socket, 'close')
    t.equal(code, heard, `code closes with ${said}`)
  }
  const leaving = new WebSocket(url)
  await once(leaving, 'open')
  leaving.close(4_002, 'off')
  while (closed.length < 1) await pause(5)
  const cut = new WebSocket(url)
  await once(cut, 'open')
  cut.terminate()
  while (closed.length < 2) await pause(5)
  t.match(closed, [{ code: 4_002, reason: 'off' }, { code: 1_006 }])
})

t.test('a process that ends closes its WebSockets', async (t) => {
  const { url, process } = await start(t, echo)
  const socket = new WebSocket(url)
  await once(socket, 'open')
  process.close()
  t.match(await once(socket, 'close'), [1_011])
})

t.test('code may refuse, choose a protocol and set headers', async (t) => {
  const { url } = await start(t, (link, type, stream, payload) => {
    if (type !== frameTypes.request) return
    const { url } = JSON.parse(payload.toString())
    if (url.endsWith('/chat'))
      accept(link, stream, ['sec-websocket-protocol', 'b', 'x-code', '1', 'sec-websocket-accept', 'x'])
    else link.write(frameTypes.failed, stream, JSON.stringify({ status: 503, code: 'cpu', reason: '50 ms' }))
  })
  const socket = new WebSocket(url, ['a', 'b'])
  const [[answer]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')])
  t.match(answer.headers, { 'x-code': '1', 'sec-websocket-protocol': 'b' })
  t.equal(socket.protocol, 'b')
  socket.close()
  const refused = new WebSocket(`${url}/none`)
  const [error] = await once(refused, 'error')
  t.match(error.message, /503/)
})
