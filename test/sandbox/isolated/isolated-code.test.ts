import '../fixtures/exit-at-once.ts'
import t from 'tap'
import { defaultSandboxLimits, type SandboxLimits } from '../../../core/sandbox-limits.ts'
import { deliveries, faults } from '../../../sandbox/bridge.ts'
import { type EngineIsolate, type EngineRequest, LoadError } from '../../../sandbox/engine.ts'
import { createIsolatedEngine } from '../../../sandbox/isolated/engine.ts'
import { breachOf, createRecordingHost, type RecordingHost } from '../fixtures/recording-host.ts'
import { bundleOf, smallPrelude } from '../fixtures/small-prelude.ts'

const request: EngineRequest = {
  method: 'GET',
  url: 'https://a.example/x',
  headers: ['accept', '*/*'],
  hasBody: false,
  isUpgrade: false,
  requestId: 'r1',
}

/** As if the machine were the test's alone, so that limits are what they are. */
const steady = { factor: 1, note() {} }

interface Made {
  readonly code: EngineIsolate
  readonly host: RecordingHost
  readonly watched: string[]
}

interface Options {
  readonly limits?: Partial<SandboxLimits>
  readonly before?: string
  readonly vars?: Record<string, string>
  readonly wasm?: readonly { name: string; bytes: Uint8Array }[]
}

function load(handlers: string, { limits = {}, before = '', vars = {}, wasm = [] }: Options = {}): Made {
  const watched: string[] = []
  const watch = { enter: (limitMs: number) => watched.push(`in ${limitMs}`), leave: () => watched.push('out') }
  const engine = createIsolatedEngine({ prelude: smallPrelude, watch, pace: steady })
  const host = createRecordingHost()
  host.answers['respond'] = 1_000
  const source = {
    site: 'test',
    version: 3,
    bundle: bundleOf(handlers, before),
    vars,
    wasm,
    assets: false,
    data: true,
    limits: { ...defaultSandboxLimits, ...limits },
  }
  return { code: engine.load(source, host), host, watched }
}

function bodyOf(host: RecordingHost, id: number): unknown {
  return host.of('respond').find((args) => args[0] === id)?.[3]
}

t.test('a code is loaded, and told what it may know', (t) => {
  const { code, host } = load(
    `{ fetch: (request, env) => ({ body: JSON.stringify([request.method, request.url, request.headers, request.requestId, env.A, env.begin]) }) }`,
    { vars: { A: 'x' } },
  )
  t.same(code.handlers, ['fetch'])
  t.ok(code.startupCpuMs > 0)
  code.dispatch(1, request)
  const [method, url, headers, id, a, begin] = JSON.parse(String(bodyOf(host, 1)))
  t.same([method, url, headers, id, a], ['GET', 'https://a.example/x', ['accept', '*/*'], 'r1', 'x'])
  t.match(begin, { site: 'test', version: 3, data: true, assets: false, limits: { timers: 256, urlChars: 16_384 } })
  t.same(host.of('done'), [[1]])
  t.ok(code.cpuMs(1) > 0)
  t.ok(code.memoryBytes() > 100_000)
  code.forget(1)
  t.equal(code.cpuMs(1), 0)
  code.dispose()
  t.end()
})

t.test('the watchdog is told of each entry, and of nothing else', (t) => {
  const { code, watched } = load(`{ fetch: () => ({}) }`, { limits: { entryMs: 70 } })
  t.same(watched, ['in 400', 'out'])
  code.dispatch(1, request)
  const [entered, left] = watched.slice(2)
  const limitMs = Number(entered?.slice('in '.length))
  t.ok(limitMs >= 70 && limitMs < 87 && left === 'out', `${entered}, on the grid of entry-timeout.ts`)
  code.dispose()
  t.same(watched.slice(4), ['in 400', 'out'])
  t.end()
})

t.test('limits by the clock are longer while the machine is busy', (t) => {
  const watched: number[] = []
  const watch = { enter: (limitMs: number) => watched.push(limitMs), leave() {} }
  const noted: number[] = []
  const pace = { factor: 3, note: (wallMs: number, cpuMs: number) => noted.push(wallMs, cpuMs) }
  const engine = createIsolatedEngine({ prelude: smallPrelude, watch, pace })
  const limits = { ...defaultSandboxLimits, entryMs: 50 }
  const source = {
    site: 'a',
    version: 1,
    bundle: bundleOf('{ fetch: () => ({}) }'),
    vars: {},
    wasm: [],
    assets: false,
    data: false,
  }
  const code = engine.load({ ...source, limits }, createRecordingHost())
  code.dispatch(1, request)
  const [startupMs, entryMs = 0] = watched
  t.equal(startupMs, 1_200)
  t.ok(entryMs >= 150 && entryMs < 167, `${entryMs} ms, on the grid of entry-timeout.ts`)
  t.equal(noted.length, 4)
  code.dispose()
  t.end()
})

