import { crc32, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { isGroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment as env } from '../../../store/environment-node.ts'
import type { Keyring } from '../../../store/segments/keyring.ts'
import { nodesOfTail, openFrame, readIndex, verifySegment } from '../../../store/segments/read-segment.ts'
import type { Frame, SegmentItem } from '../../../store/segments/segment.ts'
import { context, hashOf, itemOf, keyringOf, type MemorySegment, noise, segmentOf } from './fixtures/segments.ts'

const items = [itemOf('<p>hello</p>'.repeat(9)), itemOf(noise(40)), itemOf(''), itemOf('leaf '.repeat(30), 'node')]
const kinds: readonly [name: string, keyring: Keyring | undefined][] = [
  ['plain', undefined],
  ['sealed', keyringOf(1)],
]

/** Reads all of a segment as one does who has its parts: the index from the end, then each frame. */
async function readParts({ ref, bytes }: Omit<MemorySegment, 'index'>, keyring: Keyring | undefined, site = context) {
  const index = readIndex(ref, bytes.subarray(Math.min(ref.indexOffset, bytes.length)), site, keyring)
  const contents: Buffer[] = []
  for (const frame of index.frames.values())
    contents.push(await openFrame(index, frame, bytesOf(bytes, frame), site, keyring))
  return contents
}

function bytesOf(segment: Buffer, { offset, length }: Frame): Buffer {
  return segment.subarray(offset, offset + length)
}

function frameOf({ index }: MemorySegment, { hash }: SegmentItem): Frame {
  const frame = index.frames.get(hash)
  if (!frame) throw new Error('no such frame')
  return frame
}

const refused = (error: unknown) => isGroveError(error, 'ERR_BLOB_CORRUPT') || isGroveError(error, 'ERR_DATA_FORMAT')

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  return work().then(
    () => 'taken',
    (error: unknown) => (refused(error) || isGroveError(error, 'ERR_KEY_MISSING') ? error.code : String(error)),
  )
}

