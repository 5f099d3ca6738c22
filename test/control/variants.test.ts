import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { pino } from 'pino'
import t from 'tap'
import { createVariants, findVariants, type VariantSource, wantsVariants } from '../../control/variants.ts'
import { codings } from '../../core/compiled.ts'
import { blobFile, layoutOf, variantFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { type Blobs, openBlobs } from '../../store/contents/blobs.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'

const html = 'text/html; charset=utf-8'
const text = (about: string) => Buffer.from(`All about ${about}. `.repeat(200))

/** A data folder with a maker of copies, and what that logs. */
async function setUp(folder: string, read?: (blobs: Blobs, hash: string) => Promise<Buffer>) {
  const layout = layoutOf(folder)
  const blobs = await openBlobs(nodeEnvironment, layout, { maxBytes: 1_000_000_000 })
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const reader = { read: (hash: string) => (read ? read(blobs, hash) : blobs.read(hash)) }
  const variants = createVariants({ layout, blobs: reader, log: pino(stream) })
  const put = async (content: Buffer, type = html): Promise<VariantSource> => {
    const hash = await blobs.putBytes(content)
    await blobs.settle([hash])
    return { hash, bytes: content.length, type }
  }
  const ensured: string[] = []
  const ensure = async (hash: string) => void ensured.push(hash)
  const request = (files: readonly VariantSource[]) => variants.request(files, ensure)
  return { layout, variants: { ...variants, request }, lines, put, ensure, ensured }
}

t.test('copies in every coding are made, and each decodes to the original', async (t) => {
  const { layout, variants, put } = await setUp(t.testdir())
  const source = await put(text('copies'))
  t.same(await findVariants(layout, source.hash), { variants: [], isComplete: false })
  await variants.request([source])
  const { variants: found, isComplete } = await findVariants(layout, source.hash)
  t.equal(isComplete, true)
  t.same(
    found.map(({ coding }) => coding),
    codings,
  )
  const decoders = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync }
  for (const { coding, bytes } of found) {
    const copy = readFileSync(variantFile(layout, source.hash, coding))
    t.equal(copy.length, bytes)
    t.ok(decoders[coding](copy).equals(text('copies')))
  }
  t.same(readdirSync(layout.temporary), [])
  await variants.close()
})

t.test('a copy that is not at least a twentieth smaller is not kept, and not tried again', async (t) => {
  const reads: string[] = []
  const { layout, variants, put } = await setUp(t.testdir(), (blobs, hash) => {
    reads.push(hash)
    return blobs.read(hash)
  })
  const source = await put(randomBytes(5_000))
  await variants.request([source])
  t.same(await findVariants(layout, source.hash), { variants: [], isComplete: true })
  for (const coding of codings) t.equal(statSync(variantFile(layout, source.hash, coding)).size, 0)
  await variants.request([source])
  t.equal(reads.length, 1)
})

t.test('copies that are there stay, and only the others are made', async (t) => {
  const { layout, variants, put } = await setUp(t.testdir())
  const source = await put(text('some'))
  await variants.request([source])
  const br = variantFile(layout, source.hash, 'br')
  const { ino } = statSync(br)
  rmSync(variantFile(layout, source.hash, 'gzip'))
  await variants.request([source])
  t.equal(statSync(br).ino, ino)
  t.ok(existsSync(variantFile(layout, source.hash, 'gzip')))
})

t.test('no copies are made of what does not get smaller, is tiny, or is huge', async (t) => {
  const { minBytes, maxBytes } = limits.variant
  t.ok(wantsVariants(html, minBytes))
  t.ok(wantsVariants(html, maxBytes))
  t.notOk(wantsVariants(html, minBytes - 1))
  t.notOk(wantsVariants(html, maxBytes + 1))
  t.notOk(wantsVariants('image/png', 5_000))
  const { layout, variants, put } = await setUp(t.testdir())
  const sources = [await put(text('pixels'), 'image/png'), await put(Buffer.from('tiny'))]
  await variants.request(sources)
  for (const { hash } of sources) t.equal((await findVariants(layout, hash)).isComplete, false)
  t.notOk(existsSync(layout.variants))
})

