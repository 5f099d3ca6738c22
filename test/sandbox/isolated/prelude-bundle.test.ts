import '../fixtures/exit-at-once.ts'
import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { createIsolatedEngine } from '../../../sandbox/isolated/engine.ts'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'
import { createRecordingHost } from '../fixtures/recording-host.ts'
import { bundleOf } from '../fixtures/small-prelude.ts'

t.test('the prelude is one plain script, and runs in an isolate', async (t) => {
  const prelude = await buildPrelude()
  t.match(prelude, /^[\t\n -~]*$/, 'ASCII alone')
  t.ok(prelude.length < 1_048_576, 'it fits into one frame')
  const engine = createIsolatedEngine({ prelude, watch: { enter() {}, leave() {} } })
  const host = createRecordingHost()
  const bundle = bundleOf(
    `{ fetch: async (request) => Response.json({ path: new URL(request.url).pathname, type: typeof groveCall }) }`,
  )
  const limits = { ...defaultSandboxLimits, startupMs: 1_000, entryMs: 1_000 }
  const code = engine.load(
    { site: 'a', version: 1, bundle, vars: {}, wasm: [], assets: false, data: false, limits },
    host,
  )
  const request = {
    method: 'GET',
    url: 'https://a.example/b',
    headers: [],
    hasBody: false,
    isUpgrade: false,
    requestId: 'r',
  }
  code.dispatch(1, request)
  const [respond] = host.of('respond')
  t.match(respond?.[1], { status: 200 })
  const body = respond?.[3]
  t.same(JSON.parse(typeof body === 'string' ? body : Buffer.from(body as Uint8Array).toString()), {
    path: '/b',
    type: 'undefined',
  })
  code.dispose()
})
