import t from 'tap'
import { resolveImport } from '../../../sandbox/bundle/resolve-import.ts'
import { createSourceReader } from '../../../sandbox/bundle/source-reader.ts'
import { type Files, treeOf } from './fixtures/site.ts'

const files: Files = {
  'index.ts': '',
  'a.ts': '',
  'b.js': '',
  'b.ts': '',
  'c.tsx': '',
  'data.json': '',
  'x.wasm': '',
  'lib/index.js': '',
  'lib/util.mts': '',
  'dir/package.json': { main: './main' },
  'dir/main.js': '',
  'package.json': {
    name: 'site',
    imports: { '#own': './lib/index.js', '#pkg': 'esm', '#bad': 'node:fs', '#none': './none.js' },
    browser: { fs: false, './b.ts': './a.ts', crypto: './lib/index.js', './dir/main.js': false },
  },
  'node_modules/esm/package.json': {
    name: 'esm',
    sideEffects: false,
    exports: {
      '.': { node: './node.js', workerd: './workerd.js' },
      './sub/*': './lib/*.js',
      './gone': './gone.js',
      './wasm/*': './*',
    },
  },
  'node_modules/esm/workerd.js': '',
  'node_modules/esm/node.js': '',
  'node_modules/esm/lib/a.js': '',
  'node_modules/esm/b.wasm': '',
  'node_modules/main/package.json': { main: 'lib', module: './module' },
  'node_modules/main/module.mjs': '',
  'node_modules/main/lib/index.js': '',
  'node_modules/main/other.js': '',
  'node_modules/browser/package.json': {
    main: './node.js',
    browser: { './node.js': './web.js', './off': false, inner: false },
  },
  'node_modules/browser/node.js': '',
  'node_modules/browser/web.js': '',
  'node_modules/browser/off.js': '',
  'node_modules/plain/index.js': '',
  'node_modules/plain/file.js': '',
  'node_modules/single.js': '',
  'node_modules/broken/package.json': '{',
  'node_modules/broken/index.js': '',
  'node_modules/odd/package.json': { main: 7, module: [], browser: 'web.js', exports: null, sideEffects: 'x' },
  'node_modules/odd/web.js': '',
  'node_modules/@scope/pkg/package.json': { main: 'x.js' },
  'node_modules/@scope/pkg/x.js': '',
  'node_modules/outer/package.json': {},
  'node_modules/outer/index.js': '',
  'node_modules/outer/node_modules/esm/index.js': '',
  'node_modules/events/package.json': { main: 'events.js' },
  'node_modules/events/events.js': '',
  'node_modules/escape/package.json': { main: '../../../../etc/passwd', module: '/etc/passwd' },
  'node_modules/self/package.json': { name: 'self', exports: { './a': './a.js' } },
  'node_modules/self/a.js': '',
}

const reader = createSourceReader(treeOf(files))
const resolve = (specifier: string, importer = 'index.ts', isRequire = false) =>
  resolveImport({ specifier, importer, isRequire }, reader)

t.test('imports that lead to a file', async (t) => {
  for (const [specifier, path, importer] of [
    ['./a', 'a.ts'],
    ['./a.js', 'a.ts'],
    ['./a.ts', 'a.ts'],
    ['./b.js', 'b.js'],
    ['./c.js', 'c.tsx'],
    ['./c', 'c.tsx'],
    ['./lib', 'lib/index.js'],
    ['./lib/', 'lib/index.js'],
    ['./lib/util.mjs', 'lib/util.mts'],
    ['./x.wasm', 'x.wasm'],
    ['./x.wasm?module', 'x.wasm'],
    ['./data.json', 'data.json'],
    ['.', 'index.ts'],
    ['..', 'index.ts', 'lib/index.js'],
    ['../a', 'a.ts', 'lib/index.js'],
    ['./lib/../a', 'a.ts'],
    ['#own', 'lib/index.js'],
    ['#pkg', 'node_modules/esm/workerd.js'],
    ['esm', 'node_modules/esm/workerd.js'],
    ['esm/sub/a', 'node_modules/esm/lib/a.js'],
    ['esm/wasm/b.wasm?module', 'node_modules/esm/b.wasm'],
    ['esm', 'node_modules/esm/workerd.js', 'lib/deep/er.ts'],
    ['esm', 'node_modules/outer/node_modules/esm/index.js', 'node_modules/outer/index.js'],
    ['main', 'node_modules/main/module.mjs'],
    ['main/other', 'node_modules/main/other.js'],
    ['main/lib', 'node_modules/main/lib/index.js'],
    ['browser', 'node_modules/browser/web.js'],
    ['browser/node.js', 'node_modules/browser/web.js'],
    ['./node.js', 'node_modules/browser/web.js', 'node_modules/browser/off.js'],
    ['plain', 'node_modules/plain/index.js'],
    ['plain/file', 'node_modules/plain/file.js'],
    ['single', 'node_modules/single.js'],
    ['broken', 'node_modules/broken/index.js'],
    ['odd', 'node_modules/odd/web.js'],
    ['@scope/pkg', 'node_modules/@scope/pkg/x.js'],
    ['@scope/pkg/x', 'node_modules/@scope/pkg/x.js'],
    ['outer', 'node_modules/outer/index.js'],
    ['events', 'node_modules/events/events.js'],
    ['self/a', 'node_modules/self/a.js', 'node_modules/self/a.js'],
    ['crypto', 'lib/index.js'],
    ['./b', 'a.ts'],
  ] as const)
    t.match(await resolve(specifier, importer), { path }, `${specifier} from ${importer ?? 'index.ts'}`)
  t.match(await resolve('esm'), { isPure: true })
  t.match(await resolve('main'), { isPure: false })
})

