import t from 'tap'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'
import { type Attack, runAttacks } from '../fixtures/attacks.ts'

const cpu = { failed: 'cpu', log: /limit reached: (?:entryMs|cpuMs): \d+, at most \d+/ } as const
const killed = { killed: 'cpu' } as const
const exception = (log: RegExp) => ({ failed: 'exception', log }) as const

const attacks: readonly Attack[] = [
  {
    name: 'a loop, and the author is told where',
    code: 'for (;;);',
    expected: { ...cpu, reason: /^entryMs: \d+, at most 100, at fetch \(grove:site:2:\d+\)$/ },
  },
  { name: 'a loop of turns', code: 'for (;;) await null', expected: cpu },
  {
    name: 'promises that make promises',
    code: 'const more = () => { Promise.resolve().then(more); Promise.resolve().then(more) }; more(); await new Promise(() => {})',
    expected: [cpu, killed, { killed: 'memory' }, { failed: 'memory' }],
  },
  { name: 'a loop after a subrequest', code: `await fetch('https://b.example/'); for (;;);`, expected: cpu },
  {
    name: 'a loop in a timer',
    code: 'await new Promise((resolve) => setTimeout(() => { for (;;); }, 5))',
    expected: cpu,
  },
  {
    name: 'a loop in what is given to waitUntil costs nobody the answer',
    code: `context.waitUntil(new Promise((resolve) => setTimeout(() => { for (;;); }, 5))); return new Response('answered')`,
    expected: { status: 200, body: 'answered', log: /limit reached: entryMs/ },
  },
  {
    name: 'a loop in microtasks of a stream',
    code: 'return new Response(new ReadableStream({ pull(controller) { for (;;); } }))',
    expected: cpu,
  },
  {
    name: 'a regular expression that backtracks',
    code: `return new Response(String(/^(a+)+$/.test('a'.repeat(40) + '!')))`,
    expected: [{ status: 200, body: 'false' }, cpu],
  },
  {
    name: 'one with a backreference',
    code: `return new Response(String(/^(a+)+\\1$/.test('a'.repeat(40) + '!')))`,
    expected: [cpu, killed],
  },
  {
    name: 'includes of an endless list',
    code: 'Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)',
    expected: killed,
  },
  {
    name: 'fill of an endless list',
    code: 'Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1)',
    expected: [killed, { killed: 'memory' }, { failed: 'memory' }, cpu],
  },
  {
    name: 'lastIndexOf of an endless list',
    code: 'Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)',
    expected: killed,
  },
  {
    name: 'reverse of an endless list',
    code: 'Array.prototype.reverse.call({ length: 2 ** 53 - 1 })',
    expected: killed,
  },
  {
    name: 'indexOf of a list with holes',
    code: 'const list = []; list.length = 2 ** 32 - 1; list.indexOf(1); list.includes(1)',
    expected: [killed, cpu],
  },
  {
    name: 'concat of what can be spread',
    code: '[].concat({ length: 2 ** 32 - 1, [Symbol.isConcatSpreadable]: true })',
    expected: [killed, cpu, { killed: 'memory' }, { failed: 'memory' }],
  },
  {
    name: 'a large sort',
    code: 'const list = []; for (let i = 0; i < 3e6; i++) list.push(Math.random()); list.sort()',
    expected: [killed, cpu],
  },
  {
    name: 'squares of a large integer',
    code: 'let n = 3n; for (;;) n *= n',
    expected: [killed, cpu, exception(/RangeError/)],
  },
  {
    name: 'a large integer as text',
    code: `(2n ** 60_000_000n).toString(); return new Response('x')`,
    expected: [killed, cpu],
  },
  {
    name: 'a text that grows by replacing',
    code: `let text = 'a'.repeat(2 ** 24); text.replaceAll('a', 'bb'.repeat(10))`,
    expected: [killed, cpu, exception(/RangeError/), { failed: 'memory' }, { killed: 'memory' }, { crashed: true }],
  },
  {
    name: 'nested JSON',
    code: `JSON.parse('['.repeat(5e6)); return new Response('x')`,
    expected: [
      exception(/SyntaxError|RangeError/),
      cpu,
      killed,
      { killed: 'memory' },
      { failed: 'memory' },
      { crashed: true },
    ],
  },
  {
    name: 'a text that is normalised',
    code: `const text = '\\u0344'.repeat(2 ** 23); text.normalize('NFKD'); text.normalize('NFC'); return new Response('x')`,
    expected: [{ status: 200 }, killed, cpu, { killed: 'memory' }, exception(/RangeError/)],
  },
  {
    name: 'regular expressions without end',
    code: `for (let i = 0; ; i++) new RegExp('(' + 'a|'.repeat(1000) + i + ')*').test('b')`,
    expected: [cpu, killed],
  },
  { name: 'eval', code: `eval('1 + 1')`, expected: exception(/EvalError|TypeError|not/) },
  {
    name: 'the function constructor',
    code: `(() => {}).constructor('return 1')()`,
    expected: exception(/EvalError|TypeError|not/),
  },
  {
    name: 'the constructors of async functions and generators',
    code: `const made = []; for (const f of [async () => {}, function* () {}, async function* () {}]) { try { f.constructor('return 1')(); made.push(f) } catch {} } return new Response(String(made.length))`,
    expected: { status: 200, body: '0' },
  },
  {
    name: 'callbacks after garbage collection',
    code: 'new FinalizationRegistry(() => { for (;;); })',
    expected: exception(/FinalizationRegistry is not defined/),
  },
  { name: 'a weak reference', code: 'new WeakRef({})', expected: exception(/WeakRef is not defined/) },
  {
    name: 'compiling WebAssembly',
    code: 'new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))',
    expected: exception(/./),
  },
  {
    name: 'compiling WebAssembly later',
    code: 'await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))',
    expected: exception(/./),
  },
  { name: 'garbage without end', code: 'for (;;) new Array(1000).fill({})', expected: [cpu, killed] },
  {
    name: 'formatting without end',
    code: `for (;;) new Intl.DateTimeFormat('de', { dateStyle: 'full' }).format(0)`,
    expected: [cpu, killed],
  },
  {
    name: 'calls of the host without end',
    code: `for (;;) crypto.getRandomValues(new Uint8Array(65_536))`,
    expected: [cpu, killed],
  },
  {
    name: 'URLs without end',
    code: `for (;;) new URL('https://a.example/' + 'x'.repeat(8_000))`,
    expected: [cpu, killed],
  },
  {
    name: 'a thousand million rounds of PBKDF2',
    code: `const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']); await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', iterations: 1e9, salt: new Uint8Array(8) }, key, 256)`,
    expected: exception(/600000 iterations/),
  },
  {
    name: 'a large RSA key',
    code: `await crypto.subtle.generateKey({ name: 'RSA-PSS', modulusLength: 16384, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['sign'])`,
    expected: exception(/4096 bits/),
  },
  {
    name: 'a bomb that is decompressed',
    code: `const packed = new Response(new ReadableStream({ pull(controller) { this.count = (this.count ?? 0) + 1; controller.enqueue(new Uint8Array(60_000)); if (this.count > 400) controller.close() } })).body.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip')); let bytes = 0; for await (const piece of packed) bytes += piece.byteLength`,
    limits: { decompressedBytes: 1_000_000, cpuMs: 5_000 },
    expected: exception(/decompressedBytes/),
  },
  {
    name: 'a timer each millisecond',
    code: 'await new Promise(() => { setInterval(() => { const end = performance.now(); let n = 0; for (let i = 0; i < 3e7; i++) n += i }, 1) })',
    limits: { cpuMs: 100, cpuBucketMs: 200, cpuRefillMsPerSecond: 1 },
    expected: cpu,
  },
  { name: 'the top of a module that loops', top: 'for (;;);', code: '', expected: cpu, refusedToLoad: /startupMs/ },
  {
    name: 'the top of a module that never looks at the clock',
    top: 'Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)',
    code: '',
    expected: killed,
    refusedToLoad: /process has ended/,
  },
]

const prelude = await buildPrelude()
t.test('CPU', (t) => {
  runAttacks(t, prelude, attacks)
  t.end()
})
