import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { nodeEnvironment as env } from '../../../store/environment-node.ts'
import { openRange, openStream, plainBare, sealStream, storedRange, writeBare } from '../../../store/segments/bare.ts'
import { keyIdOf } from '../../../store/segments/keyring.ts'
import type { BareRef } from '../../../store/segments/segment.ts'
import { context, hashOf, keyringOf, noise, seeded } from './fixtures/segments.ts'

const mib = 1_048_576
const keyring = keyringOf(1)

async function* chunksOf(bytes: Buffer, chunkBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** A sealed content in memory, and its reference. */
async function sealed(content: Buffer, chunkBytes = 65_536): Promise<{ ref: BareRef; stored: Buffer }> {
  const options = { env, keyring, context, hash: hashOf(content), bytes: content.length }
  const { seal, storedBytes, stream } = sealStream(options, chunksOf(content, chunkBytes))
  const stored = await all(stream)
  return { ref: { id: hashOf(stored), hash: options.hash, bytes: content.length, storedBytes, seal }, stored }
}

t.test('a large content is sealed and opened, whatever the pieces it comes in', async (t) => {
  for (const length of [0, 1, mib - 1, mib, mib + 1, 3 * mib, 3 * mib + 77]) {
    const content = noise(length)
    for (const chunkBytes of [60_000, mib, 4 * mib]) {
      const { ref, stored } = await sealed(content, chunkBytes)
      t.equal(stored.length, ref.storedBytes, `${length} bytes`)
      const opened = await all(openStream({ ref, context, keyring }, chunksOf(stored, chunkBytes)))
      t.ok(opened.equals(content))
    }
  }
})

t.test('a plain one is itself', async (t) => {
  const content = noise(100_000)
  const ref = plainBare(hashOf(content), content.length)
  t.equal(keyIdOf(ref), undefined)
  t.ok((await all(openStream({ ref, context }, chunksOf(content, 999)))).equals(content))
  t.same(storedRange(ref, { offset: 5, length: 7 }), { offset: 5, length: 7 })
  t.ok(openRange({ ref, context }, { offset: 5, length: 7 }, content.subarray(5, 12)).equals(content.subarray(5, 12)))
  const other = Buffer.from(content)
  other.writeUInt8(other.readUInt8(7) ^ 1, 7)
  for (const bytes of [other, content.subarray(1), Buffer.concat([content, content])])
    await t.rejects(all(openStream({ ref, context }, chunksOf(bytes, 999))), { code: 'ERR_BLOB_CORRUPT' })
})

t.test('any part of a content comes from the blocks that hold it', async (t) => {
  const content = noise(3 * mib + 500)
  const { ref, stored } = await sealed(content)
  const range = fc
    .tuple(fc.nat(content.length), fc.nat(content.length))
    .map(([a, b]) => ({ offset: Math.min(a, b), length: Math.abs(a - b) }))
  const edges = [0, 1, mib - 1, mib, mib + 1, 3 * mib, content.length]
  const examples = edges.flatMap((a) =>
    edges.filter((b) => b >= a).map((b) => [{ offset: a, length: b - a }] as [{ offset: number; length: number }]),
  )
  fc.assert(
    fc.property(range, (part) => {
      const { offset, length } = storedRange(ref, part)
      if (length > part.length + 2 * (mib + 16)) return false
      const opened = openRange({ ref, context, keyring }, part, stored.subarray(offset, offset + length))
      return opened.equals(content.subarray(part.offset, part.offset + part.length))
    }),
    { numRuns: 40, examples },
  )
  for (const part of [
    { offset: -1, length: 1 },
    { offset: 0, length: content.length + 1 },
    { offset: Number.NaN, length: 1 },
  ])
    t.throws(() => storedRange(ref, part), { code: 'ERR_BAD_REQUEST' })
  t.throws(() => openRange({ ref, context, keyring }, { offset: 0, length: 1 }, stored.subarray(0, mib)), {
    code: 'ERR_BLOB_CORRUPT',
  })
})

t.test('an object that was changed, cut off, lengthened or put in another order does not open', async (t) => {
  const content = noise(2 * mib + 100)
  const { ref, stored } = await sealed(content)
  const [first, second, last] = [
    stored.subarray(0, mib + 16),
    stored.subarray(mib + 16, 2 * mib + 32),
    stored.subarray(2 * mib + 32),
  ]
  const changedAt = (at: number) => {
    const bytes = Buffer.from(stored)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at)
    return bytes
  }
  const table: [string, Buffer][] = [
    ['first byte', changedAt(0)],
    ['a tag', changedAt(mib + 3)],
    ['last byte', changedAt(stored.length - 1)],
    ['nothing', Buffer.alloc(0)],
    ['a part of a block', stored.subarray(0, 99)],
    ['without the last block', Buffer.concat([first, second])],
    ['without the first block', Buffer.concat([second, last])],
    ['without the last byte', stored.subarray(0, -1)],
    ['blocks swapped', Buffer.concat([second, first, last])],
    ['a block twice', Buffer.concat([first, first, last])],
    ['the last block twice', Buffer.concat([stored, last])],
    ['a byte more', Buffer.concat([stored, Buffer.alloc(1)])],
    ['much more', Buffer.concat([stored, Buffer.alloc(3 * mib)])],
  ]
  for (const [name, bytes] of table) {
    const reading = all(openStream({ ref, context, keyring }, chunksOf(bytes, 65_536)))
    await t.rejects(reading, { code: 'ERR_BLOB_CORRUPT' }, name)
  }
  const part = { offset: mib, length: 5 }
  t.throws(() => openRange({ ref, context, keyring }, part, first), { code: 'ERR_BLOB_CORRUPT' }, 'another block')
})

