import t, { type Test } from 'tap'
import { frameTypes } from '../../../core/sandbox-frames.ts'
import type { SandboxLimits } from '../../../core/sandbox-limits.ts'
import { bundleOf, smallPrelude } from '../fixtures/small-prelude.ts'
import { startTenantInside, type TestOperation, type TestTenant } from '../fixtures/tenant-process.ts'

/** A tenant with one code loaded. */
async function withCode(
  t: Test,
  handlers: string,
  limits: Partial<SandboxLimits> = {},
  before = '',
): Promise<TestTenant> {
  const tenant = await startTenantInside(smallPrelude)
  t.teardown(() => tenant.close())
  const loaded = await tenant.load({ bundle: bundleOf(handlers, before), limits: { entryMs: 1_000, ...limits } })
  t.notOk('failed' in loaded, JSON.stringify(loaded))
  return tenant
}

const url = 'https://a.example/path'

/** Waits until something holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

t.test('a request is answered', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => ({ status: 201, headers: ['x-a', 'b'], body: request.method + ' ' + request.url }) }`,
  )
  t.match(await tenant.request(url).answer, { status: 201, headers: ['x-a', 'b'], body: `GET ${url}`, cut: false })
  await until(() => tenant.usages.length > 0)
  t.match(tenant.usages[0], { version: 1, request: 'r1', status: 201, subrequests: 0 })
  t.ok((tenant.usages[0]?.cpuMs ?? 0) > 0)
  t.ok((tenant.usages[0]?.heapBytes ?? 0) > 100_000)
})

t.test('answers without a body, and with an empty one', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => request.url.endsWith('none') ? { status: 204 } : { body: '' } }`,
  )
  t.match(await tenant.request(`${url}/none`).answer, { status: 204, body: '', cut: false })
  t.match(await tenant.request(url).answer, { status: 200, body: '', cut: false })
})

t.test('bodies go both ways, larger than any window', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => ({ body: (async function* () { for (let piece = await request.read(); piece; piece = await request.read()) yield piece })() }) }`,
  )
  const body = 'abcdefgh'.repeat(200_000)
  const { status, body: echoed } = await tenant.request(url, { method: 'POST', body }).answer
  t.equal(status, 200)
  t.ok(echoed === body)
})

t.test('a body that comes with its head is read as one that comes in pieces', async (t) => {
  const tenant = await withCode(
    t,
    `{ async fetch(request) {
      if (!request.url.endsWith('pieces')) return { body: await request.text() }
      const sizes = []
      for (let piece = await request.read(); piece; piece = await request.read()) sizes.push(piece.byteLength + ' of ' + piece.buffer.byteLength)
      return { body: sizes.join() }
    } }`,
    { streamedBodyBytes: 20_000 },
  )
  const isWhole = true
  const ask = (path: string, body: string) => tenant.request(`${url}/${path}`, { method: 'POST', body, isWhole }).answer
  t.match(await ask('text', 'grüße'), { status: 200, body: 'grüße' })
  t.match(await ask('text', ''), { status: 200, body: '' })
  const sizes = await Promise.all(['a', 'bb', 'c'.repeat(9_000)].map((body) => ask('pieces', body)))
  // Each in a buffer of its own: what lies beside it on the way is of other requests.
  t.same(
    sizes.map(({ body }) => body),
    ['1 of 1', '2 of 2', '9000 of 9000'],
  )
  t.match(await ask('pieces', 'x'.repeat(20_001)), { status: 500 }, 'one over the bound of its tier breaks off')
})

t.test('a front that takes nothing stops the code from sending', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => ({ body: (async function* () { for (let i = 0; i < 40; i++) { globalThis.sent = i; yield 'x'.repeat(20_000) } })() }) , sent() {} }`,
  )
  const slow = tenant.request(url, { isSlow: true })
  await until(() => slow.received() >= 262_144)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal(slow.received(), 262_144)
  while (slow.received() < 800_000) {
    slow.credit(50_000)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.equal((await slow.answer).body.length, 800_000)
})

const failing: readonly {
  readonly name: string
  readonly handlers: string
  readonly failed: object
  readonly log: RegExp
}[] = [
  {
    name: 'throws',
    handlers: `{ fetch() { throw new TypeError('no way') } }`,
    failed: { status: 500, code: 'exception', reason: 'TypeError: no way' },
    log: /^TypeError: no way\n.*grove:site/,
  },
  {
    name: 'rejects with nothing',
    handlers: `{ fetch: () => Promise.reject() }`,
    failed: { status: 500, code: 'exception' },
    log: /undefined/,
  },
  {
    name: 'gives no response',
    handlers: `{ fetch: () => 7 }`,
    failed: { status: 502, code: 'bad-answer' },
    log: /not a response/,
  },
  {
    name: 'gives a status that is none',
    handlers: `{ fetch: () => ({ status: 99 }) }`,
    failed: { status: 502, code: 'bad-answer', reason: /status of the answer is 99/ },
    log: /the answer cannot be sent: the status/,
  },
  {
    name: 'splits headers',
    handlers: `{ fetch: () => ({ headers: ['a', 'x\\r\\nset-cookie: b'] }) }`,
    failed: { status: 502, code: 'bad-answer' },
    log: /header that cannot be sent/,
  },
  {
    name: 'switches protocols unasked',
    handlers: `{ fetch: () => ({ status: 101 }) }`,
    failed: { status: 502, code: 'bad-answer' },
    log: /no WebSocket was asked for/,
  },
]
for (const { name, handlers, failed, log } of failing)
  t.test(`code that ${name} fails the request, and the author learns why`, async (t) => {
    const tenant = await withCode(t, handlers)
    const answer = await tenant.request(url).answer
    t.match(answer.failed, failed)
    await until(() => tenant.logs.length > 0)
    t.match(tenant.logs[0], { level: 'error', request: 'r1', version: 1, text: log })
    t.notMatch(tenant.logs[0]?.text, /isolated-code|\/sandbox\//)
  })

t.test('who asks to be passed through is, when it throws; and without a handler everyone is', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch(_, __, context) { context.passThroughOnException(); throw new Error('x') } }`,
  )
  t.match(await tenant.request(url).answer, { passed: true })
  t.match(tenant.logs, [{ text: /Error: x/ }])
  const other = await withCode(t, `{ other() {} }`)
  t.match(await other.request(url).answer, { passed: true })
})

t.test('an answer that breaks off is cut', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: () => ({ body: (async function* () { yield 'begin'; host(4, 1, JSON.stringify({ name: 'Error', message: 'midway', stack: '' })); })() }) }`,
  )
  const answer = await tenant.request(url).answer
  t.match(answer, { status: 200, body: 'begin', failed: { code: 'exception' } })
})

t.test('a version that is not loaded is told', async (t) => {
  const tenant = await withCode(t, `{ fetch: () => ({}) }`)
  t.match((await tenant.request(url, { version: 9 }).answer).failed, { status: 503, code: 'not-loaded' })
})

t.test('a code that cannot be loaded is told, and another one is loaded beside', async (t) => {
  const tenant = await withCode(t, `{ fetch: () => ({ body: 'one' }) }`)
  t.match(await tenant.load({ version: 2, bundle: 'throw new Error("at the top")' }), {
    failed: { reason: 'exception', message: /at the top/, stack: /grove:site/ },
  })
  t.match(await tenant.load({ version: 3, bundle: 'var (' }), { failed: { reason: 'invalid' } })
  t.match(await tenant.load({ version: 1, bundle: bundleOf('{}') }), { failed: { message: /loaded already/ } })
  t.match(await tenant.load({ version: 4, bundle: bundleOf(`{ fetch: () => ({ body: 'four' }) }`) }), {
    version: 4,
    handlers: ['fetch'],
  })
  t.match(await tenant.request(url).answer, { body: 'one' })
  t.match(await tenant.request(url, { version: 4 }).answer, { body: 'four' })
})

t.test('a code that is unloaded finishes what it has, and takes nothing new', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: () => new Promise((resolve) => setTimeout(() => resolve({ body: 'done' }), 80)) }`,
  )
  const { answer } = tenant.request(url)
  tenant.unload(1, 0)
  t.match((await tenant.request(url).answer).status, 200, 'what came before the grace was over')
  t.match(await answer, { body: 'done' })
  let code = ''
  while (code !== 'not-loaded') code = (await tenant.request(url).answer).failed?.code ?? ''
  t.pass('nothing new')
})

t.test('so many requests run, so many wait, and the next is told to come later', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => new Promise((resolve) => { globalThis.waiting ??= []; waiting.push(resolve); if (request.url.endsWith('go')) for (const go of waiting) go({ body: 'x' }) }) }`,
    {
      concurrentRequests: 2,
      queuedRequests: 1,
    },
  )
  const [first, second, third, fourth] = [1, 2, 3, 4].map((n) => tenant.request(`${url}/${n === 3 ? 'go' : n}`))
  t.match((await fourth?.answer)?.failed, { status: 503, code: 'busy', reason: /queuedRequests/ })
  first?.cancel()
  t.match(await third?.answer, { body: 'x' })
  t.match(await second?.answer, { body: 'x' })
})

t.test('a request in line that is cancelled never runs', async (t) => {
  const tenant = await withCode(
    t,
    `{ async fetch(request) { console.log(request.url); await new Promise((resolve) => setTimeout(resolve, 30)); return {} } }`,
    { concurrentRequests: 1 },
  )
  const first = tenant.request(`${url}/1`)
  const second = tenant.request(`${url}/2`)
  second.cancel()
  const third = tenant.request(`${url}/3`)
  await first.answer
  await third.answer
  t.same(
    tenant.logs.map(({ text }) => text),
    [`${url}/1`, `${url}/3`],
  )
})

t.test('the code learns that its visitor is gone, and may go on for others', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request, env, context) => { request.onAbort(() => { console.log('gone'); setTimeout(() => console.log('later'), 5) }); context.waitUntil(new Promise((resolve) => setTimeout(resolve, 30))); return new Promise(() => {}) } }`,
  )
  const request = tenant.request(url, { body: 'x' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  request.cancel()
  await until(() => tenant.logs.length === 2)
  t.same(
    tenant.logs.map(({ text }) => text),
    ['gone', 'later'],
  )
})

t.test('requests of a front that is gone are cancelled', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => { request.onAbort(() => console.log('gone')); return new Promise(() => {}) } }`,
  )
  tenant.request(url)
  await new Promise((resolve) => setTimeout(resolve, 20))
  tenant.fronts[0]?.close()
  await until(() => tenant.logs.length === 1)
  t.match(tenant.logs, [{ text: 'gone' }])
})

t.test('what was given to waitUntil goes on after the answer, and ends at its bound', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request, env, context) => { context.waitUntil(new Promise((resolve) => setTimeout(() => { console.log('later'); resolve() }, 20))); context.waitUntil(new Promise(() => {})); return { body: 'x' } } }`,
    { waitUntilMs: 150 },
  )
  t.match(await tenant.request(url).answer, { body: 'x' })
  await until(() => tenant.logs.length === 2)
  t.match(tenant.logs, [{ text: 'later' }, { text: /limit reached: waitUntilMs: \d+, at most 150/ }])
})

t.test('an answer that does not begin or does not end in time fails', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => request.url.endsWith('never') ? new Promise(() => {}) : { body: (async function* () { yield 'x'; await new Promise(() => {}) })() } }`,
    { firstByteMs: 120, totalMs: 250 },
  )
  t.match((await tenant.request(`${url}/never`).answer).failed, {
    status: 504,
    code: 'wall',
    reason: /firstByteMs: \d+, at most 120/,
  })
  t.match(await tenant.request(url).answer, { status: 200, body: 'x', failed: { code: 'wall', reason: /totalMs/ } })
})

t.test('an entry that does not end costs its request; others under way are finished, new ones answered', async (t) => {
  const tenant = await withCode(
    t,
    `{ async fetch(request) { globalThis.count = (globalThis.count ?? 0) + 1; if (request.url.endsWith('loop')) for (;;); if (request.url.endsWith('slow')) await new Promise((resolve) => setTimeout(resolve, 200)); return { body: String(count) } } }`,
    { entryMs: 60 },
  )
  const slow = tenant.request(`${url}/slow`)
  t.match((await tenant.request(`${url}/loop`).answer).failed, {
    status: 503,
    code: 'cpu',
    retryAfterSeconds: 1,
    reason: /^entryMs: \d+, at most 60/,
  })
  t.match(await tenant.request(url).answer, { body: '1' }, 'a new isolate')
  t.match(await slow.answer, { body: '2' }, 'in the old one')
  t.match(tenant.logs, [{ level: 'error', text: /^limit reached: entryMs/ }])
})

t.test('only so many isolates finish what they have: the oldest goes, with its requests', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch(request) { if (request.url.endsWith('loop')) for (;;); return new Promise(() => {}) } }`,
    { entryMs: 30 },
  )
  const stuck = tenant.request(`${url}/stuck`)
  for (let i = 0; i < 2; i++) {
    await tenant.request(`${url}/loop`).answer
    tenant.request(`${url}/stuck`)
  }
  await tenant.request(`${url}/loop`).answer
  t.match((await stuck.answer).failed, { status: 503, code: 'limit', reason: /drainingIsolates/ })
})

t.test('a code that does not load a second time fails its requests, and is tried again later', async (t) => {
  const loadableUntilMs = Date.now() + 500
  const tenant = await withCode(
    t,
    `{ fetch() { for (;;); } }`,
    { entryMs: 30 },
    `if (Date.now() > ${loadableUntilMs}) throw new Error('not again');`,
  )
  await until(() => Date.now() > loadableUntilMs)
  await tenant.request(url).answer
  for (let i = 0; i < 3; i++)
    t.match((await tenant.request(url).answer).failed, {
      status: 500,
      code: 'exception',
      reason: /loaded again: not again/,
    })
  t.equal(tenant.logs.filter(({ text }) => /could not be loaded again/.test(text)).length, 1, 'it was tried once')
})

t.test('the log is bounded, for a request and for a site', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: () => { for (let i = 0; i < 50; i++) console.warn('line ' + i); return {} } }`,
    {
      logLines: 5,
      logLinesPerMinute: 14,
    },
  )
  for (let i = 0; i < 4; i++) await tenant.request(url).answer
  await until(() => tenant.logs.length >= 15)
  const texts = tenant.logs.map(({ text }) => text)
  t.same(texts.slice(0, 6), [
    'line 0',
    'line 1',
    'line 2',
    'line 3',
    'line 4',
    'limit reached: logLines: more than 5; further lines are left out',
  ])
  t.match(texts.at(-1), /logLinesPerMinute: more than 14/)
  t.match(tenant.logs[0], { level: 'warn', request: 'r1' })
})

t.test('an operation is relayed, and its answer comes with what is there of the body', async (t) => {
  const tenant = await withCode(
    t,
    `{ async fetch(request) { const answer = await operation(1, { method: 'POST', url: 'https://b.example/', headers: ['a', 'b'], redirect: 'follow', hasBody: true }, 'sent'); const began = answer.bytes === undefined ? 0 : answer.bytes.length; const rest = await answer.text(); return { body: [answer.head.status, began, rest.length].join() } } }`,
  )
  const seen: TestOperation[] = []
  tenant.onOperation = (operation) => {
    seen.push(operation)
    operation.answer({ status: 202, statusText: '', headers: [], url: '', redirected: false }, 'y'.repeat(400_000))
  }
  const { body } = await tenant.request(url).answer
  const [status, began, rest] = body.split(',').map(Number)
  t.equal(status, 202)
  t.equal((began ?? 0) + (rest ?? 0), 400_000)
  t.match(seen[0]?.op, { kind: 'fetch', request: 'r1', version: 1, method: 'POST', hasBody: true })
  t.equal(seen[0]?.body(), 'sent')
})

t.test('an operation that fails is an error of its kind', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: () => operation(3, { method: 'get', key: 'k' }).catch((error) => ({ body: error.name + ': ' + error.message })) }`,
  )
  tenant.onOperation = (operation) => operation.fail('QuotaExceededError', 'too much')
  t.match(await tenant.request(url).answer, { body: 'QuotaExceededError: too much' })
})

t.test('operations of a request that is over are cancelled', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request, env, context) => { operation(1, { method: 'GET', url: 'https://b.example/', headers: [], redirect: 'follow' }); return { body: 'x' } } }`,
  )
  const seen: TestOperation[] = []
  tenant.onOperation = (operation) => seen.push(operation)
  t.match(await tenant.request(url).answer, { body: 'x' })
  await until(() => seen[0]?.isCancelled() === true)
  t.pass('cancelled')
})

t.test('a request has so many subrequests, and the next is refused', async (t) => {
  const tenant = await withCode(
    t,
    `{ async fetch() { const faults = []; for (let i = 0; i < 4; i++) await operation(2, { method: 'GET', url: 'https://a.example/f', headers: [] }).catch((error) => faults.push(error.fault)); for (let i = 0; i < 3; i++) await operation(3, { method: 'get', key: 'k' }).catch((error) => faults.push(error.fault)); return { body: faults.join() } } }`,
    { subrequests: 3, dataOperations: 2 },
  )
  tenant.onOperation = (operation) => operation.answer({})
  t.match(await tenant.request(url).answer, { body: '-7,-7' })
  t.match(tenant.logs, [{ text: /subrequests: 4, at most 3/ }, { text: /dataOperations: 3, at most 2/ }])
})

t.test('so many operations are under way, and those above wait or are refused', async (t) => {
  const tenant = await withCode(
    t,
    `{ async fetch() { const all = []; for (let i = 0; i < 100; i++) all.push(operation(3, { method: 'get', key: 'k' }).then(() => 'ok', (error) => error.fault)); const ended = await Promise.all(all); return { body: [ended.filter((end) => end === 'ok').length, ended.filter((end) => end === -2).length].join() } } }`,
    { dataOperations: 1_000, operations: 80 },
  )
  const seen: TestOperation[] = []
  tenant.onOperation = (operation) => seen.push(operation)
  const { answer } = tenant.request(url)
  await until(() => seen.length === 64)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(seen.length, 64, 'the supervisor works on so many')
  tenant.onOperation = (operation) => operation.answer({})
  for (const operation of seen) operation.answer({})
  t.match(await answer, { body: '80,20' })
})

t.test('cryptography and compression are done in the process', async (t) => {
  const tenant = await withCode(
    t,
    `{ async fetch() { const digest = await operation(4, { method: 'digest', args: ['SHA-256', { $bytes: 0 }], parts: [3] }, new Uint8Array([97, 98, 99])); const packed = await operation(5, { format: 'gzip', direction: 'compress' }); host(2, packed.id, 'abc'); host(3, packed.id); let bytes = 0; for (let piece = await packed.read(); piece; piece = await packed.read()) bytes += piece.length; const refused = host(10, currentRequest(), 5, '{}'); return { body: [digest.bytes[0], bytes > 10, refused].join() } } }`,
  )
  t.match(await tenant.request(url).answer, { body: `${0xba},true,-4` })
})

t.test('a WebSocket carries messages until one side closes it', async (t) => {
  const tenant = await withCode(
    t,
    `{ fetch: (request) => { request.onMessage((payload, kind) => { if (kind === 10) { console.log(payload); return } host(24, request.id, payload); if (payload === 'end') host(25, request.id, 1000, 'enough') }); return { status: request.isUpgrade ? 101 : 400 } } }`,
  )
  const socket = tenant.request(url, { isUpgrade: true })
  t.equal(await socket.head, 101)
  socket.send(frameTypes.textMessage, 'hello')
  socket.send(frameTypes.bytesMessage, new Uint8Array([1]))
  socket.send(frameTypes.textMessage, 'end')
  await until(() => socket.messages.length === 4)
  t.match(socket.messages, [
    { type: frameTypes.textMessage, payload: 'hello' },
    { type: frameTypes.bytesMessage },
    { payload: 'end' },
    { type: frameTypes.closeSocket, payload: '{"code":1000,"reason":"enough"}' },
  ])
  const other = tenant.request(url, { isUpgrade: true })
  await other.head
  other.send(frameTypes.closeSocket, '{"code":1001,"reason":"away"}')
  await until(() => tenant.logs.length === 1)
  t.same(JSON.parse(tenant.logs[0]?.text ?? ''), { code: 1001, reason: 'away', wasClean: true })
})

t.test('signs of life come all the time', async (t) => {
  const tenant = await startTenantInside(smallPrelude)
  t.teardown(() => tenant.close())
  await until(() => tenant.beats() > 3)
  t.pass('beats')
})

const wrongFrames: readonly {
  readonly name: string
  readonly type: 1 | 3 | 5 | 16 | 18
  readonly payload: string | Uint8Array
}[] = [
  { name: 'a load that is none', type: 16, payload: '{}' },
  { name: 'a body of no load', type: 3, payload: 'x' },
  { name: 'an unload that is none', type: 18, payload: '[]' },
]
for (const { name, type, payload } of wrongFrames)
  t.test(`${name} ends the link with the supervisor, and with it the tenant`, async (t) => {
    const tenant = await startTenantInside(smallPrelude)
    tenant.supervisor.write(type, 2, payload)
    t.match(await tenant.ended, { code: 0 })
    await tenant.close()
  })

const wrongFrontFrames: readonly {
  readonly name: string
  readonly type: number
  readonly payload: string | Uint8Array
}[] = [
  { name: 'a request that is none', type: frameTypes.request, payload: '{"id":1}' },
  { name: 'a request that is no JSON', type: frameTypes.request, payload: '{' },
  { name: 'a whole request that is none', type: frameTypes.wholeRequest, payload: '' },
  { name: 'a whole request whose head is longer', type: frameTypes.wholeRequest, payload: Buffer.alloc(8, 255) },
  { name: 'a type that is none', type: 99, payload: 'x' },
  { name: 'credit that cannot be', type: frameTypes.credit, payload: Buffer.from([255, 255, 255, 0]) },
  { name: 'credit of a wrong length', type: frameTypes.credit, payload: 'x' },
  { name: 'an end of a WebSocket that is none', type: frameTypes.closeSocket, payload: 'x' },
]
for (const { name, type, payload } of wrongFrontFrames)
  t.test(`${name} ends the link with the front, and no other`, async (t) => {
    const tenant = await startTenantInside(smallPrelude, 2)
    t.teardown(() => tenant.close())
    await tenant.load({
      bundle: bundleOf(
        `{ fetch: (request) => request.url.endsWith('wait') ? { body: (async function* () { yield 'x'; await new Promise(() => {}) })() } : { body: 'x' } }`,
      ),
    })
    const request = tenant.request(`${url}/wait`)
    await request.head
    request.send(type as 1, payload)
    t.match(await request.answer, { cut: true })
    t.match(await tenant.request(url, {}, 1).answer, { body: 'x' })
  })
