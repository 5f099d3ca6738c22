import { request as sendRequest } from 'node:http'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { type AdminRoute, AdminServer } from '../../control/admin.ts'
import { authorized } from '../../control/authorize.ts'
import { siteGrantPath } from '../../core/grant-api.ts'
import { limits } from '../../core/limits.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { narrow } from '../../store/grants/handle.ts'
import type { GrantOptions, Handle } from '../../store/store.ts'
import { ask } from './fixtures/ask.ts'
import { shortFolder } from './fixtures/short-folder.ts'

const hash = 'ab'.repeat(32)
const forever = Date.UTC(2100, 0)
const otherPath = siteGrantPath('shop')

const store = await openMemoryStore()
const otherStore = await openMemoryStore()
const lines: string[] = []
const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) })

/** Every route that the table names, and some that it does not; each answers with the token that it was given. */
const patterns = [
  'GET /grants',
  'POST /grants',
  'POST /grants/show',
  'POST /grants/revoke',
  'POST /grants/keys',
  'GET /status',
  'POST /reload',
  'POST /stop',
  'POST /backup',
  'GET /sites',
  'POST /sites',
  'GET /sites/:name',
  'DELETE /sites/:name',
  'GET /sites/:name/diff',
  'GET /sites/:name/domains',
  'POST /sites/:name/domains',
  'POST /sites/:name/domains/:domain/verify',
  'DELETE /sites/:name/domains/:domain',
  'GET /sites/:name/live',
  'GET /sites/:name/log',
  'GET /sites/:name/pins',
  'GET /sites/:name/versions/:version',
  'GET /sites/:name/versions/:version/files',
  'PUT /sites/:name/pins/:pin',
  'DELETE /sites/:name/pins/:pin',
  'POST /sites/:name/prune',
  'POST /sites/:name/rollback',
  'POST /sites/:name/versions',
  'POST /sites/:name/uploads',
  'PUT /blobs/:hash',
  'POST /plugins/:plugin/*',
]
const routes = patterns.map((text): AdminRoute => {
  const [method, pattern = ''] = text.split(' ')
  return {
    method: method as AdminRoute['method'],
    pattern,
    run: async ({ handle, body }) => {
      if (method === 'PUT') for await (const _chunk of body);
      return { handle: handle ?? 'operator' }
    },
  }
})
const socket = join(shortFolder(t), 'control.sock')
const admin = await AdminServer.listen({ socket, routes: authorized(routes, store), log })
t.teardown(async () => {
  await admin[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  await otherStore[Symbol.asyncDispose]()
})

const content = Buffer.from('hello')
const blog: GrantOptions = { path: siteGrantPath('blog'), untilMs: forever, read: true, write: true, grant: true }
const token = (options: Partial<GrantOptions> = {}) => store.grant(store.root, { ...blog, ...options })

/** The request that a pattern stands for, for the site blog. */
function call(pattern: string, handle: Handle | undefined, headers: Record<string, string> = {}) {
  const [method = '', path = ''] = pattern.split(' ')
  const target = path
    .replace(':name', 'blog')
    .replace(':version', '1')
    .replace(':pin', 'tag:one')
    .replace(':domain', 'www.example.org')
    .replace('/blobs/:hash', `/blobs/${hash}?site=blog`)
    .replace(':plugin/*', 'greeter/all')
  const body = pattern.endsWith('/uploads') ? { hash, bytes: 5 } : method === 'PUT' ? content : undefined
  const length = method === 'PUT' ? { 'content-length': String(content.length) } : {}
  const authorization = handle === undefined ? {} : { authorization: `Bearer ${handle}` }
  return ask(socket, method, target, body, { ...authorization, ...length, ...headers })
}

/** What was said of a request: `ok`, or the code and reason. */
async function outcome(pattern: string, handle: Handle | undefined): Promise<string> {
  const { status, body } = await call(pattern, handle)
  return status === 200 ? 'ok' : `${body.error.code} ${body.error.details?.reason}`
}

const reading = patterns.filter((text) => /^GET \/sites\/:name/.test(text) && text !== 'GET /sites')
const writing = patterns.filter((text) => /^(PUT|POST|DELETE) \/(sites\/:name\/|blobs)/.test(text))
const own = ['GET /grants', 'POST /grants', 'POST /grants/show', 'POST /grants/revoke']
const closed = patterns.filter((text) => ![...reading, ...writing, ...own, 'GET /sites'].includes(text))

t.test("without a token everything is the operator's, with one the route gets it", async (t) => {
  for (const pattern of patterns) {
    t.equal((await call(pattern, undefined)).body.handle, 'operator', pattern)
  }
  const all = await token()
  for (const pattern of [...reading, ...writing]) t.equal((await call(pattern, all)).body.handle, all, pattern)
  t.equal(reading.length + writing.length + own.length + closed.length + 1, patterns.length)
  t.ok(reading.length === 8 && writing.length === 10 && closed.length === 8)
})

t.test('each route asks for its right on the site', async (t) => {
  const [reader, writer, granter] = [
    await token({ write: false, grant: false }),
    await token({ read: false, grant: false }),
    await token({ read: false, write: false }),
  ]
  const other = await token({ path: otherPath })
  const look = await token({ path: '/sites/operator/blogger' })
  for (const pattern of reading) {
    t.equal(await outcome(pattern, reader), 'ok', pattern)
    for (const one of [writer, granter]) t.equal(await outcome(pattern, one), 'ERR_DENIED rights', pattern)
    for (const one of [other, look]) t.equal(await outcome(pattern, one), 'ERR_DENIED path', pattern)
  }
  for (const pattern of writing) {
    t.equal(await outcome(pattern, writer), 'ok', pattern)
    for (const one of [reader, granter]) t.equal(await outcome(pattern, one), 'ERR_DENIED rights', pattern)
    for (const one of [other, look]) t.equal(await outcome(pattern, one), 'ERR_DENIED path', pattern)
  }
  t.equal(await outcome('GET /sites', reader), 'ERR_DENIED path')
  t.equal(await outcome('GET /sites', await token({ path: '/sites/operator' })), 'ok')
  for (const pattern of own) t.equal(await outcome(pattern, reader), 'ok', `${pattern} is the store's to decide`)
})

t.test("what has no line in the table is the operator's alone", async (t) => {
  const everything = await token({ path: '/' })
  for (const pattern of [...closed, 'POST /grants/keys']) {
    const { status, body } = await call(pattern, everything)
    t.equal(status, 403, pattern)
    t.match(body.error, {
      code: 'ERR_DENIED',
      details: { reason: 'rights' },
      message: /is for the operator/,
      hint: /GROVE_TOKEN/,
    })
  }
  const revoked = await token()
  await store.revoke(store.root, revoked)
  t.equal(await outcome('POST /stop', revoked), 'ERR_DENIED revoked')
})

t.test('a token that is not good says why, and what to do', async (t) => {
  const good = await token({ label: 'CI' })
  const revoked = await token()
  await store.revoke(store.root, revoked)
  const cases: [string, Handle, RegExp, RegExp][] = [
    ['revoked', revoked, /was revoked/, /new one/],
    ['expired', narrow(good, { untilMs: 1_000 }), /ended at 1970-01-01T00:00:01/, /new one/],
    ['path', narrow(good, { path: otherPath.replace('shop', 'blog/x') }), /is for .*blog\/x/, /grant show/],
    ['rights', narrow(good, { rights: ['read'] }), /allows read, not to write/, /grant show/],
    ['handle', `${good.slice(0, -2)}AA` as Handle, /not one that this store made/, /copy the whole token/],
    ['handle', await otherStore.grant(otherStore.root, blog), /not one that this store made/, /another Grove/],
    ['handle', otherStore.root, /not one that this store made/, /another Grove/],
    ['handle', 'x' as Handle, /not one that this store made/, /copy the whole token/],
    ['content', narrow(good, { hash }), /narrowed to the content/, /upload and nothing else/],
    ['quota', await token({ maxWrites: 0 }), /0 of its 0 writes/, /larger quota/],
  ]
  for (const [reason, handle, message, hint] of cases) {
    const { status, body } = await call('POST /sites/:name/versions', handle)
    t.equal(status, 403)
    t.match(body.error, { code: 'ERR_DENIED', details: { reason }, message, hint })
    t.notMatch(JSON.stringify(body), /grove_\w+\./, 'no token in the answer')
  }
})

t.test('contents are charged before they are taken', async (t) => {
  for (const pattern of ['PUT /blobs/:hash', 'POST /sites/:name/uploads']) {
    const handle = await token({ maxBytes: 12 })
    for (const said of ['ok', 'ok', 'ERR_DENIED quota']) t.equal(await outcome(pattern, handle), said)
    t.match(await store.whoami(handle), { usedBytes: 10, usedWrites: 2 })
    const one = narrow(await token(), { hash, bytes: 5 })
    t.equal(await outcome(pattern, one), 'ok', 'the one content that it is narrowed to')
    t.equal(await outcome(pattern, narrow(one, { bytes: 4 })), 'ERR_DENIED quota')
    t.equal(await outcome(pattern, narrow(await token(), { hash: 'cd'.repeat(32) })), 'ERR_DENIED content')
  }
})

t.test('a content under a token has a site, a length and a name, else nothing is charged', async (t) => {
  const handle = await token()
  const authorization = `Bearer ${handle}`
  const put = (path: string, headers: Record<string, string> = {}) =>
    ask(socket, 'PUT', path, content, { authorization, ...headers })
  t.match((await put(`/blobs/${hash}`)).body.error, { code: 'ERR_BAD_REQUEST', message: /\?site=/ })
  t.match((await put('/blobs/short?site=blog')).body.error, { code: 'ERR_BAD_REQUEST', message: /64 lower-case/ })
  t.match((await put(`/blobs/${hash}?site=NO`)).body.error, { code: 'ERR_SITE_NAME' })
  const chunked = { 'transfer-encoding': 'chunked' }
  t.match((await put(`/blobs/${hash}?site=blog`, chunked)).body.error, { code: 'ERR_BAD_REQUEST', message: /length/ })
  const bytes = limits.tree.fileBytes + 1
  const huge = await ask(socket, 'POST', '/sites/blog/uploads', { hash, bytes }, { authorization })
  t.match(huge.body.error, { code: 'ERR_TOO_LARGE' })
  t.match(await store.whoami(handle), { usedBytes: 0, usedWrites: 0 })
})

t.test('an authorization that is no token is refused, not passed over', async (t) => {
  const good = await token()
  for (const value of ['', 'Bearer', 'Bearer ', 'Basic b3A6eA==', good, `Bearer ${good} x`, `Token ${good}`]) {
    const { status, body } = await ask(socket, 'GET', '/status', undefined, { authorization: value })
    t.equal(status, 403, value.slice(0, 12))
    t.match(body.error, { code: 'ERR_DENIED', details: { reason: 'handle' } })
  }
  t.equal((await ask(socket, 'GET', '/sites/blog', undefined, { authorization: `bearer  ${good} ` })).status, 200)
  const twice = await new Promise<number | undefined>((resolve, reject) => {
    const headers = ['authorization', 'Bearer x', 'authorization', `Bearer ${good}`]
    sendRequest({ socketPath: socket, path: '/sites/blog', headers: ['host', 'x', ...headers] }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
  t.equal(twice, 403, 'the first of two counts')
})

t.test('no token was logged', async (t) => {
  t.notMatch(lines.join(''), /grove_\w+\./)
})
