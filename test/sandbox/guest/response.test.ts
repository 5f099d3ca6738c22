import t from 'tap'
import { Response } from '../../../sandbox/guest/response.ts'
import { createRequestHost } from './fixtures/request-host.ts'

createRequestHost()
type Body = {
  text(): Promise<string>
  json(): Promise<unknown>
  readonly body: object | null
  readonly bodyUsed: boolean
}
const bodyOf = (response: Response) => response as unknown as Body

t.test('an answer of nothing', (t) => {
  const response = new Response()
  t.match(response, {
    status: 200,
    statusText: '',
    ok: true,
    type: 'default',
    url: '',
    redirected: false,
    webSocket: null,
  })
  t.equal(bodyOf(response).body, null)
  t.equal(bodyOf(response).bodyUsed, false)
  t.same([...(response.headers as never)], [])
  t.end()
})

t.test('statuses', (t) => {
  const allowed: [unknown, number][] = [
    [200, 200],
    ['404', 404],
    [599, 599],
    [204, 204],
    [65_736, 200],
    [undefined, 200],
  ]
  for (const [status, expected] of allowed) t.equal(new Response(null, { status }).status, expected, String(status))
  for (const status of [0, 99, 100, 101, 102, 103, 199, 600, 1000, -1, Number.NaN, null, 'x'])
    t.throws(() => new Response(null, { status }), RangeError, String(status))
  for (const status of [204, 205, 304]) {
    t.throws(() => new Response('', { status }), TypeError, `${status} with a body`)
    t.equal(new Response(null, { status }).status, status)
  }
  t.same(
    [199, 200, 299, 300].map((status) => (status < 200 ? undefined : new Response(null, { status }).ok)),
    [undefined, true, true, false],
  )
  t.end()
})

t.test('status texts', (t) => {
  t.equal(new Response(null, { statusText: 'Fine \t\u00e9' }).statusText, 'Fine \t\u00e9')
  for (const statusText of ['a\r\nx: y', 'a\nb', '\0', '\u0100', 'a\u007f'])
    t.throws(() => new Response(null, { statusText }), TypeError, JSON.stringify(statusText))
  t.end()
})

t.test('an answer with the head of another', async (t) => {
  const first = new Response('x', { status: 404, statusText: 'Gone away', headers: { a: 'b' } })
  const second = new Response('y', first)
  t.match(second, { status: 404, statusText: 'Gone away' })
  t.same([second.headers.get('a'), second.headers.get('content-type')], ['b', 'text/plain;charset=UTF-8'])
  second.headers.set('a', 'c')
  t.equal(first.headers.get('a'), 'b')
})

t.test('Response.json', async (t) => {
  const response = Response.json({ a: [1, 'x', null] }, { status: 201, headers: { b: 'c' } })
  t.match(response, { status: 201 })
  t.equal(response.headers.get('content-type'), 'application/json')
  t.same(await bodyOf(response).json(), { a: [1, 'x', null] })
  t.equal(Response.json(1, { headers: { 'content-type': 'own' } }).headers.get('content-type'), 'own')
  t.equal(await bodyOf(Response.json('\ud800')).text(), '"\\ud800"')
  for (const value of [undefined, () => {}, Symbol('x'), 1n])
    t.throws(() => Response.json(value), TypeError, typeof value)
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  t.throws(() => Response.json(circle), TypeError)
  t.throws(() => Response.json({}, { status: 204 }), TypeError)
  t.throws(() => Response.json({}, { status: 600 }), RangeError)
  t.throws(() => (Response.json as () => unknown)(), TypeError)
})

t.test('Response.redirect', (t) => {
  const response = Response.redirect('https://A.example/x y')
  t.match(response, { status: 302 })
  t.equal(response.headers.get('location'), 'https://a.example/x%20y')
  t.throws(() => response.headers.set('location', 'x'), TypeError)
  for (const status of [301, 302, 303, 307, 308])
    t.equal(Response.redirect('https://a.example/', status).status, status)
  for (const status of [200, 300, 304, 306, 309, 0])
    t.throws(() => Response.redirect('https://a.example/', status), RangeError)
  t.throws(() => Response.redirect('/relative'), TypeError)
  t.throws(() => Response.redirect('https://'), TypeError)
  const split = Response.redirect('https://a.example/\r\nSet-Cookie: a=b')
  t.equal(split.headers.get('location'), 'https://a.example/Set-Cookie:%20a=b', 'CR and LF are no part of a URL')
  t.end()
})

t.test('Response.error', (t) => {
  const response = Response.error()
  t.match(response, { type: 'error', status: 0, ok: false, statusText: '' })
  t.throws(() => response.headers.append('a', 'b'), TypeError)
  t.end()
})

t.test('clones are read apart', async (t) => {
  const response = new Response('x', { status: 201, headers: { a: 'b' } })
  const clone = response.clone()
  clone.headers.set('a', 'c')
  t.equal(response.headers.get('a'), 'b')
  t.equal(clone.status, 201)
  t.same([await bodyOf(response).text(), await bodyOf(clone).text()], ['x', 'x'])
  t.throws(() => response.clone(), TypeError)
})

t.test('members of an init are read in order, and what they throw comes out', (t) => {
  const order: string[] = []
  const init = new Proxy(
    {},
    {
      get(_target, key) {
        order.push(String(key))
        return undefined
      },
    },
  )
  new Response(null, init)
  t.same(order, ['headers', 'status', 'statusText', 'webSocket'])
  t.throws(
    () =>
      new Response(null, {
        get status() {
          throw new Error('mine')
        },
      }),
    { message: 'mine' },
  )
  t.throws(() => new Response(null, 1), TypeError)
  t.throws(() => new Response(null, { webSocket: {} }), TypeError)
  t.end()
})

t.test('it is an interface of Web IDL', (t) => {
  t.equal(String(new Response()), '[object Response]')
  t.same([Response.length, Response.json.length, Response.redirect.length, Response.error.length], [0, 1, 1, 0])
  for (const name of ['status', 'ok', 'headers', 'body', 'bodyUsed', 'type', 'url', 'redirected', 'statusText']) {
    const descriptor = Object.getOwnPropertyDescriptor(Response.prototype, name)
    t.match(descriptor, { enumerable: true, configurable: true, set: undefined }, name)
    t.throws(() => descriptor?.get?.call(Object.create(Response.prototype)), TypeError, name)
  }
  t.end()
})
