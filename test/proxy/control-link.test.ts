import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Channel } from '../../core/channel.ts'
import { GroveError } from '../../core/errors.ts'
import { type ControlToFront, type FrontToControl, frontToControlSchema } from '../../core/messages.ts'
import { ControlLink } from '../../proxy/control-link.ts'

/** A socket path that is short enough for the kernel. */
function socketPath(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'grove-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return join(folder, 's')
}

async function listen(path: string): Promise<{ server: Server; next: () => Promise<Socket> }> {
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  return { server, next: async () => ((await once(server, 'connection')) as [Socket])[0] }
}

function control(socket: Socket, receive: (message: FrontToControl) => unknown) {
  return new Channel<FrontToControl, ControlToFront>(socket, { incoming: frontToControlSchema, receive })
}

t.test('a front says hello, takes calls in order and asks for certificates', async (t) => {
  const path = socketPath(t)
  const { server, next } = await listen(path)
  t.teardown(() => server.close())
  const connected = Promise.withResolvers<void>()
  const taken: string[] = []
  let slow = () => {}
  const link = new ControlLink({
    socket: path,
    index: 3,
    loaded: () => ['blog'],
    receive: async (message) => {
      if (message.kind === 'gone' && message.name === 'slow')
        await new Promise<void>((resolve) => {
          slow = resolve
        })
      taken.push('name' in message ? message.name : message.kind)
      return {}
    },
    changed: () => connected.resolve(),
  })
  t.teardown(() => link[Symbol.dispose]())
  const hellos: FrontToControl[] = []
  const leaf = { name: 'a.localhost', chain: 'c', key: 'k', notBeforeMs: 0, notAfterMs: 2, renewAtMs: 1 }
  const channel = control(await next(), (message) => {
    hellos.push(message)
    return message.kind === 'certificate' ? leaf : undefined
  })
  await connected.promise
  t.same(await link.certificate('a.localhost'), leaf)
  t.match(hellos[0], { kind: 'hello', index: 3, pid: process.pid, loaded: ['blog'] })

  const first = channel.call({ kind: 'gone', name: 'slow' })
  const second = channel.call({ kind: 'forget-certificates', names: [] })
  t.same(await channel.call({ kind: 'settle', name: 'apart' }), {}, 'settling does not wait its turn')
  slow()
  await Promise.all([first, second])
  t.same(taken, ['apart', 'slow', 'forget-certificates'])
})

t.test('calls about one site wait for each other and for those about all, not for other sites', async (t) => {
  const path = socketPath(t)
  const { server, next } = await listen(path)
  t.teardown(() => server.close())
  const gates = new Map(['a', 'forget-certificates'].map((name) => [name, Promise.withResolvers<void>()]))
  const begun: string[] = []
  const link = new ControlLink({
    socket: path,
    index: 0,
    loaded: () => [],
    async receive(message) {
      const name = message.kind === 'site' ? message.site.name : message.kind === 'gone' ? message.name : message.kind
      begun.push(message.kind === 'gone' ? `gone ${name}` : name)
      if (message.kind !== 'gone') await gates.get(name)?.promise
      return {}
    },
    changed: () => {},
  })
  t.teardown(() => link[Symbol.dispose]())
  const channel = control(await next(), () => undefined)
  const site = (name: string): ControlToFront => ({
    kind: 'site',
    site: { name, authorities: [], upstreams: [], timeoutMs: 1, bodyBytes: 1 },
  })
  const calls = [channel.call(site('a')), channel.call({ kind: 'gone', name: 'a' })]
  await channel.call(site('b'))
  t.same(begun, ['a', 'b'])
  calls.push(channel.call({ kind: 'forget-certificates', names: [] }), channel.call(site('b')))
  gates.get('a')?.resolve()
  await Promise.all(calls.slice(0, 2))
  while (begun.length < 4) await new Promise(setImmediate)
  t.same(begun.slice(2), ['gone a', 'forget-certificates'])
  gates.get('forget-certificates')?.resolve()
  await Promise.all(calls)
  t.same(begun.slice(4), ['b'])
})

t.test('a site is asked for, and the refusal told', async (t) => {
  const path = socketPath(t)
  const { server, next } = await listen(path)
  t.teardown(() => server.close())
  const link = new ControlLink({
    socket: path,
    index: 0,
    loaded: () => [],
    receive: async () => ({}),
    changed: () => {},
  })
  t.teardown(() => link[Symbol.dispose]())
  const asking = link.site('blog')
  control(await next(), (message) => {
    if (message.kind === 'site' && message.name !== 'blog') throw new GroveError('ERR_SITE_UNKNOWN', 'there is none')
    return {}
  })
  await asking
  await t.rejects(link.site('other'), { code: 'ERR_SITE_UNKNOWN' })
})

