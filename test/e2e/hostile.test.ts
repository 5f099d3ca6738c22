import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { type Harness, startGrove } from './harness.ts'

/** What must be the same after every row: sites, their versions, and the config in force. */
async function stateOf(grove: Harness): Promise<unknown> {
  const { sites, generation } = await grove.status()
  return { sites, generation, page: String((await grove.visitor.http1(grove.url('blog'))).body) }
}

async function unchanged(t: Test, grove: Harness, name: string, work: () => Promise<void>): Promise<void> {
  const before = await stateOf(grove)
  await work()
  t.same(await stateOf(grove), before, `${name}: nothing changed`)
}

async function startBlog(t: Test): Promise<Harness> {
  const grove = await startGrove(t, {
    config: { fronts: 1, sites: { blog: {}, shop: { upstreams: ['http://127.0.0.1:9'] } }, log: { access: false } },
    plugins: 'grove.loginPassword()',
  })
  await grove.publish('blog', t.testdir({ 'index.html': 'home', docs: { 'index.html': 'docs' } }))
  await grove.publish('shop', t.testdir({ 'index.html': 'shop for everybody' }))
  return grove
}

type Make = (folder: string) => void

const folders: readonly [name: string, make: Make, error: RegExp][] = [
  [
    'a link out of the folder',
    (folder) => symlinkSync('/etc/passwd', join(folder, 'x')),
    /"x" is a symbolic link that leads out of/,
  ],
  ['a link to a folder', (folder) => symlinkSync('/etc', join(folder, 'etc')), /"etc" is a symbolic link/],
  ['a link to nothing', (folder) => symlinkSync('gone', join(folder, 'x')), /"x" .*leads nowhere/],
  ['a pipe', (folder) => void execFileSync('mkfifo', [join(folder, 'pipe')]), /"pipe" is not a file/],
  [
    'names that differ by case',
    (folder) => ['A.html', 'a.html'].map((name) => writeFileSync(join(folder, name), '')),
    /[Aa]\.html/,
  ],
  [
    'names that differ by Unicode form',
    (folder) => ['é', 'e\u0301'].map((name) => writeFileSync(join(folder, name), '')),
    /.*/,
  ],
  ['a control character', (folder) => writeFileSync(join(folder, 'a\u0001b'), ''), /control character/],
  ['a line break', (folder) => writeFileSync(join(folder, 'a\nb'), ''), /control character/],
  ['a backslash', (folder) => writeFileSync(join(folder, 'a\\b'), ''), /backslash/],
  ['a path that is too long', (folder) => writeFileSync(deep(folder, 120), ''), /longer than 1024 bytes/],
]

/** A file below so many folders. */
function deep(folder: string, depth: number): string {
  const path = join(folder, ...Array.from({ length: depth }, () => 'ten-letter'))
  mkdirSync(path, { recursive: true })
  return join(path, 'x')
}

t.test('hostile folders are refused with the names, and nothing is sent or changed', async (t) => {
  const grove = await startBlog(t)
  for (const [name, make, error] of folders) {
    const folder = t.testdir({ 'index.html': 'new' })
    make(folder)
    await unchanged(t, grove, name, async () => {
      const { exitCode, err } = await grove.command(['publish', folder, '--site', 'blog'])
      t.equal(exitCode, 1, name)
      t.match(err, error, name)
    })
  }
  for (const site of ['Blog', 'a.b', '../blog', '-x', 'x'.repeat(64), '', 'grove'])
    await unchanged(t, grove, `site ${site}`, async () => {
      const folder = t.testdir({ 'index.html': 'new' })
      const { exitCode, err } = await grove.command(['publish', folder, '--site', site])
      t.ok(exitCode === 1 || exitCode === 2, `site "${site.slice(0, 10)}"`)
      t.match(err, /^error: /)
    })
})

const hash = 'a'.repeat(64)
const file = (path: string) => ({ opId: 'operation-1', files: [{ path, hash, bytes: 1 }] })

