import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as api from 'grove'
import t from 'tap'
import * as source from '../../cli/api.ts'

const root = join(import.meta.dirname, '../..')
const mostLines = 300

/** Files that git has or would take, so that a test sees what a reader of the repository sees. */
const sources = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], { cwd: root })
  .toString('utf8')
  .split('\n')
  .filter((file) => file !== '' && !file.startsWith('test/') && existsSync(join(root, file)))
  .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').trimEnd().split('\n') }))

t.test(`no source file is longer than ${mostLines} lines`, async (t) => {
  t.strictSame(
    sources.filter(({ lines }) => lines.length > mostLines).map(({ file, lines }) => `${file}: ${lines.length}`),
    [],
  )
})

t.test('every exported name of a source file has a docstring', async (t) => {
  const declared = /^export (?:async )?(?:abstract )?(?:const|let|function\*?|class|interface|type) (\w+)/
  const bare = sources.flatMap(({ file, lines }) =>
    lines.flatMap((line, index) => {
      const name = declared.exec(line)?.[1]
      const above = lines[index - 1] ?? ''
      // The other signatures of an overloaded function stand under the first, which has the docstring.
      const documented = above.endsWith('*/') || above.startsWith(`export function ${name}(`)
      return name !== undefined && !documented ? [`${file}: ${name}`] : []
    }),
  )
  t.strictSame(bare, [])
})

t.test('every source file begins by saying what it is', async (t) => {
  t.strictSame(
    sources
      .filter(({ file, lines: [first = ''] }) => !first.startsWith('/**') && !file.endsWith('.config.ts'))
      .map(({ file }) => file),
    [],
  )
})

t.test("import … from 'grove' gives exactly the public API, in a clone from its sources", async (t) => {
  t.strictSame(Object.keys(api).sort(), Object.keys(source).sort())
  const given: Record<string, unknown> = { ...api }
  for (const [name, value] of Object.entries(source)) t.equal(given[name], value)
})
