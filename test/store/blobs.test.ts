import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { blobFile, type Layout, layoutOf } from '../../core/layout.ts'
import { type Blobs, openBlobs } from '../../store/blobs.ts'
import { codeOf } from './fixtures/drivers.ts'

const hashOf = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')

async function open(t: Test): Promise<{ layout: Layout; blobs: Blobs }> {
  const layout = layoutOf(t.testdir())
  return { layout, blobs: await openBlobs(layout) }
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

const leftovers = ({ temporary }: Layout) => readdirSync(temporary)

/** Sets when a blob was last used. */
function age(layout: Layout, hash: string, ageMs: number): void {
  const seconds = (Date.now() - ageMs) / 1000
  utimesSync(blobFile(layout, hash), seconds, seconds)
}

t.test('a content is kept under its hash and read back', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = hashOf('hello, world')
  t.equal(await blobs.bytesOf(hash), undefined)
  t.equal(await blobs.put(hash, chunks('hello', ', ', 'world'), 100), 12)
  t.equal(await blobs.bytesOf(hash), 12)
  t.equal((await blobs.read(hash)).toString(), 'hello, world')
  t.equal(statSync(blobFile(layout, hash)).mode & 0o777, 0o600)
  const empty = hashOf('')
  t.equal(await blobs.put(empty, chunks(), 0), 0, 'nothing is a content too')
  t.equal((await blobs.read(empty)).length, 0)
  const bytes = Buffer.alloc(3_000_000, 'abcdefg')
  t.equal(await blobs.putBytes(bytes), hashOf(bytes))
  t.equal(await blobs.putBytes(bytes), hashOf(bytes), 'twice')
  t.same(await blobs.missing([hashOf('x'), hash, hashOf('y'), hashOf('x')]), [hashOf('x'), hashOf('y')])
  const many = Array.from({ length: 300 }, (_, index) => hashOf(String(index)))
  t.same(await blobs.missing([...many, hash]), many)
  t.same(leftovers(layout), [])
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
  await t.rejects(blobs.put(hash, breaking(), 100), /connection lost/)
  const aborted = new Readable({ read() {} })
  const putting = blobs.put(hash, aborted, 100)
  aborted.destroy(new Error('aborted'))
  await t.rejects(putting, /aborted/)
  t.equal(await blobs.bytesOf(hash), undefined)
  t.same(leftovers(layout), [])
  t.equal(await blobs.put(hash, chunks('right'), 5), 5, 'and the right one can still come')
})

t.test('what is not a hash never becomes a file', async (t) => {
  const { blobs } = await open(t)
  for (const hash of ['', 'x', '../../../etc/passwd', `${'a'.repeat(63)}/`, 'A'.repeat(64), `${'a'.repeat(64)}\n`]) {
    t.equal(await codeOf(blobs.put(hash, chunks('x'), 10)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(blobs.read(hash)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(blobs.bytesOf(hash)), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(blobs.missing([hash])), 'ERR_BAD_REQUEST')
  }
})

t.test('many puts of one content at once are one blob', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = hashOf('abc')
  async function* slow(): AsyncGenerator<Uint8Array> {
    for (const text of ['a', 'b', 'c']) {
      await new Promise(setImmediate)
      yield Buffer.from(text)
    }
  }
  const lengths = await Promise.all(Array.from({ length: 20 }, () => blobs.put(hash, slow(), 3)))
  t.same(lengths, Array(20).fill(3))
  t.equal((await blobs.read(hash)).toString(), 'abc')
  t.same(leftovers(layout), [])
})

t.test('a blob that is there is kept, and its source is read to the end and checked', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = await blobs.putBytes(Buffer.from('abc'))
  const { ino } = statSync(blobFile(layout, hash))
  let ended = false
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* chunks('a', 'bc')
    ended = true
  }
  t.equal(await blobs.put(hash, source(), 3), 3)
  t.ok(ended)
  t.equal(statSync(blobFile(layout, hash)).ino, ino)
  t.equal(await codeOf(blobs.put(hash, chunks('other'), 10)), 'ERR_BLOB_MISMATCH')
  t.equal(await codeOf(blobs.put(hash, chunks('abc'), 2)), 'ERR_TOO_LARGE')
  t.equal((await blobs.read(hash)).toString(), 'abc')
})

t.test('a blob that the disk has lost or changed is told', async (t) => {
  const { layout, blobs } = await open(t)
  await t.rejects(blobs.read(hashOf('x')), { code: 'ERR_BLOB_MISSING', details: { missing: [hashOf('x')] } })
  const hash = await blobs.putBytes(Buffer.from('abc'))
  writeFileSync(blobFile(layout, hash), 'abd')
  await t.rejects(blobs.read(hash), { code: 'ERR_BLOB_CORRUPT', hint: /publish the content again/ })
  mkdirSync(blobFile(layout, hashOf('folder')))
  await t.rejects(blobs.read(hashOf('folder')), { code: 'ERR_DATA_IO' })
})

