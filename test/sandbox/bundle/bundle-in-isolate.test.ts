import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { createStackMap } from '../../../sandbox/stack-map.ts'
import { checkModule } from '../../../sandbox/wasm/check-module.ts'
import { loadSite } from '../guest/isolate.ts'
import { code, moduleOf, name, section } from '../wasm/fixtures/modules.ts'
import { bundleFiles } from './fixtures/site.ts'

/** A module that adds, and has a memory without an end. */
const adder = moduleOf(
  section(1, 1, [0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
  section(3, 1, 0),
  section(5, 1, 0, 1),
  section(7, 2, name('add'), 0, 0, name('memory'), 2, 0),
  code([0, 0x20, 0, 0x20, 1, 0x6a, 0x0b]),
)

const files = {
  'src/index.ts': `import { add } from './add'

export default {
  async fetch(request: Request, env: { WASM: object }): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/fail') return fail(pathname)
    return Response.json({ sum: add(40, 2), wasm: Object.keys(env.WASM) })
  },
}

function fail(path: string): never {
  throw new RangeError('no ' + path)
}
`,
  'src/add.ts': `import adder from './add.wasm'

const { exports } = new WebAssembly.Instance(adder)
export const add = exports.add as (a: number, b: number) => number
`,
  'src/add.wasm': adder,
}

t.test('a bundle runs in an isolate, with a module of WebAssembly that it imports', async (t) => {
  const bundle = await bundleFiles(files, { entry: 'src/index.ts' })
  const wasm = bundle.wasm.map(({ name, bytes }) => ({ name, bytes: checkModule(bytes, defaultSandboxLimits).bytes }))
  const site = await loadSite(bundle.code, { wasm })
  t.teardown(() => site.isolate.dispose())
  const { body, error } = await site.ask('https://a.example/')
  t.equal(error, undefined)
  t.match(JSON.parse(body), { sum: 42 })
})

t.test('an error of it leads to the source', async (t) => {
  const bundle = await bundleFiles(files, { entry: 'src/index.ts' })
  const site = await loadSite(bundle.code, { wasm: [{ name: 'src/add.wasm', bytes: adder }] })
  t.teardown(() => site.isolate.dispose())
  const { error } = await site.ask('https://a.example/fail')
  t.equal(error?.message, 'no /fail')
  t.match(error?.stack, /grove:site:\d+:\d+/)
  const stack = createStackMap(bundle.map).map(error?.stack ?? '')
  t.match(stack, /at fail \(src\/index\.ts:12:9\)\n\s+at (?:Object\.)?fetch \(src\/index\.ts:6:38\)/)
  t.notMatch(stack, /grove:|file:|node:/)
})
