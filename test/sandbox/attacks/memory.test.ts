import t from 'tap'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'
import { type Attack, runAttacks } from '../fixtures/attacks.ts'

const exception = (log: RegExp) => ({ failed: 'exception', log }) as const
const memory = [{ killed: 'memory' }, { failed: 'memory' }, { crashed: true }] as const
const cpuOrMemory = [{ failed: 'cpu' }, { killed: 'cpu' }, exception(/RangeError|memory/), ...memory] as const

const attacks: readonly Attack[] = [
  {
    name: 'byte arrays without end',
    code: 'const all = []; for (;;) all.push(new Uint8Array(1_000_000).fill(1))',
    expected: cpuOrMemory,
  },
  { name: 'one byte array that is too large', code: 'new Uint8Array(2 ** 32)', expected: exception(/RangeError/) },
  {
    name: 'buffers that grow',
    code: `const all = []; for (;;) { const buffer = new ArrayBuffer(0, { maxByteLength: 2 ** 26 }); buffer.resize(2 ** 26); new Uint8Array(buffer).fill(1); all.push(buffer) }`,
    expected: cpuOrMemory,
  },
  {
    name: 'a shared buffer',
    code: 'new SharedArrayBuffer(8)',
    expected: exception(/SharedArrayBuffer is not defined/),
  },
  {
    name: 'memories of WebAssembly',
    code: `const all = []; for (;;) { const memory = new WebAssembly.Memory({ initial: 1024 }); new Uint8Array(memory.buffer).fill(1); all.push(memory) }`,
    expected: cpuOrMemory,
  },
  {
    name: 'a memory of WebAssembly beyond its bound',
    code: 'new WebAssembly.Memory({ initial: 65536 })',
    expected: exception(/Error/),
  },
  {
    name: 'a memory that grows beyond its bound',
    code: `const memory = new WebAssembly.Memory({ initial: 1 }); try { memory.grow(5000) } catch (error) { return new Response(error.name) }`,
    expected: { status: 200, body: /Error$/ },
  },
  {
    name: 'ten thousands of small memories',
    code: 'const all = []; for (;;) all.push(new WebAssembly.Memory({ initial: 1, maximum: 1 }))',
    expected: cpuOrMemory,
  },
  {
    name: 'a table that is too large',
    code: `new WebAssembly.Table({ element: 'anyfunc', initial: 1_000_000 })`,
    expected: exception(/Error/),
  },
  {
    name: 'a table that grows',
    code: `const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 }); try { table.grow(1_000_000) } catch (error) { return new Response(error.name) }`,
    expected: { status: 200, body: /Error$/ },
  },
  {
    name: 'shared memory',
    code: `const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }); return new Response(shared.buffer.constructor.name)`,
    expected: [exception(/./), { status: 200, body: 'ArrayBuffer' }],
  },
  { name: 'a long text spread', code: `[...'.'.repeat(5e8)]`, expected: cpuOrMemory },
  {
    name: 'a long list',
    code: 'const all = []; for (let i = 0; i < 10; i++) all.push(new Array(1e8).fill(i))',
    expected: cpuOrMemory,
  },
  {
    name: 'a map that grows',
    code: 'const map = new Map(); for (let i = 0; ; i++) map.set(i, { i })',
    expected: cpuOrMemory,
  },
  {
    name: 'objects without end',
    code: 'const all = []; for (;;) all.push({ list: Array(1_000).fill(all.length) })',
    limits: { heapMiB: 16, entryMs: 1_000 },
    expected: cpuOrMemory,
  },
  {
    name: 'a rope as body',
    code: `return new Response('x'.repeat(2 ** 28))`,
    expected: [{ failed: 'bad-answer' }, { failed: 'limit' }, ...cpuOrMemory],
  },
  {
    name: 'a large body',
    code: `return new Response(new ReadableStream({ pull(controller) { this.sent = (this.sent ?? 0) + 1; controller.enqueue(new Uint8Array(60_000)); if (this.sent > 1000) controller.close() } }))`,
    limits: { cpuMs: 5_000 },
    expected: { status: 200 },
  },
  {
    name: 'operations without end',
    code: `const all = []; for (let i = 0; i < 10_000; i++) all.push(env.DATA.get('k').then(() => 'ok', (error) => error.name)); const ended = await Promise.all(all); return new Response(String(ended.filter((end) => end === 'ok').length <= 200))`,
    limits: { cpuMs: 5_000, entryMs: 1_000 },
    expected: { status: 200, body: 'true' },
  },
  {
    name: 'lines without end',
    code: `for (let i = 0; i < 10_000; i++) console.log('x'.repeat(1_000)); return new Response('x')`,
    limits: { entryMs: 1_000, cpuMs: 1_000 },
    expected: { status: 200, log: /limit reached: log(?:Bytes|Lines)/ },
  },
  {
    name: 'timers without end',
    code: `let refused = ''; for (let i = 0; i < 10_000; i++) { try { setTimeout(() => {}, 1e6) } catch (error) { refused = error.name; break } } return new Response(refused)`,
    expected: { status: 200, body: /Error$/ },
  },
  {
    name: 'a branch of a tee that nobody reads',
    code: `const [one, two] = new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(1_000_000).fill(1)) } }).tee(); for await (const piece of one);`,
    expected: cpuOrMemory,
  },
  {
    name: 'a structured clone of a deep object',
    code: `let deep = {}; for (let i = 0; i < 200_000; i++) deep = { deep }; structuredClone(deep)`,
    expected: [exception(/RangeError|stack/), ...cpuOrMemory],
  },
]

const prelude = await buildPrelude()
t.test('memory', (t) => {
  runAttacks(t, prelude, attacks)
  t.end()
})
