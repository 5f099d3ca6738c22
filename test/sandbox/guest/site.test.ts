import t from 'tap'
import { deliveries, failures, ops } from '../../../sandbox/bridge.ts'
import { Headers } from '../../../sandbox/guest/headers.ts'
import { Request } from '../../../sandbox/guest/request.ts'
import { Response } from '../../../sandbox/guest/response.ts'
import { setTimeout as guestTimeout } from '../../../sandbox/guest/timers.ts'
import { createRequestHost, turn } from './fixtures/request-host.ts'

interface Context {
  waitUntil(promise: unknown): void
  passThroughOnException(): void
  readonly props: object
}
type Handler = (request: Request, env: Record<string, unknown>, ctx: Context) => unknown

const host = createRequestHost({ vars: { GREETING: 'hello', __proto__: 'no' } as Record<string, string> })
const serve = (fetch: Handler) => host.load({ fetch })

t.test('a handler that answers with a string costs one call in and two calls out', async (t) => {
  t.same(
    serve(() => new Response('hello')),
    { handlers: 'fetch' },
  )
  host.calls.length = 0
  const visit = await host.answer()
  t.same(host.calls, [ops.respond])
  t.same(visit.head, { status: 200, headers: ['content-type', 'text/plain;charset=UTF-8'], hasBody: true })
  t.equal(visit.text(), 'hello')
  t.equal(visit.isEnded, true)
})

t.test('what a handler gives, and what comes of it', async (t) => {
  const cases: { name: string; handler: Handler; status?: number; text?: string; kind?: number }[] = [
    { name: 'a response', handler: () => new Response('x', { status: 201 }), status: 201, text: 'x' },
    { name: 'a promise of one', handler: async () => new Response('later'), status: 200, text: 'later' },
    { name: 'no body', handler: () => new Response(null, { status: 204 }), status: 204, text: '' },
    { name: 'bytes', handler: () => new Response(new Uint8Array([104, 105])), status: 200, text: 'hi' },
    {
      name: 'a thenable of the site',
      // biome-ignore lint/suspicious/noThenProperty: that is what is tried
      handler: () => ({ then: (resolve: (value: unknown) => void) => resolve(new Response('thenable')) }),
      status: 200,
      text: 'thenable',
    },
    { name: 'JSON', handler: () => Response.json({ a: [1, 2] }), status: 200, text: '{"a":[1,2]}' },
    { name: 'nothing', handler: () => undefined, kind: failures.invalid },
    { name: 'null', handler: () => null, kind: failures.invalid },
    { name: 'a string', handler: () => 'hello', kind: failures.invalid },
    { name: 'a symbol', handler: () => Symbol('x'), kind: failures.invalid },
    { name: 'a function', handler: () => () => {}, kind: failures.invalid },
    {
      name: 'what only looks like a response',
      handler: () => Object.create(Response.prototype),
      kind: failures.invalid,
    },
    { name: 'a proxy of a response', handler: () => new Proxy(new Response('x'), {}), kind: failures.invalid },
    {
      name: 'an object with a getter that throws',
      handler: () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tried
        get then() {
          throw new Error('no')
        },
      }),
      kind: failures.exception,
    },
    { name: 'an error response', handler: () => Response.error(), kind: failures.invalid },
    {
      name: 'an exception',
      handler: () => {
        throw new Error('broken')
      },
      kind: failures.exception,
    },
    {
      name: 'a rejection',
      handler: async () => {
        throw new RangeError('later')
      },
      kind: failures.exception,
    },
    {
      name: 'a thrown string',
      handler: () => {
        throw 'text'
      },
      kind: failures.exception,
    },
    {
      name: 'a body that was read before',
      handler: async () => {
        const response = new Response('x')
        await response.text()
        return response
      },
      kind: failures.invalid,
    },
  ]
  for (const { name, handler, status, text, kind } of cases) {
    serve(handler)
    const visit = await host.answer()
    t.equal(visit.head?.status, status, `${name}: status`)
    if (text !== undefined) t.equal(visit.text(), text, `${name}: body`)
    t.equal(visit.failed?.kind, kind, `${name}: failure`)
    t.equal(visit.isDone, true)
  }
})

