import { once } from 'node:events'
import { createServer } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { type BoundSocket, bindSockets, closeSockets } from '../../cli/listening.ts'
import type { GroveError } from '../../core/errors.ts'
import type { ListenSpec } from '../../core/messages.ts'

const log = pino({ level: 'silent' })
const spec = (name: ListenSpec['name'], port: number, ...addresses: string[]): ListenSpec => ({ name, port, addresses })

function bind(t: Test, specs: ListenSpec[], held: readonly BoundSocket[] = []) {
  const change = bindSockets(specs, held, log)
  t.teardown(() => closeSockets(change.fresh, []))
  return change
}

async function takenPort(t: Test, address: string): Promise<number> {
  const server = createServer().listen(0, address)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

function failure(run: () => unknown): GroveError {
  try {
    run()
  } catch (error) {
    return error as GroveError
  }
  throw new Error('expected a failure')
}

t.test('one port for all addresses of a listener, also where any free port will do', async (t) => {
  const { sockets } = bind(t, [spec('https', 0, '127.0.0.1', '127.0.0.2', '127.0.0.3'), spec('http', 0, '127.0.0.1')])
  const [a, b, c, d] = sockets.map(({ port }) => port)
  t.ok(a !== undefined && a > 0 && a === b && b === c)
  t.not(a, d)
  t.equal(sockets[0]?.key, `https 127.0.0.1:${a}`)
})

t.test('a socket that is wanted again is kept, by what was asked or by its real port', async (t) => {
  const first = bind(t, [spec('https', 0, '127.0.0.1'), spec('http', 0, '127.0.0.1')])
  const [https, http] = first.sockets
  const again = bind(t, [spec('https', https?.port ?? 0, '127.0.0.1')], first.sockets)
  t.strictSame(again.sockets, [https])
  t.strictSame(again.fresh, [])
  t.strictSame(again.dropped, [http])
})

t.test('ports that change places keep their kernel sockets', async (t) => {
  const first = bind(t, [spec('https', 0, '127.0.0.1'), spec('http', 0, '127.0.0.1')])
  const [https, http] = first.sockets
  const swapped = bindSockets(
    [spec('https', http?.port ?? 0, '127.0.0.1'), spec('http', https?.port ?? 0, '127.0.0.1')],
    first.sockets,
    log,
  )
  t.equal(swapped.sockets[0]?.handle, http?.handle)
  t.equal(swapped.sockets[1]?.handle, https?.handle)
  t.equal(swapped.dropped.length, 2)
  closeSockets(swapped.dropped, swapped.sockets)
  t.equal(https?.handle.getsockname({}), 0, 'a handle that lives on is not closed')
})

t.test('wildcards of both families stand beside each other', async (t) => {
  const { sockets } = bind(t, [spec('https', 0, '0.0.0.0', '::')])
  t.strictSame(
    sockets.map(({ address }) => address),
    ['0.0.0.0', '::'],
  )
  t.equal(sockets[0]?.port, sockets[1]?.port)
})

t.test('a taken port is an error that names the holder and says what to do', async (t) => {
  const port = await takenPort(t, '127.0.0.2')
  const error = failure(() => bindSockets([spec('http', 0, '127.0.0.3'), spec('https', port, '127.0.0.2')], [], log))
  t.equal(error.code, 'ERR_PORT')
  t.match(error.message, `cannot listen on 127.0.0.2:${port} (https)`)
  t.match(error.details, { reason: 'EADDRINUSE', pid: process.pid, address: '127.0.0.2', port })
})

t.test('what was bound before a later fault is given back', async (t) => {
  const taken = await takenPort(t, '127.0.0.2')
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as { port: number }
  await new Promise((resolve) => free.close(resolve))
  failure(() => bindSockets([spec('http', port, '127.0.0.1'), spec('https', taken, '127.0.0.2')], [], log))
  const again = createServer().listen(port, '127.0.0.1')
  await once(again, 'listening')
  t.teardown(() => again.close())
})

t.test('an address that this machine does not have is an error, but for IPv6 on a machine without it', async (t) => {
  const error = failure(() => bindSockets([spec('plain', 0, '192.0.2.1')], [], log))
  t.match(error, { code: 'ERR_PORT', message: '192.0.2.1:0 (plain): this machine does not have the address' })
  t.match(
    failure(() => bindSockets([spec('https', 0, '2001:db8::1', '127.0.0.1')], [], log)).message,
    '[2001:db8::1]:0',
  )
})

t.test('a low port without the right to it is an error that says how to get it', async (t) => {
  const error = failure(() => asNobody(() => bindSockets([spec('https', 443, '127.0.0.1')], [], log)))
  t.match(error, {
    code: 'ERR_PORT',
    message: 'this user may not listen on port 443',
    hint: 'ip_unprivileged_port_start=443',
  })
})

/** Low ports are refused to everybody but root, so root steps down for a moment. */
function asNobody<T>(run: () => T): T {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    return run()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}
