import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import { GroveError } from '../../core/errors.ts'
import { blobFile, type Layout, layoutOf, variantFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { contentKey, type StoredContent } from '../../proxy/blob-cache.ts'
import type { WantedContent, WantedCopy } from '../../proxy/missing-contents.ts'
import { blobCacheOf } from './fixtures/blob-cache.ts'

function put(layout: Layout, bytes: Buffer): StoredContent {
  const hash = createHash('sha256').update(bytes).digest('hex')
  mkdirSync(dirname(blobFile(layout, hash)), { recursive: true })
  writeFileSync(blobFile(layout, hash), bytes)
  return {
    key: contentKey(hash, 'identity'),
    site: 'blog',
    hash,
    coding: 'identity',
    bytes: bytes.length,
    type: 'text/html',
  }
}

t.test('a small content is read once and then in memory', async (t) => {
  const layout = layoutOf(t.testdir())
  const content = put(layout, Buffer.from('hello'))
  const cache = blobCacheOf(layout)
  t.equal(cache.peek(content), undefined)
  const [first, second] = await Promise.all([cache.load(content), cache.load(content)])
  t.same(first, Buffer.from('hello'))
  t.equal(second, first, 'both waited for one read')
  rmSync(blobFile(layout, content.hash))
  t.equal(cache.peek(content), first)
  t.ok(cache.bytes >= 5)
})

t.test('an empty content is a content', async (t) => {
  const layout = layoutOf(t.testdir())
  t.same(await blobCacheOf(layout).load(put(layout, Buffer.alloc(0))), Buffer.alloc(0))
})

t.test('a copy in a coding is apart from its original', async (t) => {
  const layout = layoutOf(t.testdir())
  const content = put(layout, Buffer.from('hello'))
  const file = variantFile(layout, content.hash, 'br')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, 'HI')
  const cache = blobCacheOf(layout)
  const copy: StoredContent = { ...content, coding: 'br', key: contentKey(content.hash, 'br'), bytes: 2 }
  t.same(await cache.load(copy), Buffer.from('HI'))
  t.same(await cache.load(content), Buffer.from('hello'))
  t.same(cache.peek(copy), Buffer.from('HI'))
})

t.test('a large content is an open file and not kept', async (t) => {
  const layout = layoutOf(t.testdir())
  const bytes = Buffer.alloc(limits.front.bodyBytes + 1, 7)
  const content = put(layout, bytes)
  const cache = blobCacheOf(layout)
  const slice = await cache.load(content)
  if (Buffer.isBuffer(slice)) throw new Error('expected a file')
  t.same({ ...slice, fd: 0 }, { fd: 0, offset: 0, length: bytes.length })
  t.ok(readFileSync(slice.fd).equals(bytes))
  closeSync(slice.fd)
  t.equal(cache.peek(content), undefined)
  t.equal(cache.bytes, 0)
})

t.test('while many contents are being read, further ones are open files', async (t) => {
  const layout = layoutOf(t.testdir())
  const contents = Array.from({ length: limits.front.loads + 1 }, (_, i) => put(layout, Buffer.from(`content ${i}`)))
  const cache = blobCacheOf(layout)
  const loaded = await Promise.all(contents.map((content) => cache.load(content)))
  t.equal(loaded.filter((content) => Buffer.isBuffer(content)).length, limits.front.loads)
  const last = loaded.at(-1)
  if (last === undefined || Buffer.isBuffer(last)) throw new Error('expected a file')
  t.equal(readFileSync(last.fd, 'utf8'), `content ${limits.front.loads}`)
  closeSync(last.fd)
})

t.test('a content that nobody has is refused by name, is logged, and leaves no file open', async (t) => {
  const layout = layoutOf(t.testdir())
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const cache = blobCacheOf(layout, { log: pino(stream) })
  const content = put(layout, Buffer.from('hello'))
  truncateSync(blobFile(layout, content.hash), 3)
  const before = openFiles()
  await t.rejects(cache.load(content), { code: 'ERR_BLOB_MISSING' })
  rmSync(blobFile(layout, content.hash))
  await t.rejects(cache.load(content), { code: 'ERR_BLOB_MISSING' })
  mkdirSync(blobFile(layout, content.hash))
  await t.rejects(cache.load({ ...content, bytes: statSync(blobFile(layout, content.hash)).size }), { code: 'EISDIR' })
  t.equal(openFiles(), before)
  t.equal(lines.length, 3)
  t.match(lines[0], content.hash)
})

t.test('what is missing or cut short is asked for, and served when it is there', async (t) => {
  const layout = layoutOf(t.testdir())
  const content = put(layout, Buffer.from('hello'))
  const large = put(layout, Buffer.alloc(limits.front.bodyBytes + 1, 7))
  const asked: WantedContent[] = []
  const contents = new Map([
    [content.hash, Buffer.from('hello')],
    [large.hash, Buffer.alloc(large.bytes, 7)],
  ])
  const missing = {
    async get(wanted: WantedContent) {
      asked.push(wanted)
      await new Promise(setImmediate)
      writeFileSync(blobFile(layout, wanted.hash), contents.get(wanted.hash) ?? '')
    },
    report: () => t.fail('it is no copy'),
  }
  const cache = blobCacheOf(layout, { missing })
  truncateSync(blobFile(layout, content.hash), 3)
  rmSync(blobFile(layout, large.hash))
  t.same(await cache.load(content), Buffer.from('hello'))
  const slice = await cache.load(large)
  if (Buffer.isBuffer(slice)) throw new Error('expected a file')
  t.equal(slice.length, large.bytes)
  closeSync(slice.fd)
  t.same(
    asked,
    [content, large].map(({ site, hash, bytes }) => ({ site, hash, bytes })),
  )
})

t.test(
  'a content that is missing still after it was asked for is not asked for again by the same request',
  async (t) => {
    const layout = layoutOf(t.testdir())
    const content = put(layout, Buffer.from('hello'))
    rmSync(blobFile(layout, content.hash))
    let asked = 0
    const missing = {
      async get() {
        asked += 1
      },
      report() {},
    }
    await t.rejects(blobCacheOf(layout, { missing }).load(content), { code: 'ERR_BLOB_MISSING' })
    t.equal(asked, 1)
    const late = { get: () => Promise.reject(new GroveError('ERR_TIMEOUT', 'late')), report() {} }
    await t.rejects(blobCacheOf(layout, { missing: late }).load(content), { code: 'ERR_TIMEOUT' })
  },
)

t.test('a copy that is missing or of another size is reported and not waited for', async (t) => {
  const layout = layoutOf(t.testdir())
  const content = put(layout, Buffer.from('hello'))
  const copy: StoredContent = { ...content, coding: 'br', key: contentKey(content.hash, 'br'), bytes: 2 }
  const reported: WantedCopy[] = []
  const missing = {
    get: () => Promise.reject(new Error('asked')),
    report: (gone: WantedCopy) => void reported.push(gone),
  }
  const cache = blobCacheOf(layout, { missing })
  await t.rejects(cache.load(copy), { code: 'ERR_BLOB_MISSING' })
  mkdirSync(dirname(variantFile(layout, content.hash, 'br')), { recursive: true })
  writeFileSync(variantFile(layout, content.hash, 'br'), 'long')
  await t.rejects(cache.load(copy), { code: 'ERR_BLOB_CORRUPT' })
  const { key: _, ...wanted } = copy
  t.same(reported, [wanted, wanted])
})

function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}