t.test('imports that lead to nothing on purpose', async (t) => {
  t.same(await resolve('fs'), { empty: true })
  t.same(await resolve('browser/off'), { empty: true })
  t.same(await resolve('./off.js', 'node_modules/browser/web.js'), { empty: true })
  t.same(await resolve('inner', 'node_modules/browser/web.js'), { empty: true })
})

t.test('imports that lead nowhere', async (t) => {
  for (const [specifier, message, importer] of [
    ['./none', /cannot import ".\/none": there is no such file/],
    ['./a/', /no such file/],
    ['none', /no such package in node_modules/],
    ['@scope', /no such package/],
    ['@scope/none', /no such package/],
    ['path', /"path": it is part of Node/],
    ['fs/promises', /part of Node/],
    ['node:fs', /cannot import "node:fs": it is part of Node, and site code runs outside of Node/],
    ['NODE:test', /part of Node/],
    ['cloudflare:workers', /only Cloudflare has it/],
    ['esm/gone', /"exports" of its package have nothing/],
    ['esm/node.js', /"exports" of its package have nothing/],
    ['main/none', /its package has no such file/],
    ['escape', /its package has no such file/],
    ['#missing', /"imports" of its package/],
    ['#none', /no such file/],
    ['#bad', /part of Node/],
    ['', /no such package/],
    ['.hidden', /no such package/],
    ['self/b', /nothing for it/, 'node_modules/self/a.js'],
    ['a\\b', /no such package/],
    ['fs', /part of Node/, 'node_modules/plain/index.js'],
  ] as const)
    t.match(await resolve(specifier, importer), { missing: message }, specifier)
})

t.test('imports that are refused whatever the code does about it', async (t) => {
  for (const [specifier, message] of [
    ['/etc/passwd', /write the path relative/],
    ['//evil.example/x.js', /write the path relative/],
    ['\\\\server\\share', /write the path relative/],
    ['C:/windows', /only files of the site/],
    ['file:///etc/passwd', /only files of the site/],
    ['https://evil.example/x.js', /only files of the site/],
    ['data:text/javascript,1', /only files of the site/],
    ['npm:zod', /only files of the site/],
    ['blob:x', /only files of the site/],
    ['../x', /leads out of the site/],
    ['./../../etc/passwd', /leads out of the site/],
    ['./lib/../../x', /leads out of the site/],
    ['x'.repeat(1_025), /more than 1024 characters/],
  ] as const)
    t.match(await resolve(specifier), { refused: message }, specifier.slice(0, 50))
})

t.test('what is read is bounded', async (t) => {
  const small = createSourceReader(async (path) => (path.startsWith('a') ? new Uint8Array(1) : undefined))
  for (let i = 0; i < 5_000; i += 1) await small.read(`a${i}`)
  await t.rejects(small.read('a5000'), { code: 'ERR_CODE', message: /more than 5000 files/ })
  const large = createSourceReader(async () => new Uint8Array(8_388_609))
  await t.rejects(large.read('x'), { code: 'ERR_CODE', message: /x: more than 8388608 bytes/ })
  const together = createSourceReader(async () => new Uint8Array(8_000_000))
  await together.read('a')
  await together.read('b')
  await t.rejects(together.read('c'), { code: 'ERR_CODE', message: /files of more than/ })
  let asked = 0
  const once = createSourceReader(async () => {
    asked += 1
    return undefined
  })
  await Promise.all([once.read('a'), once.read('a'), once.read('../a'), once.read('/a'), once.read('')])
  t.equal(asked, 1)
})
