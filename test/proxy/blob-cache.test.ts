import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import { blobFile, type Layout, layoutOf, variantFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { contentKey, createBlobCache, type StoredContent } from '../../proxy/blob-cache.ts'

function put(layout: Layout, bytes: Buffer): StoredContent {
  const hash = createHash('sha256').update(bytes).digest('hex')
  mkdirSync(dirname(blobFile(layout, hash)), { recursive: true })
  writeFileSync(blobFile(layout, hash), bytes)
  return { key: contentKey(hash, 'identity'), hash, coding: 'identity', bytes: bytes.length }
}

t.test('a small content is read once and then in memory', async (t) => {
  const layout = layoutOf(t.testdir())
  const content = put(layout, Buffer.from('hello'))
  const cache = createBlobCache(layout)
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
  t.same(await createBlobCache(layout).load(put(layout, Buffer.alloc(0))), Buffer.alloc(0))
})

t.test('a copy in a coding is apart from its original', async (t) => {
  const layout = layoutOf(t.testdir())
  const content = put(layout, Buffer.from('hello'))
  const file = variantFile(layout, content.hash, 'br')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, 'HI')
  const cache = createBlobCache(layout)
  const copy: StoredContent = { ...content, coding: 'br', key: contentKey(content.hash, 'br'), bytes: 2 }
  t.same(await cache.load(copy), Buffer.from('HI'))
  t.same(await cache.load(content), Buffer.from('hello'))
  t.same(cache.peek(copy), Buffer.from('HI'))
})

t.test('a large content is an open file and not kept', async (t) => {
  const layout = layoutOf(t.testdir())
  const bytes = Buffer.alloc(limits.front.bodyBytes + 1, 7)
  const content = put(layout, bytes)
  const cache = createBlobCache(layout)
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
  const cache = createBlobCache(layout)
  const loaded = await Promise.all(contents.map((content) => cache.load(content)))
  t.equal(loaded.filter((content) => Buffer.isBuffer(content)).length, limits.front.loads)
  const last = loaded.at(-1)
  if (last === undefined || Buffer.isBuffer(last)) throw new Error('expected a file')
  t.equal(readFileSync(last.fd, 'utf8'), `content ${limits.front.loads}`)
  closeSync(last.fd)
})

t.test('a missing or damaged content is refused by name, is logged, and leaves no file open', async (t) => {
  const layout = layoutOf(t.testdir())
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const cache = createBlobCache(layout, 1_000_000, pino(stream))
  const content = put(layout, Buffer.from('hello'))
  truncateSync(blobFile(layout, content.hash), 3)
  const before = openFiles()
  await t.rejects(cache.load(content), { code: 'ERR_BLOB_CORRUPT', message: /has 3 bytes, expected 5/ })
  rmSync(blobFile(layout, content.hash))
  await t.rejects(cache.load(content), { code: 'ERR_BLOB_MISSING' })
  mkdirSync(blobFile(layout, content.hash))
  await t.rejects(cache.load({ ...content, bytes: statSync(blobFile(layout, content.hash)).size }), { code: 'EISDIR' })
  t.equal(openFiles(), before)
  t.equal(lines.length, 3)
  t.match(lines[0], content.hash)
})

function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}