t.test('an engine can warm up, whatever its prelude does with it', (t) => {
  const watched: string[] = []
  const watch = { enter: () => watched.push('in'), leave: () => watched.push('out') }
  const engine = createIsolatedEngine({ prelude: smallPrelude, watch, pace: steady })
  engine.warmUp()
  t.same(watched.filter((word) => word === 'in').length, watched.filter((word) => word === 'out').length)
  const host = createRecordingHost()
  const source = { site: 'a', version: 1, bundle: bundleOf(`{ fetch: () => ({ body: 'x' }) }`), vars: {}, wasm: [] }
  const code = engine.load({ ...source, assets: false, data: false, limits: defaultSandboxLimits }, host)
  code.dispatch(1, request)
  t.equal(bodyOf(host, 1), 'x')
  code.dispose()
  createIsolatedEngine({ prelude: 'throw 1', watch, pace: steady }).warmUp()
  t.end()
})

t.test('a module of WebAssembly arrives, and can be used again by the next isolate', (t) => {
  const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])
  for (let i = 0; i < 2; i++) {
    const { code, host } = load(`{ fetch: (_, env) => ({ body: String(env.WASM.m instanceof WebAssembly.Module) }) }`, {
      wasm: [{ name: 'm', bytes }],
    })
    code.dispatch(1, request)
    t.equal(bodyOf(host, 1), 'true')
    code.dispose()
  }
  t.end()
})

const failures: readonly { readonly name: string; readonly bundle: string; readonly expected: object }[] = [
  {
    name: 'throws',
    bundle: 'throw new TypeError("no")',
    expected: { reason: 'exception', error: { name: 'TypeError' } },
  },
  {
    name: 'throws what cannot be read',
    bundle: 'throw { get message() { throw 1 } }',
    expected: { reason: 'exception' },
  },
  { name: 'is no JavaScript', bundle: 'var groveSite = (', expected: { reason: 'syntax' } },
  {
    name: 'loops',
    bundle: 'for (;;);',
    expected: { reason: 'startup', error: { message: /loading took more than 50 ms \(startupMs\)/ } },
  },
  { name: 'loops when it is read', bundle: 'throw { toString() { for (;;); } }', expected: { reason: 'startup' } },
  { name: 'has no exports', bundle: '', expected: { reason: 'exception', error: { name: 'ReferenceError' } } },
]
for (const { name, bundle, expected } of failures)
  t.test(`code that ${name} is not loaded, and what is said of it is plain`, (t) => {
    try {
      load('{}', { before: '', limits: { startupMs: 50 } })
      const engine = createIsolatedEngine({
        prelude: smallPrelude,
        watch: { enter() {}, leave() {} },
        pace: steady,
      })
      const source = { site: 'a', version: 1, bundle, vars: {}, wasm: [], assets: false, data: false }
      engine.load({ ...source, limits: { ...defaultSandboxLimits, startupMs: 50 } }, createRecordingHost())
      t.fail('it was loaded')
    } catch (error) {
      t.type(error, LoadError)
      t.match(error, expected)
      t.notMatch((error as LoadError).error.stack, /\/|node:|\.ts/, 'no path of the host')
    }
    t.end()
  })

t.test('an entry that does not end is ended, charged and told; the isolate gets no new requests', (t) => {
  const { code, host } = load(`{ fetch: () => { for (;;); } }`, { limits: { entryMs: 50 } })
  code.dispatch(1, request)
  t.equal(host.of('unfit').length, 1)
  t.match(breachOf(host.of('breach')[0]), { limit: 'entryMs', bound: 50 })
  t.ok((breachOf(host.of('breach')[0])?.value ?? 0) >= 49)
  t.ok(code.cpuMs(1) > 10)
  t.notOk(code.isGone)
  code.dispose()
  t.end()
})

