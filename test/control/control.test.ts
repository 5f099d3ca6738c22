import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { GroveError } from '../../core/errors.ts'
import { blobFile, compiledFile } from '../../core/layout.ts'
import { openSession, type Session } from '../../core/session.ts'
import { ask } from './fixtures/ask.ts'
import { hashOf, publishOver } from './fixtures/contents.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'

t.test('a publish is put live on every front, and comes back after a restart', async (t) => {
  const folder = shortFolder(t)
  const first = await runControl({ folder })
  const fronts = [await first.addFront(101), await first.addFront(102)]
  const { controlSocket } = first.layout
  for (const socket of [controlSocket, first.layout.frontSocket, first.layout.pluginSocket])
    t.equal(statSync(socket).mode & 0o777, 0o600, `${socket} is only the operator's`)

  const result = await publishOver(controlSocket, 'blog', { 'index.html': '<h1>one</h1>' })
  t.match(result, { version: 1, added: 1, missing: [], unchanged: false, fronts: { live: 2, connected: 2 } })
  t.same(result.urls, ['https://blog.localhost:18443/'])
  for (const front of fronts) {
    const live = front.sites.get('blog')?.live
    t.equal(live?.version, 1)
    t.match(await readFile(compiledFile(first.layout, live?.compiled ?? ''), 'utf8'), 'index.html')
  }
  const status = await ask(controlSocket, 'GET', '/sites/blog/versions/1')
  t.match(status.body, { version: 1, live: true, files: 1, receipts: [], pending: [] })
  t.type(status.body.liveAtMs, 'number', 'live on every front')
  await first.stop()

  const second = await runControl({ folder })
  t.teardown(() => second.stop())
  const front = await second.addFront(103)
  t.equal((await front.load('blog'))?.live?.version, 1, 'a new front is told when it asks')
  t.ok(existsSync(compiledFile(second.layout, front.sites.get('blog')?.live?.compiled ?? '')))
  t.equal((await ask(controlSocket, 'GET', '/sites/blog/versions/1')).body.liveAtMs, status.body.liveAtMs)
})

t.test('a version that cannot be compiled at a start is told as one that will come, not as none', async (t) => {
  const folder = shortFolder(t)
  const first = await runControl({ folder })
  await publishOver(first.layout.controlSocket, 'blog', { 'index.html': '<h1>one</h1>' })
  await first.stop()
  rmSync(first.layout.compiled, { recursive: true })
  writeFileSync(first.layout.compiled, 'a file stands in the way')

  const second = await runControl({ folder })
  t.teardown(() => second.stop())
  const front = await second.addFront(103)
  t.match(await front.load('blog'), { unavailable: true, live: undefined })
  rmSync(first.layout.compiled)
  await publishOver(first.layout.controlSocket, 'blog', { 'index.html': '<h1>two</h1>' })
  t.match(front.sites.get('blog'), { unavailable: undefined, live: { version: 2 } })
})

t.test('a second control on the same data is refused, and the first goes on', async (t) => {
  const folder = shortFolder(t)
  const first = await runControl({ folder })
  t.teardown(() => first.stop())
  await t.rejects(runControl({ folder }), { code: 'ERR_DATA_LOCKED' })
  t.equal((await ask(first.layout.controlSocket, 'GET', '/sites')).status, 200)
})

t.test('a start that fails leaves nothing running', async (t) => {
  const folder = shortFolder(t)
  const failing = async () => {
    throw new GroveError('ERR_PORT', 'taken')
  }
  const config =
    '{ plugins: [{ name: "p", start: () => ({ async [Symbol.asyncDispose]() { globalThis.stopped = true } }) }] }'
  await t.rejects(runControl({ folder, config, apply: failing }), { code: 'ERR_PORT' })
  t.equal((globalThis as { stopped?: boolean }).stopped, true)
  const again = await runControl({ folder, config })
  await again.stop()
  for (const socket of [again.layout.controlSocket, again.layout.frontSocket, again.layout.pluginSocket])
    await t.rejects(ask(socket, 'GET', '/'), { code: /ECONNREFUSED|ENOENT/ })
})

