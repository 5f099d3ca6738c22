import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type WebSocket as ServerSocket, WebSocket, WebSocketServer } from 'ws'
import { createAdminClient } from '../../cli/admin-client.ts'
import { publishFolder } from '../../cli/publish-folder.ts'
import { Hammer } from './hammer.ts'
import { type Harness, startGrove } from './harness.ts'

const pages = Array.from({ length: 20 }, (_, index) => `page-${index}.html`)
const silent = { begin: () => {}, add: () => {}, [Symbol.dispose]: () => {} }

/** A page's text, different in every version, and long enough to be worth encoding. */
function expected(path: string, version: number): string {
  return `<p>${path} of version ${version}</p>\n`.repeat(40)
}

function writeVersion(folder: string, version: number): void {
  for (const page of pages) writeFileSync(join(folder, page), expected(`/${page}`, version))
}

async function publish(grove: Harness, folder: string, version: number): Promise<void> {
  using client = createAdminClient(join(grove.data, 'control.sock'))
  writeVersion(folder, version)
  const { result } = await publishFolder(client, { folder, site: 'blog', message: `${version}` }, silent)
  if (result.version !== version) throw new Error(`expected version ${version}, was told ${result.version}`)
}

/** Publishes one version after the other until told to stop; answers how to do that. */
function keepPublishing(grove: Harness, folder: string): () => Promise<number> {
  let stopped = false
  const work = async () => {
    let version = 1
    while (!stopped) await publish(grove, folder, ++version)
    return version
  }
  const done = work()
  done.catch(() => {}) // Whoever stops it hears of it.
  return () => {
    stopped = true
    return done
  }
}

function hammer(grove: Harness, options: { http1: number; http2: number }): Hammer {
  const ca = readFileSync(grove.rootFile, 'utf8')
  const paths = pages.map((page) => `/${page}`)
  return new Hammer({ port: grove.httpsPort, ca, authority: 'blog.localhost', paths, expected, ...options })
}

t.test(
  '100 versions are published while 32 connections fetch, and every answer is of the version it names',
  async (t) => {
    const grove = await startGrove(t, { config: { fronts: 2, log: { access: false } } })
    const folder = t.testdir()
    await publish(grove, folder, 1)
    const visitors = hammer(grove, { http1: 16, http2: 16 })
    for (let version = 2; version <= 100; version++) await publish(grove, folder, version)
    await grove.until(() => visitors.versions.has(100))
    await visitors.stop()
    t.same(visitors.failures, [])
    t.same(visitors.wrong, [])
    t.ok(visitors.answers > 1_000)
    t.comment(`${visitors.answers} answers, ${visitors.versions.size} of 100 versions seen`)
  },
)

/** The client's ports of all connections to Grove that a process holds. */
function portsOf(pid: number, grove: Harness): Set<number> {
  const lines = execFileSync('ss', ['-Htnp', 'state', 'established', `sport = :${grove.httpsPort}`], {
    encoding: 'utf8',
  })
  const held = lines.split('\n').filter((line) => line.includes(`pid=${pid},`))
  return new Set(held.map((line) => Number(/:(\d+)\s+users:/.exec(line)?.[1])))
}

t.test('a front that is killed takes with it only what was under way on it', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 2, log: { access: false } } })
  const folder = t.testdir()
  await publish(grove, folder, 1)
  const visitors = hammer(grove, { http1: 16, http2: 16 })
  await grove.until(() => visitors.answers > 500)
  const stopPublishing = keepPublishing(grove, folder)
  for (let round = 1; round <= 3; round++) {
    const before = visitors.failures.length
    const victim = (await grove.pids('front')).at(round % 2) as number
    const snapshotMs = performance.now()
    const held = portsOf(victim, grove)
    process.kill(victim, 'SIGKILL')
    const killedMs = performance.now()
    await grove.until(async () => {
      const { processes, fronts } = await grove.status()
      const pids = processes.filter(({ kind }) => kind === 'front').map(({ pid }) => pid)
      return pids.length === 2 && !pids.includes(victim) && fronts.length === 2
    })
    const answered = visitors.answers
    await grove.until(() => visitors.answers > answered + 200)
    for (const failure of visitors.failures.slice(before)) {
      const wasOnIt = held.has(failure.port) || failure.connectedAtMs >= snapshotMs
      if (!wasOnIt || failure.connectedAtMs > killedMs || failure.startedAtMs > killedMs + 1_000)
        t.fail('a request failed that was not under way on the killed front', { failure, held: [...held], killedMs })
    }
    t.ok(visitors.failures.length - before <= 32, `round ${round}: at most one request of each connection`)
  }
  const last = await stopPublishing()
  await grove.until(() => visitors.versions.has(last))
  await visitors.stop()
  t.same(visitors.wrong, [])
})

