import t from 'tap'
import { getHeader } from '../../../core/headers.ts'
import { headersOf, startFramework } from './fixtures/framework.ts'

t.test('Hono runs unchanged from npm', async (t) => {
  const { get, post, ask, ground } = await startFramework(t, 'hono.ts')

  await t.test('routes, parameters and variables', async (t) => {
    t.match(await get('/'), { status: 200, body: 'hello from test' })
    const user = await get('/api/users/7?q=a%20b')
    t.equal(user.body, '{"id":"7","q":"a b"}')
    t.match(getHeader(user.headers, 'content-type'), 'application/json')
    t.equal(getHeader(user.headers, 'x-known'), 'true', 'middleware has run before and after')
    t.match(await get('/api/users/x'), { status: 404, body: 'nothing at /api/users/x' })
    t.match(await ask('HEAD', '/'), { status: 200, body: '' })
  })

  await t.test('middleware: CORS, headers, basic authentication, ETag', async (t) => {
    const preflight = await ask('OPTIONS', '/api/users', {
      headers: ['origin', 'https://a.example', 'access-control-request-method', 'POST'],
    })
    t.equal(preflight.status, 204)
    t.equal(getHeader(preflight.headers, 'access-control-allow-origin'), 'https://a.example')
    t.ok(getHeader((await get('/api/users/7')).headers, 'x-frame-options'))
    t.match(await get('/private/page'), { status: 401 })
    const right = Buffer.from('ann:pass').toString('base64')
    t.match(await get('/private/page', ['authorization', `Basic ${right}`]), { status: 200, body: 'private' })
    const tag = getHeader((await get('/etag')).headers, 'etag') ?? ''
    t.match(tag, /^"\w+"$/)
    t.match(await get('/etag', ['if-none-match', tag]), { status: 304, body: '' })
  })

  await t.test('bodies: JSON, forms, validation', async (t) => {
    t.match(await post('/api/users', { name: 'Ann' }), { status: 201, body: '{"name":"Ann"}' })
    t.match(await post('/checked', { age: 18 }), { status: 200, body: '{"age":18}' })
    t.match(await post('/checked', { age: 17 }), { status: 422, body: '{"error":"too young"}' })
    const form = new FormData()
    form.set('name', 'Ann')
    form.set('file', new File(['12345'], 'a.txt'))
    const encoded = new Response(form)
    const type = encoded.headers.get('content-type') ?? ''
    const sent = await ask('POST', '/form', { headers: ['content-type', type], body: await encoded.text() })
    t.equal(sent.body, '{"name":"Ann","file":["a.txt",5]}')
  })

  await t.test('cookies, plain and signed', async (t) => {
    const first = await get('/cookies')
    t.equal(first.body, '{"visits":1}')
    const [visits = '', theme = ''] = headersOf(first, 'set-cookie')
    t.match(visits, /^visits=1\.[^;]+; Path=\/; HttpOnly; Secure$/)
    t.equal(theme, 'theme=dark; Max-Age=60; Path=/; SameSite=Lax')
    const pair = visits.split(';')[0] ?? ''
    t.equal((await get('/cookies', ['cookie', pair])).body, '{"visits":2}')
    t.equal((await get('/cookies', ['cookie', pair.replace('=1', '=9')])).body, '{"visits":1}', 'forged')
  })

  await t.test('streams: text, events, and a body that is changed as it passes', async (t) => {
    t.equal((await get('/text')).body, 'one\ntwo\nthree\n')
    const events = await get('/events')
    t.equal(getHeader(events.headers, 'content-type'), 'text/event-stream')
    t.equal(events.body, 'event: tick\ndata: tick 1\nid: 1\n\nevent: tick\ndata: tick 2\nid: 2\n\n')
    const text = 'straße '.repeat(20_000)
    t.ok((await ask('POST', '/upper', { body: text })).body.startsWith('STRASSE STRASSE '))
  })

  await t.test('tokens, pages, and work after the answer', async (t) => {
    t.equal((await get('/token')).body, '{"sub":"ann","forged":"JwtTokenSignatureMismatched"}')
    t.equal((await get('/page')).body, '<title>A &lt;title&gt;</title><ul><li>a</li><li>b &amp; c</li></ul>')
    const later = await get('/later')
    t.match(later, { status: 303 })
    t.equal(getHeader(later.headers, 'location'), '/text')
    t.ok(await ground.line('site', /^done later$/))
  })

  await t.test('errors, and what its logger says', async (t) => {
    t.match(await get('/teapot'), { status: 418, body: 'short and stout' })
    t.match(await get('/broken'), { status: 500, body: '{"error":"broken on purpose"}' })
    t.ok(await ground.line('site', /broken on purpose/))
    t.ok(await ground.line('site', /--> GET \/broken .*500/))
  })
})
