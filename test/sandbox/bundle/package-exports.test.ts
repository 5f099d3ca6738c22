import t from 'tap'
import { conditionsOf, exportedPath, importedTarget } from '../../../sandbox/bundle/package-exports.ts'

const esm = conditionsOf(false)
const cjs = conditionsOf(true)

t.test('exports of a package', (t) => {
  for (const [exports, subpath, expected] of [
    ['./a.js', '.', './a.js'],
    ['./a.js', './b', undefined],
    [{ import: './a.mjs', require: './a.cjs' }, '.', './a.mjs'],
    [{ node: './n.js', workerd: './w.js', default: './d.js' }, '.', './w.js'],
    [{ default: './d.js', workerd: './w.js' }, '.', './d.js'],
    [{ types: './a.d.ts', default: './d.js' }, '.', './d.js'],
    [{ node: './n.js' }, '.', undefined],
    [{ import: { worker: { production: './p.js', default: './w.js' } } }, '.', './w.js'],
    [{ import: { node: './n.js' }, default: './d.js' }, '.', './d.js'],
    [{ browser: null, default: './d.js' }, '.', undefined],
    [{ '.': './a.js', './b': './lib/b.js' }, '.', './a.js'],
    [{ '.': './a.js', './b': './lib/b.js' }, './b', './lib/b.js'],
    [{ '.': './a.js', './b': './lib/b.js' }, './c', undefined],
    [{ './*': './lib/*.js' }, './x/y', './lib/x/y.js'],
    [{ './*': './lib/*.js' }, './', undefined],
    [{ './*': './lib/*.js' }, './*', './lib/*.js'],
    [{ './*.js': './lib/*.js', './*': './other/*' }, './a.js', './lib/a.js'],
    [{ './features/*': './f/*', './features/private/*': null }, './features/private/x', undefined],
    [{ './a*b': './x/*', './a*': './y/*' }, './ab', './y/b'],
    [{ './a/*': './*/*' }, './a/b', './b/b'],
    [['./a.js', './b.js'], '.', './a.js'],
    [[{ node: './a.js' }, './b.js'], '.', './b.js'],
    [{ './x': ['bad', './y.js'] }, './x', undefined],
    // No way out.
    ['../a.js', '.', undefined],
    ['/etc/passwd', '.', undefined],
    ['./../a.js', '.', undefined],
    ['./lib/../../a.js', '.', undefined],
    ['./lib/%2e%2e/a.js', '.', './lib/%2e%2e/a.js'],
    ['./lib%2f..%2fa.js', '.', undefined],
    ['./node_modules/x/a.js', '.', undefined],
    ['./lib//a.js', '.', undefined],
    ['other', '.', undefined],
    [{ './*': './*' }, './../x', undefined],
    [{ './*': './*' }, './node_modules/x', undefined],
    [1, '.', undefined],
    [true, '.', undefined],
    [null, '.', undefined],
    [undefined, '.', undefined],
    [{}, '.', undefined],
    [[], '.', undefined],
    [{ __proto__: null, './a': './b' }, './a', './b'],
    [{ './a': './b' }, './constructor', undefined],
  ] as const)
    t.equal(exportedPath(exports, subpath, esm), expected, `${JSON.stringify(exports)} ${subpath}`)
  t.equal(exportedPath({ import: './a.mjs', require: './a.cjs' }, '.', cjs), './a.cjs')
  let deep: unknown = './a.js'
  for (let i = 0; i < 100; i += 1) deep = { default: deep }
  t.equal(exportedPath(deep, '.', esm), undefined)
  t.end()
})

t.test('imports of a package', (t) => {
  const imports = { '#a': './a.js', '#b': { workerd: 'other/b', default: './b.js' }, '#c/*': './c/*.js', '#d': null }
  t.equal(importedTarget(imports, '#a', esm), './a.js')
  t.equal(importedTarget(imports, '#b', esm), 'other/b')
  t.equal(importedTarget(imports, '#c/x', esm), './c/x.js')
  t.equal(importedTarget(imports, '#d', esm), undefined)
  t.equal(importedTarget(imports, '#e', esm), undefined)
  t.equal(importedTarget(undefined, '#a', esm), undefined)
  t.end()
})
