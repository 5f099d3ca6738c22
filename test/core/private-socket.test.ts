import { statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { listenPrivately } from '../../core/private-socket.ts'
import { shortFolder } from '../control/fixtures/short-folder.ts'

t.test('a socket is only its owner’s, and what an earlier process left goes', async (t) => {
  const path = join(shortFolder(t), 'x.sock')
  writeFileSync(path, 'left over')
  const umask = process.umask()
  const server = createServer()
  t.teardown(() => server.close())
  await listenPrivately(server, path)
  t.ok(statSync(path).isSocket())
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(process.umask(), umask, 'the umask is as it was')
  t.equal(server.listenerCount('error'), 0)
})

t.test('why it cannot listen is told', async (t) => {
  const folder = shortFolder(t)
  await t.rejects(listenPrivately(createServer(), join(folder, 'none', 'x.sock')), {
    code: 'ERR_PORT',
    hint: undefined,
  })
  await t.rejects(listenPrivately(createServer(), join(folder, 'x'.repeat(120))), {
    code: 'ERR_PORT',
    hint: /shorter path/,
  })
})