t.test('a damaged blob can be discarded and put again, a whole one cannot', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = await blobs.putBytes(Buffer.from('a whole content'))
  t.equal(await blobs.discardDamaged(hash), false)
  t.equal(await blobs.bytesOf(hash), 15)
  for (const damage of ['a whole', 'a wholf content', '']) {
    writeFileSync(blobFile(layout, hash), damage)
    t.equal(await blobs.discardDamaged(hash), true, damage)
    t.equal(await blobs.bytesOf(hash), undefined)
    await blobs.putBytes(Buffer.from('a whole content'))
    t.equal((await blobs.read(hash)).toString(), 'a whole content')
  }
  t.equal(await blobs.discardDamaged(hashOf('never there')), false)
})

t.test('what an earlier process had not finished is gone after opening, what it had finished is there', async (t) => {
  const { layout, blobs } = await open(t)
  const hash = await blobs.putBytes(Buffer.from('abc'))
  writeFileSync(join(layout.temporary, 'blob-half'), 'ab')
  mkdirSync(join(layout.temporary, 'folder'))
  const again = await openBlobs(layout)
  t.same(leftovers(layout), [])
  t.equal((await again.read(hash)).toString(), 'abc')
  await again.sync()
})

t.test('many syncs at once all end after the names are durable', async (t) => {
  const { blobs } = await open(t)
  for (let round = 0; round < 5; round += 1) {
    await blobs.putBytes(Buffer.from(String(round)))
    await Promise.all(Array.from({ length: 10 }, () => blobs.sync()))
  }
  t.pass('none failed')
})

t.test('a sync that failed once is never believed again', async (t) => {
  const { layout, blobs } = await open(t)
  await blobs.sync()
  const hash = await blobs.putBytes(Buffer.from('abc'))
  const folder = join(blobFile(layout, hash), '..')
  await rename(folder, `${folder}-gone`)
  t.equal(await codeOf(blobs.sync()), 'ERR_DATA_IO')
  await rename(`${folder}-gone`, folder)
  t.equal(await codeOf(blobs.sync()), 'ERR_DATA_IO')
  t.equal(await codeOf((await openBlobs(layout)).sync()), 'none', 'a new start takes all names again')
})

t.test('a process that had too many files open for a moment syncs again when it has not', async (t) => {
  const program = `
    import { closeSync, openSync } from 'node:fs'
    import { openBlobs } from ${JSON.stringify(join(import.meta.dirname, '../../store/blobs.ts'))}
    import { layoutOf } from ${JSON.stringify(join(import.meta.dirname, '../../core/layout.ts'))}
    const blobs = await openBlobs(layoutOf(${JSON.stringify(t.testdir())}))
    const files = []
    try {
      for (;;) files.push(openSync('/dev/null'))
    } catch {}
    const code = await blobs.sync().then(() => 'none', (error) => error.code + ': ' + error.hint)
    for (const file of files) closeSync(file)
    await blobs.sync()
    console.log(code)`
  const limited = ['-c', 'ulimit -n 150; exec "$0" --input-type=module -e "$1"', process.execPath, program]
  t.match(execFileSync('/bin/sh', limited, { encoding: 'utf8' }), /^ERR_DATA_IO: let grove open more files/)
})

t.test('a disk that does not take a content is told', async (t) => {
  const { layout, blobs } = await open(t)
  await rm(layout.temporary, { recursive: true })
  t.equal(await codeOf(blobs.putBytes(Buffer.from('abc'))), 'ERR_DATA_IO')
})

t.test('a sweep removes what nobody keeps and nobody used', async (t) => {
  const { layout, blobs } = await open(t)
  const [kept, old, young, asked, put] = await Promise.all(
    ['kept', 'old one', 'young', 'asked', 'put'].map((text) => blobs.putBytes(Buffer.from(text))),
  )
  if (!kept || !old || !young || !asked || !put) throw new Error('five blobs')
  const hourMs = 3_600_000
  for (const hash of [kept, old, asked, put]) age(layout, hash, 2 * hourMs)
  writeFileSync(join(layout.blobs, 'ab', 'a-note-of-the-operator'), '')
  await blobs.missing([asked])
  await blobs.put(put, chunks('put'), 3)
  const keep = (hash: string) => hash === kept
  t.same(await blobs.sweep(keep, { olderThanMs: hourMs }), { removed: 1, bytes: 7 })
  t.same(await blobs.missing([kept, old, young, asked, put]), [old])
  t.same(await blobs.sweep(keep, { olderThanMs: 0, signal: AbortSignal.abort() }), { removed: 0, bytes: 0 })
  t.equal((await blobs.sweep(keep, { olderThanMs: 0 })).removed, 3)
  t.same(await blobs.missing([kept]), [])
  t.ok(existsSync(join(layout.blobs, 'ab', 'a-note-of-the-operator')), 'it takes no file that is not a blob')
})
