import { createHash } from 'node:crypto'
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { hashFiles, openContent } from '../../cli/contents.ts'

/** Around the sizes in which files are read. */
const sizes = [0, 1, 4_094, 4_095, 4_096, 4_097, 262_142, 262_143, 262_144, 262_145, 524_288, 800_000]

function contentOf(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, index) => (index * 7 + bytes) % 251))
}

t.test('files of every size are hashed whole, and sent as they were hashed', async (t) => {
  const folder = t.testdir()
  const files = sizes.map((bytes) => {
    const file = join(folder, `${bytes}`)
    writeFileSync(file, contentOf(bytes))
    return { path: `${bytes}`, file, bytes }
  })
  let read = 0
  const hashed = await hashFiles(files, (bytes) => {
    read += bytes
  })
  t.equal(
    read,
    sizes.reduce((sum, bytes) => sum + bytes, 0),
  )
  for (const [index, bytes] of sizes.entries()) {
    const content = contentOf(bytes)
    const hash = createHash('sha256').update(content).digest('hex')
    t.strictSame(hashed[index], { path: `${bytes}`, hash, bytes })
    const file = files[index]
    if (file) t.ok(content.equals(await buffer(openContent(file, bytes))), `${bytes} bytes are sent`)
  }
})

t.test('a file that became longer or shorter since is not sent as the old one', async (t) => {
  for (const bytes of sizes) {
    const file = join(t.testdir(), 'file')
    writeFileSync(file, contentOf(bytes))
    const scanned = { path: 'file', file, bytes }
    appendFileSync(file, 'x')
    await t.rejects(buffer(openContent(scanned, bytes)), { code: 'ERR_PUBLISH_REFUSED' }, `${bytes} and one more`)
    if (bytes === 0) continue
    truncateSync(file, bytes - 1)
    await t.rejects(buffer(openContent(scanned, bytes)), { code: 'ERR_PUBLISH_REFUSED' }, `${bytes} and one less`)
  }
})
