import { join } from 'node:path'
import t from 'tap'
import { bundleFolder } from '../../../sandbox/bundle/bundle-folder.ts'
import { runBundle } from './fixtures/site.ts'

const options = { entry: 'src/index.ts', bundleBytes: 4_194_304 }

t.test("a folder with its author's packages", async (t) => {
  const root = t.testdir({
    node_modules: {
      shared: {
        'package.json': '{"exports": {"workerd": "./w.js", "node": "./n.js"}}',
        'w.js': 'export const a = "w"',
        'n.js': '',
      },
      bin: { 'package.json': '{}', 'add.wasm': 'wasm' },
      store: { real: { 'package.json': '{"main": "main.js"}', 'main.js': 'exports.b = 2' } },
      linked: t.fixture('symlink', 'store/real'),
    },
    site: {
      'tsconfig.json': '{"compilerOptions": {"paths": {"@/*": ["./src/*"]}}}',
      src: {
        'index.ts':
          'import { a } from "shared"; import { b } from "linked"; import { c } from "@/c"; import own from "./own.wasm"; import far from "bin/add.wasm?module"; import page from "./page.html"; export default [a, b, c, own, far, page]',
        'c.ts': 'export const c: number = 3',
        'own.wasm': 'own',
        'page.html': '<p>',
      },
    },
  })
  const bundle = await bundleFolder(join(root, 'site'), options)
  t.same([...(runBundle(bundle) as unknown[])], ['w', 2, 3, Buffer.from('own'), Buffer.from('wasm'), '<p>'])
  t.same(
    bundle.wasm.map(({ name }) => name),
    ['node_modules/bin/add.wasm', 'src/own.wasm'],
  )
  t.notMatch(bundle.map + bundle.code + bundle.inputs.join(), root)
  t.notMatch(bundle.map, /"\.\.\//)
  t.ok(bundle.inputs.includes('node_modules/shared/w.js'))
})

t.test('faults tell no folder', async (t) => {
  const root = t.testdir({
    src: {
      'index.ts':
        "import 'fs'\nimport 'none'\nimport './gone'\nimport x from './gone.wasm'\nimport 'https://a.example/'\nexport default x",
    },
  })
  const error = (await bundleFolder(root, options).catch((thrown: unknown) => thrown)) as Error
  t.match(error.message, /src\/index\.ts:1:8: cannot import "fs": it is part of Node/)
  t.match(error.message, /src\/index\.ts:2:8: cannot import "none": there is no such package/)
  t.match(error.message, /src\/index\.ts:3:8: cannot import "\.\/gone": there is no such file/)
  t.match(error.message, /src\/index\.ts:4:15: cannot import "\.\/gone\.wasm": there is no such file/)
  t.match(error.message, /src\/index\.ts:5:8: cannot import "https:\/\/a\.example\/": only files of the site/)
  t.notMatch(error.message, root)
  await t.rejects(bundleFolder(root, { ...options, entry: 'none.ts' }), {
    code: 'ERR_CODE',
    message: 'none.ts: there is no such file',
  })
})

t.test('JSX as an upload has it', async (t) => {
  const dom = {
    'package.json': '{"exports": {"./jsx-runtime": "./jsx.js"}}',
    'jsx.js': 'export const jsx = (tag, props) => tag + props.children',
  }
  const root = t.testdir({
    node_modules: { dom },
    src: { 'index.tsx': '/** @jsxImportSource dom */ export default <b>1</b>' },
    classic: {
      'index.tsx': 'const h = (tag: string) => tag; export default <i/>',
      'tsconfig.json': '{"compilerOptions": {"jsx": "react", "jsxFactory": "h"}}',
    },
  })
  const entry = { ...options, entry: 'src/index.tsx' }
  t.equal(runBundle(await bundleFolder(root, entry)), 'b1')
  t.equal(runBundle(await bundleFolder(join(root, 'classic'), { ...entry, entry: 'index.tsx' })), 'i')
})
