import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { Channel } from '../../core/channel.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

const schema = z.object({ say: z.string() })
type Message = z.output<typeof schema>

/** Two ends of one real socket. */
async function pair(t: Test): Promise<[Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const one = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [two] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    one.destroy()
    two.destroy()
    server.close()
  })
  return [one, two]
}

t.test('messages arrive, calls are answered, errors come back as errors', async (t) => {
  const [left, right] = await pair(t)
  const heard: string[] = []
  const server = new Channel<Message, Message>(right, {
    incoming: schema,
    receive: ({ say }) => {
      heard.push(say)
      if (say === 'fail') throw new GroveError('ERR_SITE_UNKNOWN', 'no such site', { details: { a: 1 } })
      return { echo: say }
    },
  })
  const client = new Channel<Message, Message>(left, { incoming: schema, receive: () => undefined })
  client.send({ say: 'hello' })
  t.same(await client.call({ say: 'ü\n"' }), { echo: 'ü\n"' })
  await t.rejects(client.call({ say: 'fail' }), { code: 'ERR_SITE_UNKNOWN', details: { a: 1 } })
  t.same(heard, ['hello', 'ü\n"', 'fail'])
  t.ok(server.open)
})

t.test('a big frame in many pieces arrives whole', async (t) => {
  const [left, right] = await pair(t)
  new Channel<Message, Message>(right, { incoming: schema, receive: ({ say }) => say.length })
  const client = new Channel<Message, Message>(left, { incoming: schema, receive: () => undefined })
  t.equal(await client.call({ say: 'x'.repeat(5_000_000) }), 5_000_000)
})

t.test('a call that is not answered times out, and one under way fails when the channel closes', async (t) => {
  const [left, right] = await pair(t)
  const server = new Channel<Message, Message>(right, { incoming: schema, receive: () => new Promise(() => {}) })
  const client = new Channel<Message, Message>(left, { incoming: schema, receive: () => undefined })
  await t.rejects(client.call({ say: 'x' }, 5), { code: 'ERR_TIMEOUT' })
  const pending = t.rejects(client.call({ say: 'x' }), { code: 'ERR_CLOSED' })
  server.close()
  right.destroy()
  await pending
  await t.rejects(client.call({ say: 'x' }), { code: 'ERR_CLOSED' })
  client.send({ say: 'into the void' })
  t.notOk(client.open)
})

t.test('the number of calls under way is bounded', async (t) => {
  const [left, right] = await pair(t)
  new Channel<Message, Message>(right, { incoming: schema, receive: () => new Promise(() => {}) })
  const client = new Channel<Message, Message>(left, { incoming: schema, receive: () => undefined })
  const calls = Array.from({ length: limits.channel.pending }, () => client.call({ say: 'x' }).catch(() => undefined))
  await t.rejects(client.call({ say: 'x' }), { code: 'ERR_TOO_MANY' })
  left.destroy()
  await Promise.all(calls)
})

for (const [name, bytes] of [
  ['no JSON', 'hello\n'],
  ['a list', '[1]\n'],
  ['a negative id', '{"id":-1,"message":{"say":"x"}}\n'],
  ['a message of another shape', '{"message":{"say":1}}\n'],
  ['no message', '{}\n'],
  ['a frame that never ends', 'x'.repeat(limits.channel.frameBytes + 10)],
] as const) {
  t.test(`a peer that sends ${name} is cut off`, async (t) => {
    const [left, right] = await pair(t)
    const closed = new Promise<GroveError | undefined>((resolve) => {
      new Channel<Message, Message>(right, { incoming: schema, receive: () => undefined, closed: resolve })
    })
    left.on('error', () => {})
    left.write(bytes)
    t.equal((await closed)?.code, 'ERR_CHANNEL')
  })
}

t.test('an answer that nobody waits for any more is dropped', async (t) => {
  const [left, right] = await pair(t)
  const client = new Channel<Message, Message>(left, { incoming: schema, receive: () => 'still here' })
  right.write('{"re":99,"message":1}\n{"id":1,"message":{"say":"x"}}\n')
  const [answer] = (await once(right, 'data')) as [Buffer]
  t.match(answer.toString(), /still here/)
  t.ok(client.open)
})

t.test('a peer that does not read is given up', async (t) => {
  const [left, right] = await pair(t)
  right.pause()
  const closed = new Promise<GroveError | undefined>((resolve) => {
    const client = new Channel<Message, Message>(left, { incoming: schema, receive: () => undefined, closed: resolve })
    const say = 'x'.repeat(8_000_000)
    for (let i = 0; i < 40 && client.open; i++) client.send({ say })
  })
  t.match((await closed)?.message, /unread/)
})
