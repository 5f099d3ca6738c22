import t from 'tap'
import { defaultSandboxLimits } from '../../core/sandbox-limits.ts'
import { emptySiteFile, readSiteFile } from '../../sandbox/site-file.ts'

const read = (value: unknown) =>
  readSiteFile(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), defaultSandboxLimits)

t.test('what a site says of its code', (t) => {
  t.same(
    read({
      $schema: 'https://example.com/grove.json',
      code: 'src/index.ts',
      routes: [
        { pattern: '/api/*', to: 'code' },
        { pattern: '/api/docs', to: 'static' },
      ],
      vars: { NAME: 'value', _x1: '' },
      allow: ['api.example.com', '*.example.org:8443'],
      wasm: { ADD: 'lib/add.wasm' },
    }),
    {
      code: 'src/index.ts',
      routes: [
        { pattern: '/api/*', to: 'code' },
        { pattern: '/api/docs', to: 'static' },
      ],
      vars: { NAME: 'value', _x1: '' },
      allow: ['api.example.com', '*.example.org:8443'],
      wasm: { ADD: 'lib/add.wasm' },
    },
  )
  t.same(read({}), emptySiteFile)
  t.same(read('\ufeff{}'), emptySiteFile)
  t.same(read({ allow: [] }).allow, [], 'nothing at all is not the same as everything')
  t.end()
})

t.test('what it may not say, and where', (t) => {
  for (const [value, message] of [
    ['{', /^grove\.json: it is no JSON: /],
    ['', /it is no JSON/],
    ['[]', /^grove\.json: .*expected object/],
    ['null', /expected object/],
    [{ cod: 'x.js' }, /^grove\.json: unrecognized key: "cod"$/],
    [{ code: '/etc/x.js' }, /^grove\.json: code: the path starts with \/$/],
    [{ code: '../x.js' }, /code: the path has the segment \.\./],
    [{ code: '' }, /code: the path is empty/],
    [{ code: 'x.html' }, /code: expected a file of JavaScript or TypeScript/],
    [{ code: 7 }, /code: .*expected string/],
    [{ routes: [{ pattern: 'api', to: 'code' }] }, /routes\.0\.pattern: expected a path that begins with/],
    [{ routes: [{ pattern: '/a*b', to: 'code' }] }, /routes\.0\.pattern/],
    [{ routes: [{ pattern: '/a', to: 'else' }] }, /routes\.0\.to: /],
    [{ routes: [{ pattern: '/a', to: 'code', x: 1 }] }, /routes\.0: unrecognized key/],
    [{ routes: Array.from({ length: 101 }, () => ({ pattern: '/', to: 'code' })) }, /routes: .*100/],
    [{ vars: { 'a-b': '1' } }, /vars\.a-b: expected a name of letters/],
    [{ vars: { DATA: '1' } }, /vars\.DATA: expected a name/],
    [{ vars: { A: 1 } }, /vars\.A: .*expected string/],
    [{ vars: { A: 'ü'.repeat(2_561) } }, /vars\.A: more than 5120 bytes/],
    [{ vars: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`V${i}`, ''])) }, /vars: more than 64 variables/],
    [{ vars: JSON.parse('{"__proto__": "x", "constructor": 1}') }, /vars\.constructor/],
    [{ allow: ['http://x'] }, /allow\.0: expected a host such as/],
    [{ allow: 'x' }, /allow: .*expected array/],
    [{ allow: Array.from({ length: 101 }, () => 'a.example') }, /allow: .*100/],
    [{ wasm: { ADD: 'add.js' } }, /wasm\.ADD: expected a file that ends in \.wasm/],
    [{ wasm: { ADD: '../add.wasm' } }, /wasm\.ADD: the path has the segment/],
    [{ wasm: { 'a b': 'add.wasm' } }, /wasm\.a b: expected a name/],
    [
      { wasm: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`W${i}`, 'a.wasm'])) },
      /wasm: more than 32 modules/,
    ],
    [`{"vars": {"A": "${'x'.repeat(70_000)}"}}`, /more than 65536 bytes/],
    [`${'['.repeat(30_000)}`, /it is no JSON/],
  ] as const)
    t.throws(() => read(value), { code: 'ERR_CODE', message }, JSON.stringify(value).slice(0, 60))
  t.end()
})

t.test('all faults at once, but not without end', (t) => {
  t.throws(() => read({ code: 1, allow: 2, x: 3 }), {
    message: /code: .*\n.*allow: .*\n.*"x"/,
    details: { faults: [String, String, String] },
  })
  const vars = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`V${i}`, 1]))
  t.throws(() => read({ vars }), { message: /^(?:.*\n){19}.*$/ })
  t.end()
})
