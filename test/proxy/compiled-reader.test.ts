import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { CompiledFile } from '../../core/compiled.ts'
import { compiledFile, type Layout, layoutOf } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { readHead, readPiece } from '../../proxy/compiled-reader.ts'
import { writeVersion } from './fixtures/compiled.ts'

const file = (path: string): CompiledFile => ({
  path,
  hash: 'a'.repeat(64),
  bytes: 10,
  type: 'text/html; charset=utf-8',
  personal: true,
  compressible: true,
  headers: ['cache-control', 'no-cache', 'x-ü', 'ä"\\'],
  variants: [{ coding: 'zstd', bytes: 5 }],
})

/** Puts any text under its right hash. */
function put(layout: Layout, text: string): string {
  const hash = createHash('sha256').update(text).digest('hex')
  mkdirSync(dirname(compiledFile(layout, hash)), { recursive: true })
  writeFileSync(compiledFile(layout, hash), text)
  return hash
}

const jsonLine = (value: object) => `${JSON.stringify(value)}\n`
const pieceHead = (more: object = {}) => jsonLine({ format: 'grove-piece-1', files: 1, ...more })
const fileLine = (more: object = {}) => jsonLine({ ...file('a.html'), ...more })
const versionHead = (more: object = {}) =>
  jsonLine({ format: 'grove-compiled-2', site: 'blog', version: 1, files: 1, pieces: 1, ...more })
const pieceLine = (more: object = {}) => jsonLine({ hash: 'b'.repeat(64), first: 'a.html', files: 1, ...more })

const readFirst = (layout: Layout, text: string, first = 'a.html', files = 1) =>
  readPiece(layout, { hash: put(layout, text), first, files })

t.test('what control writes is read', async (t) => {
  const layout = layoutOf(t.testdir())
  const tree = [
    { path: 'a/ü/日本\u2028 .html', hash: 'c'.repeat(64), bytes: 3 },
    { path: 'b.png', hash: 'd'.repeat(64), bytes: 4 },
  ]
  const { compiled, pieces } = await writeVersion(layout, 42, tree)
  const head = await readHead(layout, compiled)
  t.match(head, { site: 'blog', version: 42 })
  t.same(
    head.pieces,
    pieces.map(({ piece }) => piece),
  )
  for (const [index, named] of head.pieces.entries()) {
    const piece = await readPiece(layout, named)
    t.match([...piece.files.values()], [{ ...tree[index], personal: false }])
    t.equal(piece.hash, named.hash)
    t.ok(piece.bytes > 100)
  }
})

t.test('a large piece is read in steps, and equal header lists are one', async (t) => {
  const layout = layoutOf(t.testdir())
  const files = Array.from({ length: 5_000 }, (_, index) => file(`page-${index}.html`))
  const text = pieceHead({ files: 5_000 }) + files.map(jsonLine).join('')
  const reading = readFirst(layout, text, 'page-0.html', 5_000)
  let turns = 0
  let isDone = false
  void reading.then(() => {
    isDone = true
  })
  while (!isDone) {
    turns += 1
    await nextTurn()
  }
  const read = await reading
  t.same([...read.files.values()], files)
  t.equal(read.files.get('page-0.html')?.headers, read.files.get('page-4999.html')?.headers)
  t.ok(turns > 10, 'others had their turns')
})

t.test('what is not there is told from what is damaged', async (t) => {
  const layout = layoutOf(t.testdir())
  const hash = 'b'.repeat(64)
  await t.rejects(readHead(layout, hash), { code: 'ERR_NOT_FOUND' })
  await t.rejects(readPiece(layout, { hash, first: 'a', files: 1 }), { code: 'ERR_NOT_FOUND' })
})

t.test('a damaged piece is refused', async (t) => {
  const layout = layoutOf(t.testdir())
  const rows: [name: string, text: string][] = [
    ['nothing', ''],
    ['no line', JSON.stringify({ format: 'grove-piece-1' })],
    ['no JSON', 'hello\n'],
    ['another format', `${pieceHead({ format: 'grove-piece-2' })}${fileLine()}`],
    ['a head with another key', `${pieceHead({ more: 1 })}${fileLine()}`],
    ['a file too few', pieceHead()],
    ['a file too many', `${pieceHead()}${fileLine()}${fileLine()}`],
    ['a last line that is cut', `${pieceHead()}${fileLine().slice(0, -1)}`],
    ['another first file', `${pieceHead()}${fileLine({ path: 'b.html' })}`],
    ['other files than the head says', `${pieceHead({ files: 2 })}${fileLine()}${fileLine()}`],
    ['a file with a wrong hash', `${pieceHead()}${fileLine({ hash: 'x' })}`],
    ['a file with a negative size', `${pieceHead()}${fileLine({ bytes: -1 })}`],
    ['a file without headers', `${pieceHead()}${fileLine({ headers: undefined })}`],
    ['a file with another key', `${pieceHead()}${fileLine({ more: 1 })}`],
    ['an unknown coding', `${pieceHead()}${fileLine({ variants: [{ coding: 'lzma', bytes: 1 }] })}`],
    ['a line without an end', `${pieceHead()}"${'x'.repeat(limits.compiled.lineBytes + 100_000)}`],
  ]
  for (const [name, text] of rows) await t.rejects(readFirst(layout, text), { code: 'ERR_DATA_FORMAT' }, name)
  const good = await readFirst(layout, `${pieceHead()}${fileLine()}`)
  t.match([...good.files.keys()], ['a.html'], 'without any')
})

t.test('a damaged head is refused', async (t) => {
  const layout = layoutOf(t.testdir())
  const two = { files: 2, pieces: 2 }
  const rows: [name: string, text: string][] = [
    ['nothing', ''],
    ['the format before', `${versionHead({ format: 'grove-compiled-1' })}${pieceLine()}`],
    ['another key', `${versionHead({ more: 1 })}${pieceLine()}`],
    ['a version of 0', `${versionHead({ version: 0 })}${pieceLine()}`],
    ['a piece too few', versionHead()],
    ['a piece too many', `${versionHead()}${pieceLine()}${pieceLine({ first: 'b' })}`],
    ['other files than its pieces have', `${versionHead({ files: 2 })}${pieceLine()}`],
    ['an empty piece', `${versionHead({ files: 0 })}${pieceLine({ files: 0 })}`],
    ['pieces in another order', `${versionHead(two)}${pieceLine({ first: 'b' })}${pieceLine({ first: 'a' })}`],
    ['one piece twice', `${versionHead(two)}${pieceLine()}${pieceLine()}`],
  ]
  for (const [name, text] of rows)
    await t.rejects(readHead(layout, put(layout, text)), { code: 'ERR_DATA_FORMAT' }, name)
  const good = `${versionHead(two)}${pieceLine({ first: 'a/b' })}${pieceLine({ first: 'A b' })}`
  t.match(await readHead(layout, put(layout, good)), { pieces: [{ first: 'a/b' }, { first: 'A b' }] }, 'without any')
})

t.test('a content under the name of another is refused, though it is well-formed', async (t) => {
  const layout = layoutOf(t.testdir())
  const hash = put(layout, `${versionHead()}${pieceLine()}`)
  writeFileSync(compiledFile(layout, hash), `${versionHead({ version: 2 })}${pieceLine()}`)
  await t.rejects(readHead(layout, hash), { code: 'ERR_DATA_FORMAT', message: /another hash/ })
})