/** An upstream that says back what a WebSocket tells it. */
async function startEcho(t: Test): Promise<{ url: string; sockets: Set<ServerSocket> }> {
  const server = createServer((_request, response) => response.end('upstream'))
  const sockets = new Set<ServerSocket>()
  new WebSocketServer({ server }).on('connection', (socket) => {
    sockets.add(socket)
    socket.on('message', (data) => socket.send(`echo ${data}`))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.terminate()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

async function openSocket(grove: Harness, site: string): Promise<WebSocket> {
  const socket = new WebSocket(`wss://${site}.localhost:${grove.httpsPort}/live`, {
    ca: readFileSync(grove.rootFile, 'utf8'),
    lookup: (_name, _options, answer) => answer(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return socket
}

async function ask(socket: WebSocket, text: string): Promise<string> {
  const answer = new Promise<string>((resolve, reject) => {
    socket.once('message', (data) => resolve(String(data)))
    socket.once('close', (code) => reject(new Error(`closed with ${code}`)))
  })
  socket.send(text)
  return await answer
}

t.test('a config is reloaded 20 times: no request fails, WebSockets of unchanged sites stay', async (t) => {
  const echo = await startEcho(t)
  const shop = { upstreams: [echo.url] }
  const config = (round: number) => ({
    fronts: 2,
    log: { access: false },
    sites: { shop, chat: { upstreams: [echo.url], timeoutMs: 1_000 + round }, [`extra-${round}`]: {} },
  })
  const grove = await startGrove(t, { config: config(0) })
  const folder = t.testdir()
  await publish(grove, folder, 1)
  const kept = await openSocket(grove, 'shop')
  const visitors = hammer(grove, { http1: 16, http2: 16 })
  const stopPublishing = keepPublishing(grove, folder)
  for (let round = 1; round <= 20; round++) {
    grove.writeConfig(config(round))
    const { generation, changed } = await grove.reload()
    t.equal(generation, round + 1)
    t.ok(changed)
    if (round % 5 === 0) t.equal(await ask(kept, `round ${round}`), `echo round ${round}`)
  }
  t.equal((await grove.visitor.http1(grove.url('extra-20'))).status, 404, 'the last config is in force')
  const stranger = grove.newVisitor()
  t.teardown(() => stranger.close())
  await t.rejects(stranger.http1(grove.url('extra-19')), 'a site of an earlier config is gone')
  const last = await stopPublishing()
  await grove.until(() => visitors.versions.has(last))
  await visitors.stop()
  t.same(visitors.failures, [])
  t.same(visitors.wrong, [])

  grove.writeConfig({ ...config(20), sites: { shop: { upstreams: [] } } })
  const closed = new Promise<number>((resolve) => kept.once('close', resolve))
  await grove.reload()
  t.ok(await closed, 'the WebSocket of a site whose upstream is gone is closed')
})

t.test('a bad config keeps the old one and says why', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1, sites: { blog: {} } } })
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  t.teardown(() => holder.close())
  const { port: taken } = holder.address() as AddressInfo
  for (const [name, config, plugins, reason] of [
    ['an unknown key', { colour: 'red' }, '', /colour: expected no such key/],
    ['a plugin that does not start', {}, "{ name: 'sad', start() { throw new Error('no luck') } }", /sad.*no luck/],
    ['a port that is taken', { listen: { https: taken } }, '', /holds the port/],
  ] as const) {
    grove.writeConfig({ fronts: 1, sites: { other: {} }, ...config }, plugins)
    const { exitCode, err } = await grove.command(['reload'])
    t.equal(exitCode, 1, name)
    t.match(err, reason, name)
    const { sites, generation } = await grove.status()
    t.equal(generation, 1, name)
    t.same(
      sites.map((site) => site.name),
      ['blog'],
      name,
    )
    t.equal((await grove.visitor.http2(grove.url('blog'))).status, 404, name)
  }
})
