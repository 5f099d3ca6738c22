import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment as env } from '../../../store/environment-node.ts'
import { nodesOfTail, openFrame, readIndex, verifySegment } from '../../../store/segments/read-segment.ts'
import type { SegmentItem } from '../../../store/segments/segment.ts'
import { writeSegment } from '../../../store/segments/write-segment.ts'
import { context, hashOf, itemOf, keyringOf, noise, seeded, segmentOf } from './fixtures/segments.ts'

const keyrings = [undefined, keyringOf(1)]
const mib = 1_048_576

t.test('whatever is packed comes out again, from the parts that a reader asks for', async (t) => {
  const folder = t.testdir()
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.string({ maxLength: 50 }).map((text) => text.repeat(40)),
  )
  const items = fc.uniqueArray(fc.tuple(bytes, fc.constantFrom('content' as const, 'node' as const)), {
    minLength: 1,
    maxLength: 20,
    selector: ([given]) => hashOf(Buffer.from(given)),
  })
  await fc.assert(
    fc.asyncProperty(items, fc.boolean(), async (given, isSealed) => {
      const keyring = keyrings[Number(isSealed)]
      const packed = given.map(([content, kind]) => itemOf(content, kind))
      const segment = await segmentOf(folder, packed, { keyring })
      const index = readIndex(segment.ref, segment.bytes.subarray(segment.ref.indexOffset), context, keyring)
      t.same(index, segment.index, 'the index as written is the index as read')
      t.equal(index.frames.size, packed.length)
      for (const item of packed) {
        const frame = index.frames.get(item.hash)
        if (!frame) return false
        const stored = segment.bytes.subarray(frame.offset, frame.offset + frame.length)
        if (!item.given.equals(await openFrame(index, frame, stored, context, keyring))) return false
      }
      const nodes = new Map<string, Buffer>()
      const tail = segment.bytes.subarray(segment.ref.tailOffset)
      for await (const { hash, bytes } of nodesOfTail(index, tail, context, keyring)) nodes.set(hash, bytes)
      t.same(nodes, new Map(packed.flatMap(({ kind, hash, given }) => (kind === 'node' ? [[hash, given]] : []))))
      return true
    }),
    { numRuns: 60 },
  )
})

t.test('the name of a segment is the hash of its file', async (t) => {
  const { ref, bytes } = await segmentOf(t.testdir(), [itemOf('a'), itemOf('n', 'node')])
  t.equal(ref.id, createHash('sha256').update(bytes).digest('hex'))
  t.equal(ref.bytes, bytes.length)
  t.equal(ref.lo, context.lo)
  t.equal(ref.hi, context.hi)
})

t.test('contents lie before nodes, each in the order given, and what does not shrink stays as it is', async (t) => {
  const items = [
    itemOf('n'.repeat(99), 'node'),
    itemOf('b'.repeat(99)),
    itemOf(noise(999)),
    itemOf(''),
    itemOf('m', 'node'),
  ]
  const { ref, index } = await segmentOf(t.testdir(), items)
  const frames = [...index.frames.values()]
  t.same(
    frames.map(({ kind, codec, bytes, ordinal }) => [kind, codec, bytes, ordinal]),
    [
      ['content', 'zstd', 99, 0],
      ['content', 'raw', 999, 1],
      ['content', 'raw', 0, 2],
      ['node', 'zstd', 99, 3],
      ['node', 'raw', 1, 4],
    ],
  )
  t.equal(ref.tailOffset, frames[3]?.offset)
})

t.test('a segment without nodes has a tail that is its index; one of nodes is a tail almost whole', async (t) => {
  const folder = t.testdir()
  const contents = await segmentOf(folder, [itemOf('a')])
  t.equal(contents.ref.tailOffset, contents.ref.indexOffset)
  const nodes = await segmentOf(folder, [itemOf('a', 'node')])
  t.equal(nodes.ref.tailOffset, 8)
})

t.test('equal items under one seed give equal bytes, sealed or not; other seeds give other keys', async (t) => {
  const folder = t.testdir()
  const items = [itemOf('<p>'.repeat(1_000)), itemOf(noise(300_000)), itemOf('leaf'.repeat(30_000), 'node')]
  for (const keyring of keyrings) {
    const [one, two] = [
      await segmentOf(folder, items, { keyring, env: seeded(1) }),
      await segmentOf(folder, items, { keyring, env: seeded(1) }),
    ]
    t.ok(one.bytes.equals(two.bytes))
    t.same(one.ref, two.ref)
  }
  const other = await segmentOf(folder, items, { keyring: keyringOf(1), env: seeded(2) })
  t.not(other.ref.id, (await segmentOf(folder, items, { keyring: keyringOf(1), env: seeded(1) })).ref.id)
})

