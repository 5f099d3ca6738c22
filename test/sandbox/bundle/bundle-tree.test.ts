import { readFileSync } from 'node:fs'
import t from 'tap'
import { bundleTree } from '../../../sandbox/bundle/bundle-tree.ts'
import { type Files, runBundle, treeOf } from './fixtures/site.ts'

const bundle = (files: Files, more: object = {}) =>
  bundleTree({ entry: '_worker.js', bundleBytes: 4_194_304, readTree: treeOf(files), ...more })

t.test('an upload is bundled in a process of its own', async (t) => {
  const made = await bundle({
    '_worker.js': 'import m from "./m.wasm"; import { x } from "./lib"; export default { x, m }',
    'lib/index.ts': 'export const x: number = 42',
    'm.wasm': Uint8Array.of(1, 2),
  })
  t.match(runBundle(made), { x: 42, m: Uint8Array.of(1, 2) })
  t.same(made.inputs, ['_worker.js', 'lib/index.ts', 'm.wasm'])
})

t.test('its faults come back', async (t) => {
  await t.rejects(bundle({ '_worker.js': 'import "node:net"; export default 1' }), {
    code: 'ERR_CODE',
    message: /_worker\.js:1:8: cannot import "node:net"/,
    details: { faults: [{ file: '_worker.js', line: 1, column: 8 }] },
  })
})

t.test('nothing of this machine can be read', async (t) => {
  const here = import.meta.dirname.slice(1)
  const up = '../'.repeat(20)
  for (const specifier of [
    '/etc/hostname',
    'file:///etc/hostname',
    `${up}etc/hostname`,
    `./${up}etc/hostname`,
    `${up}${here}/bundle-tree.test.ts`,
    'zod',
    'esbuild',
    'tap',
    `${up}work/main/package.json`,
  ])
    await t.rejects(
      bundle({ '_worker.js': `import x from ${JSON.stringify(specifier)}; export default x` }),
      { code: 'ERR_CODE', message: /cannot import/ },
      specifier,
    )
  const made = await bundle({
    '_worker.js': 'export default 1\n//# sourceMappingURL=../../../../../../../../etc/hostname',
    'node_modules/x/package.json': { main: '/etc/hostname' },
  })
  t.notMatch(made.map, readFileSync('/etc/hostname', 'utf8').trim())
  const linked = await bundle({
    '_worker.js':
      'import "./a.css.js"; export default 2\n//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbIi4uLy4uLy4uL2V0Yy9wYXNzd2QiXSwibWFwcGluZ3MiOiJBQUFBIn0=',
    'a.css.js': '',
  })
  t.notMatch(linked.map, /etc\/passwd/)
})

t.test('nobody waits for a bundle that does not end', async (t) => {
  const stop = new AbortController()
  const reason = new Error('enough')
  await t.rejects(
    bundle(
      {},
      {
        signal: stop.signal,
        readTree: async () => {
          stop.abort(reason)
          return new Promise(() => undefined)
        },
      },
    ),
    reason,
  )
  t.ok(await bundle({ '_worker.js': 'export default 1' }), 'and the next one has its turn')
})

t.test('code that brings the compiler down costs its own bundle', async (t) => {
  await t.rejects(bundle({ '_worker.js': `export default ${'['.repeat(3_000_000)}` }), {
    code: 'ERR_CODE',
    message: 'the compiler cannot take this code',
  })
  t.ok(await bundle({ '_worker.js': 'export default 1' }))
})
