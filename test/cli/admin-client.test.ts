import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { z } from 'zod'
import { createAdminClient } from '../../cli/admin-client.ts'
import { GroveError } from '../../core/errors.ts'
import { shortFolder, startAdmin } from './admin-fixture.ts'

const hello = Buffer.from('hello')
const helloHash = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'

t.test('a socket that is not there, or that nobody serves, says how to start', async (t) => {
  const folder = shortFolder(t)
  const gone = createAdminClient(join(folder, 'control.sock'))
  await t.rejects(gone.status(), { code: 'ERR_NOT_RUNNING', hint: `start it with: grove serve --data ${folder}` })
  writeFileSync(join(folder, 'control.sock'), '')
  await t.rejects(gone.status(), { code: 'ERR_NOT_RUNNING' })
})

t.test('a data folder that can be none says why', async (t) => {
  const folder = shortFolder(t)
  writeFileSync(join(folder, 'file'), '')
  const hint = /--data/
  await t.rejects(createAdminClient(join(folder, 'file/control.sock')).status(), {
    code: 'ERR_NOT_RUNNING',
    message: /the data folder is a file/,
    hint,
  })
  await t.rejects(createAdminClient(join(folder, 'x'.repeat(108), 'control.sock')).status(), {
    code: 'ERR_NOT_RUNNING',
    message: /107 bytes/,
    hint,
  })
})

t.test('a socket of somebody else is an error of its own', async (t) => {
  const folder = shortFolder(t)
  const { socket } = await startAdmin(t, folder)
  const inside = join(folder, 'closed')
  mkdirSync(inside)
  const client = createAdminClient(socket)
  process.seteuid?.(65_534)
  t.teardown(() => process.seteuid?.(0))
  await t.rejects(client.status(), { code: 'ERR_DENIED', hint: /as the user who runs grove serve/ })
  process.seteuid?.(0)
})

t.test('an error of control arrives as it was thrown', async (t) => {
  const folder = shortFolder(t)
  const { socket } = await startAdmin(t, folder, {
    'GET /sites/blog': () => {
      throw new GroveError('ERR_SITE_UNKNOWN', 'there is no site "blog"', {
        hint: 'make it',
        details: { site: 'blog' },
      })
    },
  })
  using client = createAdminClient(socket)
  await t.rejects(
    client.site('blog'),
    new GroveError('ERR_SITE_UNKNOWN', 'there is no site "blog"', { hint: 'make it', details: { site: 'blog' } }),
  )
})

t.test('an answer that does not fit is an error, not a guess', async (t) => {
  const { socket } = await startAdmin(t, shortFolder(t), {
    'GET /status': () => ({ data: 1 }),
    'GET /sites': () => 'no JSON',
    'POST /reload': () => ({ changed: true, generation: 2 }),
    'POST /stop': () => ({}),
    'POST /plugins/a%2Fb/c': ({ body }) => ({ got: JSON.parse(body.toString('utf8')) }),
  })
  using client = createAdminClient(socket)
  await t.rejects(client.status(), { code: 'ERR_CHANNEL', hint: /another version/ })
  await t.rejects(client.sites(), { code: 'ERR_CHANNEL', message: /something else than JSON/ })
  t.strictSame(await client.reload(), { changed: true, generation: 2 })
  await client.stop()
  t.strictSame(await client.plugin('a/b', 'c', { x: 1 }, z.object({ got: z.unknown() })), { got: { x: 1 } })
})

t.test('an error without a reason, and an answer without an end, are errors too', async (t) => {
  const folder = shortFolder(t)
  const socket = join(folder, 'control.sock')
  const server = createServer((connection) =>
    connection.once('data', (request) => {
      if (request.includes('/status')) connection.end('HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n{}')
      else connection.end('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{')
    }),
  )
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.close())
  using client = createAdminClient(socket)
  await t.rejects(client.status(), { code: 'ERR_CHANNEL', message: 'control answered 500 without saying why' })
  await t.rejects(client.sites(), { code: 'ERR_NOT_RUNNING' })
})

t.test('a client that was answered once waits for control to come back, and sends a content anew', async (t) => {
  const admin = await startAdmin(t, shortFolder(t))
  using client = createAdminClient(admin.socket)
  let opened = 0
  const open = async () => {
    opened += 1
    return Readable.from([hello])
  }
  await client.putBlob('blog', helloHash, 5, open)
  admin.state.killAfter = admin.asked.length
  await client.putBlob('blog', helloHash, 5, open)
  t.equal(opened, 3)
  t.equal(String(admin.blobs.get(helloHash)), 'hello')
})

t.test('a control that is silent for too long is given up; what may take long has its time', async (t) => {
  const socket = join(shortFolder(t), 'control.sock')
  const server = createHttpServer((request, response) => {
    request.resume()
    setTimeout(() => response.end(JSON.stringify({ missing: [], version: 1, pruned: [] })), 300)
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.close())
  using client = createAdminClient(socket, { answerMs: 50 })
  await t.rejects(client.liveVersion('blog'), { code: 'ERR_TIMEOUT', message: /within 0.05 s/, hint: /may do it yet/ })
  t.match(await client.publish('blog', { opId: 'operation-1', message: '', files: [] }), { version: 1 })
  t.match(await client.rollback('blog'), { version: 1 })
})

t.test('a source that fails ends its request', async (t) => {
  const { socket } = await startAdmin(t, shortFolder(t))
  using client = createAdminClient(socket)
  const failing = async () =>
    new Readable({ read: (): void => {}, construct: (done) => done(new GroveError('ERR_PUBLISH_REFUSED', 'changed')) })
  await t.rejects(client.putBlob('blog', helloHash, 5, failing), { code: 'ERR_PUBLISH_REFUSED', message: 'changed' })
})