for (const [name, keyring] of kinds) {
  t.test(`${name}: no byte of a segment can change unseen, in no bit`, async (t) => {
    const segment = await segmentOf(t.testdir(), items, { keyring })
    t.same(
      await readParts(segment, keyring),
      items.map(({ given }) => given),
    )
    const taken: string[] = []
    for (let at = 0; at < segment.bytes.length; at++) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
        const bytes = Buffer.from(segment.bytes)
        bytes.writeUInt8(bytes.readUInt8(at) ^ mask, at)
        const changed = { ref: segment.ref, bytes }
        // Who reads parts does not look at the first 8 bytes; who reads all does.
        const parts = await codeOf(() => readParts(changed, keyring))
        if (at >= 8 && !parts.startsWith('ERR_')) taken.push(`part with byte ${at} ^ ${mask}: ${parts}`)
        const whole = await codeOf(() => verifySegment({ env, ...changed, context, keyring }))
        if (whole !== 'ERR_BLOB_CORRUPT') taken.push(`whole with byte ${at} ^ ${mask}: ${whole}`)
      }
    }
    t.same(taken, [])
  })

  t.test(`${name}: a segment that was cut off, or has more, is refused at each length`, async (t) => {
    const segment = await segmentOf(t.testdir(), items, { keyring })
    const lengths = Array.from({ length: segment.bytes.length }, (_, length) => length)
    for (const bytes of [
      ...lengths.map((length) => segment.bytes.subarray(0, length)),
      Buffer.concat([segment.bytes, Buffer.alloc(1)]),
    ]) {
      const cut = { ref: segment.ref, bytes }
      t.equal(await codeOf(() => readParts(cut, keyring)), 'ERR_BLOB_CORRUPT', `${bytes.length} bytes`)
      t.equal(await codeOf(() => verifySegment({ env, ...cut, context, keyring })), 'ERR_BLOB_CORRUPT')
    }
  })

  t.test(`${name}: a frame in the place of another is refused`, async (t) => {
    const twins = [itemOf(noise(50, 1)), itemOf(noise(50, 2)), itemOf(noise(50, 3), 'node')]
    const segment = await segmentOf(t.testdir(), twins, { keyring })
    const frames = [...segment.index.frames.values()]
    for (const one of frames) {
      for (const other of frames) {
        const opened = codeOf(() => openFrame(segment.index, one, bytesOf(segment.bytes, other), context, keyring))
        t.equal(await opened, one === other ? 'taken' : 'ERR_BLOB_CORRUPT')
      }
    }
  })

  t.test(`${name}: parts of two segments do not go together`, async (t) => {
    const folder = t.testdir()
    const one = await segmentOf(folder, [itemOf(noise(50, 1)), itemOf(noise(50, 2), 'node')], { keyring })
    const two = await segmentOf(folder, [itemOf(noise(50, 3)), itemOf(noise(50, 4), 'node')], { keyring })
    const { tailOffset, indexOffset, bytes } = one.ref
    t.same(
      [two.ref.tailOffset, two.ref.indexOffset, two.ref.bytes],
      [tailOffset, indexOffset, bytes],
      'alike in all lengths',
    )
    for (const at of [8, tailOffset, indexOffset, bytes - 64, bytes - 8]) {
      for (const [first, second] of [
        [one, two],
        [two, one],
      ] as const) {
        const mixed = Buffer.concat([first.bytes.subarray(0, at), second.bytes.subarray(at)])
        // The first and the last 8 bytes of all segments are the same.
        const isSame = mixed.equals(one.bytes) || mixed.equals(two.bytes)
        for (const { ref } of [one, two]) {
          const code = await codeOf(() => readParts({ ref, bytes: mixed }, keyring))
          const belongs = isSame && hashOf(mixed) === ref.id
          t.equal(code, belongs ? 'taken' : 'ERR_BLOB_CORRUPT', `mixed at ${at}`)
        }
      }
    }
  })

  t.test(`${name}: a frame that says another length, codec or hash is refused`, async (t) => {
    const segment = await segmentOf(t.testdir(), items, { keyring })
    const [text, noisy] = [frameOf(segment, items[0] as SegmentItem), frameOf(segment, items[1] as SegmentItem)]
    const table: [string, Frame][] = [
      ['fewer bytes', { ...text, bytes: text.bytes - 1 }],
      ['more bytes', { ...text, bytes: text.bytes + 1 }],
      ['no bytes', { ...text, bytes: 0 }],
      ['all the bytes that there may be', { ...text, bytes: limits.segment.mostBytes }],
      ['more bytes than there may be', { ...text, bytes: limits.segment.mostBytes + 1 }],
      ['4 GiB', { ...text, bytes: 2 ** 32 }],
      ['all the bytes that there are', { ...text, bytes: Number.MAX_SAFE_INTEGER }],
      ['less than nothing', { ...text, bytes: -1 }],
      ['no number of bytes', { ...text, bytes: Number.NaN }],
      ['a part of a byte', { ...text, bytes: 0.5 }],
      ['raw', { ...text, codec: 'raw' }],
      ['zstd', { ...noisy, codec: 'zstd' }],
      ['another hash', { ...text, hash: noisy.hash }],
      ['another length', { ...text, length: text.length - 1 }],
    ]
    for (const [what, frame] of table) {
      const stored = bytesOf(segment.bytes, frame)
      t.equal(await codeOf(() => openFrame(segment.index, frame, stored, context, keyring)), 'ERR_BLOB_CORRUPT', what)
    }
  })

  t.test(`${name}: a tail that is too short gives the nodes that it has, then the error`, async (t) => {
    const segment = await segmentOf(t.testdir(), [itemOf('one', 'node'), itemOf('two', 'node')], { keyring })
    const { tailOffset, indexOffset } = segment.ref
    const found: string[] = []
    const reading = async () => {
      const tail = segment.bytes.subarray(tailOffset, indexOffset - 1)
      for await (const { bytes } of nodesOfTail(segment.index, tail, context, keyring)) found.push(bytes.toString())
    }
    await t.rejects(reading(), { code: 'ERR_BLOB_CORRUPT' })
    t.same(found, ['one'])
  })
}

t.test('nodes of a tail do not hold on to it', async (t) => {
  const segment = await segmentOf(t.testdir(), [itemOf(noise(9), 'node'), itemOf('n'.repeat(999), 'node')])
  const tail = segment.bytes.subarray(segment.ref.tailOffset)
  for await (const { bytes } of nodesOfTail(segment.index, tail, context)) {
    t.equal(bytes.buffer.byteLength, bytes.length)
  }
})