t.test('a request that has used up its CPU and the bucket of the site gets no entry any more', async (t) => {
  const { code, host } = load(
    `{ async fetch() { for (;;) { const end = Date.now() + 10; while (Date.now() < end); await operation(1, {}) } } }`,
    {
      limits: { cpuMs: 20, cpuBucketMs: 10, cpuRefillMsPerSecond: 1, entryMs: 100 },
    },
  )
  let id = 100
  host.answers['start'] = id
  code.dispatch(1, request)
  for (let i = 0; i < 20 && host.of('breach').length === 0; i++) {
    host.answers['start'] = id + 1
    code.deliver(id, 1, deliveries.answer, '{}')
    id++
    await new Promise(setImmediate)
  }
  t.match(breachOf(host.of('breach')[0]), { limit: 'cpuMs' })
  const { calls } = host
  const before = calls.length
  code.deliver(id, 1, deliveries.answer, '{}')
  t.same(
    calls.slice(before).map(({ name }) => name),
    ['breach'],
  )
  code.dispose()
})

t.test('the last word reaches a request that has used up its CPU', async (t) => {
  const { code, host } = load(`{ async fetch(request) { globalThis.marker = 1; await operation(1, {}) } }`, {
    limits: { cpuMs: 1, cpuBucketMs: 1, cpuRefillMsPerSecond: 1 },
  })
  host.answers['start'] = 50
  code.dispatch(1, request)
  for (let i = 0; i < 2_000 && host.of('breach').length === 0; i++) {
    code.deliver(7, 1, deliveries.writable, 1)
    await new Promise(setImmediate)
  }
  t.equal(host.of('breach').length, 1)
  code.deliver(1, 1, deliveries.over, 'reason')
  t.equal(host.of('breach').length, 1, 'it is let in')
  code.dispose()
})

t.test('entries never nest: what is delivered during one comes after it', (t) => {
  const { code, host } = load(
    `{ async fetch(request) { const order = []; operation(1, {}).then(() => order.push('answer')); order.push('started'); await null; order.push('end of turn'); await operation(1, {}); return { body: order.join() } } }`,
  )
  let id = 50
  host.during = (name) => {
    if (name !== 'start') return
    id++
    const mine = id
    host.answers['start'] = mine
    code.deliver(mine, 1, deliveries.answer, '{}')
  }
  code.dispatch(1, request)
  t.equal(bodyOf(host, 1), 'started,end of turn,answer')
  code.dispose()
  t.end()
})

t.test('a request that is dispatched during an entry comes after it', (t) => {
  const { code, host } = load(`{ fetch: (request) => ({ body: 'x' }) }`)
  host.during = (name, [id]) => {
    if (name === 'respond' && id === 1) code.dispatch(2, request)
  }
  code.dispatch(1, request)
  t.same(
    host.of('respond').map(([id]) => id),
    [1, 2],
  )
  t.same(
    host.calls.map(({ name, args }) => `${name} ${args[0]}`),
    ['respond 1', 'done 1', 'respond 2', 'done 2'],
  )
  code.dispose()
  t.end()
})

t.test('entries that take long leave others a turn of the event loop', async (t) => {
  const { code, host } = load(
    `{ fetch: (request) => { const end = Date.now() + 30; while (Date.now() < end); return { body: 'x' } } }`,
    { limits: { entryMs: 1_000 } },
  )
  await new Promise(setImmediate) // Loading counts, too.
  const order: string[] = []
  const all = new Promise<void>((resolve) => {
    host.during = (name, [id]) => {
      if (name === 'done') order.push(`done ${id}`)
      if (order.length === 5) resolve()
    }
  })
  setImmediate(() => order.push('turn'))
  for (let id = 1; id <= 4; id++) code.dispatch(id, request)
  t.same(order, ['done 1'])
  await all
  t.same(order, ['done 1', 'turn', 'done 2', 'done 3', 'done 4'])
  code.dispose()
})

t.test('a rejection that nobody handles is reported, and the answer is not lost', (t) => {
  const { code, host } = load(`{ fetch() { Promise.reject(new RangeError('lost')); return { body: 'x' } } }`)
  code.dispatch(1, request)
  t.equal(bodyOf(host, 1), 'x')
  t.match(host.of('report'), [[1, { name: 'RangeError', message: 'lost' }]])
  t.notMatch(host.of('report')[0]?.[1], { stack: /isolated-code/ })
  code.dispose()
  t.end()
})

