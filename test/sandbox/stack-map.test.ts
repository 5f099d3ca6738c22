import { runInNewContext } from 'node:vm'
import t from 'tap'
import { siteFilename } from '../../sandbox/bridge.ts'
import { createStackMap } from '../../sandbox/stack-map.ts'
import { bundleFiles } from './bundle/fixtures/site.ts'

/** Runs a bundle as the engine does, and answers what it throws. */
function thrownBy(code: string): Error {
  try {
    runInNewContext(
      `groveDefine((groveWasm)=>{"use strict";\n${code}\nreturn groveSite})`,
      {
        groveDefine: (site: () => { default: { fetch(): void } }) => site().default.fetch(),
      },
      { filename: siteFilename, lineOffset: -1 },
    )
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

t.test('a stack leads to what the author wrote', async (t) => {
  const bundle = await bundleFiles(
    {
      'src/index.ts':
        "import { check } from './check'\n\nexport default {\n  fetch(): void {\n    check({ a: 1 })\n  },\n}\n",
      'src/check.ts':
        "export interface Thing { a: number }\n\nexport function check(thing: Thing): never {\n  throw new TypeError('bad ' + thing.a)\n}\n",
    },
    { entry: 'src/index.ts' },
  )
  const { stack = '' } = thrownBy(bundle.code)
  t.match(stack, /grove:site:1:\d+/)
  const map = createStackMap(bundle.map)
  const lines = map
    .map(stack)
    .split('\n')
    .filter((line) => /^\S|src/.test(line))
  t.match(
    lines.join('\n'),
    /TypeError: bad 1\n {4}at check \(src\/check\.ts:4:9\)\n {4}at Object\.fetch \(src\/index\.ts:5:5\)/,
  )
  t.notMatch(map.map(stack), /stack-map|node:|file:/)
  const [, line = '', column = ''] = /grove:site:(\d+):(\d+)/.exec(stack) ?? []
  t.same(map.find(Number(line), Number(column)), { file: 'src/check.ts', line: 4, column: 9 })
})

t.test('frames that are not the site’s are left out', (t) => {
  const map = createStackMap('{"version":3,"sources":[],"names":[],"mappings":""}')
  t.equal(
    map.map(
      [
        'Error: x',
        '    at JSON.parse (<anonymous>)',
        '    at fetch (grove:site:1:2)',
        '    at respond (grove:prelude:1:99)',
        '    at async grove:prelude:3:4',
        '    at (<isolated-vm boundary>)',
        '    at run (node:vm:1:1)',
        '    at run (/home/grove/sandbox/engine.ts:1:1)',
        '    at file:///home/grove/x.js:1:1',
        'at home /here',
      ].join('\n'),
    ),
    'Error: x\n    at JSON.parse (<anonymous>)\n    at fetch (bundle:1:2)\nat home /here',
  )
  t.end()
})

t.test('places in other lines of the log', async (t) => {
  const { code, map } = await bundleFiles({ '_worker.js': 'export default {\n  fetch() { return 1 } }' })
  const column = code.indexOf('return 1') + 1
  t.equal(
    createStackMap(map).map(`cpuMs 60 of 50, at fetch (grove:site:1:${column})`),
    'cpuMs 60 of 50, at fetch (_worker.js:2:13)',
  )
})

t.test('maps that are none, and places that are none', (t) => {
  for (const map of [
    '',
    '{',
    '[]',
    'null',
    '{"version":2}',
    '{"version":3,"mappings":"!!!!","sources":["a"]}',
    '{"version":3}',
  ])
    t.match(createStackMap(map).map('at x (grove:site:1:1)'), /^at x \(/, map)
  const map = createStackMap('{"version":3,"sources":["a.ts"],"names":[],"mappings":";AAAA"}')
  t.equal(map.find(1, 1), undefined)
  t.same(map.find(2, 1), { file: 'a.ts', line: 1, column: 1 })
  t.equal(map.find(3, 1), undefined, 'the entry of another line is none')
  t.equal(map.find(0, 1), undefined)
  t.equal(map.find(1, 0), undefined)
  t.end()
})

t.test('long texts are cut', (t) => {
  const map = createStackMap('{}')
  t.equal(map.map('x'.repeat(20_000)).length, 16_384)
  t.equal(map.map('x\n'.repeat(100)).split('\n').length, 50)
  t.end()
})
