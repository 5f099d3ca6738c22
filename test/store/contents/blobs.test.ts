import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { blobFile, type Layout, layoutOf, uploadFile } from '../../../core/layout.ts'
import { type Blobs, openBlobs } from '../../../store/contents/blobs.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { codeOf } from '../fixtures/drivers.ts'

const hashOf = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')
const plenty = 2 ** 40

async function open(
  t: Test,
  { maxBytes = plenty, env = nodeEnvironment, folder = t.testdir() } = {},
): Promise<{ layout: Layout; blobs: Blobs; failures: unknown[] }> {
  const layout = layoutOf(folder)
  const failures: unknown[] = []
  const blobs = await openBlobs(env, layout, { maxBytes, onFailure: (error) => failures.push(error) })
  return { layout, blobs, failures }
}

/** The real environment, but for some calls on files. */
function withFiles(files: Partial<Environment['files']>): Environment {
  return { ...nodeEnvironment, files: { ...nodeEnvironment.files, ...files } }
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

/** Sets when a file was last used. */
function age(file: string, ageMs: number): void {
  const seconds = (Date.now() - ageMs) / 1000
  utimesSync(file, seconds, seconds)
}

t.test('a content is taken under its hash and read back', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = hashOf('hello, world')
  t.equal(await blobs.bytesOf(hash), undefined)
  t.equal(await blobs.fileOf(hash), undefined)
  t.equal(await blobs.put(hash, chunks('hello', ', ', 'world'), 100), 12)
  t.equal(await blobs.bytesOf(hash), 12)
  t.equal((await blobs.read(hash)).toString(), 'hello, world')
  t.equal(Buffer.concat(await Array.fromAsync(blobs.stream(hash))).toString(), 'hello, world')
  t.equal(statSync(uploadFile(layout, hash)).mode & 0o777, 0o600)
  const empty = hashOf('')
  t.equal(await blobs.put(empty, chunks(), 0), 0, 'nothing is a content too')
  t.equal((await blobs.read(empty)).length, 0)
  const bytes = Buffer.alloc(3_000_000, 'abcdefg')
  t.equal(await blobs.putBytes(bytes), hashOf(bytes))
  t.equal(await blobs.putBytes(bytes), hashOf(bytes), 'twice')
  t.same(readdirSync(layout.temporary), [])
})

t.test('what is sent is not what fronts read, before it is published', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = await blobs.putBytes(Buffer.from('content'))
  t.equal(await blobs.isCached(hash), false)
  t.equal(await blobs.fileOf(hash), uploadFile(layout, hash))
  await blobs.settle([hash, hashOf('nobody sent this')])
  t.equal(await blobs.isCached(hash), true)
  t.equal(await blobs.fileOf(hash), blobFile(layout, hash))
  t.equal(readFileSync(blobFile(layout, hash), 'utf8'), 'content')
  t.equal(existsSync(uploadFile(layout, hash)), false)
  await blobs.settle([hash])
  t.equal(await blobs.put(hash, chunks('con', 'tent'), 10), 7, 'one that is cached is not kept again')
  t.equal(existsSync(uploadFile(layout, hash)), false)
  const other = hashOf('of a segment')
  await blobs.accept(other, chunks('of a ', 'segment'), 12)
  t.equal(await blobs.isCached(other), true)
  t.equal(await codeOf(blobs.accept(other, chunks('of b segment'), 12)), 'ERR_BLOB_MISMATCH')
  t.equal((await blobs.read(other)).toString(), 'of a segment')
})

t.test('a content that is not what was announced leaves nothing behind', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = hashOf('right')
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('ri')
    throw new Error('connection lost')
  }
  t.equal(await codeOf(blobs.put(hash, chunks('wrong'), 100)), 'ERR_BLOB_MISMATCH')
  t.equal(await codeOf(blobs.put(hash, chunks('rig'), 100)), 'ERR_BLOB_MISMATCH', 'too short')
  t.equal(await codeOf(blobs.put(hash, chunks('rig', 'ht'), 4)), 'ERR_TOO_LARGE')
  await t.rejects(blobs.put(hash, breaking(), 100), { message: 'connection lost' })
  const broken = new Readable({ read() {} })
  const late = blobs.put(hash, broken, 100)
  broken.destroy(new Error('gone at once'))
  await t.rejects(late, { message: 'gone at once' })
  t.same(readdirSync(layout.temporary), [])
  t.equal(await blobs.bytesOf(hash), undefined)
  await blobs.put(hash, chunks('right'), 5)
  t.equal(await codeOf(blobs.put(hash, chunks('wrong'), 100)), 'ERR_BLOB_MISMATCH', 'also when the right one is there')
  t.equal((await blobs.read(hash)).toString(), 'right')
})