t.test('who says that it timed out is not believed', (t) => {
  const { code, host } = load(
    `{ fetch() { Promise.reject(new Error('Script execution timed out.')); return { body: 'x' } } }`,
  )
  code.dispatch(1, request)
  t.equal(host.of('breach').length, 0)
  t.equal(host.of('report').length, 1)
  code.dispose()
  t.end()
})

t.test('timers run when they are due, the earliest first, each charged to its request', async (t) => {
  const { code, host } = load(
    `{ fetch: (request) => new Promise((resolve) => { const order = []; setTimeout(() => { order.push(currentRequest()); resolve({ body: order.join() }) }, 30); setTimeout(() => order.push('first'), 1) }) }`,
  )
  const answered = new Promise<void>((resolve) => {
    host.during = (name) => {
      if (name === 'done') resolve()
    }
  })
  code.dispatch(7, request)
  await answered
  t.equal(bodyOf(host, 7), 'first,7')
  code.dispose()
})

t.test('timers of a request that is forgotten never run', async (t) => {
  const { code, host } = load(
    `{ async fetch() { setTimeout(() => console.log('ran'), 5); setTimeout(() => console.log('ran'), 1e12); return {} } }`,
  )
  code.dispatch(1, request)
  code.forget(1)
  const { code: other, host: otherHost } = load(
    `{ fetch: () => new Promise((resolve) => setTimeout(() => resolve({}), 30)) }`,
  )
  const later = new Promise<void>((resolve) => {
    otherHost.during = (name) => name === 'done' && resolve()
  })
  other.dispatch(1, request)
  await later
  t.same(host.of('log'), [])
  code.dispose()
  other.dispose()
})

t.test('bytes cross both ways, and only what is theirs', (t) => {
  const { code, host } = load(
    `{ async fetch(request) { const bytes = await request.read(); return { body: bytes.map((byte) => byte + 1) } } }`,
  )
  const pool = new Uint8Array(1_000).fill(7)
  host.answers['pull'] = 0
  code.dispatch(1, { ...request, hasBody: true })
  code.deliver(1, 1, deliveries.chunk, pool.subarray(10, 13))
  t.same(bodyOf(host, 1), new Uint8Array([8, 8, 8]))
  t.equal(pool[10], 7, 'what lies beside others is not given away')
  code.dispose()
  t.end()
})

t.test('an isolate without memory is gone, and says so once', (t) => {
  const { code, host } = load(`{ fetch() { const all = []; for (;;) all.push(new Uint8Array(1_000_000).fill(1)) } }`, {
    limits: { heapMiB: 16, entryMs: 1_000 },
  })
  code.dispatch(1, request)
  // What is over its bound is refused by the allocator, or ends the isolate; both are an end.
  if (code.isGone) t.match(breachOf(host.of('lost')[0]), { limit: 'heapMiB', bound: 16 })
  else t.match(host.of('fail'), [[1, 1, { name: 'RangeError' }]])
  code.dispose()
  t.end()
})

t.test('nothing happens in an isolate that is disposed', (t) => {
  const { code, host } = load(`{ fetch: () => ({ body: 'x' }) }`)
  code.dispose()
  code.dispose()
  code.dispatch(1, request)
  code.deliver(1, 1, deliveries.answer, '{}')
  t.same(host.calls, [])
  t.equal(code.memoryBytes(), 0)
  t.ok(code.isGone)
  t.end()
})

t.test('an isolate can be disposed by what it calls', async (t) => {
  const { code, host } = load(`{ fetch: () => ({ body: 'x' }) }`)
  host.during = (name) => name === 'respond' && code.dispose()
  code.dispatch(1, request)
  t.equal(bodyOf(host, 1), 'x')
  t.ok(code.isGone)
  await new Promise(setImmediate)
})

t.test('what is for requests that are not there is dropped', (t) => {
  const { code, host } = load(`{ fetch: () => ({ body: 'x' }) }`)
  code.deliver(5, 5, deliveries.answer, '{}')
  t.same(host.calls, [])
  code.dispose()
  t.end()
})

t.test('a prelude that calls before its request is there is refused', (t) => {
  const { code, host } = load(`{ fetch: () => ({ body: String(host(10, 99, 1, '{}')) }) }`, {
    before: `globalThis.early = host(10, 0, 1, '{}')`,
  })
  code.dispatch(1, request)
  t.equal(bodyOf(host, 1), String(faults.closed))
  t.equal(host.of('start').length, 0)
  code.dispose()
  t.end()
})