t.test('an error is told with its name, message and stack', async (t) => {
  serve(() => {
    throw new RangeError('too far')
  })
  const { failed } = await host.answer()
  t.match(failed?.error, { name: 'RangeError', message: 'too far', stack: /site\.test/ })
  t.equal(failed?.pass, false)
})

t.test('what is thrown to hurt is described in words', async (t) => {
  const evil = [
    new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap')
        },
      },
    ),
    {
      get message() {
        throw new Error('getter')
      },
    },
    Object.create(null),
    Symbol('s'),
    undefined,
    () => {},
  ]
  for (const thrown of evil) {
    serve(() => {
      throw thrown
    })
    const { failed } = await host.answer()
    t.equal(failed?.kind, failures.exception)
    t.type(failed?.error.message, 'string')
  }
})

t.test('the handler asked for its files where it throws', async (t) => {
  serve((_request, _env, ctx) => {
    ctx.passThroughOnException()
    throw new Error('x')
  })
  t.equal((await host.answer()).failed?.pass, true)
})

t.test('work goes on after the answer until everything given to waitUntil has settled', async (t) => {
  const steps: string[] = []
  const first = Promise.withResolvers<void>()
  serve((_request, _env, ctx) => {
    ctx.waitUntil(first.promise.then(() => ctx.waitUntil(turn().then(() => steps.push('second')))))
    ctx.waitUntil('no promise')
    return new Response('now')
  })
  const visit = host.visit()
  t.equal(visit.isEnded, true)
  await turn()
  t.equal(visit.isDone, false)
  first.resolve()
  await visit.over
  t.same(steps, ['second'])
})

t.test('what waitUntil rejects with is reported, and the answer stands', async (t) => {
  host.logged.length = 0
  serve((_request, _env, ctx) => {
    ctx.waitUntil(Promise.reject(new Error('background')))
    return new Response('fine')
  })
  const visit = await host.answer()
  t.equal(visit.text(), 'fine')
  t.match(host.logged, [{ message: 'background' }])
})

t.test('waitUntil without a promise is a TypeError, and after the end nothing', async (t) => {
  let late: Context | undefined
  serve((_request, _env, ctx) => {
    late = ctx
    t.throws(() => (ctx.waitUntil as () => void)(), TypeError)
    t.same(ctx.props, {})
    return new Response('x')
  })
  await host.answer()
  t.doesNotThrow(() => late?.waitUntil(turn()))
})