t.test('a sealed object opens for its own site, content and key only', async (t) => {
  const content = noise(1_000)
  const { ref, stored } = await sealed(content)
  const other = await sealed(noise(1_000, 2))
  const reading = (part: Partial<BareRef>, site = context, keys = keyring) =>
    all(openStream({ ref: { ...ref, ...part }, context: site, keyring: keys }, chunksOf(stored, 99)))
  await t.rejects(reading({}, { ...context, owner: 'bob' }), { code: 'ERR_BLOB_CORRUPT' })
  await t.rejects(reading({}, { ...context, log: '/sites/ada/shop/versions' }), { code: 'ERR_BLOB_CORRUPT' })
  await t.rejects(reading({ hash: other.ref.hash }), { code: 'ERR_BLOB_CORRUPT' })
  await t.rejects(reading({ bytes: 999 }), { code: 'ERR_BLOB_CORRUPT' })
  await t.rejects(reading({ seal: other.ref.seal as string }), { code: 'ERR_BLOB_CORRUPT' })
  await t.rejects(reading({}, context, keyringOf(2)), { code: 'ERR_KEY_MISSING' })
  await t.rejects(all(openStream({ ref, context }, chunksOf(stored, 99))), { code: 'ERR_KEY_MISSING' })
  t.ok((await reading({}, context, keyringOf(2, 1))).equals(content))
  t.equal(keyIdOf(ref), keyring.current)
})

t.test('the last block comes only when the content was the one that was said', async (t) => {
  const content = noise(mib + 5)
  const table: [string, Buffer][] = [
    ['another', noise(mib + 5, 2)],
    ['shorter', content.subarray(0, mib + 4)],
    ['a whole block only', content.subarray(0, mib)],
    ['longer', Buffer.concat([content, content])],
    ['nothing', Buffer.alloc(0)],
  ]
  for (const [name, given] of table) {
    const options = { env, keyring, context, hash: hashOf(content), bytes: content.length }
    const blocks: Buffer[] = []
    const sealing = async () => {
      for await (const block of sealStream(options, chunksOf(given, 10_000)).stream) blocks.push(block)
    }
    await t.rejects(sealing(), { code: 'ERR_BLOB_CORRUPT' }, name)
    t.ok(blocks.length <= 1, 'no last block')
  }
})

t.test('a source that never ends is left when it is longer than it said', async (t) => {
  let given = 0
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      given += 1
      yield Buffer.alloc(65_536)
    }
  }
  const options = { env, keyring, context, hash: hashOf(Buffer.alloc(0)), bytes: mib }
  await t.rejects(all(sealStream(options, endless()).stream), { code: 'ERR_BLOB_CORRUPT' })
  t.equal(given, 17)
})

t.test('a sealed object is a file with the name of its bytes; no two are equal, but under one seed', async (t) => {
  const folder = t.testdir()
  const content = noise(mib + 9)
  const write = async (from = env) => {
    const options = { env: from, folder, keyring, context, hash: hashOf(content), bytes: content.length }
    return writeBare(options, chunksOf(content, 65_536))
  }
  const { ref, file } = await write()
  const stored = readFileSync(file)
  t.equal(createHash('sha256').update(stored).digest('hex'), ref.id)
  t.equal(stored.length, ref.storedBytes)
  t.notOk(stored.includes(content.subarray(0, 32)))
  t.ok((await all(openStream({ ref, context, keyring }, chunksOf(stored, 65_536)))).equals(content))
  t.not((await write()).ref.id, ref.id)
  const again = await write(seeded(1))
  await env.files.remove(again.file)
  t.same((await write(seeded(1))).ref, again.ref)
})

t.test('a content that is another, or a disk that fails, leaves no file', async (t) => {
  const folder = t.testdir({})
  const content = noise(1_000)
  const options = { env, folder, keyring, context, hash: hashOf(content), bytes: content.length }
  await t.rejects(writeBare(options, chunksOf(noise(1_000, 2), 100)), { code: 'ERR_BLOB_CORRUPT' })
  const broken = (async function* () {
    yield content
    throw new Error('cut')
  })()
  await t.rejects(writeBare(options, broken), { message: 'cut' })
  t.same(readdirSync(folder), [])
})
