import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { limits } from '../../core/limits.ts'
import { encodeFrame, frameTypes } from '../../core/sandbox-frames.ts'
import { createFrameLink, frameCost } from '../../core/sandbox-link.ts'

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

t.test('frames arrive, both ways, and an end is an end', async (t) => {
  const [left, right] = await pair(t)
  const ended = Promise.withResolvers<string | undefined>()
  const echo = createFrameLink({
    socket: right,
    onFrame: (type, stream, payload) => echo.write(type as 1, stream, Buffer.from(payload)),
    onEnd: ended.resolve,
  })
  const heard = Promise.withResolvers<string>()
  const link = createFrameLink({
    socket: left,
    onFrame: (_, stream, payload) => heard.resolve(`${stream} ${payload}`),
    onEnd: () => {},
  })
  link.write(frameTypes.request, 5, 'hello')
  t.equal(await heard.promise, '5 hello')
  link.close()
  t.notOk(link.isOpen)
  t.equal(await ended.promise, undefined)
  t.notOk(echo.isOpen)
  t.notOk(link.write(frameTypes.beat, 0), 'a closed link takes nothing')
  link.credit(1, 1)
  await link.whenDrained()
})

for (const [name, begin] of [
  ['bytes that are no frame', (socket: Socket) => socket.write(Buffer.alloc(20, 0xff))],
  ['a frame that its reader chokes on', (socket: Socket) => socket.write(encodeFrame(frameTypes.op, 1, 'choke'))],
] as const)
  t.test(`${name} end the link with a fault`, async (t) => {
    const [left, right] = await pair(t)
    const faults: (string | undefined)[] = []
    createFrameLink({
      socket: right,
      onFrame: () => {
        throw new Error('choked')
      },
      onEnd: (fault) => faults.push(fault),
    })
    begin(left)
    left.resume()
    await once(left, 'close')
    t.equal(faults.length, 1)
    t.type(faults[0], 'string')
  })

t.test('a link that is failed says why, once', async (t) => {
  const [, right] = await pair(t)
  const faults: (string | undefined)[] = []
  const link = createFrameLink({ socket: right, onFrame: () => {}, onEnd: (fault) => faults.push(fault) })
  link.fail('bad')
  link.fail('worse')
  link.close()
  t.same(faults, ['bad'])
})

t.test('a flood is read at the pace of the budget, and what is not read waits with whoever wrote it', async (t) => {
  const [left, right] = await pair(t)
  let frames = 0
  const link = createFrameLink({
    socket: right,
    budget: { burst: 1_000, perSecond: 10_000 },
    onFrame: () => {
      frames += 1
    },
    onEnd: () => {},
  })
  const flood = Buffer.concat(Array.from({ length: 10_000 }, () => encodeFrame(frameTypes.beat, 0)))
  const beganAtMs = performance.now()
  let sent = 0
  while (performance.now() - beganAtMs < 1_000) {
    if (!left.writableNeedDrain) {
      left.write(flood)
      sent += 10_000
    }
    await wait(5)
  }
  const seconds = (performance.now() - beganAtMs) / 1_000
  t.ok(link.isOpen)
  t.ok(sent > frames, 'more was written than read')
  // One piece of the socket may be over the budget.
  t.ok(frames < 1_000 + 10_000 * seconds + 16_000, `${frames} frames in ${seconds} s`)
  t.ok(frames > 5_000, 'it is slowed, and not stopped')
  t.ok(link.isHeld)
  link.close()
})

t.test('one link that gives much in a turn does not hold up another', async (t) => {
  const [busy, busyEnd] = await pair(t)
  const [quiet, quietEnd] = await pair(t)
  let bytes = 0
  const mark = Promise.withResolvers<number>()
  createFrameLink({
    socket: busyEnd,
    onFrame: (_, __, payload) => {
      bytes += payload.length
    },
    onEnd: () => {},
  })
  createFrameLink({ socket: quietEnd, onFrame: () => mark.resolve(bytes), onEnd: () => {} })
  const large = encodeFrame(frameTypes.body, 1, Buffer.alloc(limits.sandboxLink.payloadBytes))
  for (let n = 0; n < 64; n++) busy.write(large)
  quiet.write(encodeFrame(frameTypes.beat, 0))
  t.ok((await mark.promise) < 64 * limits.sandboxLink.payloadBytes, 'the quiet one was heard in between')
})

t.test('writing waits for an end that does not read', async (t) => {
  const [left, right] = await pair(t)
  right.pause()
  const link = createFrameLink({ socket: left, onFrame: () => {}, onEnd: () => {} })
  const piece = Buffer.alloc(65_536)
  // More than the system takes by itself.
  for (let n = 0; n < 400; n++) link.write(frameTypes.body, 1, piece)
  t.notOk(link.write(frameTypes.body, 1, piece))
  t.ok(link.queuedBytes > 0)
  let isDrained = false
  const drained = link.whenDrained().then(() => {
    isDrained = true
  })
  await wait(20)
  t.notOk(isDrained)
  right.resume()
  await drained
  t.equal(link.queuedBytes, 0)
})

t.test('bodies cost by the frame, what is parsed costs by its size', (t) => {
  t.equal(frameCost(frameTypes.body, 65_536), 1)
  t.equal(frameCost(frameTypes.beat, 0), 1)
  t.equal(frameCost(frameTypes.log, 10_240), 11)
  t.end()
})
