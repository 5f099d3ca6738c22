import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { compiledFile } from '../../core/layout.ts'
import { publishOver } from './fixtures/contents.ts'
import { ask, runControl } from './fixtures/running-control.ts'
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
  t.equal(front.sites.get('blog')?.live?.version, 1, 'the state of a new front has it')
  t.ok(existsSync(compiledFile(second.layout, front.sites.get('blog')?.live?.compiled ?? '')))
  t.equal((await ask(controlSocket, 'GET', '/sites/blog/versions/1')).body.liveAtMs, status.body.liveAtMs)
})
