import t from 'tap'
import { Blob } from '../../../sandbox/guest/blob.ts'
import { Response } from '../../../sandbox/guest/response.ts'
import { streamClasses } from '../../../sandbox/guest/streams.ts'
import { createRequestHost } from './fixtures/request-host.ts'

interface Data {
  get(key: unknown, type?: unknown): Promise<unknown>
  getWithMetadata(key: unknown, type?: unknown): Promise<unknown>
  put(key: unknown, value: unknown, options?: unknown): Promise<unknown>
  delete(key: unknown, options?: unknown): Promise<unknown>
  list(options?: unknown): Promise<{ keys: { name: string }[]; list_complete: boolean; cursor?: string }>
  checkAndSet(
    key: unknown,
    tag: unknown,
    value: unknown,
    options?: unknown,
  ): Promise<{ done: boolean; tag: string | null }>
}
type Env = {
  readonly DATA: Data
  readonly ASSETS: { fetch(input: unknown, init?: unknown): Promise<Response & { text(): Promise<string> }> }
  readonly TOKEN: string
}

const asked: unknown[] = []
const host = createRequestHost({
  assets: true,
  data: true,
  vars: { TOKEN: 'grove-secret-1', DATA: 'a variable cannot take this name' },
  asset(args) {
    asked.push(args)
    return { answer: { status: 200, headers: ['content-type', 'text/css'] }, body: ['body {}'] }
  },
})

/** Runs `work` inside a request. */
async function inside<T>(work: (env: Env) => Promise<T>): Promise<T> {
  const result = Promise.withResolvers<T>()
  host.load({
    fetch: async (_request: unknown, env: Env) => {
      await work(env).then(result.resolve, result.reject)
      return new Response('done')
    },
  })
  await host.answer()
  return await result.promise
}

t.test('values are stored and read in every form', async (t) => {
  await inside(async ({ DATA }) => {
    const cases: [string, unknown, string][] = [
      ['a string', 'text \u00e9', 'text \u00e9'],
      ['JSON', { a: [1, null] }, '{"a":[1,null]}'],
      ['a number', 7, '7'],
      ['bytes', Buffer.from('bytes'), 'bytes'],
      ['a blob', new Blob(['blob']), 'blob'],
      ['a stream', new Response('stream') as unknown, 'stream'],
      ['nothing', '', ''],
    ]
    for (const [name, value, expected] of cases) {
      const stored = value instanceof Response ? (value as unknown as { body: unknown }).body : value
      t.type(await DATA.put(name, stored), 'string')
      t.equal(await DATA.get(name), expected, name)
      t.equal(Buffer.from((await DATA.get(name, 'bytes')) as Uint8Array).toString(), expected)
      t.equal(((await DATA.get(name, { type: 'arrayBuffer' })) as ArrayBuffer).byteLength, Buffer.byteLength(expected))
      const stream = await DATA.get(name, 'stream')
      t.equal(stream instanceof streamClasses.ReadableStream, true)
      t.equal(await (new Response(stream) as unknown as { text(): Promise<string> }).text(), expected)
    }
    t.same(await DATA.get('JSON', 'json'), { a: [1, null] })
    await t.rejects(DATA.get('a string', 'json'), SyntaxError)
    t.equal(await DATA.get('none'), null)
    t.same(await DATA.getWithMetadata('none'), { value: null, metadata: null, tag: null })
  })
})

t.test('what cannot be stored or asked for', async (t) => {
  await inside(async ({ DATA }) => {
    for (const value of [undefined, () => {}, Symbol('x')]) await t.rejects(DATA.put('k', value), TypeError)
    await t.rejects(DATA.put('', 'x'), TypeError)
    await t.rejects(DATA.put(Symbol('k'), 'x'), TypeError)
    await t.rejects(DATA.get('k', 'xml'), TypeError)
    await t.rejects((DATA.put as (key: string) => Promise<unknown>)('k'), TypeError)
    await t.rejects(DATA.put('k', 'x'.repeat(10_485_761)), { name: 'QuotaExceededError' })
    await t.rejects(DATA.put('k', 'x', { expirationTtl: -1 }), RangeError)
    await t.rejects(DATA.put('k', 'x', { expiration: 'soon' }), RangeError)
    for (const limit of [0, 1_001, 1.5, 'x']) await t.rejects(DATA.list({ limit }), RangeError)
    await t.rejects((Object.getPrototypeOf(DATA) as Data).get.call({}, 'k'), TypeError)
  })
})