t.test('a sealed segment opens for its own site and interval only', async (t) => {
  const keyring = keyringOf(1)
  const segment = await segmentOf(t.testdir(), items, { keyring })
  const { ref, bytes, index } = segment
  const frame = frameOf(segment, items[0] as SegmentItem)
  const table: [string, Partial<typeof context>][] = [
    ['owner', { owner: 'bob' }],
    ['log', { log: '/sites/ada/shop/versions' }],
    ['older interval', { lo: 2 }],
    ['newer interval', { hi: 8 }],
  ]
  for (const [what, other] of table) {
    const site = { ...context, ...other }
    const head = { ref: { ...ref, lo: site.lo, hi: site.hi }, seal: index.seal }
    t.throws(
      () => readIndex(head.ref, bytes.subarray(ref.indexOffset), site, keyring),
      { code: 'ERR_BLOB_CORRUPT' },
      what,
    )
    await t.rejects(openFrame(head, frame, bytesOf(bytes, frame), site, keyring), { code: 'ERR_BLOB_CORRUPT' }, what)
  }
  const otherOrdinal = { ...frame, ordinal: 1 }
  await t.rejects(openFrame(index, otherOrdinal, bytesOf(bytes, frame), context, keyring), { code: 'ERR_BLOB_CORRUPT' })
  const otherKind: Frame = { ...frame, kind: 'node' }
  await t.rejects(openFrame(index, otherKind, bytesOf(bytes, frame), context, keyring), { code: 'ERR_BLOB_CORRUPT' })
})

t.test('a sealed segment says which key is missing', async (t) => {
  const { ref, bytes, index } = await segmentOf(t.testdir(), items, { keyring: keyringOf(1) })
  const end = bytes.subarray(ref.indexOffset)
  const message = new RegExp(`segment ${ref.id} is sealed with key ${keyringOf(1).current}`)
  t.throws(() => readIndex(ref, end, context), { code: 'ERR_KEY_MISSING', message })
  t.throws(() => readIndex(ref, end, context, keyringOf(2)), { code: 'ERR_KEY_MISSING', message })
  t.same(readIndex(ref, end, context, keyringOf(2, 1)), index)
  const frame = frameOf({ ref, bytes, index }, items[0] as SegmentItem)
  await t.rejects(openFrame(index, frame, bytesOf(bytes, frame), context), { code: 'ERR_KEY_MISSING', message })
})

t.test('the seal of one segment does not open the frames of another', async (t) => {
  const folder = t.testdir()
  const keyring = keyringOf(1)
  const [one, two] = [await segmentOf(folder, items, { keyring }), await segmentOf(folder, items, { keyring })]
  const frame = frameOf(one, items[0] as SegmentItem)
  const opened = openFrame({ ref: one.ref, seal: two.index.seal }, frame, bytesOf(one.bytes, frame), context, keyring)
  await t.rejects(opened, { code: 'ERR_BLOB_CORRUPT' })
})

t.test('a frame is opened without an index, by its place and the head of its segment', async (t) => {
  const folder = t.testdir()
  for (const [, keyring] of kinds) {
    const segment = await segmentOf(folder, items, { keyring })
    const { hash, given } = items[0] as (typeof items)[0]
    const head = JSON.parse(JSON.stringify({ ref: segment.ref, seal: segment.index.seal?.toString('base64') }))
    const frame = JSON.parse(JSON.stringify(segment.index.frames.get(hash)))
    const restored = { ref: head.ref, seal: head.seal && Buffer.from(head.seal, 'base64') }
    t.same(await openFrame(restored, frame, bytesOf(segment.bytes, frame), context, keyring), given)
  }
})

t.test('a frame that unpacks to more than it says stops where it said', async (t) => {
  // Frames one after the other unpack as one text: 512 MiB.
  const bomb = Buffer.concat(Array(16).fill(zstdCompressSync(Buffer.alloc(32 * 1_048_576))))
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(bomb))
  const stored = Buffer.concat([bomb, check])
  const { index } = await segmentOf(t.testdir(), items)
  for (const bytes of [0, 1, 1_000, 300_000, limits.segment.mostBytes]) {
    const frame: Frame = {
      hash: hashOf(bomb),
      kind: 'content',
      codec: 'zstd',
      ordinal: 0,
      bytes,
      offset: 8,
      length: stored.length,
    }
    const before = process.memoryUsage().rss
    await t.rejects(openFrame(index, frame, stored, context), { code: 'ERR_BLOB_CORRUPT' })
    const grown = process.memoryUsage().rss - before
    t.ok(grown < 128 * 1_048_576, `${bytes} said, ${grown} bytes of memory more`)
  }
})
