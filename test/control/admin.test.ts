import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { ask } from './fixtures/ask.ts'
import { filesOf, hashOf, newOpId, publishOver } from './fixtures/contents.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'

const running = await runControl({
  folder: shortFolder(t),
  config: `{
    sites: { fixed: { upstreams: ['http://127.0.0.1:9'] } },
    plugins: [{
      name: 'greeter',
      start(host) {
        host.command('greet/all', async (input) => ({ hello: input.name }))
        host.command('fail', async () => { throw new Error('it broke') })
      },
    }],
  }`,
})
t.teardown(() => running.stop())
const socket = running.layout.controlSocket
const front = await running.addFront(7)

const post = (path: string, body: unknown, headers?: Record<string, string>) => ask(socket, 'POST', path, body, headers)

t.test('a site is made, listed, shown, published, rolled back and deleted', async (t) => {
  t.match((await post('/sites', { name: 'blog' })).body, { name: 'blog', versions: 0, from: 'command', upstreams: [] })
  t.match(front.sites.get('blog'), { authorities: ['blog.localhost'] })
  t.match((await publishOver(socket, 'blog', { a: '1', b: '1' })).version, 1)
  const second = await publishOver(socket, 'blog', { a: '2', c: '1' })
  t.match(second, { version: 2, added: 1, changed: 1, removed: 1, fronts: { live: 1, connected: 1 } })
  t.match((await ask(socket, 'GET', '/sites')).body, {
    sites: [
      { name: 'blog', live: 2, versions: 2 },
      { name: 'fixed', from: 'config', upstreams: ['http://127.0.0.1:9'] },
    ],
  })
  const back = await post('/sites/blog/rollback', {})
  t.match(back.body, { version: 1, added: 1, changed: 1, removed: 1, unchanged: false })
  t.equal(front.sites.get('blog')?.live?.version, 1)
  t.match((await post('/sites/blog/rollback', { version: 1 })).body, { version: 1, unchanged: true })
  t.match((await post('/sites/blog/rollback', { version: 2 })).body, { version: 2 })
  t.match((await ask(socket, 'GET', '/sites/blog')).body, {
    live: 2,
    history: [
      { version: 2, live: true, files: 2 },
      { version: 1, live: false, files: 2 },
    ],
  })
  t.equal((await ask(socket, 'DELETE', '/sites/blog')).status, 200)
  t.equal(front.sites.has('blog'), false)
  t.match(await front.until('forget-certificates'), { names: ['blog.localhost'] })
  t.equal((await ask(socket, 'GET', '/sites/blog')).status, 404)
})

t.test('contents that are missing are named, and nothing happened', async (t) => {
  const files = filesOf({ 'a.html': 'missing one', 'b.html': 'missing two' })
  const opId = newOpId()
  const first = await post('/sites/lacking/versions', { opId, files })
  t.same(first.body.missing.sort(), files.map(({ hash }) => hash).sort())
  t.equal((await ask(socket, 'GET', '/sites/lacking')).status, 404, 'not even the site was made')
  for (const text of ['missing one', 'missing two'])
    t.same((await ask(socket, 'PUT', `/blobs/${hashOf(text)}`, Buffer.from(text))).body, {})
  t.match((await post('/sites/lacking/versions', { opId, files })).body, { version: 1, missing: [] })
})

t.test('a repeat after a lost answer answers the same version, also when another came between', async (t) => {
  const opId = newOpId()
  const first = await publishOver(socket, 'repeat', { a: '1' }, opId)
  await publishOver(socket, 'repeat', { a: '2' })
  const again = await publishOver(socket, 'repeat', { a: '1' }, opId)
  t.match(again, { version: first.version, added: 1, unchanged: false })
  t.equal((await ask(socket, 'GET', '/sites/repeat')).body.versions, 2)
  t.equal(front.sites.get('repeat')?.live?.version, 2, 'the newer one stays live')
  await publishOver(socket, 'repeat', { a: '3' })
  const back = newOpId()
  t.equal((await post('/sites/repeat/rollback', { opId: back })).body.version, 2)
  t.equal((await post('/sites/repeat/rollback', { opId: back })).body.version, 2, 'not one further back')
})

t.test('a tree that is live already makes no version', async (t) => {
  await publishOver(socket, 'same', { a: '1' })
  t.match(await publishOver(socket, 'same', { a: '1' }), {
    version: 1,
    unchanged: true,
    added: 0,
    awaiting: [],
    fronts: { live: 1, connected: 1 },
  })
  t.equal((await ask(socket, 'GET', '/sites/same')).body.versions, 1)
})