t.test('a value is set only if nobody else has', async (t) => {
  await inside(async ({ DATA }) => {
    const first = await DATA.checkAndSet('counter', null, '1')
    t.equal(first.done, true)
    t.same(await DATA.checkAndSet('counter', null, '1'), { done: false, tag: first.tag })
    const second = await DATA.checkAndSet('counter', first.tag, { n: 2 }, { metadata: { by: 'me' } })
    t.equal(second.done, true)
    t.equal((await DATA.checkAndSet('counter', first.tag, '3')).done, false)
    t.same(await DATA.getWithMetadata('counter', 'json'), { value: { n: 2 }, metadata: { by: 'me' }, tag: second.tag })
    t.equal(await DATA.delete('counter', { tag: first.tag }), false)
    t.equal(await DATA.delete('counter'), true)
    t.equal(await DATA.delete('counter'), false)
  })
})

t.test('keys are listed in order, by prefix and in parts', async (t) => {
  await inside(async ({ DATA }) => {
    for (const name of ['e/2', 'e/1', 'e/3', 'f'])
      await DATA.put(name, name, name === 'e/1' ? { metadata: 'm', expirationTtl: 60 } : undefined)
    const all = await DATA.list('e/')
    t.match(all, {
      list_complete: true,
      keys: [{ name: 'e/1', bytes: 3, metadata: 'm' }, { name: 'e/2' }, { name: 'e/3' }],
    })
    const part = await DATA.list({ prefix: 'e/', limit: 2 })
    t.same([part.keys.length, part.list_complete, part.cursor], [2, false, 'e/2'])
    const rest = await DATA.list({ prefix: 'e/', limit: 2, cursor: part.cursor })
    t.same(
      rest.keys.map(({ name }) => name),
      ['e/3'],
    )
    t.ok((await DATA.list()).keys.length > 4)
  })
})

t.test('files of the site are fetched without leaving', async (t) => {
  asked.length = 0
  await inside(async ({ ASSETS }) => {
    const answer = await ASSETS.fetch('https://blog.example/a.css', { headers: { 'if-none-match': '"x"' } })
    t.same([answer.status, answer.headers.get('content-type'), await answer.text()], [200, 'text/css', 'body {}'])
    t.equal((await ASSETS.fetch('https://blog.example/a.css', { method: 'HEAD' })).status, 200)
    const refused = await ASSETS.fetch('https://blog.example/', { method: 'POST', body: 'x' })
    t.same([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD'])
    await t.rejects(ASSETS.fetch('/relative'), TypeError)
    await t.rejects((ASSETS.fetch as () => Promise<unknown>)(), TypeError)
    await t.rejects(ASSETS.fetch.call({} as never, 'https://blog.example/'), TypeError)
  })
  t.match(asked, [
    { method: 'GET', url: 'https://blog.example/a.css', headers: ['if-none-match', '"x"'] },
    { method: 'HEAD' },
  ])
})

t.test('what is bound has a fixed place in env', async (t) => {
  await inside(async (env) => {
    t.equal(env.TOKEN, 'grove-secret-1')
    t.equal(typeof env.DATA, 'object')
    t.equal(Object.isFrozen(env), true)
    t.same([String(env.DATA), String(env.ASSETS)], ['[object DataStore]', '[object Fetcher]'])
    const constructors = [env.DATA, env.ASSETS].map(
      (value) => (value as unknown as { constructor: new () => unknown }).constructor,
    )
    for (const Illegal of constructors) t.throws(() => new Illegal(), TypeError)
  })
})