t.test('nothing of a sealed segment can be read in it', async (t) => {
  const text = 'a secret that does not compress: '
  const item = itemOf(Buffer.concat([Buffer.from(text), noise(200)]))
  const folder = t.testdir()
  const plain = await segmentOf(folder, [item])
  const sealed = await segmentOf(folder, [item], { keyring: keyringOf(1) })
  t.ok(plain.bytes.includes(text))
  t.notOk(sealed.bytes.includes(text))
  t.notOk(sealed.bytes.includes(Buffer.from(item.hash, 'hex')))
})

t.test('a large segment of large contents is written and read, the loop turning all the while', async (t) => {
  const folder = t.testdir()
  const items = [itemOf(noise(5 * mib)), itemOf('0123456789abcdef'.repeat((5 * mib) / 16)), itemOf(noise(5 * mib, 2))]
  for (const keyring of keyrings) {
    let turns = 0
    const ticking = setInterval(() => (turns += 1), 1)
    const segment = await segmentOf(folder, items, { keyring })
    clearInterval(ticking)
    t.ok(turns > 3, `${turns} turns`)
    t.same(
      [...(await verifySegment({ env, ...segment, context, keyring })).frames.values()].map(({ codec }) => codec),
      ['raw', 'zstd', 'raw'],
    )
  }
})

t.test('a thousand small contents leave turns to others', async (t) => {
  let turns = 0
  const counting: Environment = {
    ...env,
    turn: async () => {
      turns += 1
    },
  }
  const items = Array.from({ length: 1_000 }, (_, index) => itemOf(`${index} `.repeat(2_000)))
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
  await segmentOf(t.testdir(), items, { env: counting })
  t.ok(turns >= Math.floor(bytes / limits.segment.packInLineBytes / 2), `${turns} turns for ${bytes} bytes`)
})

t.test('a few contents are in memory at a time, whatever the number', async (t) => {
  let held = 0
  let most = 0
  const items = Array.from({ length: 50 }, (_, index) => {
    const item = itemOf(noise(1_000, index))
    const read = async () => {
      held += 1
      most = Math.max(most, held)
      await env.turn()
      held -= 1
      return item.given
    }
    return { ...item, read }
  })
  await segmentOf(t.testdir(), items)
  t.ok(most > 1 && most <= limits.segment.ahead, `${most} at once`)
})

t.test('what is not as it says is refused, and leaves no file', async (t) => {
  const good = itemOf('good')
  const reading = (read: () => Promise<Uint8Array>): SegmentItem => ({ ...itemOf('other'), read })
  const many = Array.from({ length: limits.segment.entries + 1 }, (_, index) => itemOf(String(index)))
  const large = { ...good, bytes: limits.segment.mostBytes + 1 }
  const table: [name: string, items: readonly SegmentItem[], error: { code: string } | { message: string }][] = [
    ['nothing', [], { code: 'ERR_BAD_REQUEST' }],
    ['one content twice', [good, itemOf('good', 'node')], { code: 'ERR_BAD_REQUEST' }],
    ['too many', many, { code: 'ERR_TOO_LARGE' }],
    ['too long', [large], { code: 'ERR_TOO_LARGE' }],
    ['another content', [good, reading(async () => Buffer.from('OTHER'))], { code: 'ERR_BLOB_CORRUPT' }],
    ['another length', [{ ...good, bytes: 5 }], { code: 'ERR_BLOB_CORRUPT' }],
    ['a read that fails', [good, reading(() => Promise.reject(new Error('gone')))], { message: 'gone' }],
    [
      'two reads that fail',
      [reading(() => Promise.reject(new Error('first'))), { ...good, read: () => Promise.reject(new Error('second')) }],
      { message: 'first' },
    ],
  ]
  const folder = t.testdir({})
  for (const [name, items, error] of table) {
    await t.rejects(writeSegment({ env, folder, context, items }), error, name)
    t.same(readdirSync(folder), [], 'no file')
  }
})

t.test('an error of the disk comes through as it is, at each step, and leaves no file', async (t) => {
  const folder = t.testdir({})
  for (const step of ['create', 'write', 'sync', 'close'] as const) {
    const full = Object.assign(new Error(`ENOSPC at ${step}`), { code: 'ENOSPC', syscall: 'write' })
    const failing: Environment = {
      ...env,
      files: {
        ...env.files,
        async create(path) {
          if (step === 'create') throw full
          const writer = await env.files.create(path)
          let failed = false
          const fail = async () => {
            failed = true
            throw full
          }
          return { ...writer, [step]: step === 'close' && failed ? writer.close : fail }
        },
      },
    }
    await t.rejects(writeSegment({ env: failing, folder, context, items: [itemOf('a')] }), full)
    t.same(readdirSync(folder), [], `after an error at ${step}`)
  }
})