t.test('files that are never served are told', async (t) => {
  const result = await publishOver(socket, 'rules', { _headers: 'x', 'index.html': 'y', 'sub/_headers': 'z' })
  t.equal(result.notes.length, 1)
  t.match(result.notes[0], /^_headers /)
})

t.test('commands of plugins are run', async (t) => {
  t.same((await post('/plugins/greeter/greet/all', { name: 'ada' })).body, { hello: 'ada' })
  t.match(await post('/plugins/greeter/fail', {}), {
    status: 500,
    body: { error: { code: 'ERR_INTERNAL', message: 'it broke' } },
  })
})

t.test('the status shows all', async (t) => {
  const { body } = await ask(socket, 'GET', '/status')
  t.match(body, {
    generation: 1,
    processes: [{ kind: 'front', pid: 7 }],
    fronts: [{ pid: 7, requests: 5 }],
    plugins: ['greeter'],
    outbox: [],
    listen: [
      { name: 'https', port: 18_443 },
      { name: 'http', port: 8080 },
    ],
  })
  t.match(body.config, /grove\.config\.js$/)
})

t.test('a stop is answered first', async (t) => {
  t.same(await post('/stop', {}).then(({ body }) => body), {})
  while (running.stops === 0) await new Promise(setImmediate)
  t.equal(running.stops, 1)
})

const hash = hashOf('x')
const file = (path: string, rest: object = {}) => ({ path, hash, bytes: 1, ...rest })
const tree = (files: unknown, rest: object = {}) => ({ opId: 'operation-x', files, ...rest })
const change = (base: number, put: unknown, del: unknown = []) => ({ opId: 'operation-x', base, put, del })
const sites = '/sites/hostile/versions'
const nfd = 'e\u0301.html'

