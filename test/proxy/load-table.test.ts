import { rmSync } from 'node:fs'
import t from 'tap'
import { compiledFile, layoutOf } from '../../core/layout.ts'
import { preferenceOf } from '../../proxy/accept-encoding.ts'
import { loadTable } from '../../proxy/load-table.ts'
import type { StaticTable } from '../../proxy/table.ts'
import type { TreeFile } from '../../store/trees/tree-file.ts'
import { writeVersion } from './fixtures/compiled.ts'

const file = (path: string, bytes = 1): TreeFile => ({ path, hash: bytes.toString(16).padStart(64, '0'), bytes })

function bytesAt(table: StaticTable, path: string): number | undefined {
  const entry = table.get(path)
  return entry?.kind === 'file' ? entry.select(preferenceOf(undefined))?.bytes : undefined
}

t.test('a table has all files of its version, in whatever order their pieces come from the disk', async (t) => {
  const layout = layoutOf(t.testdir())
  const files = Array.from({ length: 26 }, (_, index) => file(`${String.fromCharCode(97 + index)}/index.html`, index))
  const { compiled } = await writeVersion(layout, 1, files)
  const table = await loadTable(layout, compiled, undefined)
  for (const [index, { path }] of files.entries()) t.equal(bytesAt(table, `/${path}`), index)
  t.equal(table.label, 'blog@1')
  const before = table.bytes
  table.get('/a/index.html')
  t.equal(table.bytes, before, 'asked for before')
  table.get('/a/')
  t.ok(table.bytes > before, 'it grows with what is asked for')
})

t.test('pieces that the table before has are not read again', async (t) => {
  const layout = layoutOf(t.testdir())
  const first = await writeVersion(layout, 1, [file('a'), file('b'), file('c')])
  const before = await loadTable(layout, first.compiled, undefined)
  const second = await writeVersion(layout, 2, [file('a'), file('b', 2), file('c')])
  for (const { piece } of first.pieces) rmSync(compiledFile(layout, piece?.hash ?? ''))
  await t.rejects(loadTable(layout, second.compiled, undefined), { code: 'ERR_NOT_FOUND' })
  const table = await loadTable(layout, second.compiled, before)
  t.same(
    ['/a', '/b', '/c', '/d'].map((path) => bytesAt(table, path)),
    [1, 2, 1, undefined],
  )
  t.equal(table.pieces[0], before.pieces[0])
  t.equal(table.version, 2)
})
