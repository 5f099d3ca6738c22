import t from 'tap'
import { type CodeManifest, envNamePattern, isMadePath, readCodeManifest } from '../../core/code-manifest.ts'

const hash = 'a'.repeat(64)
const manifest: CodeManifest = {
  format: 'grove-code-1',
  bundle: { hash, bytes: 5 },
  map: { hash, bytes: 2 },
  wasm: [{ name: 'lib/a.wasm', hash, bytes: 8 }],
  routes: [{ pattern: '/api/*', to: 'code' }],
  vars: { COLOR: 'green' },
  allow: ['example.com'],
  sources: ['src/main.ts'],
}

const read = (value: unknown) => readCodeManifest(Buffer.from(JSON.stringify(value)))

t.test('a manifest is read as it was written', (t) => {
  t.same(read(manifest), manifest)
  t.end()
})

t.test('a stranger’s manifest is none', (t) => {
  for (const [what, bad] of Object.entries({
    'another format': { ...manifest, format: 'grove-code-2' },
    'an unknown key': { ...manifest, more: 1 },
    'no hash': { ...manifest, bundle: { hash: '../../etc/passwd', bytes: 1 } },
    'a negative length': { ...manifest, bundle: { hash, bytes: -1 } },
    'a bundle beyond all bounds': { ...manifest, bundle: { hash, bytes: 16_777_217 } },
    'a name that is Grove’s': { ...manifest, vars: { DATA: 'x' } },
    'too many modules': { ...manifest, wasm: Array.from({ length: 33 }, () => manifest.wasm[0]) },
    'a route of another kind': { ...manifest, routes: [{ pattern: '/', to: 'upstream' }] },
    'no object': [],
  }))
    t.equal(read(bad), undefined, what)
  t.equal(readCodeManifest(Buffer.from('{"format"')), undefined)
  t.equal(readCodeManifest(Buffer.alloc(0)), undefined)
  t.end()
})

t.test('paths that Grove makes are told apart on whatever disk', (t) => {
  for (const path of ['.grove', '.grove/code.json', '.GROVE/x', '.Grove', '.grove/']) t.ok(isMadePath(path), path)
  for (const path of ['grove', '.grover', 'a/.grove/x', '.grove2/x', '']) t.notOk(isMadePath(path), path)
  t.end()
})

t.test('names in env are those of identifiers, but for those that are taken', (t) => {
  for (const name of ['A', '_a', 'API_KEY2', 'DATA_', 'assets', 'x'.repeat(128)]) t.match(name, envNamePattern)
  for (const name of ['DATA', 'ASSETS', 'WASM', '', '1A', 'A-B', 'ä', 'x'.repeat(129), 'A\n'])
    t.notMatch(name, envNamePattern, JSON.stringify(name.slice(0, 9)))
  t.end()
})
