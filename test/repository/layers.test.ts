import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readImports } from '../../scripts/imports.ts'
import { checkLayers, layers } from '../../scripts/layers.ts'

const root = join(import.meta.dirname, '../..')

t.test('the imports of this repository keep to the layers, and there is no circle', async (t) => {
  t.strictSame(checkLayers(root), [])
})

t.test('the table has the rows that the design has', async (t) => {
  t.strictSame(Object.keys(layers).sort(), [
    'bench',
    'certs',
    'cli',
    'control',
    'core',
    'examples',
    'plugins',
    'proxy',
    'sandbox',
    'scripts',
    'store',
    'test',
  ])
})

const planted: { name: string; files: Record<string, Record<string, string>>; faults: (string | RegExp)[] }[] = [
  {
    name: 'an arrow upwards',
    files: { core: { 'a.ts': "import { b } from '../store/b.ts'" }, store: { 'b.ts': 'export const b = 1' } },
    faults: ['core/a.ts imports ../store/b.ts: core may import from nothing, not from store'],
  },
  {
    name: 'an arrow sideways, of types only',
    files: { proxy: { 'a.ts': "import type { B } from '../control/b.ts'" }, control: { 'b.ts': '' } },
    faults: ['proxy/a.ts imports ../control/b.ts: proxy may import from core, store, certs, not from control'],
  },
  {
    name: 'a dynamic import from test code',
    files: { control: { 'a.ts': "await import('../test/b.ts')" }, test: { 'b.ts': '' } },
    faults: [/control\/a\.ts imports \.\.\/test\/b\.ts: .* not from test/],
  },
  {
    name: 'a plugin that takes the public API, which is made of it',
    files: { plugins: { 'a.ts': "export { defineConfig } from 'grove'" }, cli: { 'api.ts': '' } },
    faults: [/plugins\/a\.ts imports grove: .* not from cli/],
  },
  {
    name: 'a circle',
    files: { core: { 'a.ts': "import './b.ts'", 'b.ts': "import './c.ts'", 'c.ts': "import './a.ts'" } },
    faults: ['circle: core/a.ts -> core/b.ts -> core/c.ts -> core/a.ts'],
  },
  {
    name: 'a file that imports itself',
    files: { core: { 'a.ts': "import './a.ts'" } },
    faults: ['circle: core/a.ts -> core/a.ts'],
  },
  {
    name: 'a file that is not there',
    files: { cli: { 'a.ts': "import './b.ts'" } },
    faults: ['cli/a.ts imports ./b.ts: there is no such file'],
  },
  {
    name: 'a way out of the repository',
    files: { core: { 'a.ts': "import '../../../etc/passwd.ts'" } },
    faults: [/there is no such file/],
  },
  {
    name: 'nothing wrong: everything may be imported by tests, and packages by all',
    files: {
      test: { 'a.test.ts': "import '../control/b.ts'\nimport 'grove'" },
      control: { 'b.ts': "import 'pino'\nimport '../core/c.ts'" },
      core: { 'c.ts': '' },
      cli: { 'api.ts': '' },
    },
    faults: [],
  },
]

for (const { name, files, faults } of planted) {
  t.test(`planted and found: ${name}`, async (t) => {
    const found = checkLayers(t.testdir(files))
    t.equal(found.length, faults.length)
    t.match(found, faults)
  })
}

t.test('whoever runs isolates in the process of a test ends it at once', async (t) => {
  const files = execFileSync('git', ['ls-files', 'test/*.ts'], { cwd: root }).toString('utf8').trim().split('\n')
  const hosts = files
    .map((file) => ({ file, imports: readImports(readFileSync(join(root, file), 'utf8')) }))
    .filter(({ imports }) =>
      imports.some((name) => /sandbox\/(isolated\/(engine|isolated-code)|tenant\/tenant)\.ts$/.test(name)),
    )
  t.ok(hosts.length >= 5)
  t.strictSame(
    hosts.filter(({ imports }) => !imports.some((name) => name.endsWith('/exit-at-once.ts'))).map(({ file }) => file),
    [],
  )
})
