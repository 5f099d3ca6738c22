import fc from 'fast-check'
import t from 'tap'
import type { CompiledFile } from '../../core/compiled.ts'
import { getHeader } from '../../core/headers.ts'
import { preferenceOf } from '../../proxy/accept-encoding.ts'
import type { StaticEntry } from '../../proxy/table.ts'
import { buildTable } from './fixtures/table.ts'

function file(path: string, more: Partial<CompiledFile> = {}): CompiledFile {
  return {
    path,
    hash: '0'.repeat(64),
    bytes: 10,
    type: 'text/html; charset=utf-8',
    personal: false,
    compressible: true,
    headers: ['cache-control', 'no-cache'],
    variants: [],
    ...more,
  }
}

const table = (...files: CompiledFile[]) => buildTable({ site: 'blog', version: 42, files })

/** What is at a path, for a row: the file's size (every file has another), `-> folder`, or undefined. */
function shown(entry: StaticEntry | undefined): number | string | undefined {
  if (entry?.kind === 'redirect') return `-> ${entry.folder}`
  return entry?.select(preferenceOf(undefined))?.bytes
}

t.test('a path leads to its file, a folder to its index page', (t) => {
  const site = table(
    file('index.html', { bytes: 1 }),
    file('a.txt', { bytes: 2 }),
    file('docs/index.html', { bytes: 3 }),
    file('docs/é ?.html', { bytes: 4 }),
    file('empty/page.html', { bytes: 5 }),
    file('x/myindex.html', { bytes: 6 }),
  )
  const rows: [path: string, expected: number | string | undefined][] = [
    ['/', 1],
    ['/index.html', 1],
    ['/a.txt', 2],
    ['/a.txt/', undefined],
    ['/A.txt', undefined],
    ['/docs/', 3],
    ['/docs', '-> /docs/'],
    ['/docs/index.html', 3],
    ['/docs/index.html/', undefined],
    ['/docs/index', undefined],
    ['/docs//', undefined],
    ['//docs', undefined],
    ['/docs/é ?.html', 4],
    ['/empty', undefined],
    ['/empty/', undefined],
    ['/x/', undefined],
    ['/x', undefined],
    ['/__proto__', undefined],
    ['/constructor', undefined],
  ]
  for (const [path, expected] of rows) t.equal(shown(site.get(path)), expected, `"${path}"`)
  t.equal(site.label, 'blog@42')
  t.end()
})

t.test('the nearest 404.html upwards is the page for what is not there', (t) => {
  const site = table(
    file('404.html', { bytes: 1 }),
    file('docs/404.html', { bytes: 2 }),
    file('docs/a/b/404.html', { bytes: 3 }),
    file('other/my404.html', { bytes: 4 }),
  )
  const rows: [path: string, expected: number][] = [
    ['/nothing', 1],
    ['/', 1],
    ['/docs', 1],
    ['/docs/', 2],
    ['/docs/nothing', 2],
    ['/docs/a/nothing', 2],
    ['/docs/a/b/nothing', 3],
    ['/docs/a/b/c/d/e', 3],
    ['/docs/ab/b/', 2],
    ['/other/nothing', 1],
    [`/docs/${'x/'.repeat(4_000)}`, 2],
  ]
  for (const [path, expected] of rows) t.equal(shown(site.notFound(path)), expected, path.slice(0, 40))
  t.equal(table(file('docs/404.html')).notFound('/nothing'), undefined)
  t.equal(table().notFound('/a/b/c'), undefined)
  t.end()
})

t.test('a representation says all about itself, with an entity tag per coding', (t) => {
  const entry = table(
    file('a.html', {
      headers: ['cache-control', 'no-cache', 'link', '</a>', 'link', '</b>'],
      variants: [
        { coding: 'br', bytes: 3 },
        { coding: 'gzip', bytes: 5 },
      ],
    }),
  ).get('/a.html')
  if (entry?.kind !== 'file') throw new Error('expected a file')
  const name = Buffer.alloc(32).toString('base64url')
  const own = ['grove-version', 'blog@42', 'cache-control', 'no-cache', 'link', '</a>', 'link', '</b>']
  const type = ['content-type', 'text/html; charset=utf-8']
  const ranges = ['accept-ranges', 'bytes']
  t.match(entry.select(preferenceOf(undefined)), {
    key: '0'.repeat(64),
    coding: 'identity',
    etag: `"${name}"`,
    headers: ['etag', `"${name}"`, ...own, ...type, ...ranges, 'content-length', '10'],
  })
  const br = entry.select(preferenceOf('br, gzip'))
  t.match(br, {
    key: `${'0'.repeat(64)}.br`,
    coding: 'br',
    bytes: 3,
    validatorHeaders: ['etag', `"${name}-br"`, ...own],
    headers: ['etag', `"${name}-br"`, ...own, ...type, 'content-encoding', 'br', ...ranges, 'content-length', '3'],
  })
  t.equal(entry.select(preferenceOf('gzip'))?.etag, `"${name}-gzip"`)
  t.equal(entry.select(preferenceOf('br')), br, 'made once')
  t.equal(entry.select(preferenceOf('identity;q=0, zstd')), undefined)
  t.end()
})

t.test('personal files say so, and a redirect is for everyone', (t) => {
  const site = table(file('a/index.html', { personal: true }), file('b.css'))
  t.equal(site.get('/a/')?.personal, true)
  t.equal(site.get('/a')?.personal, false)
  t.equal(site.get('/b.css')?.personal, false)
  t.end()
})

t.test('every file of a tree is found, and only at its own paths', (t) => {
  const segment = fc.constantFrom('a', 'b', 'index.html', '404.html', 'x.txt')
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/'))
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 12 }), path, (paths, asked) => {
      const site = table(...paths.map((path, index) => file(path, { bytes: index + 1 })))
      for (const [index, path] of paths.entries())
        if (shown(site.get(`/${path}`)) !== index + 1) throw new Error(`${path} is not found`)
      const entry = site.get(`/${asked}`)
      const isFile = paths.includes(asked)
      const isFolder = paths.includes(`${asked}/index.html`)
      if ((entry?.kind === 'file') !== isFile) throw new Error(`${asked} as a file`)
      if ((entry?.kind === 'redirect') !== (isFolder && !isFile)) throw new Error(`${asked} as a folder`)
    }),
  )
  t.end()
})

t.test('header lists of a file have each name of the host once', (t) => {
  const entry = table(file('a.html')).get('/a.html')
  if (entry?.kind !== 'file') throw new Error('expected a file')
  const { headers = [] } = entry.select(preferenceOf(undefined)) ?? {}
  t.equal(getHeader(headers, 'content-length'), '10')
  const names = headers.filter((_, index) => index % 2 === 0)
  t.equal(new Set(names).size, names.length)
  t.end()
})
