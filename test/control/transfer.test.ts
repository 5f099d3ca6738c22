import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { exportSite } from '../../store/transfer/export-site.ts'
import { importSite } from '../../store/transfer/import-site.ts'
import { ask } from './fixtures/ask.ts'
import { publishOver } from './fixtures/contents.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'
import { createSite, openSiteHost, publishTexts } from './fixtures/site-host.ts'

/** Asks for something that is answered in lines; answers what they tell together. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
function askLines(socketPath: string, path: string, body: object): Promise<any> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method: 'POST', path, agent: false }, async (response) => {
      const text = Buffer.concat(await Array.fromAsync(response)).toString()
      const lines = text.split('\n').filter((line) => line !== '')
      resolve(Object.assign({}, ...lines.map((line) => JSON.parse(line))))
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

t.test('a site that was deleted and is imported again is live at once, and plugins hear of it', async (t) => {
  const folder = shortFolder(t)
  const heard = join(folder, 'heard')
  writeFileSync(heard, '')
  const { layout, stop } = await runControl({
    folder,
    config: `{ plugins: [{ name: 'ears', async published({ version }) {
      (await import('node:fs')).appendFileSync(${JSON.stringify(heard)}, version + ' ')
      return { action: 'heard' }
    } }] }`,
  })
  const { controlSocket } = layout
  const file = join(folder, 'blog.tar')
  const live = async () => (await ask(controlSocket, 'GET', '/sites/blog/live')).body.version
  await publishOver(controlSocket, 'blog', { 'index.html': 'home' })
  t.match(await askLines(controlSocket, '/sites/blog/export', { file }), { result: { file } })
  t.match(await askLines(controlSocket, '/sites/blog/import', { file }), { error: { code: 'ERR_SITE_EXISTS' } })
  t.equal(await live(), 1)
  await ask(controlSocket, 'DELETE', '/sites/blog')
  t.equal(await live(), undefined)
  t.match(await askLines(controlSocket, '/sites/blog/import', { file }), { result: { versions: [2], live: 2 } })
  t.equal(await live(), 2, 'in the opening that had seen it deleted')
  t.equal((await ask(controlSocket, 'GET', '/sites/blog/versions/2?wait=purged')).status, 200)
  t.match(readFileSync(heard, 'utf8'), /2 $/)
  t.match((await publishOver(controlSocket, 'blog', { 'index.html': 'other' })).version, 3)
  await stop()
})

t.test('what is no export leaves no site', async (t) => {
  const folder = shortFolder(t)
  const { layout, stop } = await runControl({ folder })
  const file = join(folder, 'blog.tar')
  writeFileSync(file, 'no tar')
  t.match(await askLines(layout.controlSocket, '/sites/blog/import', { file }), { error: { code: 'ERR_BAD_REQUEST' } })
  t.match((await ask(layout.controlSocket, 'GET', '/sites')).body, { count: 0 })
  await stop()
})

t.test('an import that ended before a version was live is a site that can be rolled back, or deleted', async (t) => {
  const folder = shortFolder(t)
  const data = join(folder, 'data')
  mkdirSync(data)
  {
    await using host = await openSiteHost(data, { durable: true })
    const { store, blobs, layout, registry } = host
    const objects = await folderObjects(env, layout.objects)
    const parts = { store, handle: store.root, env, blobs, objects, keyring: undefined, owner: 'operator' }
    using shop = await createSite(host, 'shop')
    await publishTexts(host, shop, { 'index.html': 'one' })
    await publishTexts(host, shop, { 'index.html': 'two' })
    const begin = () => registry.create('blog')
    const activate = async () => {
      throw new Error('the end')
    }
    const options = { ...parts, name: 'blog', act: { atMs: 1 }, begin, activate }
    await t.rejects(importSite(options, exportSite({ ...parts, name: 'shop' })), { message: 'the end' })
  }
  const { layout, stop } = await runControl({ folder })
  const post = (path: string) => ask(layout.controlSocket, 'POST', path, {})
  t.match((await ask(layout.controlSocket, 'GET', '/sites/blog/live')).body, { version: undefined })
  t.match(await post('/sites/blog/rollback'), { status: 200, body: { version: 2 } })
  t.match(await ask(layout.controlSocket, 'DELETE', '/sites/blog'), { status: 200 })
  await stop()
})
