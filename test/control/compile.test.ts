import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { type CompileSettings, compileFiles, isServed, settingsKey } from '../../control/compile.ts'
import { type Coding, codings } from '../../core/compiled.ts'
import { type Layout, layoutOf, variantFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import type { FileInfo, Plugin } from '../../core/plugin.ts'
import type { TreeFile } from '../../store/trees/tree-file.ts'

const site = { name: 'blog', authorities: ['blog.localhost'] }
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const file = (path: string, bytes = 1_000): TreeFile => ({ path, hash: hashOf(path), bytes })

/** Compiles under default settings and some others. */
function compile(layout: Layout, files: readonly TreeFile[], more: Partial<CompileSettings> = {}) {
  return compileFiles(files, { site, hasUpstream: false, plugins: [], layout, ...more })
}

function putVariant(layout: Layout, path: string, coding: Coding, bytes: number): void {
  const target = variantFile(layout, hashOf(path), coding)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, Buffer.alloc(bytes))
}

t.test('files are compiled one by one, in their order', async (t) => {
  const layout = layoutOf(t.testdir())
  const compiled = await compile(layout, [file('a.png'), file('b.html')])
  t.same(compiled, {
    toEncode: [{ hash: hashOf('b.html'), bytes: 1_000, type: 'text/html; charset=utf-8' }],
    files: [
      {
        ...file('a.png'),
        type: 'image/png',
        personal: false,
        compressible: false,
        headers: ['cache-control', 'public, max-age=0, must-revalidate', 'x-content-type-options', 'nosniff'],
        variants: [],
      },
      {
        ...file('b.html'),
        type: 'text/html; charset=utf-8',
        personal: false,
        compressible: true,
        headers: [
          ...['cache-control', 'public, max-age=0, must-revalidate', 'x-content-type-options', 'nosniff'],
          ...['vary', 'Accept-Encoding'],
        ],
        variants: [],
      },
    ],
  })
})

t.test('HTML of a site with an upstream is personal and varies by cookie', async (t) => {
  const layout = layoutOf(t.testdir())
  const files = [file('a.html'), file('b.css'), file('c.HTM'), file('d.xhtml')]
  const compiled = await compile(layout, files, { hasUpstream: true })
  t.same(
    compiled.files.map(({ path, personal, headers }) => [path, personal, headers.at(-1)]),
    [
      ['a.html', true, 'Accept-Encoding, Cookie'],
      ['b.css', false, 'Accept-Encoding'],
      ['c.HTM', true, 'Accept-Encoding, Cookie'],
      ['d.xhtml', true, 'Accept-Encoding, Cookie'],
    ],
  )
})

t.test('files that tell a host something are not served, but only at the root', async (t) => {
  const layout = layoutOf(t.testdir())
  const names = ['_headers', '_redirects', '_worker.js', 'grove.json']
  const files = [...names.map((name) => file(name)), ...names.map((name) => file(`docs/${name}`)), file('x_headers')]
  const compiled = await compile(layout, files)
  t.same(
    compiled.files.map(({ path }) => path),
    ['docs/_headers', 'docs/_redirects', 'docs/_worker.js', 'docs/grove.json', 'x_headers'],
  )
  for (const name of names) t.notOk(isServed(name))
  t.ok(isServed('docs/_headers'))
})

t.test("plugins are asked once per file, with the file and the site, and in the config's order", async (t) => {
  const layout = layoutOf(t.testdir())
  const asked: [FileInfo, unknown][] = []
  const first: Plugin = {
    name: 'first',
    headers(file, site) {
      asked.push([file, site])
      return ['x-tag', `first ${file.path}`, 'x-first', 'yes']
    },
  }
  const second: Plugin = { name: 'second', headers: ({ path }) => ['x-tag', `second ${path}`] }
  const plugins = [first, { name: 'none' }, second]
  const compiled = await compile(layout, [file('a.html')], { plugins, hasUpstream: true })
  t.same(asked, [[{ ...file('a.html'), type: 'text/html; charset=utf-8', personal: true }, site]])
  t.same(compiled.files[0]?.headers.slice(4), [
    ...['x-tag', 'second a.html', 'x-first', 'yes', 'vary', 'Accept-Encoding, Cookie'],
  ])
})