const hostile: readonly {
  readonly name: string
  readonly method?: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly expected: readonly [number, string]
}[] = [
  { name: 'an unknown path', path: '/nothing', expected: [404, 'ERR_NOT_FOUND'] },
  { name: 'an unknown method', method: 'PATCH', path: '/sites', expected: [404, 'ERR_NOT_FOUND'] },
  { name: 'a method that the path does not have', method: 'DELETE', path: '/status', expected: [404, 'ERR_NOT_FOUND'] },
  { name: 'a path that goes on', method: 'GET', path: '/status/more', expected: [404, 'ERR_NOT_FOUND'] },
  { name: 'a path with an empty segment', method: 'GET', path: '//status', expected: [404, 'ERR_NOT_FOUND'] },
  { name: 'a broken percent-encoding', method: 'GET', path: '/sites/%zz', expected: [400, 'ERR_BAD_REQUEST'] },
  { name: 'an absolute target', method: 'GET', path: 'http://x/status', expected: [400, 'ERR_BAD_REQUEST'] },
  {
    name: 'a request of a web page',
    method: 'GET',
    path: '/status',
    headers: { origin: 'https://evil.example' },
    expected: [403, 'ERR_DENIED'],
  },
  {
    name: 'a request of a page without an origin',
    path: '/stop',
    body: {},
    headers: { origin: 'null' },
    expected: [403, 'ERR_DENIED'],
  },
  { name: 'a body that is no JSON', path: '/sites', body: Buffer.from('{"name":'), expected: [400, 'ERR_BAD_REQUEST'] },
  {
    name: 'a body that is no UTF-8',
    path: '/sites',
    body: Buffer.from('7b22ff227d', 'hex'),
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  { name: 'a body that is no object', path: '/sites', body: [], expected: [400, 'ERR_BAD_REQUEST'] },
  {
    name: 'a body of deep arrays',
    path: '/sites',
    body: Buffer.from('['.repeat(100_000)),
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  { name: 'an unknown key', path: '/sites', body: { name: 'x', admin: true }, expected: [400, 'ERR_BAD_REQUEST'] },
  {
    name: 'a key of the prototype',
    path: '/sites',
    body: Buffer.from('{"__proto__":{"name":"x"}}'),
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  { name: 'a reload with something', path: '/reload', body: { force: true }, expected: [400, 'ERR_BAD_REQUEST'] },
  { name: 'a stop with something', path: '/stop', body: { now: true }, expected: [400, 'ERR_BAD_REQUEST'] },
  { name: 'a name in capitals', path: '/sites', body: { name: 'Blog' }, expected: [400, 'ERR_SITE_NAME'] },
  { name: 'a name that leads out', path: '/sites', body: { name: '../x' }, expected: [400, 'ERR_SITE_NAME'] },
  { name: 'a reserved name', path: '/sites', body: { name: 'wpad' }, expected: [400, 'ERR_SITE_NAME'] },
  {
    name: 'a name that another script could hide in',
    path: '/sites',
    body: { name: 'xn--80ak6aa92e' },
    expected: [400, 'ERR_SITE_NAME'],
  },
  { name: 'a site of the config', path: '/sites', body: { name: 'fixed' }, expected: [409, 'ERR_SITE_EXISTS'] },
  { name: 'an unknown site', method: 'GET', path: '/sites/none', expected: [404, 'ERR_SITE_UNKNOWN'] },
  { name: 'a name with an encoded slash', method: 'GET', path: '/sites/a%2fb', expected: [400, 'ERR_SITE_NAME'] },
  { name: 'deleting an unknown site', method: 'DELETE', path: '/sites/none', expected: [404, 'ERR_SITE_UNKNOWN'] },
  { name: 'deleting a site of the config', method: 'DELETE', path: '/sites/fixed', expected: [409, 'ERR_CONFLICT'] },
  { name: 'rolling an unknown site back', path: '/sites/none/rollback', body: {}, expected: [404, 'ERR_SITE_UNKNOWN'] },
  {
    name: 'rolling back where nothing was before',
    path: '/sites/fixed/rollback',
    body: {},
    expected: [404, 'ERR_VERSION_UNKNOWN'],
  },
  {
    name: 'rolling back to an unknown version',
    path: '/sites/fixed/rollback',
    body: { version: 9 },
    expected: [404, 'ERR_VERSION_UNKNOWN'],
  },
  {
    name: 'rolling back to version 0',
    path: '/sites/fixed/rollback',
    body: { version: 0 },
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'an unknown version',
    method: 'GET',
    path: '/sites/fixed/versions/1',
    expected: [404, 'ERR_VERSION_UNKNOWN'],
  },
  {
    name: 'a version that is no number',
    method: 'GET',
    path: '/sites/fixed/versions/1e1',
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'waiting for something else',
    method: 'GET',
    path: '/sites/fixed/versions/1?wait=x',
    expected: [404, 'ERR_VERSION_UNKNOWN'],
  },
  {
    name: 'publishing to a reserved name',
    path: '/sites/wpad/versions',
    body: tree([]),
    expected: [400, 'ERR_SITE_NAME'],
  },
  { name: 'a publish without an operation', path: sites, body: { files: [] }, expected: [400, 'ERR_BAD_REQUEST'] },
  { name: 'a short operation id', path: sites, body: { opId: 'x', files: [] }, expected: [400, 'ERR_BAD_REQUEST'] },
  {
    name: 'a long message',
    path: sites,
    body: tree([], { message: 'x'.repeat(1_001) }),
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a hash in capitals',
    path: sites,
    body: tree([file('a', { hash: hash.toUpperCase() })]),
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a size below nothing',
    path: sites,
    body: tree([file('a', { bytes: -1 })]),
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a path that leads out',
    path: sites,
    body: tree([file('../../etc/passwd')]),
    expected: [422, 'ERR_PUBLISH_REFUSED'],
  },
  { name: 'an absolute path', path: sites, body: tree([file('/etc/passwd')]), expected: [422, 'ERR_PUBLISH_REFUSED'] },
  { name: 'a path with a backslash', path: sites, body: tree([file('a\\b')]), expected: [422, 'ERR_PUBLISH_REFUSED'] },
  { name: 'a path with a line feed', path: sites, body: tree([file('a\nb')]), expected: [422, 'ERR_PUBLISH_REFUSED'] },
  { name: 'a path with a NUL', path: sites, body: tree([file('a\0b')]), expected: [422, 'ERR_PUBLISH_REFUSED'] },
  { name: 'a path that is not NFC', path: sites, body: tree([file(nfd)]), expected: [422, 'ERR_PUBLISH_REFUSED'] },
  { name: 'a lone surrogate', path: sites, body: tree([file('\ud800')]), expected: [422, 'ERR_PUBLISH_REFUSED'] },
  {
    name: 'two paths that differ by case',
    path: sites,
    body: tree([file('A'), file('a')]),
    expected: [422, 'ERR_PUBLISH_REFUSED'],
  },
  { name: 'one path twice', path: sites, body: tree([file('a'), file('a')]), expected: [422, 'ERR_PUBLISH_REFUSED'] },
  {
    name: 'a file that is a folder too',
    path: sites,
    body: tree([file('a'), file('a/b')]),
    expected: [422, 'ERR_PUBLISH_REFUSED'],
  },
  {
    name: 'a path that is too long',
    path: sites,
    body: tree([file('x/'.repeat(600))]),
    expected: [422, 'ERR_PUBLISH_REFUSED'],
  },
  {
    name: 'a file that is too large',
    path: sites,
    body: tree([file('a', { bytes: 2 ** 31 })]),
    expected: [422, 'ERR_PUBLISH_REFUSED'],
  },
  {
    name: 'a base that never was',
    path: '/sites/fixed/versions',
    body: change(9, []),
    expected: [404, 'ERR_VERSION_UNKNOWN'],
  },
  {
    name: 'a base and all files',
    path: sites,
    body: { ...tree([file('a')]), base: 1, put: [], del: [] },
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a pin without a version',
    method: 'PUT',
    path: '/sites/fixed/pins/a',
    body: {},
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a pin of a version that never was',
    method: 'PUT',
    path: '/sites/fixed/pins/a',
    body: { version: 9_999 },
    expected: [404, 'ERR_VERSION_UNKNOWN'],
  },
  {
    name: 'a pin whose name is a path',
    method: 'PUT',
    path: '/sites/fixed/pins/..%2fa',
    body: { version: 1 },
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a prune that keeps nothing',
    path: '/sites/fixed/prune',
    body: { versions: 0 },
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  { name: 'a difference to nowhere', method: 'GET', path: '/sites/fixed/diff', expected: [400, 'ERR_BAD_REQUEST'] },
  {
    name: 'an upload to a bucket where there is none',
    path: '/sites/fixed/uploads',
    body: { hash: 'a'.repeat(64), bytes: 1 },
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a backup into the data folder',
    path: '/backup',
    body: { folder: '' },
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a collection with a time that is none',
    path: '/store/collect',
    body: { graceMs: -1 },
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a blob by another name',
    method: 'PUT',
    path: '/blobs/..%2f..%2fx',
    body: Buffer.from('x'),
    expected: [400, 'ERR_BAD_REQUEST'],
  },
  {
    name: 'a blob with another content',
    method: 'PUT',
    path: `/blobs/${hashOf('other')}`,
    body: Buffer.from('x'),
    expected: [400, 'ERR_BLOB_MISMATCH'],
  },
  { name: 'a command of no plugin', path: '/plugins/none/run', body: {}, expected: [404, 'ERR_NOT_FOUND'] },
  { name: 'a command that is none', path: '/plugins/greeter/constructor', body: {}, expected: [404, 'ERR_NOT_FOUND'] },
  { name: 'a plugin without a command', path: '/plugins/greeter', body: {}, expected: [404, 'ERR_NOT_FOUND'] },
]

t.test('hostile requests are refused, each with its error, and change nothing', async (t) => {
  await ask(socket, 'PUT', `/blobs/${hash}`, Buffer.from('x'))
  const before = (await ask(socket, 'GET', '/sites')).body
  for (const { name, method = 'POST', path, body, headers, expected } of hostile) {
    const answer = await ask(socket, method, path, body, headers)
    t.same([answer.status, answer.body.error?.code], expected, name)
    t.equal(typeof answer.body.error?.message, 'string', `${name}: it says why`)
  }
  t.same((await ask(socket, 'GET', '/sites')).body, before)
  t.equal(running.stops, 1, 'nobody was stopped')
})

t.test('a size that is not that of the content is refused', async (t) => {
  t.match(await post(sites, tree([file('a', { bytes: 2 })])), {
    status: 422,
    body: { error: { code: 'ERR_PUBLISH_REFUSED', message: /has 1 bytes, not 2/ } },
  })
  t.equal((await ask(socket, 'GET', '/sites/hostile')).status, 404)
})

t.test('bodies are bounded, also those that do not say their length', async (t) => {
  const large = { 'content-length': String(limits.admin.jsonBytes + 1) }
  t.match(await ask(socket, 'POST', '/sites', Buffer.from('{'), large), { status: 413 })
  const file = { 'content-length': String(limits.tree.fileBytes + 1) }
  t.match(await ask(socket, 'PUT', `/blobs/${hash}`, Buffer.from('x'), file), { status: 413 })
  const status = await new Promise((resolve, reject) => {
    const sent = request({ socketPath: socket, method: 'POST', path: '/sites', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on('error', reject)
    const chunk = randomBytes(1_048_576)
    let chunks = 0
    const more = () => {
      while (chunks++ <= limits.admin.jsonBytes / chunk.length) if (!sent.write(chunk)) return sent.once('drain', more)
      return sent.end()
    }
    more()
  })
  t.equal(status, 413)
})

t.test('a client that goes away midway leaves nothing behind', async (t) => {
  const text = 'half of it and never more'
  await new Promise<void>((resolve) => {
    const half = connect(socket, () => {
      half.write(`PUT /blobs/${hashOf(text)} HTTP/1.1\r\nhost: x\r\ncontent-length: ${text.length}\r\n\r\nhalf`)
      half.end(() => half.destroy())
    })
    half.once('close', () => resolve())
  })
  const { body } = await post('/sites/halfway/versions', { opId: newOpId(), files: filesOf({ 'a.html': text }) })
  t.same(body.missing, [hashOf(text)])
})