/** Over the control socket, where the command line's own checks do not stand in the way. */
const posts: readonly [name: string, method: string, path: string, body: unknown, status: number][] = [
  ['a path upwards', 'POST', '/sites/blog/versions', file('../x'), 422],
  ['an absolute path', 'POST', '/sites/blog/versions', file('/etc/passwd'), 422],
  ['a NUL in a path', 'POST', '/sites/blog/versions', file('a\0b'), 422],
  ['an empty path', 'POST', '/sites/blog/versions', file(''), 422],
  [
    'a hash that is a path',
    'POST',
    '/sites/blog/versions',
    { ...file('x'), files: [{ path: 'x', hash: '../../x', bytes: 1 }] },
    400,
  ],
  ['a negative size', 'POST', '/sites/blog/versions', { ...file('x'), files: [{ path: 'x', hash, bytes: -1 }] }, 400],
  ['no operation id', 'POST', '/sites/blog/versions', { files: [] }, 400],
  ['an unknown key', 'POST', '/sites/blog/versions', { ...file('x'), live: true }, 400],
  ['a prototype', 'POST', '/sites/__proto__/versions', file('x'), 400],
  ['a site that is none', 'POST', '/sites/..%2f..%2fx/versions', file('x'), 400],
  ['no JSON', 'POST', '/sites/blog/versions', 'hello', 400],
  ['another content under a hash', 'PUT', `/blobs/${hash}`, 'not that', 400],
  ['a blob outside', 'PUT', '/blobs/..%2f..%2fx', 'x', 400],
  ['a version that is none', 'POST', '/sites/blog/rollback', { version: 99 }, 404],
  ['a command of nobody', 'POST', '/plugins/login-password/nothing', {}, 404],
]

function post(
  grove: Harness,
  method: string,
  path: string,
  body: unknown,
  headers = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(grove.data, 'control.sock'), method, path, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asked.on('error', reject)
    asked.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}

t.test('hostile calls on the control socket get a clear error and change nothing', async (t) => {
  const grove = await startBlog(t)
  for (const [name, method, path, body, status] of posts)
    await unchanged(t, grove, name, async () => {
      const answer = await post(grove, method, path, body, { 'content-type': 'application/json' })
      t.equal(answer.status, status, `${name}: ${answer.text.slice(0, 200)}`)
      t.match(JSON.parse(answer.text), { error: { code: /^ERR_/, message: /./ } }, name)
    })
  const fromBrowser = await post(grove, 'POST', '/stop', {}, { origin: 'https://evil.example' })
  t.equal(fromBrowser.status, 403, 'a page in a browser')
})

const configs: readonly [name: string, text: string, error: RegExp][] = [
  ['no config', 'export const x = 1', /no default export/],
  ['broken', 'export default {', /cannot load/],
  ['a throw', "throw new Error('no luck')", /no luck/],
  ['an unknown key', 'export default { port: 1 }', /port: expected no such key, found 1/],
  ['a wrong type', "export default { fronts: 'two' }", /fronts: expected a number, found "two"/],
  ['a port out of range', 'export default { listen: { https: 70000 } }', /listen\.https: expected at most 65535/],
  ['a site with a dot', "export default { sites: { 'a.b': {} } }", /sites\.a\.b: expected a site name/],
  ['an upstream with a path', "export default { sites: { a: { upstreams: ['http://x/y'] } } }", /upstreams\[0\]/],
  [
    'a plugin that is none',
    'export default { plugins: [42] }',
    /plugins\[0\]: expected a plugin, found 42|plugins\[0\]/,
  ],
  [
    'two sites with one name',
    "export default { sites: { a: { authorities: ['b.localhost'] }, b: {} } }",
    /site "b" does not have/,
  ],
]

t.test('hostile configs are told all at once, by validate and by reload, and the old one stays', async (t) => {
  const grove = await startBlog(t)
  for (const [name, text, error] of configs)
    await unchanged(t, grove, name, async () => {
      writeFileSync(join(grove.folder, 'grove.config.ts'), text)
      const checked = await grove.command(['validate'])
      t.equal(checked.exitCode, 1, name)
      t.match(checked.err, error, name)
      const reloaded = await grove.command(['reload', '--data', grove.data])
      t.equal(reloaded.exitCode, 1, name)
      t.match(reloaded.err, error, name)
    })
})