t.test('timers of a request are gone with it', async (t) => {
  let fired = 0
  serve((_request, _env, ctx) => {
    guestTimeout(() => fired++, 1)
    ctx.waitUntil(new Promise((resolve) => guestTimeout(resolve, 5)))
    guestTimeout(() => (fired += 100), 60)
    return new Response('x')
  })
  await host.answer()
  t.equal(fired, 1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(fired, 1)
})

t.test('env is frozen and has the variables, and no variable takes a name that means something', async (t) => {
  const seen: unknown[] = []
  serve((_request, env) => {
    seen.push(env['GREETING'], Object.isFrozen(env), Object.getPrototypeOf(env) === Object.prototype, env['WASM'])
    t.throws(() => {
      env['GREETING'] = 'changed'
    }, TypeError)
    return new Response(String(env['GREETING']))
  })
  t.equal((await host.answer()).text(), 'hello')
  t.same(seen, ['hello', true, true, {}])
})

t.test('the request is what the visitor sent', async (t) => {
  serve(async (request) => {
    const { method, url, redirect } = request
    t.equal(request instanceof Request, true)
    t.throws(() => request.headers.set('a', 'b'), TypeError)
    return Response.json({
      method,
      url,
      redirect,
      headers: [...(request.headers as never)],
      body: await request.text(),
    })
  })
  const headers = ['accept', 'text/html', 'cookie', 'a=1', 'accept', '*/*']
  const visit = await host.answer({ method: 'POST', url: 'https://blog.example/a?b=c', headers, body: ['on', 'e'] })
  t.same(JSON.parse(visit.text()), {
    method: 'POST',
    url: 'https://blog.example/a?b=c',
    redirect: 'manual',
    headers: [
      ['accept', 'text/html, */*'],
      ['cookie', 'a=1'],
    ],
    body: 'one',
  })
})

t.test('HEAD has the head and no body, and the stream is told', async (t) => {
  serve(() => new Response('never sent', { headers: { 'x-a': '1' } }))
  const visit = await host.answer({ method: 'HEAD' })
  t.match(visit.head, { status: 200, hasBody: false })
  t.same(visit.pieces, [])
})

t.test('headers that are the host’s are dropped, whatever their case', async (t) => {
  const given = {
    'Content-Length': '5',
    'Transfer-Encoding': 'chunked',
    Connection: 'keep-alive, x-a',
    'Keep-Alive': 'timeout=5',
    Host: 'other.example',
    Upgrade: 'h2c',
    'Proxy-Authenticate': 'Basic',
    TE: 'trailers',
    Trailer: 'x',
    'HTTP2-Settings': 'x',
    'X-A': 'kept',
  }
  serve(() => new Response('hello', { headers: given }))
  t.same((await host.answer()).head?.headers, ['x-a', 'kept', 'content-type', 'text/plain;charset=UTF-8'])
})

t.test('answers that cannot be sent are refused, and nothing of them goes out', async (t) => {
  const many = () => {
    const headers = new Headers()
    for (let index = 0; index < 129; index++) headers.append(`x-${index}`, '1')
    return headers
  }
  const cases: { name: string; headers: unknown; message: RegExp }[] = [
    { name: 'a control character', headers: { 'x-a': 'a\u0001b' }, message: /control character/ },
    { name: 'DEL', headers: { 'x-a': 'a\u007f' }, message: /control character/ },
    { name: 'more headers than may be', headers: many(), message: /130 headers, and 128/ },
    { name: 'a huge header', headers: { 'x-a': 'a'.repeat(70_000) }, message: /65536 are allowed/ },
  ]
  for (const { name, headers, message } of cases) {
    serve(() => new Response('x', { headers } as never))
    const visit = await host.answer()
    t.equal(visit.failed?.kind, failures.invalid, name)
    t.match(visit.failed?.error.message, message, name)
    t.equal(visit.head, undefined)
  }
})

t.test('nothing on a prototype changes what goes over the bridge', async (t) => {
  const polluted = Object.prototype as unknown as Record<string, unknown>
  serve(() => {
    polluted['toJSON'] = () => 'forged'
    ;(Array.prototype as unknown as Record<string, unknown>)['toJSON'] = () => 'forged'
    return new Response('x', { headers: { 'x-a': '1' } })
  })
  const visit = host.visit()
  delete polluted['toJSON']
  delete (Array.prototype as unknown as Record<string, unknown>)['toJSON']
  await visit.over
  t.same(visit.head, { status: 200, headers: ['x-a', '1', 'content-type', 'text/plain;charset=UTF-8'], hasBody: true })
})

t.test('methods that the site has replaced are not called by the prelude', async (t) => {
  const owners = {
    // biome-ignore lint/suspicious/noThenProperty: that is what is tried
    then: Promise.prototype,
    push: Array.prototype,
    get: Map.prototype,
    has: Set.prototype,
    slice: String.prototype,
  }
  const called: string[] = []
  const restore: (() => void)[] = []
  serve(async () => {
    for (const [name, owner] of Object.entries(owners) as unknown as [
      string,
      Record<string, (...args: unknown[]) => unknown>,
    ][]) {
      const original = owner[name] as (...args: unknown[]) => unknown
      owner[name] = function (...args) {
        // The test's own parts call them too; the caller is the second line below this one.
        const caller = new Error().stack?.split('\n', 3)[2] ?? ''
        if (caller.includes('/sandbox/guest/') && !caller.includes('/test/')) called[called.length] = caller
        return Reflect.apply(original, this, args)
      }
      restore[restore.length] = () => {
        owner[name] = original
      }
    }
    return new Response('x', { headers: { a: 'b' } })
  })
  const visit = host.visit({ headers: ['cookie', 'a=b'] })
  await turn()
  for (const put of restore) put()
  await visit.over
  t.equal(visit.text(), 'x')
  t.same(called, [])
})

t.test('a visitor who leaves aborts the signal, and the handler may go on', async (t) => {
  let reason: unknown
  const left = Promise.withResolvers<void>()
  serve(async (request) => {
    request.signal.addEventListener('abort', () => {
      reason = request.signal.reason
      left.resolve()
    })
    await left.promise
    return new Response('nobody')
  })
  const visit = host.visit()
  await visit.deliver(deliveries.cancelled)
  await visit.over
  t.match(reason, { name: 'AbortError' })
})

t.test('a signal that is looked at after the visitor left is aborted', async (t) => {
  const go = Promise.withResolvers<void>()
  let aborted: boolean | undefined
  serve(async (request) => {
    await go.promise
    aborted = request.signal.aborted
    return new Response('x')
  })
  const visit = host.visit()
  await visit.deliver(deliveries.cancelled)
  go.resolve()
  await visit.over
  t.equal(aborted, true)
})

t.test('a request that is over by force is forgotten: what it does afterwards goes nowhere', async (t) => {
  const go = Promise.withResolvers<void>()
  serve(async () => {
    await go.promise
    return new Response('too late')
  })
  const visit = host.visit()
  await visit.deliver(deliveries.over, 'cpu')
  host.calls.length = 0
  go.resolve()
  await turn()
  t.same(host.calls, [])
})

t.test('numbers that are not known are ignored', async (t) => {
  serve(() => new Response('x'))
  const visit = host.visit()
  await visit.over
  await visit.deliver(deliveries.chunk, new Uint8Array(3))
  await visit.deliver(99, 'what')
  t.equal(visit.text(), 'x')
})

t.test('two requests at one time do not see each other', async (t) => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  serve(async (request) => {
    const text = await request.text()
    await gates[Number(text)]?.promise
    return new Response(`${text} ${request.url}`)
  })
  const first = host.visit({ method: 'POST', url: 'https://a.example/', body: ['0'] })
  const second = host.visit({ method: 'POST', url: 'https://b.example/', body: ['1'] })
  gates[1]?.resolve()
  await second.over
  t.equal(second.text(), '1 https://b.example/')
  t.equal(first.isDone, false)
  gates[0]?.resolve()
  await first.over
  t.equal(first.text(), '0 https://a.example/')
})

