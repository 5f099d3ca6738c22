import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { type CompileInput, compileVersion, isServed, writeCompiled } from '../../control/compile.ts'
import { mediaTypeOf } from '../../control/media-type.ts'
import { type Coding, type CompiledVersion, codings } from '../../core/compiled.ts'
import { compiledFile, type Layout, layoutOf, variantFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import type { FileInfo, Plugin } from '../../core/plugin.ts'
import type { TreeFile } from '../../store/tree.ts'

const site = { name: 'blog', authorities: ['blog.localhost'] }
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const file = (path: string, bytes = 1_000): TreeFile => ({ path, hash: hashOf(path), bytes })

function input(layout: Layout, files: TreeFile[], more: Partial<CompileInput> = {}): CompileInput {
  return { site, version: 3, files, hasUpstream: false, plugins: [], layout, ...more }
}

function putVariant(layout: Layout, path: string, coding: Coding, bytes: number): void {
  const target = variantFile(layout, hashOf(path), coding)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, Buffer.alloc(bytes))
}

t.test('a version is compiled file by file, sorted by path', async (t) => {
  const layout = layoutOf(t.testdir())
  const { compiled, encoded } = await compileVersion(input(layout, [file('b.html'), file('a.png')]))
  t.equal(encoded, false)
  t.same(compiled, {
    site: 'blog',
    version: 3,
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
  const { compiled } = await compileVersion(input(layout, files, { hasUpstream: true }))
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
  const { compiled } = await compileVersion(input(layout, files))
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
  const { compiled } = await compileVersion(input(layout, [file('a.html')], { plugins, hasUpstream: true }))
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
  const { compiled } = await compileVersion(input(layout, files, { plugins: [plugin], hasUpstream: true }))
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
  await t.rejects(compileVersion(input(layout, [file('a.html')], { plugins })), {
    code: 'ERR_PLUGIN',
    message: /plugin "bad" for a\.html: "etag"/,
  })
})

t.test('copies that lie on disk are listed, best first; an empty one is settled and not listed', async (t) => {
  const layout = layoutOf(t.testdir())
  const compile = () => compileVersion(input(layout, [file('a.html')]))
  putVariant(layout, 'a.html', 'br', 300)
  const partly = await compile()
  t.same(partly.compiled.files[0]?.variants, [{ coding: 'br', bytes: 300 }])
  t.equal(partly.encoded, false, 'two are outstanding')
  putVariant(layout, 'a.html', 'zstd', 0)
  t.same(await compile(), partly)
  putVariant(layout, 'a.html', 'gzip', 400)
  const whole = await compile()
  t.same(whole.compiled.files[0]?.variants, [
    { coding: 'br', bytes: 300 },
    { coding: 'gzip', bytes: 400 },
  ])
  t.equal(whole.encoded, true)
})

t.test('nothing is outstanding for files that get no copies', async (t) => {
  const layout = layoutOf(t.testdir())
  const { minBytes, maxBytes } = limits.variant
  const small = [file('a.html', minBytes - 1), file('b.html', maxBytes + 1), file('c.png', 5_000), file('d.html', 0)]
  t.equal((await compileVersion(input(layout, small))).encoded, true)
  t.equal((await compileVersion(input(layout, []))).encoded, true)
  t.equal((await compileVersion(input(layout, [...small, file('e.html', minBytes)]))).encoded, false)
  t.equal((await compileVersion(input(layout, [file('f.html', maxBytes)]))).encoded, false)
})

t.test('many files are compiled with their copies', async (t) => {
  const layout = layoutOf(t.testdir())
  const files = Array.from({ length: 1_200 }, (_, index) => file(`page-${index}.html`))
  for (const { path } of files.slice(0, 40)) for (const coding of codings) putVariant(layout, path, coding, 10)
  const { compiled, encoded } = await compileVersion(input(layout, files))
  t.equal(compiled.files.length, files.length)
  t.equal(compiled.files.filter(({ variants }) => variants.length === 3).length, 40)
  t.equal(encoded, false)
})

const version: CompiledVersion = {
  site: 'blog',
  version: 3,
  files: [
    {
      ...file('a.html'),
      type: mediaTypeOf('a.html'),
      personal: false,
      compressible: true,
      headers: ['x-a', 'b'],
      variants: [{ coding: 'br', bytes: 3 }],
    },
  ],
}

t.test('a compiled version is written under the hash of its text, which does not depend on key order', async (t) => {
  const layout = layoutOf(t.testdir())
  const hash = await writeCompiled(layout, version)
  const text = readFileSync(compiledFile(layout, hash))
  t.equal(createHash('sha256').update(text).digest('hex'), hash)
  t.equal(text.toString().split('\n').length, 3, 'a head, a file, and nothing after the last line')
  const turned = version.files.map((file) => Object.fromEntries(Object.entries(file).reverse()))
  const { site: name, version: number } = version
  t.equal(
    await writeCompiled(layout, { files: turned, version: number, site: name } as unknown as CompiledVersion),
    hash,
  )
  t.same(readdirSync(layout.compiled), [hash])
  t.same(readdirSync(layout.temporary), [])
})

t.test(
  'a whole file of the same name is used as it is: a full disk keeps no version from going live again',
  async (t) => {
    const layout = layoutOf(t.testdir())
    const hash = await writeCompiled(layout, version)
    const before = statSync(compiledFile(layout, hash))
    utimesSync(compiledFile(layout, hash), 1, 1)
    t.equal(await writeCompiled(layout, version), hash)
    const after = statSync(compiledFile(layout, hash))
    t.equal(after.ino, before.ino, 'it was not written again')
    t.ok(after.mtimeMs >= before.mtimeMs, 'it is no leftover of an earlier process')
  },
)

t.test('a damaged file of the same name is replaced', async (t) => {
  const layout = layoutOf(t.testdir())
  const hash = await writeCompiled(layout, version)
  const whole = readFileSync(compiledFile(layout, hash))
  writeFileSync(compiledFile(layout, hash), '')
  t.equal(await writeCompiled(layout, version), hash)
  t.same(readFileSync(compiledFile(layout, hash)), whole)
})

t.test('a version that cannot be put in its place leaves nothing behind', async (t) => {
  const layout = layoutOf(t.testdir())
  const hash = await writeCompiled(layout, version)
  const other = layoutOf(t.testdir({ compiled: { [hash]: { 'a folder': 'in the way' } } }))
  await t.rejects(writeCompiled(other, version))
  t.same(readdirSync(other.temporary), [])
})
