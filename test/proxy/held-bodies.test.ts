import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { createHeldBodies } from '../../proxy/held-bodies.ts'

t.test('a body is whole, in whatever pieces it came', async (t) => {
  const bodies = createHeldBodies({ bodyBytes: 10_000, totalBytes: 100_000 })
  const text = 'grove '.repeat(1_000)
  for (const pieceBytes of [1, 7, 1_023, 1_024, 1_025, 6_000]) {
    const pieces: Buffer[] = []
    for (let at = 0; at < text.length; at += pieceBytes) pieces.push(Buffer.from(text.slice(at, at + pieceBytes)))
    using held = await bodies.take(Readable.from(pieces, { objectMode: false }))
    t.ok(held.bytes.equals(Buffer.from(text)), `${pieceBytes} bytes at a time`)
  }
  using nothing = await bodies.take(Readable.from([]))
  t.equal(nothing.bytes.length, 0)
  using most = await bodies.take(Readable.from([Buffer.alloc(10_000)]))
  t.equal(most.bytes.length, 10_000)
  await t.rejects(bodies.take(Readable.from([Buffer.alloc(10_000), Buffer.alloc(1)])), { code: 'ERR_TOO_LARGE' })
})

t.test('all bodies together are bounded, those that are still coming too, and room comes back', async (t) => {
  const bodies = createHeldBodies({ bodyBytes: 4_096, totalBytes: 8_192 })
  const coming = new PassThrough()
  const first = bodies.take(coming)
  coming.write(Buffer.alloc(4_096))
  const second = await bodies.take(Readable.from([Buffer.alloc(4_000)]))
  await t.rejects(bodies.take(Readable.from([Buffer.alloc(1)])), { code: 'ERR_TOO_MANY' })
  second[Symbol.dispose]()
  second[Symbol.dispose]()
  const third = await bodies.take(Readable.from([Buffer.alloc(4_096)]))
  await t.rejects(bodies.take(Readable.from([Buffer.alloc(1)])), { code: 'ERR_TOO_MANY' }, 'freed once only')
  coming.destroy(new Error('client went away'))
  await t.rejects(first, { message: 'client went away' })
  const fourth = await bodies.take(Readable.from([Buffer.alloc(4_096)]))
  t.equal(third.bytes.length + fourth.bytes.length, 8_192)
})