const cookies: readonly [name: string, value: string][] = [
  ['empty', ''],
  ['a made-up user', 'ada'],
  ['another format', 's2.a.AAAA'],
  ['an unknown key', 's1.zz.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
  ['all zeros', `s1.a.${'A'.repeat(120)}`],
  ['very long', `s1.a.${'A'.repeat(4_000)}`],
  ['JSON', '{"userId":"ada"}'],
  ['a JWT without a signature', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.'],
]

t.test('hostile cookies are no session: their bearer gets the static page', async (t) => {
  const grove = await startBlog(t)
  for (const [name, value] of cookies)
    await unchanged(t, grove, name, async () => {
      const answer = await grove.visitor.http2(grove.url('shop'), { headers: { cookie: `__Host-grove=${value}` } })
      t.match(answer, { status: 200, headers: { 'grove-version': 'shop@1' } }, name)
      t.equal(String(answer.body), 'shop for everybody', name)
    })
})

const requests: readonly [name: string, text: string, status: RegExp][] = [
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: blog.localhost\r\nHost: blog.localhost\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b/../c\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['another site', 'GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n', /^HTTP\/1\.1 421 /],
  ['nobody’s site', 'GET / HTTP/1.1\r\nHost: x.example\r\n\r\n', /^HTTP\/1\.1 421 /],
  [
    'length and chunks',
    'POST / HTTP/1.1\r\nHost: blog.localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: blog.localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
    /^HTTP\/1\.1 400 /,
  ],
  [
    'chunks in HTTP/1.0',
    'POST / HTTP/1.0\r\nHost: blog.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  [
    'another coding',
    'POST / HTTP/1.1\r\nHost: blog.localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 501 /,
  ],
  ['HTTP/2.0 by hand', 'GET / HTTP/2.0\r\nHost: blog.localhost\r\n\r\n', /^HTTP\/1\.1 505 /],
  ['HTTP/0.9', 'GET /\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['TRACE', 'TRACE / HTTP/1.1\r\nHost: blog.localhost\r\n\r\n', /^HTTP\/1\.1 405 /],
  ['a fragment', 'GET /#x HTTP/1.1\r\nHost: blog.localhost\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a path upwards', 'GET /a/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: blog.localhost\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['an encoded slash', 'GET /docs%2findex.html HTTP/1.1\r\nHost: blog.localhost\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['NUL', 'GET /%00 HTTP/1.1\r\nHost: blog.localhost\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['101 headers', `GET / HTTP/1.1\r\nHost: blog.localhost\r\n${'x: y\r\n'.repeat(100)}\r\n`, /^HTTP\/1\.1 431 /],
  [
    '20 KB of headers',
    `GET / HTTP/1.1\r\nHost: blog.localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 /,
  ],
  ['a long method', `${'A'.repeat(40)} / HTTP/1.1\r\nHost: blog.localhost\r\n\r\n`, /^HTTP\/1\.1 40[05] /],
  ['a bare line feed', 'GET / HTTP/1.1\nHost: blog.localhost\n\n', /^HTTP\/1\.1 400 /],
  ['garbage', '\u0000\u0001\u0002\r\n\r\n', /^HTTP\/1\.1 400 /],
]

/** Sends bytes over TLS and answers all that comes back until the server closes. */
function send(grove: Harness, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(grove.rootFile)
    const socket = connectTls({ host: '127.0.0.1', port: grove.httpsPort, servername: 'blog.localhost', ca })
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)))
    socket.on('close', () => resolve(answer))
    socket.write(text, 'latin1')
  })
}

t.test('hostile requests get their status and lose the connection, and the next visitor is served', async (t) => {
  const grove = await startBlog(t)
  for (const [name, text, status] of requests)
    await unchanged(t, grove, name, async () => {
      const answer = await send(grove, text)
      t.match(answer, status, name)
      t.notMatch(answer, /home|docs|root:|node_modules|Error:/, `${name}: says nothing of the inside`)
    })
})
