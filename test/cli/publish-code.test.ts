import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { compileFrom } from '../../cli/compile-code.ts'
import { type PublishedFiles, readPublishedFiles } from '../../cli/publish-code.ts'
import { defaultSandboxLimits } from '../../core/sandbox-limits.ts'
import { bundleHere } from '../../sandbox/bundle/bundle-here.ts'
import { createStackMap } from '../../sandbox/stack-map.ts'
import { runBundle } from '../sandbox/bundle/fixtures/site.ts'

/** The smallest module of WebAssembly. */
const wasm = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])

const node_modules = {
  '.bin': { tool: 'x' },
  pack: {
    'package.json': '{"main":"main.js"}',
    'main.js': 'exports.shout = (text) => text.toUpperCase()\nexports.fail = () => {\n  throw new Error("failed")\n}',
  },
  sums: { 'package.json': '{"exports":{"./add.wasm":"./add.wasm"}}', 'add.wasm': wasm },
}

/** What Grove makes of what is sent. */
async function received({ files }: PublishedFiles) {
  const tree = new Map(files.map(({ path, file }) => [path, readFileSync(file)]))
  const read = async (path: string) => tree.get(path)
  const has = async (path: string) => tree.has(path)
  return compileFrom({ read, has, bundle: (options) => bundleHere(options, read) }, defaultSandboxLimits)
}

const pathsOf = ({ files }: PublishedFiles) => files.map(({ path }) => path)

t.test('code that imports packages goes as one module, in place of its sources', async (t) => {
  const folder = t.testdir({
    node_modules,
    'grove.json': '{ "code": "src/index.ts", "vars": { "MODE": "x" }, "routes": [{ "pattern": "/a", "to": "code" }] }',
    'index.html': 'home',
    src: {
      'index.ts': `import { shout } from 'pack'
import add from 'sums/add.wasm'
import { own } from './own.ts'
const what: string = shout('from the package')
export default [what, own, add]
export const unused = () => { throw new Error('x') }
`,
      'own.ts': 'export const own: number = 7',
      'note.txt': 'not code',
    },
  })
  let temporary = ''
  {
    await using published = await readPublishedFiles(folder)
    t.same(pathsOf(published), ['_worker.js', '_worker.wasm/0.wasm', 'grove.json', 'index.html', 'src/note.txt'])
    t.match(published.notes, [/^code: 3 files bundled here/])
    temporary = dirname(published.files[0]?.file ?? '')
    const compiled = await received(published)
    t.match(compiled, {
      routes: [{ pattern: '/a', to: 'code' }],
      vars: { MODE: 'x' },
      sources: ['_worker.js', '_worker.wasm/0.wasm'],
      wasm: [{ name: '_worker.wasm/0.wasm' }],
    })
    const code = Buffer.from(compiled?.bundle ?? []).toString()
    const map = Buffer.from(compiled?.map ?? []).toString()
    t.same(runBundle({ code, map, wasm: compiled?.wasm ?? [], inputs: [], warnings: [] }), [
      'FROM THE PACKAGE',
      7,
      wasm,
    ])
    const sources = JSON.parse(map).sources as string[]
    t.ok(sources.includes('src/index.ts') && sources.includes('node_modules/pack/main.js'), sources.join())
    t.notMatch(map + code, folder, 'nobody learns where the folder lies')
  }
  t.notOk(existsSync(temporary), 'what was made is gone')
})

t.test('a place in what Grove makes of it is one in the sources', async (t) => {
  const folder = t.testdir({
    node_modules,
    '_worker.ts': "import { fail } from 'pack'\n\nexport default () => {\n  return fail() as unknown\n}\n",
  })
  await using published = await readPublishedFiles(folder)
  t.same(pathsOf(published), ['_worker.js', 'grove.json'])
  const compiled = await received(published)
  const code = Buffer.from(compiled?.bundle ?? []).toString()
  const map = createStackMap(Buffer.from(compiled?.map ?? []).toString())
  const run = runBundle({ code, map: '', wasm: [], inputs: [], warnings: [] }) as () => void
  let stack = ''
  try {
    run()
  } catch (error) {
    stack = (error as Error).stack ?? ''
  }
  // The fixture runs a bundle behind one line, under another name.
  const places = stack.replaceAll(/evalmachine\.<anonymous>:(\d+)/g, (_, line) => `grove:site:${Number(line) - 1}`)
  t.match(map.map(places), /failed\n\s+at .*node_modules\/pack\/main\.js:3:\d+\)?\n\s+at .*_worker\.ts:4:\d+/)
})

t.test('what needs no package is sent as it is, without node_modules', async (t) => {
  const code = {
    '_worker.js': 'import { a } from "./lib/a.js"; export default a',
    lib: { 'a.js': 'export const a = 1' },
  }
  await using published = await readPublishedFiles(t.testdir({ ...code, node_modules, 'x.wasm': wasm }))
  t.same(pathsOf(published), ['_worker.js', 'lib/a.js', 'x.wasm'])
  t.same(published.notes, [])
  await using plain = await readPublishedFiles(t.testdir({ node_modules: { a: 'x' }, 'index.html': 'x' }))
  t.same(pathsOf(plain), ['index.html', 'node_modules/a'], 'a site without code has whatever it has')
  await using told = await readPublishedFiles(t.testdir({ 'grove.json': '{}', 'index.html': 'x' }))
  t.same(pathsOf(told), ['grove.json', 'index.html'])
})

t.test('files from outside of the folder are bundled too, and faults are told before anything is sent', async (t) => {
  const root = t.testdir({
    shared: { 'a.ts': 'export const a: number = 3' },
    site: { '_worker.ts': 'import { a } from "../shared/a.ts"; export default a' },
    broken: { '_worker.js': 'import x from "nope"\nexport default x' },
    refused: { '_worker.js': 'export default 1', 'grove.json': '{ "code": 1, "x": 2 }' },
  })
  await using published = await readPublishedFiles(join(root, 'site'))
  t.same(pathsOf(published), ['_worker.js', 'grove.json'])
  const compiled = await received(published)
  t.equal(
    runBundle({ code: String(Buffer.from(compiled?.bundle ?? [])), map: '', wasm: [], inputs: [], warnings: [] }),
    3,
  )
  await t.rejects(readPublishedFiles(join(root, 'broken')), {
    code: 'ERR_CODE',
    message: /_worker\.js:1:\d+: .*"nope"/,
  })
  await t.rejects(readPublishedFiles(join(root, 'refused')), { code: 'ERR_CODE', message: /unrecognized key: "x"/ })
})