t.test('a plugin can name another type, and what is personal follows from both', async (t) => {
  const layout = layoutOf(t.testdir())
  const types = new Map([
    ['a.html', 'text/plain'],
    ['b.txt', 'text/html'],
    ['c.png', 'application/json'],
  ])
  const plugin: Plugin = { name: 'types', headers: ({ path }) => ['Content-Type', types.get(path) ?? ''] }
  const files = [...types.keys()].map((path) => file(path))
  const compiled = await compile(layout, files, { plugins: [plugin], hasUpstream: true })
  t.same(
    compiled.files.map(({ type, personal, compressible }) => [type, personal, compressible]),
    [
      ['text/plain', true, true],
      ['text/html', true, true],
      ['application/json', false, true],
    ],
  )
  t.notOk(compiled.files.some(({ headers }) => headers.includes('content-type')))
})

t.test('a plugin that says what it may not ends the compilation', async (t) => {
  const layout = layoutOf(t.testdir())
  const plugins: Plugin[] = [{ name: 'bad', headers: () => ['etag', '"x"'] }]
  await t.rejects(compile(layout, [file('a.html')], { plugins }), {
    code: 'ERR_PLUGIN',
    message: /plugin "bad" for a\.html: "etag"/,
  })
})

t.test('copies that lie on disk are listed, best first; an empty one is settled and not listed', async (t) => {
  const layout = layoutOf(t.testdir())
  putVariant(layout, 'a.html', 'br', 300)
  const partly = await compile(layout, [file('a.html')])
  t.same(partly.files[0]?.variants, [{ coding: 'br', bytes: 300 }])
  t.equal(partly.toEncode.length, 1, 'two are outstanding')
  putVariant(layout, 'a.html', 'zstd', 0)
  t.same(await compile(layout, [file('a.html')]), partly)
  putVariant(layout, 'a.html', 'gzip', 400)
  const whole = await compile(layout, [file('a.html')])
  t.same(whole.files[0]?.variants, [
    { coding: 'br', bytes: 300 },
    { coding: 'gzip', bytes: 400 },
  ])
  t.same(whole.toEncode, [])
})

t.test('nothing is outstanding for files that get no copies', async (t) => {
  const layout = layoutOf(t.testdir())
  const { minBytes, maxBytes } = limits.variant
  const small = [file('a.html', minBytes - 1), file('b.html', maxBytes + 1), file('c.png', 5_000), file('d.html', 0)]
  t.same((await compile(layout, small)).toEncode, [])
  t.same((await compile(layout, [])).toEncode, [])
  t.equal((await compile(layout, [...small, file('e.html', minBytes)])).toEncode.length, 1)
  t.equal((await compile(layout, [file('f.html', maxBytes)])).toEncode.length, 1)
})

t.test('many files are compiled with their copies', async (t) => {
  const layout = layoutOf(t.testdir())
  const files = Array.from({ length: 500 }, (_, index) => file(`page-${index}.html`))
  for (const { path } of files.slice(0, 40)) for (const coding of codings) putVariant(layout, path, coding, 10)
  const compiled = await compile(layout, files)
  t.same(
    compiled.files.map(({ path }) => path),
    files.map(({ path }) => path),
  )
  t.equal(compiled.files.filter(({ variants }) => variants.length === 3).length, 40)
  t.equal(compiled.toEncode.length, 460)
})

t.test('settings are alike when they make the same of the same files', (t) => {
  const layout = layoutOf('/')
  const keyOf = (more: Partial<CompileSettings>) =>
    settingsKey({ site, hasUpstream: false, plugins: [], layout, ...more })
  const other = { ...site, name: 'shop' }
  const plugin: Plugin = { name: 'tags', headers: () => [] }
  t.equal(keyOf({}), keyOf({ site: other, plugins: [{ name: 'deaf' }] }), 'no plugin says anything')
  t.not(keyOf({}), keyOf({ hasUpstream: true }))
  t.not(keyOf({}), keyOf({ plugins: [plugin] }))
  t.equal(keyOf({ plugins: [plugin] }), keyOf({ plugins: [{ name: 'deaf' }, plugin] }))
  t.not(keyOf({ plugins: [plugin] }), keyOf({ plugins: [{ ...plugin }] }), 'made anew at a reload')
  t.not(keyOf({ plugins: [plugin] }), keyOf({ plugins: [plugin], site: other }))
  t.end()
})
