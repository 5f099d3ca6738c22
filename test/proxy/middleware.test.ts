import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { GroveError } from '../../core/errors.ts'
import { getHeader } from '../../core/headers.ts'
import type { Middleware, MiddlewareContext, Plugin } from '../../core/plugin.ts'
import type { UpstreamAnswer, UpstreamRequest } from '../../core/upstream.ts'
import { foldMiddleware, sendThrough } from '../../proxy/middleware.ts'

const origin = 'https://blog.localhost:8443'
const context: MiddlewareContext = {
  site: { name: 'blog', authorities: ['blog.localhost'] },
  requestId: 'r-1',
  clientAddress: '192.0.2.7',
  session: undefined,
}
const request = (parts: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  id: 'r-1',
  method: 'GET',
  authority: 'blog.localhost',
  target: '/',
  headers: ['host', 'blog.localhost:8443', 'x-a', '1'],
  body: undefined,
  signal: new AbortController().signal,
  timeoutMs: 1_000,
  ...parts,
})
const plugin = (name: string, middleware: Middleware): Plugin => ({ name, request: middleware })
const text = async (body: Readable | undefined) => (body ? (await buffer(body)).toString() : undefined)

/** Runs a request through plugins to an upstream that echoes what it got. */
async function run(
  plugins: readonly Plugin[],
  parts: Partial<UpstreamRequest> = {},
  upstreamAnswer: Partial<UpstreamAnswer> = {},
) {
  const seen: UpstreamRequest[] = []
  const folded = foldMiddleware(plugins)
  if (!folded) throw new Error('expected middleware')
  const upstream = {
    async send(sent: UpstreamRequest): Promise<UpstreamAnswer> {
      seen.push(sent)
      const body = (await text(sent.body)) ?? 'none'
      return {
        status: 200,
        headers: ['content-length', String(body.length), 'set-cookie', 'a=1', 'set-cookie', 'b=2'],
        body: Readable.from([Buffer.from(body)], { objectMode: false }),
        ...upstreamAnswer,
      }
    },
  }
  const answer = await sendThrough(folded, upstream, request(parts), { origin, context })
  return { answer, seen }
}

t.test('with no middleware there is nothing to run', (t) => {
  t.equal(foldMiddleware([]), undefined)
  t.equal(foldMiddleware([{ name: 'login' }]), undefined)
  t.end()
})

t.test('plugins stand in the order of the config, the first outermost', async (t) => {
  const order: string[] = []
  const noting = (name: string) =>
    plugin(name, async (request, next, { requestId }) => {
      order.push(`${name} asks ${requestId}`)
      const response = await next(request)
      order.push(`${name} answers`)
      return response
    })
  await run([noting('a'), { name: 'none' }, noting('b'), noting('c')])
  t.same(order, ['a asks r-1', 'b asks r-1', 'c asks r-1', 'c answers', 'b answers', 'a answers'])
})

t.test('what plugins pass on untouched arrives untouched', async (t) => {
  const through = plugin('through', (request, next) => next(request))
  const parts = {
    method: 'POST',
    target: '/a/%2e%2E/b|"?q=|',
    headers: ['host', 'blog.localhost:8443', 'content-length', '4', 'cookie', 'a=1'],
    body: Readable.from([Buffer.from('body')]),
  }
  const { answer, seen } = await run([through], parts)
  const [sent] = seen
  t.equal(sent?.target, parts.target, 'not normalized as a URL is')
  t.equal(sent?.method, 'POST')
  t.equal(getHeader(sent?.headers ?? [], 'content-length'), '4')
  t.equal(getHeader(sent?.headers ?? [], 'host'), 'blog.localhost:8443')
  t.equal(answer.status, 200)
  t.same(answer.headers, ['content-length', '4', 'set-cookie', 'a=1', 'set-cookie', 'b=2'])
  t.equal(await text(answer.body), 'body')
})

t.test('a plugin sees the request as the web does', async (t) => {
  const seen: unknown[] = []
  const looking = plugin('looking', (request, next, { site, session }) => {
    seen.push(request.url, request.method, request.headers.get('x-a'), site.name, session)
    return next(request)
  })
  await run([looking], { target: '/p?q=1' })
  t.same(seen, [`${origin}/p?q=1`, 'GET', '1', 'blog', undefined])
})

