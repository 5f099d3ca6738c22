/** The place where fronts connect: what other than a front would come, too late, twice or not at all. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Channel } from '../../../core/channel.ts'
import {
  type FrontToSupervisor,
  type SupervisorToFront,
  supervisorToFrontSchema,
} from '../../../core/supervisor-messages.ts'
import { createFronts, type Fronts } from '../../../sandbox/supervisor/fronts.ts'
import { shortFolder } from '../../control/fixtures/short-folder.ts'
import { silentLog } from '../../control/fixtures/silent-log.ts'
import { until } from './fixtures/host.ts'

async function listening(t: Test): Promise<{ fronts: Fronts; path: string }> {
  const path = join(shortFolder(t), 's.sock')
  const fronts = createFronts({ socket: path, receive: () => ({}), changed: () => {}, log: silentLog })
  await fronts.listen()
  t.teardown(() => fronts.close())
  return { fronts, path }
}

/** A front that says hello and answers as a test wants. */
async function hello(
  path: string,
  pid: number,
  receive: (message: SupervisorToFront) => unknown,
): Promise<Channel<SupervisorToFront, FrontToSupervisor>> {
  const channel = new Channel<SupervisorToFront, FrontToSupervisor>(connect(path), {
    incoming: supervisorToFrontSchema,
    receive,
  })
  await channel.call({ kind: 'hello', pid })
  return channel
}

function link(path: string, line: string): Socket {
  const socket = connect(path)
  socket.write(line)
  socket.on('error', () => {})
  return socket
}

for (const [name, bytes] of [
  ['no line', 'x'.repeat(1_000)],
  ['no JSON', 'hello\n'],
  ['a link of nobody', '{"link":"p","front":"x"}\n'],
  ['a link that nobody waits for', '{"link":"p","front":1}\n'],
  ['an HTTP request', 'GET / HTTP/1.1\r\n\r\n'],
  ['an unknown message', '{"message":{"kind":"what"}}\n'],
] as const)
  t.test(`a connection with ${name} is closed`, async (t) => {
    const { fronts, path } = await listening(t)
    const socket = link(path, bytes)
    socket.resume()
    if (name === 'no line') socket.end('\n')
    await once(socket, 'close')
    t.equal(fronts.current.size, 0)
  })

t.test('each front gives a connection, byte by byte if it likes', async (t) => {
  const { fronts, path } = await listening(t)
  const made: Socket[] = []
  await hello(path, 1, ({ kind }) => {
    if (kind === 'link') made.push(link(path, '{"link":"p","front":1}\n'))
    return {}
  })
  await hello(path, 2, async ({ kind }) => {
    if (kind !== 'link') return {}
    const socket = connect(path)
    made.push(socket)
    for (const char of '{"link":"p","front":2}\n') {
      socket.write(char)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return {}
  })
  const links = await fronts.connect('p')
  t.same([...links.keys()].sort(), [1, 2])
  for (const socket of [...links.values(), ...made]) socket.destroy()
})

t.test('a front that refuses is left out, and a second connection of one is closed', async (t) => {
  const { fronts, path } = await listening(t)
  const made: Socket[] = []
  await hello(path, 1, ({ kind }) => {
    if (kind === 'link') for (let n = 0; n < 2; n++) made.push(link(path, '{"link":"p","front":1}\n'))
    return {}
  })
  await hello(path, 2, () => {
    throw new Error('no')
  })
  const links = await fronts.connect('p')
  t.same([...links.keys()], [1])
  made[1]?.resume()
  await once(made[1] as Socket, 'close')
  for (const socket of [...links.values(), ...made]) socket.destroy()
  t.same(await fronts.connect('q'), new Map(), 'and where nobody comes there is none')
})

t.test('a front that goes while it is waited for is not waited for longer', async (t) => {
  const { fronts, path } = await listening(t)
  const channel = await hello(path, 1, () => {
    channel.close()
    return new Promise(() => {})
  })
  t.equal((await fronts.connect('p')).size, 0)
  await until(() => fronts.current.size === 0)
})

t.test('a front that comes back takes the place of itself', async (t) => {
  const { fronts, path } = await listening(t)
  const before = await hello(path, 1, () => ({}))
  const after = await hello(path, 1, () => ({ underWay: 0 }))
  await until(() => !before.open)
  t.same([...fronts.current], [1])
  await fronts.release('p', 3)
  after.close()
})

t.test('one that does not give up a process is not waited for long', async (t) => {
  const { fronts, path } = await listening(t)
  await hello(path, 1, () => 'nonsense')
  await fronts.release('p')
  t.pass('it did not throw')
})

t.test('what a front asks before its hello is not heard', async (t) => {
  const { fronts, path } = await listening(t)
  const channel = new Channel<SupervisorToFront, FrontToSupervisor>(connect(path), {
    incoming: supervisorToFrontSchema,
    receive: () => ({}),
  })
  t.same(await channel.call({ kind: 'need', site: 'a', version: 1 }), {})
  t.equal(fronts.current.size, 0)
  channel.close()
})
