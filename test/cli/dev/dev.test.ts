import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { startDev } from '../../../cli/dev/dev.ts'
import { startDevSite } from './fixtures/dev-site.ts'

const page = { headers: { 'sec-fetch-dest': 'document' } }

t.test('files are served by the rules of a published site', async (t) => {
  const site = await startDevSite(t, {
    'index.html': '<h1>home</h1>',
    docs: { 'index.html': '<h1>docs</h1>', '404.html': 'no such doc' },
    'a.css': 'a {}',
    'x y.txt': 'spaced',
    '.well-known': { 'security.txt': 'hello' },
    '.hidden': 'x',
    _headers: 'x',
    out: t.fixture('symlink', '/etc/hostname'),
  })
  t.match(await site.fetch('/'), { status: 200, text: '<h1>home</h1>' })
  t.match(await site.fetch('/x%20y.txt'), { status: 200, text: 'spaced' })
  t.match(await site.fetch('/.well-known/security.txt'), { status: 200, text: 'hello' })
  const moved = await site.fetch('/docs?a=1')
  t.equal(moved.status, 308)
  t.equal(moved.headers.get('location'), '/docs/?a=1')
  t.match(await site.fetch('/docs/none'), { status: 404, text: 'no such doc' })
  for (const path of ['/none', '/.hidden', '/_headers', '/out', '/docs/..%2fa.css', '/.grove-dev/data.db'])
    t.ok([400, 404].includes((await site.fetch(path)).status), path)
  t.match(await site.fetch('/', { method: 'POST' }), { status: 405 })
  t.match(await site.fetch('/', { method: 'HEAD' }), { status: 200, text: '' })
  const css = await site.fetch('/a.css')
  t.equal(css.headers.get('content-type'), 'text/css; charset=utf-8')
  const etag = css.headers.get('etag') ?? ''
  t.match(await site.fetch('/a.css', { headers: { 'if-none-match': etag } }), { status: 304 })
  t.match(await site.fetch('/none', page), { status: 404, text: /no file for \/none/ })
  t.notOk(existsSync(join(site.folder, '.grove-dev')), 'a site without code gets no data')
})

t.test('code answers, with data, secrets, files and a place for each line that it writes', async (t) => {
  const site = await startDevSite(t, {
    'grove.json': JSON.stringify({
      code: 'src/index.ts',
      vars: { MODE: 'dev' },
      routes: [{ pattern: '/own', to: 'code' }],
    }),
    '.dev.vars': '# of this test\nKEY="a secret value"\n',
    'index.html': '<h1>home</h1>',
    own: 'a file',
    src: {
      'say.ts': 'export const say = (what: string): void => {\n  console.log("said %s", what, { a: 1 })\n}\n',
      'index.ts': `import { say } from './say.ts'
import { name } from 'pack'
export default {
  async fetch(request: Request, env: any, ctx: any): Promise<Response> {
    const { pathname, origin } = new URL(request.url)
    if (pathname === '/page') return new Response('<h1>page</h1>', { headers: { 'content-type': 'text/html', 'content-length': '13' } })
    if (pathname === '/own') return new Response('by the code')
    if (pathname === '/say') say(pathname)
    if (pathname === '/secret') console.error(env.KEY)
    if (pathname === '/file') return env.ASSETS.fetch(new URL('/', request.url))
    if (pathname === '/pass') { ctx.passThroughOnException(); throw new Error('passed') }
    if (pathname === '/socket') {
      const [client, server] = Object.values(new (globalThis as any).WebSocketPair()) as any[]
      server.accept()
      server.addEventListener('message', ({ data }: any) => server.send(data.toUpperCase()))
      return new Response(null, { status: 101, webSocket: client } as ResponseInit)
    }
    const count = Number((await env.DATA.get('count')) ?? 0) + 1
    await env.DATA.put('count', String(count))
    return Response.json({ count, mode: env.MODE, key: env.KEY, origin, name })
  },
}
`,
    },
    node_modules: { pack: { 'package.json': '{"main":"main.js"}', 'main.js': 'exports.name = "pack"' } },
  })
  const { origin } = new URL(site.url)
  t.same(JSON.parse((await site.fetch('/x')).text), {
    count: 1,
    mode: 'dev',
    key: 'a secret value',
    origin,
    name: 'pack',
  })
  t.match(await site.fetch('/x', { method: 'POST', body: 'y' }), { status: 200, text: /"count":2/ })
  t.match(await site.fetch('/own'), { text: 'by the code' })
  t.match(await site.fetch('/file'), { status: 200, text: '<h1>home</h1>' })
  t.match(await site.fetch('/pass'), { status: 404 })
  t.match(await site.fetch('/page'), { status: 200, text: /^<h1>page<\/h1>$/ })
  t.match(await site.fetch('/page', page), { status: 200, text: /^<h1>page<\/h1>\n<script src="\/\.grove\/dev/ })
  t.match(await site.fetch('/page', { method: 'HEAD' }), { status: 200, text: '' })
  t.match(await site.fetch('/%zz'), { status: 400 })
  for (const path of ['/src/index.ts', '/grove.json', '/.dev.vars', '/node_modules/pack/main.js'])
    t.match((await site.fetch(path)).text, /"count"/, `${path} is not served`)
  await site.fetch('/say')
  await site.waitFor(/info {2}said \/say \{ a: 1 \} {2}src\/say\.ts:2:11\n/)
  await site.fetch('/secret')
  await site.waitFor(/error \[secret KEY\] {2}src\/index\.ts:9:\d+\n/)
  t.match(site.printed(), /50 ms of CPU a request/)
  t.match(site.printed(), /confined by: .*permissions/)

  const socket = new WebSocket(`${site.url.replace('http', 'ws')}socket`)
  await once(socket, 'open')
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), 'HELLO')
  socket.close()
  const refused = new WebSocket(`${site.url.replace('http', 'ws')}x`)
  t.match(String((await once(refused, 'error'))[0]), /200|404|502/)

  const second = {
    folder: site.folder,
    port: 0,
    reload: false,
    terminal: { cwd: '/', stdin: process.stdin, stdout: process.stdout, stderr: process.stderr },
  }
  await t.rejects(startDev(second), { code: 'ERR_DATA_LOCKED', hint: /Ctrl-C/ })
  await t.rejects(startDev({ ...second, folder: t.testdir(), port: Number(new URL(site.url).port) }), {
    code: 'ERR_PORT',
    hint: /--port 0/,
  })
  await t.rejects(startDev({ ...second, folder: join(site.folder, 'none') }), { code: 'ERR_NOT_FOUND' })
})

