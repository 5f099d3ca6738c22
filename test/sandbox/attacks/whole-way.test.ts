import t from 'tap'
import { layGround } from './host.ts'
import { publishRows, type Row, recovers, visitRows } from './rows.ts'

const cpu = { failed: 'cpu', status: 503 }
const memory = { failed: 'memory', status: 503 }
const crashed = { failed: 'crashed', status: 503 }
const exception = { failed: 'exception', status: 500 }

/** One of each way in which code is stopped; every row of the table by itself is in cpu, memory and bridge. */
const rows: readonly Row[] = [
  {
    name: 'a loop ends by the clock of its entry',
    code: 'for (;;);',
    expected: cpu,
    log: /entryMs: \d+, at most \d+, at .*grove:site/,
  },
  {
    name: 'a loop that no clock stops ends with its process',
    code: 'Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)',
    expected: cpu,
    log: /process of the site's code was ended: cpu: \d+ ms, at most \d+/,
  },
  {
    name: 'a loop in waitUntil ends, and the answer stays',
    code: `context.waitUntil(new Promise((resolve) => setTimeout(() => { for (;;); }, 5))); return new Response('answered')`,
    expected: { status: 200, body: 'answered' },
    log: /entryMs/,
  },
  {
    name: 'a message that loops, thrown',
    code: 'throw { get message() { for (;;); } }',
    expected: cpu,
    log: /entryMs/,
  },
  {
    name: 'a rejection that loops, and that nobody handles',
    code: `Promise.reject({ get message() { for (;;); } }); return new Response('x')`,
    expected: [cpu, { status: 200 }],
  },
  {
    name: 'byte arrays that nobody counts',
    code: 'const all = []; for (;;) { const a = new ArrayBuffer(2 ** 24, { maxByteLength: 2 ** 25 }); new Uint8Array(a).fill(1); all.push(a) }',
    expected: [memory, cpu, exception, crashed],
  },
  {
    name: 'a map that grows',
    code: 'const map = new Map(); for (let i = 0; ; i++) map.set(i, { i })',
    expected: [memory, cpu, crashed],
  },
  {
    name: 'a long list',
    code: 'const list = new Array(1e8).fill(0).map((_, i) => ({ i }))',
    expected: [memory, cpu, crashed, exception],
  },
  {
    name: 'a body of 300 MB',
    code: `let left = 300; return new Response(new ReadableStream({ pull(c) { if (left-- === 0) c.close(); else c.enqueue(new Uint8Array(2 ** 20)) } }))`,
    expected: [{ status: 200 }, { status: 200, isCut: true }],
  },
  {
    name: 'a process that is full of functions of the host',
    code: 'for (;;) new URL("https://a.example/" + Math.random())',
    expected: cpu,
  },
  {
    name: 'the end of the stack, and the host called there',
    code: `const deep = () => { try { deep() } catch { crypto.randomUUID(); new URL('https://a.example'); console.log('x'); structuredClone({ a: [1] }) } }; deep(); return new Response('back')`,
    expected: [{ status: 200, body: 'back' }, cpu, crashed, exception],
  },
  {
    name: 'an answer given at the end of the stack',
    code: `let answer; const deep = () => { try { deep() } catch { answer ??= new Response('x'.repeat(1000)) } }; deep(); return answer ?? new Response('none')`,
    expected: [{ status: 200 }, cpu, crashed, exception],
  },
]

t.test('attacks through the front, and a neighbour beside them', async (t) => {
  const ground = await layGround(t)
  await publishRows(ground, 'mallory', rows)
  await visitRows(t, ground, 'mallory', rows)
  await t.test('work that is done outside of the isolate ends with its request', async (t) => {
    const derive = `crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', iterations: 600000, salt: new Uint8Array(8) }, key, 256)`
    const key = `const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits'])`
    await ground.publish(
      'deriver',
      `export default { async fetch(request) { ${key}; await Promise.all(Array.from({ length: request.url.endsWith('/one') ? 1 : 60 }, () => ${derive})); return new Response('derived') } }`,
      { limits: { firstByteMs: 4_000 } },
    )
    t.match(await ground.ask('deriver', { path: '/many' }), { status: 504, failed: 'wall' })
    t.match(
      await ground.ask('deriver', { path: '/one' }),
      { status: 200, body: 'derived' },
      'nothing is in line before it',
    )
  })
  await t.test('what is left of a stopped entry breaks nothing off', async (t) => {
    // The queue of promises is full of what is refused once the request is over, and nobody handles that.
    const puts = `const value = 'v'.repeat(900_000); await Promise.allSettled(Array.from({ length: 60 }, (_, i) => env.DATA.put('k' + i, value))); for (;;);`
    const fetch = `async fetch(request, env) { if (request.url.endsWith('/well')) return new Response('well'); ${puts} }`
    await ground.publish('leaver', `export default { ${fetch} }`, { data: true })
    const all = await Promise.all(Array.from({ length: 20 }, () => ground.ask('leaver')))
    for (const seen of all) t.match(seen, { status: 503, failed: /^(?:cpu|limit|memory)$/ }, JSON.stringify(seen))
    await recovers(t, ground, 'leaver')
    const isEnded = ({ site, text }: { site: string; text: string }) => site === 'leaver' && /was ended/.test(text)
    t.same(ground.lines.filter(isEnded), [], 'by the same process')
  })
  await t.test('at the end', (t) => ground.endsWell(t))
})