for (const text of ['', 'abc', '../x', 'A'.repeat(64), `${'a'.repeat(63)}/`, 'g'.repeat(64)]) {
  t.test(`${JSON.stringify(text.slice(0, 10))} is no name of a content`, async (t) => {
    const { blobs } = await open(t)
    t.equal(await codeOf(blobs.bytesOf(text)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(blobs.put(text, chunks('x'), 1)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(blobs.accept(text, chunks('x'), 1)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(blobs.read(text)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(blobs.isCached(text)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(() => blobs.stream(text)), 'ERR_BAD_REQUEST')
  })
}

t.test('damage on the disk is found when it is read, and can be repaired', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = await blobs.putBytes(Buffer.from('content'))
  t.equal(await blobs.discardDamaged(hash), false)
  writeFileSync(uploadFile(layout, hash), 'changed')
  t.equal(await codeOf(blobs.read(hash)), 'ERR_BLOB_CORRUPT')
  t.equal(await blobs.discardDamaged(hash), true)
  t.equal(await codeOf(blobs.read(hash)), 'ERR_BLOB_MISSING')
  t.equal(await codeOf(Array.fromAsync(blobs.stream(hash))), 'ERR_BLOB_MISSING')
  t.equal(await blobs.discardDamaged(hash), false)
  await blobs.putBytes(Buffer.from('content'))
  t.equal((await blobs.read(hash)).toString(), 'content')
})

t.test('a cache that is emptied by hand, with its folders, is filled again', async (t) => {
  const { layout, blobs } = await open(t)
  const empty = () => {
    for (const folder of [layout.blobs, layout.uploads]) rmSync(folder, { recursive: true, force: true })
  }
  empty()
  await blobs.accept(hashOf('accepted'), chunks('accepted'), 8)
  t.equal((await blobs.read(hashOf('accepted'))).toString(), 'accepted')
  empty()
  const hash = await blobs.putBytes(Buffer.from('sent'))
  rmSync(layout.blobs, { recursive: true, force: true })
  await blobs.settle([hash])
  t.equal(await blobs.isCached(hash), true)
  empty()
  t.match(await blobs.evict(), { keptBytes: 0 })
  t.same(await blobs.removeUploads(0), { files: 0, bytes: 0 })
})

t.test('an upload of an earlier process is checked before fronts get it', async (t) => {
  const folder = t.testdir()
  const earlier = await open(t, { folder })
  const [torn, whole] = [
    await earlier.blobs.putBytes(Buffer.from('torn')),
    await earlier.blobs.putBytes(Buffer.from('whole')),
  ]
  await earlier.blobs[Symbol.asyncDispose]()
  writeFileSync(uploadFile(earlier.layout, torn), 't\0\0n')
  const { blobs } = await open(t, { folder })
  t.equal(await blobs.bytesOf(torn), 4)
  await blobs.settle([torn, whole])
  t.equal(await blobs.isCached(torn), false)
  t.equal(await blobs.bytesOf(torn), undefined, 'so that it is sent again')
  t.equal(await blobs.isCached(whole), true)
})

t.test('what an earlier process had not finished is cleaned up', async (t) => {
  const folder = t.testdir({ tmp: { 'content-x': 'half' } })
  const { layout, blobs } = await open(t, { folder })
  t.same(readdirSync(layout.temporary), [])
  t.equal(readdirSync(layout.blobs).length, 256)
  t.equal(readdirSync(layout.uploads).length, 256)
  await blobs[Symbol.asyncDispose]()
})

t.test('errors of the disk name what could not be done', async (t) => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
  const failing = async () => {
    throw full
  }
  const told = (what: RegExp) => ({ code: 'ERR_DATA_IO', message: what, hint: /space/ })
  const create = await open(t, { env: withFiles({ create: failing }) })
  await t.rejects(create.blobs.putBytes(Buffer.from('x')), told(/cannot write content 2d711642/))
  const renaming = await open(t, { env: withFiles({ rename: failing }) })
  await t.rejects(renaming.blobs.putBytes(Buffer.from('x')), told(/cannot keep content/))
  await t.rejects(renaming.blobs.accept(hashOf('x'), chunks('x'), 1), told(/cannot keep content/))
  t.same(readdirSync(renaming.layout.temporary), [])
  const writing = await open(t, {
    env: withFiles({
      async create(path) {
        const writer = await nodeEnvironment.files.create(path)
        return { ...writer, write: failing }
      },
    }),
  })
  await t.rejects(writing.blobs.putBytes(Buffer.from('x')), told(/cannot write content/))
  t.same(readdirSync(writing.layout.temporary), [])
  const reading = await open(t, { env: withFiles({ read: failing, stream: failing as never, stat: failing }) })
  await t.rejects(reading.blobs.read(hashOf('x')), told(/cannot read content/))
  await t.rejects(reading.blobs.bytesOf(hashOf('x')), told(/cannot look for content/))
  await t.rejects(open(t, { env: withFiles({ makeFolder: failing }) }), told(/cannot prepare the data folder/))
})

t.test('the cache is kept within its size; what was used longest ago goes', async (t) => {
  const { layout, blobs, failures } = await open(t, { maxBytes: 10_000 })
  const hashes: string[] = []
  for (let index = 0; index < 9; index += 1) {
    const content = Buffer.alloc(1_000, String(index))
    hashes.push(hashOf(content))
    await blobs.accept(hashOf(content), chunks(content.toString()), 1_000)
    age(blobFile(layout, hashes[index] ?? ''), (10 - index) * 3_600_000)
  }
  await blobs.evict()
  t.equal(hashes.filter((hash) => existsSync(blobFile(layout, hash))).length, 9, 'nothing goes before it is too much')
  const upload = await blobs.putBytes(Buffer.alloc(50_000, 'sent'))
  const release = blobs.hold([hashes[0] ?? '', hashes[0] ?? ''])
  t.equal(await blobs.bytesOf(hashes[1] ?? ''), 1_000, 'asking for one is a use')
  writeFileSync(blobFile(layout, hashOf('a stranger')), 'x'.repeat(3_000))
  const { bytes, files, keptBytes } = await blobs.evict()
  t.same([files, bytes, keptBytes], [3, 3_000, 9_000])
  const left = hashes.map((hash) => existsSync(blobFile(layout, hash)))
  t.same(left, [true, true, false, false, false, true, true, true, true])
  t.equal(await blobs.bytesOf(upload), 50_000, 'what was sent stays')
  release()
  release()
  for (const hash of hashes) if (existsSync(blobFile(layout, hash))) age(blobFile(layout, hash), 7_200_000)
  const large = Buffer.alloc(9_000, 'large')
  await blobs.accept(hashOf(large), chunks(large.toString()), 9_000)
  while ((await blobs.evict()).files > 0);
  t.equal(existsSync(blobFile(layout, hashOf(large))), true, 'by itself, when it grows; the newest stays')
  t.same(failures, [])
  await blobs[Symbol.asyncDispose]()
})

t.test('many contents of one age go only as far as they have to', async (t) => {
  const { layout, blobs } = await open(t, { maxBytes: 50_000 })
  const hashes = Array.from({ length: 60 }, (_, index) => hashOf(Buffer.alloc(1_000, `${index} `)))
  for (const [index, hash] of hashes.entries()) {
    writeFileSync(blobFile(layout, hash), Buffer.alloc(1_000, `${index} `))
    age(blobFile(layout, hash), 3_600_000)
  }
  mkdirSync(`${layout.blobs}/other`)
  const { files } = await blobs.evict()
  t.equal(files, 15)
  t.same(await blobs.evict(), { files: 0, bytes: 0, keptBytes: 45_000 })
})

t.test('what came while it was held, or during a cut, is cut as soon as it can be', async (t) => {
  let counted: (() => Promise<void>) | undefined
  const env = withFiles({
    async list(folder) {
      const names = await nodeEnvironment.files.list(folder)
      if (/blobs$/.test(folder)) await counted?.()
      return names
    },
  })
  const { layout, blobs, failures } = await open(t, { maxBytes: 5_000, env })
  const take = async (text: string) => {
    const content = text.repeat(1_000)
    await blobs.accept(hashOf(content), chunks(content), 1_000)
    return hashOf(content)
  }
  const cachedBytes = () =>
    readdirSync(layout.blobs, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(`${entry.parentPath}/${entry.name}`).size, 0)
  const fits = async () => {
    while (cachedBytes() > 5_000) await setImmediate()
  }

  const letters = [...'abcdefgh']
  const release = blobs.hold(letters.map((letter) => hashOf(letter.repeat(1_000))))
  for (const letter of letters) await take(letter)
  t.match(await blobs.evict(), { files: 0, keptBytes: 8_000 }, 'all are held')
  release()
  await fits()

  counted = async () => {
    counted = undefined
    // After the names of the folders were read, so that the cut that is under way does not see them.
    for (const folder of readdirSync(layout.blobs)) rmSync(`${layout.blobs}/${folder}`, { recursive: true })
    for (const letter of 'ijklmnop') await take(letter)
  }
  await blobs.evict()
  await fits()
  t.same(failures, [])
})

t.test('a cache that cannot be cut is told, and does not stop what is taken', async (t) => {
  let isFailing = false
  const env = withFiles({
    async list(folder) {
      if (isFailing) throw new Error('EIO')
      return nodeEnvironment.files.list(folder)
    },
  })
  const { blobs, failures } = await open(t, { maxBytes: 10, env })
  isFailing = true
  await blobs.accept(hashOf('x'), chunks('x'), 1)
  await t.rejects(blobs.evict(), { message: 'EIO' })
  t.match(failures, [{ message: 'EIO' }])
})

t.test('uploads that nobody asks for are removed after a while', async (t) => {
  const { layout, blobs } = await open(t)
  const [old, asked, held, young] = (await Promise.all(
    ['old', 'asked', 'held', 'young'].map((text) => blobs.putBytes(Buffer.from(text))),
  )) as [string, string, string, string]
  for (const hash of [old, asked, held]) age(uploadFile(layout, hash), 100_000)
  await blobs.bytesOf(asked)
  const release = blobs.hold([held])
  t.same(await blobs.removeUploads(90_000, AbortSignal.abort()), { files: 0, bytes: 0 })
  t.same(await blobs.removeUploads(90_000), { files: 1, bytes: 3 })
  for (const hash of [asked, held, young]) t.ok(existsSync(uploadFile(layout, hash)))
  release()
  t.same(await blobs.removeUploads(90_000), { files: 1, bytes: 4 })
})

t.test('two puts of one content, and a removal beside them, leave it whole or away', async (t) => {
  const { layout, blobs } = await open(t)
  const content = 'x'.repeat(10_000)
  const hash = hashOf(content)
  for (let round = 0; round < 20; round += 1) {
    const puts = Promise.all([blobs.put(hash, chunks(content), 10_000), blobs.put(hash, chunks(content), 10_000)])
    await Promise.all([puts, blobs.removeUploads(0), blobs.discardDamaged(hash), blobs.settle([hash])])
    const bytes = await blobs.bytesOf(hash)
    if (bytes !== undefined) t.equal((await blobs.read(hash)).toString(), content)
    if (await blobs.isCached(hash)) await rename(blobFile(layout, hash), uploadFile(layout, hash))
  }
})

t.test('a content that is moved into the cache while it is looked for is found', async (t) => {
  let move: (() => Promise<void>) | undefined
  const moving = async (path: string) => {
    const due = /blobs\//.test(path) ? move : undefined
    if (due) move = undefined
    return due
  }
  const env = withFiles({
    async read(path) {
      const due = await moving(path)
      return nodeEnvironment.files.read(path).finally(due)
    },
    async stat(path) {
      const due = await moving(path)
      const found = await nodeEnvironment.files.stat(path)
      await due?.()
      return found
    },
    async *stream(path) {
      const due = await moving(path)
      try {
        yield* nodeEnvironment.files.stream(path)
      } finally {
        await due?.()
      }
    },
  })
  const { layout, blobs } = await open(t, { env })
  const ways: Record<string, (hash: string) => Promise<unknown>> = {
    read: async (hash) => (await blobs.read(hash)).toString(),
    stream: async (hash) => Buffer.concat(await Array.fromAsync(blobs.stream(hash))).toString(),
    fileOf: async (hash) => (await blobs.fileOf(hash)) === blobFile(layout, hash) && 'fileOf',
  }
  for (const [name, look] of Object.entries(ways)) {
    const hash = await blobs.putBytes(Buffer.from(name))
    move = () => rename(uploadFile(layout, hash), blobFile(layout, hash))
    t.equal(await look(hash), name, name)
  }
})

t.test('a cut that fails leaves nobody in the belief that all fits', async (t) => {
  let failing: (() => Promise<void>) | undefined
  const env = withFiles({
    async list(folder) {
      if (failing && /blobs$/.test(folder)) {
        await failing()
        throw new Error('EIO')
      }
      return nodeEnvironment.files.list(folder)
    },
  })
  const { layout, blobs } = await open(t, { maxBytes: 5_000, env })
  const take = (letter: string) => blobs.accept(hashOf(letter.repeat(1_000)), chunks(letter.repeat(1_000)), 1_000)
  await take('a')
  t.match(await blobs.evict(), { keptBytes: 1_000 })
  failing = async () => {
    failing = undefined
    for (const letter of 'bcde') await take(letter)
  }
  await t.rejects(blobs.evict(), { message: 'EIO' })
  await take('f')
  const count = () =>
    [...'abcdef'].filter((letter) => existsSync(blobFile(layout, hashOf(letter.repeat(1_000))))).length
  for (let turn = 0; turn < 10_000 && count() > 5; turn += 1) await setImmediate()
  t.ok(count() <= 5, 'six do not fit')
})