t.test('headers may be changed in place, both ways', async (t) => {
  const { answer, seen } = await run([
    plugin('changing', async (request, next) => {
      request.headers.set('x-a', '2')
      request.headers.append('x-b', '3')
      const response = await next(request)
      response.headers.set('x-c', '4')
      return response
    }),
  ])
  t.equal(getHeader(seen[0]?.headers ?? [], 'x-a'), '2')
  t.equal(getHeader(seen[0]?.headers ?? [], 'x-b'), '3')
  t.equal(getHeader(answer.headers, 'x-c'), '4')
  t.equal(await text(answer.body), 'none')
})

t.test('a plugin may replace request and response, which then have lengths of their own', async (t) => {
  const { answer, seen } = await run(
    [
      plugin('replacing', async (request, next) => {
        const body = (await request.text()).toUpperCase()
        const response = await next(
          new Request(`${origin}/other?x=1`, { method: 'PUT', body, headers: request.headers }),
        )
        return new Response(`<${await response.text()}>`, { status: 202, headers: response.headers })
      }),
    ],
    { method: 'POST', headers: ['content-length', '3'], body: Readable.from([Buffer.from('abc')]) },
  )
  const [sent] = seen
  t.match(sent, { method: 'PUT', target: '/other?x=1' })
  t.equal(getHeader(sent?.headers ?? [], 'content-length'), undefined)
  t.equal(answer.status, 202)
  t.equal(getHeader(answer.headers, 'content-length'), undefined)
  t.equal(await text(answer.body), '<ABC>')
})

t.test('a copy of the request with other headers keeps its target and body', async (t) => {
  const { seen, answer } = await run(
    [plugin('copying', (request, next) => next(new Request(request, { headers: { 'x-new': '1' } })))],
    { method: 'POST', target: '/a|b', body: Readable.from([Buffer.from('abc')]) },
  )
  t.equal(seen[0]?.target, '/a|b')
  t.equal(getHeader(seen[0]?.headers ?? [], 'x-a'), undefined)
  t.equal(await text(answer.body), 'abc')
})

t.test('a body of GET passes beside the plugins, since a Request cannot have one', async (t) => {
  const { answer } = await run([plugin('through', (request, next) => next(request))], {
    body: Readable.from([Buffer.from('odd')]),
  })
  t.equal(await text(answer.body), 'odd')
})

t.test('a plugin may answer by itself; the upstream is not asked', async (t) => {
  const { answer, seen } = await run([plugin('short', () => new Response('no', { status: 403 }))])
  t.equal(answer.status, 403)
  t.equal(await text(answer.body), 'no')
  t.same(seen, [])
})

t.test('answers without a body pass', async (t) => {
  const through = plugin('through', (request, next) => next(request))
  for (const status of [204, 304]) {
    const { answer } = await run([through], {}, { status, body: undefined, headers: ['etag', '"x"'] })
    t.match(answer, { status, headers: ['etag', '"x"'], body: undefined })
  }
  const { answer } = await run([through], { method: 'HEAD' }, { body: undefined, headers: ['content-length', '99'] })
  t.match(answer, { status: 200, headers: ['content-length', '99'], body: undefined })
  const reset = await run([through], {}, { status: 205 })
  t.equal(reset.answer.body, undefined, 'and a 205 loses one that it should not have had')
})

t.test('plugins that do what they may not', async (t) => {
  const rows: [string, Middleware][] = [
    ['throws', () => Promise.reject(new Error('broken'))],
    [
      'throws at once',
      () => {
        throw new TypeError('broken')
      },
    ],
    ['throws a text', () => Promise.reject('broken')],
    ['answers nothing', (() => undefined) as unknown as Middleware],
    ['answers a text', (() => 'hello') as unknown as Middleware],
    ['answers the error response', () => Response.error()],
    [
      'calls next twice',
      async (request, next) => {
        await next(request)
        return next(request)
      },
    ],
    ['passes on what is no request', ((_request: Request, next: (x: unknown) => unknown) => next('/')) as Middleware],
    [
      'passes on a request that it has read',
      async (request, next) => {
        await request.text()
        return next(request)
      },
    ],
    [
      'keeps a reader of the response that it answers with',
      async (request, next) => {
        const response = await next(request)
        response.body?.getReader()
        return response
      },
    ],
    [
      'answers with a response that it has read',
      async (request, next) => {
        const response = await next(request)
        await response.text()
        return response
      },
    ],
  ]
  for (const [title, middleware] of rows) {
    const parts = { method: 'POST', body: Readable.from([Buffer.from('abc')]) }
    await t.rejects(run([plugin('bad', middleware)], parts), { code: 'ERR_PLUGIN' }, title)
  }
  await t.rejects(run([plugin('bad', () => Promise.reject(new Error('broken')))]), {
    message: 'middleware of plugin bad threw: broken',
  })
})