t.test('the line comes back by itself, and a failed call does not block the next', async (t) => {
  const path = socketPath(t)
  const changes: boolean[] = []
  const link = new ControlLink({
    socket: path,
    index: 0,
    loaded: () => [],
    receive: async (message) => {
      if (message.kind === 'gone') throw new Error('cannot')
      return {}
    },
    changed: (connected) => changes.push(connected),
  })
  t.teardown(() => link[Symbol.dispose]())
  const leaf = { name: 'a.localhost', chain: 'c', key: 'k', notBeforeMs: 0, notAfterMs: 2, renewAtMs: 1 }
  const early = link.certificate('a.localhost')
  const { server, next } = await listen(path)
  t.teardown(() => server.close())
  const first = await next()
  const asked = Promise.withResolvers<void>()
  const channel = control(first, (message) => {
    if (message.kind !== 'certificate') return undefined
    asked.resolve()
    return new Promise(() => {})
  })
  await asked.promise
  await t.rejects(channel.call({ kind: 'gone', name: 'x' }), { code: 'ERR_INTERNAL' })
  t.same(await channel.call({ kind: 'forget-certificates', names: [] }), {})
  first.destroy()
  const second = control(await next(), (message) => (message.kind === 'certificate' ? leaf : undefined))
  t.same(await early, leaf, 'a handshake that began while control was away, and was asked for twice')
  t.same(await second.call({ kind: 'forget-certificates', names: [] }), {})
  t.ok(changes.includes(false))
  link[Symbol.dispose]()
  await t.rejects(link.certificate('a.localhost'), { code: 'ERR_CLOSED' })
  t.equal(changes.at(-1), true)
})

t.test('a content is asked for and waited for, a copy is only told of', async (t) => {
  const path = socketPath(t)
  const { server, next } = await listen(path)
  t.teardown(() => server.close())
  const connected = Promise.withResolvers<void>()
  const link = new ControlLink({
    socket: path,
    index: 0,
    loaded: () => [],
    receive: async () => ({}),
    changed: () => connected.resolve(),
  })
  t.teardown(() => link[Symbol.dispose]())
  const hash = 'a'.repeat(64)
  const copy = { site: 'blog', hash, bytes: 3, coding: 'br', type: 'text/html' } as const
  link.reportCopy(copy)
  const told: FrontToControl[] = []
  control(await next(), (message) => {
    told.push(message)
    if (message.kind === 'content' && message.bytes === 9) throw new Error('nowhere')
    return {}
  })
  await connected.promise
  await link.content({ site: 'blog', hash, bytes: 5 })
  await t.rejects(link.content({ site: 'blog', hash, bytes: 9 }), { message: 'nowhere' })
  link.reportCopy(copy)
  while (told.length < 4) await new Promise(setImmediate)
  t.same(told.slice(1), [
    { kind: 'content', site: 'blog', hash, bytes: 5 },
    { kind: 'content', site: 'blog', hash, bytes: 9 },
    { kind: 'copy', ...copy },
  ])
})

t.test('what was counted last is given to control, and its answer waited for', async (t) => {
  const path = socketPath(t)
  const { server, next } = await listen(path)
  t.teardown(() => server.close())
  const connected = Promise.withResolvers<void>()
  const away = Promise.withResolvers<void>()
  const link = new ControlLink({
    socket: path,
    index: 0,
    loaded: () => [],
    receive: async () => ({}),
    changed: (isConnected) => (isConnected ? connected : away).resolve(),
  })
  t.teardown(() => link[Symbol.dispose]())
  const kept: FrontToControl[] = []
  const socket = await next()
  control(socket, async (message) => {
    await new Promise(setImmediate)
    if (message.kind === 'usage') kept.push(message)
    if (kept.length > 1) throw new Error('the disk is full')
  })
  await connected.promise
  await link.giveUsage([])
  const answered = { static: 1, upstream: 0, plugin: 0, error: 0 }
  const usage = { site: 'blog', fromMs: 1, toMs: 2, requests: 1, answered, sentBytes: 5, receivedBytes: 0 }
  await link.giveUsage([usage])
  t.same(kept, [{ kind: 'usage', usage: [usage] }], 'nothing counted, nothing said')
  await link.giveUsage([usage])
  t.equal(kept.length, 2, 'a control that cannot keep it is no reason not to end')
  const returned = next()
  socket.destroy()
  await away.promise
  const giving = link.giveUsage([usage])
  control(await returned, (message) => void (message.kind === 'usage' && kept.push(message)))
  await giving
  t.equal(kept.length, 3, 'a control that is coming back is waited for')
})
