import t from 'tap'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'
import { bundleOf } from '../fixtures/small-prelude.ts'
import { startTenant, type TestAnswer } from '../fixtures/tenant-process.ts'

/** What site code does to the head of its answer, and what comes out of the process. */
interface Row {
  readonly name: string
  /** The body of an async function of `request`. */
  readonly code: string
  /** What goes to the front, if anything may. */
  readonly sent?: { readonly status?: number; readonly headers?: readonly string[]; readonly body?: string }
}

const text = ['content-type', 'text/plain;charset=UTF-8']
const forged = 'set-cookie: a=b'
const rows: readonly Row[] = [
  // 67: CR, LF and NUL.
  { name: 'CR LF in a value', code: `return new Response('x', { headers: { a: 'b\\r\\n${forged}' } })` },
  { name: 'LF in a value', code: `return new Response('x', { headers: { a: 'b\\n${forged}' } })` },
  { name: 'CR in a value', code: `return new Response('x', { headers: { a: 'b\\r${forged}' } })` },
  { name: 'NUL in a value', code: `return new Response('x', { headers: { a: 'b\\0c' } })` },
  { name: 'CR LF in a name', code: `return new Response('x', { headers: [['a: b\\r\\n${forged}', 'c']] })` },
  { name: 'a colon in a name', code: `return new Response('x', { headers: [['a:b', 'c']] })` },
  { name: 'a name of nothing', code: `return new Response('x', { headers: [['', 'c']] })` },
  { name: 'CR LF in a status text', code: `return new Response('x', { statusText: 'OK\\r\\n${forged}' })` },
  {
    name: 'other control characters in a value',
    code: `return new Response('x', { headers: { a: 'b\\u0001c\\u007f' } })`,
  },
  {
    name: 'characters above Latin-1 in a value',
    code: `return new Response('x', { headers: { a: 'b\\u010a${forged}' } })`,
  },
  {
    name: 'a value that changes between two looks',
    code: `let n = 0; return new Response('x', { headers: { a: { toString: () => (n++ === 0 ? 'fine' : 'b\\r\\n${forged}') } } })`,
    sent: { status: 200, headers: ['a', 'fine', ...text] },
  },
  {
    name: 'white space and line ends around a value',
    code: `return new Response('x', { headers: { a: '\\r\\n b \\r\\n' } })`,
    sent: { headers: ['a', 'b', ...text] },
  },
  // 68: a huge header.
  { name: 'a huge value', code: `return new Response('x', { headers: { a: 'b'.repeat(70_000) } })` },
  { name: 'a huge name', code: `return new Response('x', { headers: [['a'.repeat(70_000), 'b']] })` },
  {
    name: 'many values under one name',
    code: `const headers = new Headers(); for (let i = 0; i < 100; i++) headers.append('a', 'b'.repeat(1_000)); return new Response('x', { headers })`,
  },
  // 69: framing.
  {
    name: 'a length that is a lie',
    code: `return new Response('hello', { headers: { 'content-length': '1' } })`,
    sent: { headers: text, body: 'hello' },
  },
  {
    name: 'framing and hops of its own',
    code: `return new Response('hello', { headers: { 'Transfer-Encoding': 'chunked', Connection: 'close, x-a', 'Keep-Alive': 'x', Host: 'b.example',
      Upgrade: 'h2c', TE: 'trailers', Trailer: 'x', 'Proxy-Connection': 'x', 'HTTP2-Settings': 'x', 'x-a': '1' } })`,
    sent: { headers: ['x-a', '1', ...text], body: 'hello' },
  },
  {
    name: 'two lengths',
    code: `const headers = new Headers([['content-length', '1'], ['content-length', '2']]); return new Response('hello', { headers })`,
    sent: { headers: text, body: 'hello' },
  },
  // 70: statuses.
  ...[0, 1, 99, 100, 101, 102, 103, 199, 600, 999, 65_535].map((status) => ({
    name: `status ${status}`,
    code: `return new Response(null, { status: ${status} })`,
  })),
  ...[204, 205, 304].map((status) => ({
    name: `status ${status} with a body`,
    code: `return new Response('x', { status: ${status} })`,
  })),
  ...[204, 304].map((status) => ({
    name: `status ${status} with a length`,
    code: `return new Response(null, { status: ${status}, headers: { 'content-length': '5' } })`,
    sent: { status, headers: [], body: '' },
  })),
  { name: 'an answer of the network', code: 'return Response.error()' },
  { name: 'a status that is no number', code: `return new Response('x', { status: 'ok' })` },
  // 72: a redirect that splits the answer.
  {
    name: 'a target with CR LF',
    code: `return new Response(null, { status: 302, headers: { location: '/\\r\\n${forged}' } })`,
  },
  {
    name: 'a target with CR LF, encoded',
    code: `return Response.redirect('https://a.example/\\r\\n${forged}')`,
    sent: { status: 302, headers: ['location', 'https://a.example/set-cookie:%20a=b'] },
  },
  { name: 'a target that is none', code: `return Response.redirect('/\\r\\n${forged}')` },
  // 73 and 65: counts.
  {
    name: '129 headers',
    code: `const headers = new Headers(); for (let i = 0; i < 129; i++) headers.append('x-' + i, '1'); return new Response(null, { headers })`,
  },
  {
    name: '128 headers',
    code: `const headers = new Headers(); for (let i = 0; i < 128; i++) headers.append('x-' + i, '1'); return new Response(null, { headers })`,
    sent: { status: 200 },
  },
  {
    name: '50,000 cookies',
    code: `const headers = []; for (let i = 0; i < 50_000; i++) headers.push(['set-cookie', 'a=b']); return new Response('x', { headers })`,
  },
  // The answer is a Response of ours, or none.
  {
    name: 'an object that looks like an answer',
    code: `return { status: 200, headers: new Headers(), body: null, __proto__: Response.prototype }`,
  },
  { name: 'a proxy of an answer', code: `return new Proxy(new Response('x'), {})` },
  {
    name: 'members that are replaced',
    code: `const response = new Response('real', { headers: { a: 'b' } })
      for (const [name, value] of Object.entries({ status: 700, headers: ['x\\r\\n', 'y'], body: 'forged' })) Object.defineProperty(response, name, { value })
      return response`,
    sent: { status: 200, headers: ['a', 'b', ...text], body: 'real' },
  },
  {
    name: 'getters of the prototype that are replaced',
    code: `Object.defineProperty(Response.prototype, 'status', { get: () => 700 }); Headers.prototype.get = () => 'x\\r\\ny'; return new Response('real')`,
    sent: { status: 200, headers: text, body: 'real' },
  },
  {
    name: 'the same answer twice',
    code: `globalThis.kept ??= new Response('once'); if (request.url.endsWith('?2')) return kept; await kept.text(); return kept`,
  },
]

t.test('heads of answers', async (t) => {
  const tenant = await startTenant(await buildPrelude())
  t.teardown(() => tenant.close())
  const cases = rows.map(({ code }, index) => `case '/${index}': { ${code} }`).join('\n')
  const bundle = bundleOf(
    `{ async fetch(request) { switch (new URL(request.url).pathname) { ${cases}\ndefault: return new Response('well') } } }`,
  )
  const limits = { entryMs: 1_000, cpuMs: 2_000, cpuBucketMs: 30_000, startupMs: 1_000 }
  const loaded = await tenant.load({ bundle, limits })
  t.notOk('failed' in loaded, JSON.stringify(loaded))
  for (const [index, { name, sent }] of rows.entries())
    t.test(name, async (t) => {
      const answer: TestAnswer = await tenant.request(`https://site.example/${index}`).answer
      if (sent) t.match(answer, { failed: undefined, cut: false, ...sent })
      else t.match(answer.failed, { status: /^50[02]$/ }, JSON.stringify(answer))
      for (const value of answer.headers) t.notMatch(value, /[\r\n\0]/, 'nothing that splits')
      t.equal((await tenant.request('https://site.example/well').answer).body, 'well', 'the next visitor is answered')
    })
})
