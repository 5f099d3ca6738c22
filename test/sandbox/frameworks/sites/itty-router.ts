/** itty-router's AutoRouter, with middleware before and after, and a router inside of it. */

import { AutoRouter, cors, error, html, type IRequest, Router, StatusError, withContent } from 'itty-router'

const { preflight } = cors({ origin: 'https://a.example', allowMethods: 'GET, POST' })

const withUser = (request: IRequest) => {
  const token = request.headers.get('authorization')
  if (token !== 'Bearer 1') return error(401, 'who are you?')
  request['user'] = { id: 1 }
  return undefined
}

// Its own `corsify` gives every answer the status 200 (6.0.0), in Node and Workers alike.
const withMark = (response: Response) => {
  // Headers of a redirect cannot be changed: a copy's can.
  const copy = new Response(response.body, response)
  copy.headers.set('x-router', 'itty')
  return copy
}

const inner = Router({ base: '/inner' })
inner.get('/:name+', ({ name }) => ({ name }))

const router = AutoRouter({
  before: [preflight],
  finally: [withMark],
  catch: (thrown: StatusError) => error(thrown.status ?? 500, { error: thrown.message, caught: true }),
})

router
  .get('/', () => 'hello')
  .get('/items/:id', ({ id, query }: IRequest) => ({ id, query }))
  .get('/files/:name.:ext?', ({ params }: IRequest) => params)
  .post('/items', withContent, (request: IRequest) => request['content'])
  .get('/me', withUser, (request: IRequest) => request['user'])
  .get('/page', () => html('<h1>page</h1>'))
  .get('/wait', async (_: IRequest, env: { readonly MODE: string }) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    return { mode: env.MODE }
  })
  .get('/moved', ({ url }: IRequest) => Response.redirect(new URL('/page', url).href, 307))
  .get('/forbidden', () => {
    throw new StatusError(403, 'not for you')
  })
  .get('/broken', () => (undefined as unknown as { readonly x: number }).x)
  .all('/inner/*', inner.fetch)

export default { ...router }