t.test("an upstream's failure keeps its own code through all plugins", async (t) => {
  const folded = foldMiddleware([
    plugin('a', (request, next) => next(request)),
    plugin('b', (request, next) => next(request)),
  ])
  const failing = { send: () => Promise.reject(new GroveError('ERR_UPSTREAM_SLOW', 'slow')) }
  t.ok(folded)
  if (folded)
    await t.rejects(sendThrough(folded, failing, request(), { origin, context }), { code: 'ERR_UPSTREAM_SLOW' })
})

t.test('a method that the web forbids is a bad request', async (t) => {
  await t.rejects(run([plugin('through', (request, next) => next(request))], { method: 'TRACK' }), {
    code: 'ERR_BAD_REQUEST',
  })
})

t.test('an answer that a plugin leaves unread is let go', async (t) => {
  const rows: [string, Middleware][] = [
    [
      'replaced by one without a body',
      async (request, next) => {
        await next(request)
        return new Response(null, { status: 204 })
      },
    ],
    [
      'replaced by one with a body',
      async (request, next) => {
        await next(request)
        return new Response('other')
      },
    ],
    [
      'lost by a throw',
      async (request, next) => {
        await next(request)
        throw new Error('after')
      },
    ],
  ]
  for (const [title, middleware] of rows) {
    const body = new Readable({ read() {} })
    const closed = once(body, 'close')
    const running = run([plugin('leaving', middleware)], {}, { body })
    const result = await running.catch(() => undefined)
    await text(result?.answer.body)
    await closed
    t.pass(title)
  }
})

t.test('a body that fails midway fails through the plugins', async (t) => {
  const body = new Readable({ read() {} })
  body.on('error', () => {})
  const { answer } = await run([plugin('through', (request, next) => next(request))], {}, { body })
  const reading = text(answer.body)
  body.push('half')
  body.destroy(new GroveError('ERR_UPSTREAM_DOWN', 'cut'))
  await t.rejects(reading, { code: 'ERR_UPSTREAM_DOWN' })
})

t.test('a body that a plugin makes wrong fails', async (t) => {
  const rows: [string, ReadableStream][] = [
    ['of what is no bytes', new ReadableStream({ start: (controller) => controller.enqueue({ not: 'bytes' }) })],
    ['that fails', new ReadableStream({ start: (controller) => controller.error(new Error('broken')) })],
  ]
  for (const [title, stream] of rows) {
    const { answer } = await run([plugin('wrong', () => new Response(stream))])
    await t.rejects(text(answer.body), title)
  }
})

t.test('a visitor who leaves while nothing comes lets the upstream go at once', async (t) => {
  const body = new Readable({ read() {} })
  const { answer } = await run([plugin('through', (request, next) => next(request))], {}, { body })
  answer.body?.read(0)
  const closed = once(body, 'close')
  answer.body?.destroy()
  await closed
  t.equal(body.readableEnded, false)
})

t.test('bodies are converted no faster than they are read', async (t) => {
  let given = 0
  const body = new Readable({
    read() {
      given += 65_536
      this.push(given > 64 * 1_048_576 ? null : Buffer.alloc(65_536))
    },
  })
  const { answer } = await run([plugin('through', (request, next) => next(request))], {}, { body })
  await once(answer.body as Readable, 'readable')
  for (let last = -1, turns = 0; turns < 100; turns = given === last ? turns + 1 : 0) {
    last = given
    await new Promise(setImmediate)
  }
  t.ok(given < 4 * 1_048_576, `took ${given} bytes of which nobody read one`)
  answer.body?.destroy()
})
