import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { writeCompiled } from '../../control/compile.ts'
import type { CompiledFile } from '../../core/compiled.ts'
import { compiledFile, type Layout, layoutOf } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { readCompiled } from '../../proxy/compiled-reader.ts'

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
  mkdirSync(layout.compiled, { recursive: true })
  writeFileSync(compiledFile(layout, hash), text)
  return hash
}

const head = (more: object = {}) =>
  `${JSON.stringify({ format: 'grove-compiled-1', site: 'blog', version: 1, files: 1, ...more })}\n`
const line = (more: object = {}) => `${JSON.stringify({ ...file('a.html'), ...more })}\n`

t.test('what was written is read', async (t) => {
  const layout = layoutOf(t.testdir())
  for (const files of [[], [file('a.html')], [file('a.html'), file('ü/日本\u2028 .html')]]) {
    const version = { site: 'blog', version: 42, files }
    t.same(await readCompiled(layout, await writeCompiled(layout, version)), version)
  }
})

t.test('the version of a large site is read in steps, and equal header lists are one', async (t) => {
  const layout = layoutOf(t.testdir())
  const files = Array.from({ length: 5_000 }, (_, index) => file(`page-${index}.html`))
  const reading = readCompiled(layout, await writeCompiled(layout, { site: 'blog', version: 1, files }))
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
  t.same(read.files, files)
  t.equal(read.files[0]?.headers, read.files[4_999]?.headers)
  t.ok(turns > 10, 'others had their turns')
})

t.test('a version that is not there is told from one that is damaged', async (t) => {
  const layout = layoutOf(t.testdir())
  await t.rejects(readCompiled(layout, 'b'.repeat(64)), { code: 'ERR_NOT_FOUND' })
})

t.test('damage is refused', async (t) => {
  const layout = layoutOf(t.testdir())
  const rows: [name: string, text: string][] = [
    ['nothing', ''],
    ['no line', JSON.stringify({ format: 'grove-compiled-1' })],
    ['no JSON', 'hello\n'],
    ['another format', `${head({ format: 'grove-compiled-2' })}${line()}`],
    ['a head with another key', `${head({ more: 1 })}${line()}`],
    ['a version of 0', `${head({ version: 0 })}${line()}`],
    ['a file too few', head()],
    ['a file too many', `${head()}${line()}${line()}`],
    ['a last line that is cut', `${head()}${line().slice(0, -1)}`],
    ['a file with a wrong hash', `${head()}${line({ hash: 'x' })}`],
    ['a file with a negative size', `${head()}${line({ bytes: -1 })}`],
    ['a file without headers', `${head()}${line({ headers: undefined })}`],
    ['a file with another key', `${head()}${line({ more: 1 })}`],
    ['an unknown coding', `${head()}${line({ variants: [{ coding: 'lzma', bytes: 1 }] })}`],
    ['a line without an end', `${head()}"${'x'.repeat(limits.compiled.lineBytes + 100_000)}`],
  ]
  for (const [name, text] of rows)
    await t.rejects(readCompiled(layout, put(layout, text)), { code: 'ERR_DATA_FORMAT' }, name)
  t.match(await readCompiled(layout, put(layout, `${head()}${line()}`)), { files: [{ path: 'a.html' }] }, 'without any')
})

t.test('a content under the name of another is refused, though it is well-formed', async (t) => {
  const layout = layoutOf(t.testdir())
  const hash = put(layout, `${head()}${line()}`)
  writeFileSync(compiledFile(layout, hash), `${head({ version: 2 })}${line()}`)
  await t.rejects(readCompiled(layout, hash), { code: 'ERR_DATA_FORMAT', message: /another hash/ })
})
