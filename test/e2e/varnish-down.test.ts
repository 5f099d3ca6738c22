import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SiteDetail } from '../../core/admin-api.ts'
import { startVarnish } from '../services/varnish.ts'
import { fillOf, firstTree, purged, startCachedSite, treeOf } from './varnish-site.ts'

t.test('a purge waits for a Varnish that is down, over a stop and over kill -9, and leaves its receipt', async (t) => {
  const { grove, varnish, vcl, publish, delivered } = await startCachedSite(t)
  await publish(firstTree)
  await varnish[Symbol.asyncDispose]()

  const second = { ...firstTree, ...treeOf(['index.html'], 2) }
  t.match(await publish(second, 'blog', '--no-wait'), { version: 2, receipts: [] })
  const error = /^varnish at http:\/\/127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED/
  const isHeld = async (versions: number[]) => {
    const held = await grove.until(async () => (await grove.status()).outbox.find(({ attempts }) => attempts > 1))
    t.match(held, { plugin: 'cdn-varnish', site: 'blog', versions, error })
  }
  await isHeld([2])
  t.match(await grove.command(['status']), {
    exitCode: 0,
    out: /^outbox {3}cdn-varnish: blog@2, \d+ attempts, last: varnish at .* cannot be reached/m,
  })
  t.match(await grove.command(['site', 'show', 'blog']), {
    exitCode: 0,
    out: /blog@2 \(live\)\n(?: {2}.*\n)* {2}pending {4}cdn-varnish, \d+ attempts: varnish at .* cannot be reached/,
  })

  t.strictSame(await grove.stop(), { code: 0, signal: null })
  await grove.start()
  await isHeld([2])
  t.match(await publish({ ...second, ...treeOf(['about.html'], 3) }, 'blog', '--no-wait'), { version: 3 })
  await grove.kill()
  await grove.start()
  await isHeld([2, 3])

  const back = await startVarnish({ folder: join(t.testdir(), 'varnish'), vcl, port: varnish.port })
  t.teardown(() => back[Symbol.asyncDispose]())
  await delivered()
  const history = async () => (await grove.json<SiteDetail>(['site', 'show', 'blog'])).history
  const shown = await history()
  t.match(shown, [
    { version: 3, live: true, ...purged },
    { version: 2, ...purged },
    { version: 1, ...purged },
  ])
  const [, steps] =
    /^blog@3 \(live\)\n.*\n((?: {2}.*\n)*)/m.exec((await grove.command(['site', 'show', 'blog'])).out) ?? []
  t.match(steps, /^ {2}committed {2}\d+-.*\n {2}live {7}\d+-.*\n {2}purged {5}\d+-.* by cdn-varnish\n$/)
  t.strictSame(await grove.stop(), { code: 0, signal: null })
  await grove.start()
  t.strictSame(await history(), shown, 'the receipts are kept')
})

t.test('a Varnish that purges cannot reach is purged when they can', async (t) => {
  const gate = await openGate(t)
  const { grove, publish, ask, delivered } = await startCachedSite(t, ({ port }) => gate.leadTo(port))
  t.match(await publish(firstTree), purged)
  t.match(await publish(treeOf(['index.html']), 'shop'), purged)
  const shop = { host: 'shop.localhost' }
  const targets = ['/', '/page9/', '/about.html']
  for (const target of targets) await ask(target)
  const fills = await Promise.all(targets.map(async (target) => fillOf(await ask(target))))
  await ask('/', shop)

  await gate.close()
  await publish({ ...firstTree, ...treeOf(['index.html'], 2) }, 'blog', '--no-wait')
  await grove.json(['site', 'delete', 'shop', '--yes'])
  const isHeld = async () => {
    const held = await grove.until(async () => {
      const { outbox } = await grove.status()
      return outbox.length === 2 && outbox.every(({ attempts }) => attempts > 0) && outbox
    })
    t.match(held, [
      { site: 'blog', versions: [2], error: /cannot be reached/ },
      { site: 'shop', versions: [], error: /cannot be reached/ },
    ])
  }
  await isHeld()
  await grove.kill()
  await grove.start()
  await isHeld()
  t.equal((await ask('/')).body, 'index.html, version 1', 'nobody could tell Varnish')
  t.match(await ask('/', shop), { status: 200, isHit: true })

  await gate.open()
  await delivered()
  t.equal((await ask('/')).body, 'index.html, version 2')
  t.equal((await ask('/', shop)).status, 421)
  const [, ...stayed] = await Promise.all(targets.map(async (target) => fillOf(await ask(target))))
  t.strictSame(stayed, fills.slice(1), 'what had not changed is what it was')
})

/** A way to a port of loopback that can be closed while what is behind it runs on. */
interface Gate {
  /** Sets the port behind it, and answers the gate's own URL. */
  readonly leadTo: (port: number) => string
  /** Cuts all connections and refuses new ones. */
  readonly close: () => Promise<void>
  readonly open: () => Promise<void>
}

async function openGate(t: Test): Promise<Gate> {
  const sockets = new Set<Socket>()
  let target = 0
  const server = createServer((incoming) => {
    const outgoing = connect(target, '127.0.0.1')
    lead(incoming, outgoing)
    lead(outgoing, incoming)
  })
  const lead = (socket: Socket, other: Socket) => {
    sockets.add(socket)
    socket.on('error', () => other.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.pipe(other)
  }
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const port = await listen(0)
  const close = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.teardown(close)
  return {
    leadTo(to) {
      target = to
      return `http://127.0.0.1:${port}`
    },
    close,
    async open() {
      await listen(port)
    },
  }
}