t.test('what is thrown is shown with the lines of the source, in the terminal and on the page', async (t) => {
  const site = await startDevSite(t, {
    '_worker.ts': `interface Person { readonly name?: string }

const shout = (person: Person): string => {
  return person.name!.toUpperCase()
}

export default {
  fetch(request: Request): Response {
    if (request.url.endsWith('loop')) for (;;);
    if (request.url.endsWith('none')) return undefined as unknown as Response
    return new Response(shout({}))
  },
}
`,
  })
  const broken = await site.fetch('/a<b', page)
  t.equal(broken.status, 500)
  t.match(broken.headers.get('content-type'), /text\/html/)
  t.match(broken.text, /The code has thrown an error/)
  t.match(broken.text, /at shout \(_worker\.ts:4:\d+\)\n\s+at .*_worker\.ts:11:\d+/)
  t.match(broken.text, /&gt; 4 \| {3}return person\.name!\.toUpperCase\(\)\n\s+\| +\^/)
  t.match(broken.text, /a visitor would get the status 500/)
  await site.waitFor(/error TypeError: .*\n\s+at shout \(_worker\.ts:4:\d+\)[\s\S]*> 4 \| {3}return person/)
  t.match(await site.fetch('/loop'), {
    status: 503,
    text: /more time than it has[\s\S]*> +9 \|[\s\S]*entryMs: \d+, at most 100/,
  })
  t.match(await site.fetch('/none'), { status: 502, text: /did not answer with a response/ })
})

t.test('a change is built and shown, and pages reload', async (t) => {
  const worker = (text: string) => `export default { fetch: () => new Response(${text}) }`
  const site = await startDevSite(t, { '_worker.js': worker('"one"'), 'index.html': 'home' })
  t.equal((await site.fetch('/x')).text, 'one')
  const shown = await site.fetch('/', page)
  t.match(shown.text, /^home\n<script src="\/\.grove\/dev\/reload\.js" async><\/script>\n$/)
  t.equal((await site.fetch('/')).text, 'home', 'programs get what the site has')
  t.match(await site.fetch('/.grove/dev/reload.js'), { text: /EventSource/ })
  const events = await fetch(new URL('/.grove/dev/events', site.url))
  const reader = (events.body as ReadableStream<Uint8Array>).getReader()
  const heard = async () => Buffer.from((await reader.read()).value ?? []).toString()
  t.match(await heard(), /event: run/)

  site.write('_worker.js', worker('"two"'))
  t.match(await heard(), /event: reload/)
  await site.waitFor(/changed; built in \d+ ms; code:/)
  t.equal((await site.fetch('/x')).text, 'two')

  site.write('_worker.js', worker('"two'))
  await site.waitFor(/error _worker\.js:1:\d+: unterminated string literal\n.*\n.*\^/)
  const broken = await site.fetch('/x', page)
  t.equal(broken.status, 500)
  t.match(broken.text, /cannot be built[\s\S]*unterminated string/)
  t.match(await site.fetch('/'), { status: 200, text: 'home' }, 'files go on')

  site.write('_worker.js', `${worker('"three"')}\nthrow new Error('at the top')`)
  await site.waitFor(/error .*at the top[\s\S]*> 2 \| throw new Error/)
  t.match(await site.fetch('/x'), { status: 500, text: /cannot be started[\s\S]*at the top/ })

  site.write('_worker.js', worker('"four"'))
  await site.waitFor(/changed; built/)
  t.equal((await site.fetch('/x')).text, 'four')
  site.write('.dev.vars', '1A=x')
  await site.waitFor(/\.dev\.vars: 1A: expected letters/)
  await reader.cancel()
})

t.test('only this machine is answered, by its own name', async (t) => {
  const site = await startDevSite(t, { 'index.html': 'home' }, false)
  const { port } = new URL(site.url)
  for (const name of ['localhost', 'LOCALHOST', 'shop.localhost', '127.0.0.1', '[::1]'])
    t.equal(await site.askAs(`${name}:${port}`, '/'), 200, name)
  for (const name of ['evil.example', 'localhost.evil.example', '', '169.254.169.254', 'xlocalhost'])
    t.equal(await site.askAs(`${name}:${port}`, '/'), 421, name)
  t.equal((await site.fetch('/', page)).text, 'home', 'without reload a page stays as it is')
})
