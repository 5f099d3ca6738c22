import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'

// Everything in store/ takes time, randomness and files from its environment, or the simulation would not see it. The
// linter says so (biome.json, scripts/environment.grit); this says that the linter does.

const root = join(import.meta.dirname, '../..')

const forbidden = [
  'export const a = Date.now()',
  'export const a = new Date()',
  'export const a = Date()',
  'export const a = Math.random()',
  'export const a = performance.now()',
  'export const a = crypto.randomUUID()',
  'setTimeout(() => {}, 5)',
  'setInterval(() => {}, 5)',
  'setImmediate(() => {})',
  "import 'node:timers/promises'",
  "import { readFile } from 'node:fs/promises'\nexport const a = readFile",
  "import { readFileSync } from 'node:fs'\nexport const a = readFileSync",
  "import { randomBytes } from 'node:crypto'\nexport const a = randomBytes",
  "import { randomUUID } from 'node:crypto'\nexport const a = randomUUID",
]

const allowed = [
  'export const a = (ms: number): string => new Date(ms).toISOString()',
  "import { createHash } from 'node:crypto'\nexport const a = createHash",
  'export const a = Math.max(1, 2)',
  'queueMicrotask(() => {})',
]

/** What the linter says under our own config, keyed by path. */
function lint(t: Test, files: Readonly<Record<string, string>>): (path: string) => string {
  const { vcs: _, $schema: _schema, ...config } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
  const folder = t.testdir({
    'biome.json': JSON.stringify({ ...config, root: true, files: {} }),
    scripts: { 'environment.grit': readFileSync(join(root, 'scripts/environment.grit'), 'utf8') },
  })
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), `${source}\n`)
  }
  const biome = join(root, 'node_modules/.bin/biome')
  const args = ['lint', '--reporter=json', '--max-diagnostics=none', '.']
  const { stdout } = spawnSync(biome, args, { cwd: folder, encoding: 'utf8' })
  const { diagnostics } = JSON.parse(stdout.slice(stdout.indexOf('{')))
  return (path) => JSON.stringify(diagnostics.filter((found: object) => JSON.stringify(found).includes(`"${path}"`)))
}

t.test('store/ may take nothing from the world but through its environment', (t) => {
  const files = {
    ...Object.fromEntries(forbidden.map((source, index) => [`store/logs/forbidden-${index}.ts`, source])),
    ...Object.fromEntries(allowed.map((source, index) => [`store/logs/allowed-${index}.ts`, source])),
    'store/environment-node.ts': 'export const a = Date.now()',
    'control/any.ts': 'export const a = Date.now()',
  }
  const faults = lint(t, files)
  for (const [path, source] of Object.entries(files)) {
    const isForbidden = path.includes('forbidden')
    const check = isForbidden ? t.match : t.notMatch
    check(faults(path), /noRestricted|from the environment/, `${isForbidden ? 'not' : 'fine'} in ${path}: ${source}`)
  }
  t.end()
})
