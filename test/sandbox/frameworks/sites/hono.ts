/** Hono with what its users put together first: middleware, cookies, validation, streams, pages. */

import { Hono } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { getSignedCookie, setCookie, setSignedCookie } from 'hono/cookie'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { html } from 'hono/html'
import { HTTPException } from 'hono/http-exception'
import { sign, verify } from 'hono/jwt'
import { logger } from 'hono/logger'
import { secureHeaders } from 'hono/secure-headers'
import { stream, streamSSE, streamText } from 'hono/streaming'
import { validator } from 'hono/validator'

const secret = 'of this test'
const app = new Hono<{ Bindings: { readonly MODE: string }; Variables: { readonly startedAtMs: number } }>()

app.use(logger())
app.use('/api/*', cors({ origin: 'https://a.example' }), secureHeaders())
app.use('/etag', etag())
app.use('/private/*', basicAuth({ username: 'ann', password: 'pass' }))
app.use(async (context, next) => {
  context.set('startedAtMs', Date.now())
  await next()
  context.header('x-known', String(Date.now() >= context.get('startedAtMs')))
})

app.get('/', (context) => context.text(`hello from ${context.env.MODE}`))
app.get('/api/users/:id{[0-9]+}', (context) => context.json({ id: context.req.param('id'), q: context.req.query('q') }))
app.post('/api/users', async (context) => context.json(await context.req.json(), 201))
app.post('/form', async (context) => {
  const { name, file } = await context.req.parseBody()
  return context.json({ name, file: file instanceof File ? [file.name, file.size] : null })
})
app.post(
  '/checked',
  validator('json', (value, context) => (value.age > 17 ? value : context.json({ error: 'too young' }, 422))),
  (context) => context.json(context.req.valid('json') as object),
)
app.get('/cookies', async (context) => {
  const visits = Number((await getSignedCookie(context, secret, 'visits')) || 0) + 1
  await setSignedCookie(context, 'visits', String(visits), secret, { httpOnly: true, secure: true })
  setCookie(context, 'theme', 'dark', { path: '/', maxAge: 60, sameSite: 'Lax' })
  return context.json({ visits })
})
app.get('/text', (context) =>
  streamText(context, async (writer) => {
    for (const word of ['one', 'two', 'three']) {
      await writer.writeln(word)
      await writer.sleep(1)
    }
  }),
)
app.get('/events', (context) =>
  streamSSE(context, async (events) => {
    for (const id of ['1', '2']) await events.writeSSE({ id, event: 'tick', data: `tick ${id}` })
  }),
)
app.post('/upper', (context) =>
  stream(context, async (out) => {
    const upper = new TransformStream<string, string>({
      transform: (text, controller) => controller.enqueue(text.toUpperCase()),
    })
    const body = context.req.raw.body as ReadableStream<Uint8Array<ArrayBuffer>>
    await out.pipe(body.pipeThrough(new TextDecoderStream()).pipeThrough(upper).pipeThrough(new TextEncoderStream()))
  }),
)
app.get('/etag', (context) => context.text('the same each time'))
app.get('/private/page', (context) => context.text('private'))
app.get('/token', async (context) => {
  const token = await sign({ sub: 'ann' }, secret, 'HS256')
  const { sub } = await verify(token, secret, 'HS256')
  const forged = await verify(`${token}x`, secret, 'HS256').then(
    () => 'taken',
    (error: Error) => error.name,
  )
  return context.json({ sub, forged })
})
app.get('/page', (context) => context.html(page('A <title>', ['a', 'b & c'])))
app.get('/later', (context) => {
  context.executionCtx.waitUntil(Promise.resolve().then(() => console.log('done later')))
  return context.redirect('/text', 303)
})
app.get('/teapot', () => {
  throw new HTTPException(418, { message: 'short and stout' })
})
app.get('/broken', () => {
  throw new Error('broken on purpose')
})
app.notFound((context) => context.text(`nothing at ${context.req.path}`, 404))
app.onError((error, context) => {
  if (error instanceof HTTPException) return error.getResponse()
  console.error(error.message)
  return context.json({ error: error.message }, 500)
})

function page(title: string, items: readonly string[]) {
  return html`<title>${title}</title><ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`
}

export default app