t.test('fronts get certificates for names of sites, and for no others', async (t) => {
  const running = await runControl({
    folder: shortFolder(t),
    config: '{ sites: { shop: { authorities: ["shop.example"] } }, certs: { acme: false } }',
  })
  t.teardown(() => running.stop())
  const front = await running.addFront(5)
  for (const name of ['shop.localhost', 'shop.example'])
    t.match(await front.channel.call({ kind: 'certificate', name }), { name, chain: /BEGIN CERTIFICATE/ })
  await t.rejects(front.channel.call({ kind: 'certificate', name: 'evil.example' }), { code: 'ERR_CERT_NAME' })
  t.match(running.control.banner, ['https://shop.localhost:18443/', /root certificate: .*certs\/root\.pem/])
  t.ok(existsSync(join(running.layout.certs, 'root.pem')))
})

t.test('a sign-in gives a cookie that fronts open, and a sign-out reaches them before it is answered', async (t) => {
  const config = `{
    sites: { blog: {} },
    sessions: { maxAgeSeconds: 600 },
    plugins: [{
      name: 'login',
      start(host) { host.command('end', async ({ userId }) => { await host.revokeUser(userId); return {} }) },
      routes: {
        'POST /in': (_request, context) => new Response('', { headers: { 'set-cookie': context.signIn('ada') } }),
        'POST /out': async (_request, context) => new Response('', { headers: { 'set-cookie': await context.signOut() } }),
      },
    }],
  }`
  const folder = shortFolder(t)
  const running = await runControl({ folder, config })
  const front = await running.addFront(5)
  const { keys } = await front.until('state')
  const visit = (path: string, session?: Session) =>
    ask(running.layout.pluginSocket, 'POST', path, Buffer.alloc(0), {
      host: 'blog.localhost',
      origin: 'https://blog.localhost',
      'sec-fetch-site': 'same-origin',
      'grove-internal-site': 'blog',
      'grove-internal-request-id': 'request-1',
      'grove-internal-client-address': '192.0.2.1',
      ...(session && { 'grove-internal-session': JSON.stringify(session) }),
    })
  const signedIn = await visit('/.grove/login/in')
  const cookie = String(signedIn.headers['set-cookie']).split(';')[0]?.split('=')[1] ?? ''
  const session = openSession(cookie, 'blog', keys.session, Date.now())
  t.match(session, { userId: 'ada', site: 'blog' })
  t.equal((session?.expiresAtMs ?? 0) - (session?.issuedAtMs ?? 0), 600_000)

  t.equal((await visit('/.grove/login/out', session)).status, 200)
  t.match(front.messages.at(-1), { kind: 'revoke', revocations: [{ kind: 'session', id: session?.id }] })
  await ask(running.layout.controlSocket, 'POST', '/plugins/login/end', { userId: 'ada' })
  t.match(front.messages.at(-1), { kind: 'revoke', revocations: [{ kind: 'user', userId: 'ada' }] })
  await running.stop()

  const again = await runControl({ folder, config })
  t.teardown(() => again.stop())
  const state = await (await again.addFront(6)).until('state')
  t.same(state.revocations.map(({ kind }) => kind).sort(), ['session', 'user'], 'they hold over a restart')
  t.ok(openSession(cookie, 'blog', state.keys.session, Date.now()), 'the keys are the same')
})

t.test('contents that no version has are gone after a restart', async (t) => {
  const folder = shortFolder(t)
  const first = await runControl({ folder })
  await publishOver(first.layout.controlSocket, 'blog', { a: 'kept' })
  await ask(first.layout.controlSocket, 'PUT', `/blobs/${hashOf('left over')}`, Buffer.from('left over'))
  await first.stop()
  await new Promise((resolve) => setTimeout(resolve, 2)) // The clock of files has to move on.
  const second = await runControl({ folder })
  t.teardown(() => second.stop())
  while (existsSync(blobFile(second.layout, hashOf('left over')))) await new Promise(setImmediate)
  t.ok(existsSync(blobFile(second.layout, hashOf('kept'))))
})