t.test('a damaged or missing content is logged and leaves no file, and others get theirs', async (t) => {
  const { layout, variants, lines, put } = await setUp(t.testdir())
  const damaged = await put(text('damage'))
  const missing = { ...damaged, hash: createHash('sha256').update('missing').digest('hex') }
  const whole = await put(text('whole'))
  writeFileSync(blobFile(layout, damaged.hash), text('damagE'))
  await variants.request([damaged, missing, whole])
  t.same(await findVariants(layout, damaged.hash), { variants: [], isComplete: false })
  t.same(await findVariants(layout, missing.hash), { variants: [], isComplete: false })
  t.equal((await findVariants(layout, whole.hash)).isComplete, true)
  t.equal(lines.length, 2)
  t.match(lines.join(''), /ERR_BLOB_CORRUPT/)
  t.match(lines.join(''), /ERR_BLOB_MISSING/)
  t.same(readdirSync(layout.temporary), [])
})

t.test('a copy that cannot be written is logged and leaves nothing half made', async (t) => {
  const { layout, variants, lines, put } = await setUp(t.testdir())
  const source = await put(text('disk'))
  writeFileSync(layout.variants, 'a file where the folder should be')
  await variants.request([source])
  t.equal(lines.length, 1)
  t.match(lines[0], /ENOTDIR/)
  t.same(readdirSync(layout.temporary), [])
})

t.test('requests for one content share the work, and no more are worked on than allowed', async (t) => {
  let running = 0
  let most = 0
  const reads: string[] = []
  const { layout, variants, put } = await setUp(t.testdir(), async (blobs, hash) => {
    reads.push(hash)
    running += 1
    most = Math.max(most, running)
    await new Promise((resolve) => setImmediate(resolve))
    running -= 1
    return blobs.read(hash)
  })
  const sources = await Promise.all(Array.from({ length: 8 }, (_, i) => put(text(`page ${i}`))))
  await Promise.all([variants.request(sources), variants.request(sources), variants.request([...sources, ...sources])])
  t.equal(new Set(reads).size, sources.length)
  t.equal(reads.length, sources.length)
  t.ok(most <= limits.variant.parallel)
  for (const { hash } of sources) t.equal((await findVariants(layout, hash)).isComplete, true)
})

t.test('an original is seen to before it is read, and only when a copy is to be made', async (t) => {
  const { variants, put, ensured } = await setUp(t.testdir())
  const source = await put(text('ensured'))
  await variants.request([source])
  t.same(ensured, [source.hash])
  await variants.request([source])
  t.equal(ensured.length, 1)
})

t.test('a copy that got lost or damaged is made again, and it is told whether it is the same', async (t) => {
  const { layout, variants, put, ensure } = await setUp(t.testdir())
  const { hash, type } = await put(text('lost'))
  await variants.request([{ hash, type, bytes: 1_000 }])
  const file = variantFile(layout, hash, 'br')
  const whole = readFileSync(file)
  const lost = { hash, type, coding: 'br', bytes: whole.length } as const
  t.equal(await variants.remake(lost, ensure), true, 'it is there')
  rmSync(file)
  t.equal(await variants.remake(lost, ensure), true)
  writeFileSync(file, 'cut')
  t.equal(await variants.remake(lost, ensure), true)
  t.same(readFileSync(file), whole)
  t.equal(await variants.remake({ ...lost, bytes: 7 }, ensure), false, 'another encoder made it')
  t.same(readFileSync(file), whole)
  rmSync(file)
  const missing = () => Promise.reject(new Error('the bucket is away'))
  t.equal(await variants.remake(lost, missing), false)
})

t.test('a small request does not wait for the rest of a large one', async (t) => {
  const done: string[] = []
  const { variants, put } = await setUp(t.testdir())
  const many = await Promise.all(Array.from({ length: 30 }, (_, i) => put(text(`large ${i}`))))
  const large = variants.request(many).then(() => done.push('large'))
  const small = variants.request([await put(text('small'))]).then(() => done.push('small'))
  await Promise.all([large, small])
  t.same(done, ['small', 'large'])
})

t.test('close stops what is under way and refuses the rest, and no half copy stays', async (t) => {
  const started = Promise.withResolvers<void>()
  const { layout, variants, lines, put } = await setUp(t.testdir(), (blobs, hash) => {
    started.resolve()
    return blobs.read(hash)
  })
  const sources = await Promise.all(Array.from({ length: 6 }, () => put(randomBytes(4_000_000))))
  const asked = variants.request(sources)
  const refused = t.rejects(asked, { code: 'ERR_CLOSED' })
  await started.promise
  await variants.close()
  await refused
  t.same(readdirSync(layout.temporary), [])
  t.same(lines, [], 'a stop is no error')
  const last = sources.at(-1)
  if (!last) throw new Error('expected a source')
  t.same(await findVariants(layout, last.hash), { variants: [], isComplete: false })
  await t.rejects(variants.request(sources), { code: 'ERR_CLOSED' })
})
