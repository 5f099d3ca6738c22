import t from 'tap'
import { getHeader } from '../../../core/headers.ts'
import { startFramework } from './fixtures/framework.ts'

t.test('itty-router runs unchanged from npm', async (t) => {
  const { get, post, ask } = await startFramework(t, 'itty-router.ts')

  await t.test('routes, parameters, a router in a router', async (t) => {
    t.match(await get('/'), { status: 200, body: '"hello"' })
    t.equal((await get('/items/7?tag=a&tag=b')).body, '{"id":"7","query":{"tag":["a","b"]}}')
    t.equal((await get('/files/a.tar.gz')).body, '{"name":"a.tar","ext":"gz"}')
    t.equal((await get('/inner/a/b/c')).body, '{"name":"a/b/c"}')
    t.match(await get('/none'), { status: 404, body: '{"status":404,"error":"Not Found"}' })
  })

  await t.test('bodies, middleware and the environment', async (t) => {
    t.equal((await post('/items', { name: 'Ann' })).body, '{"name":"Ann"}')
    t.match(await get('/me'), { status: 401, body: '{"status":401,"error":"who are you?"}' })
    t.equal((await get('/me', ['authorization', 'Bearer 1'])).body, '{"id":1}')
    t.equal((await get('/wait')).body, '{"mode":"test"}')
    const page = await get('/page')
    t.equal(page.body, '<h1>page</h1>')
    t.match(getHeader(page.headers, 'content-type'), 'text/html')
  })

  await t.test('CORS, redirects and errors', async (t) => {
    const origin = ['origin', 'https://a.example']
    const preflight = await ask('OPTIONS', '/items', {
      headers: [...origin, 'access-control-request-method', 'POST'],
    })
    t.equal(preflight.status, 204)
    t.equal(getHeader(preflight.headers, 'access-control-allow-methods'), 'GET, POST')
    t.equal(getHeader((await get('/none')).headers, 'x-router'), 'itty', 'what it does with every answer')
    const moved = await get('/moved')
    t.equal(moved.status, 307)
    t.match(getHeader(moved.headers, 'location'), /^https:\/\/site\.localhost\/page$/)
    t.match(await get('/forbidden'), { status: 403, body: '{"status":403,"error":"not for you","caught":true}' })
    t.match(await get('/broken'), { status: 500, body: /Cannot read properties of undefined/ })
  })
})