t.test('code that cannot be used says why when it is loaded', async (t) => {
  const cases: { name: string; site: unknown; message: RegExp }[] = [
    { name: 'no exports', site: () => undefined, message: /no default export/ },
    { name: 'no default', site: () => ({ fetch() {} }), message: /no default export/ },
    { name: 'a default that is a string', site: () => ({ default: 'x' }), message: /no default export/ },
    { name: 'no handler', site: () => ({ default: {} }), message: /no fetch method/ },
    { name: 'a handler that is no function', site: () => ({ default: { fetch: 1 } }), message: /no fetch method/ },
    {
      name: 'a throw',
      site: () => {
        throw new SyntaxError('at the top')
      },
      message: /at the top/,
    },
  ]
  for (const { name, site, message } of cases) t.match(host.load(site).error?.message, message, name)
})

t.test('a default export is called as its own method, and may be a function with one', async (t) => {
  const app = Object.assign(() => {}, {
    greeting: 'from this',
    fetch(this: { greeting: string }) {
      return new Response(this.greeting)
    },
  })
  t.same(
    host.load(() => ({ default: app })),
    { handlers: 'fetch' },
  )
  t.equal((await host.answer()).text(), 'from this')
})

t.test('code without a handler for requests leaves them to the files', async (t) => {
  t.same(
    host.load(() => ({ default: { render: () => '' } })),
    { handlers: 'render' },
  )
  t.equal((await host.answer()).failed?.kind, failures.unhandled)
})

t.test('a router that is a proxy has the handlers that it says it has', async (t) => {
  const router = {
    __proto__: new Proxy({}, { get: () => () => 'any name' }),
    fetch: () => new Response('routed'),
  }
  t.same(
    host.load(() => ({ default: router })),
    { handlers: 'fetch' },
  )
  t.equal((await host.answer()).text(), 'routed')
})
