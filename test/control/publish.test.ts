import t from 'tap'
import { Publisher } from '../../control/publish.ts'
import { createSentContents } from '../../control/sent-contents.ts'
import { Turns } from '../../control/turns.ts'
import { siteGrantPath } from '../../core/grant-api.ts'
import { narrow } from '../../store/grants/handle.ts'
import type { Handle } from '../../store/store.ts'
import { ask } from './fixtures/ask.ts'
import { filesOf, hashOf, newOpId, publishOver } from './fixtures/contents.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { openSiteHost, publishTexts } from './fixtures/site-host.ts'

const running = await runControl({ folder: shortFolder(t) })
t.teardown(() => running.stop())
const socket = running.layout.controlSocket

async function token(path: string, quotas: object = {}): Promise<Handle> {
  const request = { path, rights: ['read', 'write'], untilMs: Date.UTC(2100, 0), ...quotas }
  return (await ask(socket, 'POST', '/grants', request)).body.token
}

/** Asks with a token. */
function askAs(handle: Handle, method: string, path: string, body?: unknown) {
  const length = Buffer.isBuffer(body) ? { 'content-length': String(body.length) } : {}
  return ask(socket, method, path, body, { authorization: `Bearer ${handle}`, ...length })
}

function sendAs(handle: Handle, site: string, text: string) {
  return askAs(handle, 'PUT', `/blobs/${hashOf(text)}?site=${site}`, Buffer.from(text))
}

function publishAs(handle: Handle, site: string, texts: Record<string, string>) {
  return askAs(handle, 'POST', `/sites/${site}/versions`, { opId: newOpId(), files: filesOf(texts) })
}

t.test('a publish that is refused makes no site', async (t) => {
  const texts = { 'index.html': 'a first page' }
  const used = await token(siteGrantPath('fresh'), { maxWrites: 2 })
  t.equal((await sendAs(used, 'fresh', texts['index.html'])).status, 200)
  const good = await token(siteGrantPath('fresh'))
  t.equal((await sendAs(good, 'fresh', texts['index.html'])).status, 200)
  for (const handle of [used, narrow(good, { bytes: 1 })]) {
    t.match((await publishAs(handle, 'fresh', texts)).body.error, { code: 'ERR_DENIED', details: { reason: 'quota' } })
    t.equal((await ask(socket, 'GET', '/sites/fresh')).status, 404)
  }
  const outside = { opId: newOpId(), base: 0, put: [], del: ['../x'] }
  t.equal((await askAs(good, 'POST', '/sites/fresh/versions', outside)).body.error.code, 'ERR_PUBLISH_REFUSED')
  t.same((await ask(socket, 'GET', '/sites')).body.sites, [])
  t.match((await publishAs(good, 'fresh', texts)).body, { version: 1, missing: [] })
  t.match((await ask(socket, 'GET', '/sites/fresh')).body, { live: 1, versions: 1 })
})

t.test('a site that was deleted is made anew by a publish, with the next number', async (t) => {
  await publishOver(socket, 'phoenix', { a: '1' })
  t.equal((await ask(socket, 'DELETE', '/sites/phoenix')).status, 200)
  t.match(await publishOver(socket, 'phoenix', { a: '2' }), { version: 2, added: 1 })
  t.match((await ask(socket, 'GET', '/sites/phoenix')).body, { live: 2, versions: 1 })
})

t.test('under a token only what the site has, or was sent for it, counts as there', async (t) => {
  const draft = 'nobody is to know this yet'
  const stolen = { 'index.html': draft }
  await publishOver(socket, 'theirs', { 'draft.html': draft })
  const theirs = await token(siteGrantPath('theirs'))
  const mine = await token(siteGrantPath('mine'))
  const missing = [hashOf(draft)]
  t.same((await publishAs(mine, 'mine', stolen)).body.missing, missing, 'of a site that is not there')
  t.equal((await sendAs(mine, 'mine', 'my own')).status, 200)
  t.match((await publishAs(mine, 'mine', { 'index.html': 'my own' })).body, { version: 1 })
  t.same((await publishAs(mine, 'mine', stolen)).body.missing, missing, 'and of one that is')
  t.equal((await sendAs(theirs, 'theirs', draft)).status, 200)
  t.same((await publishAs(mine, 'mine', stolen)).body.missing, missing, 'nor what was sent for another site')
  const wrong = filesOf(stolen).map((file) => ({ ...file, bytes: 1 }))
  const guess = await askAs(mine, 'POST', '/sites/mine/versions', { opId: newOpId(), files: wrong })
  t.same(guess.body.missing, missing, 'its length is not told either')
  t.match((await publishAs(mine, 'mine', { 'index.html': 'my own', again: 'my own' })).body, { version: 2 })
  t.equal((await sendAs(mine, 'mine', draft)).status, 200)
  t.match((await publishAs(mine, 'mine', stolen)).body, { version: 3, missing: [] }, 'who has it may publish it')
  t.match((await publishAs(theirs, 'theirs', { 'a.html': draft })).body, { missing: [] })
  t.match(await publishOver(socket, 'other', stolen), { version: 1 })
})

t.test('a URL for an upload is for a site that is there', async (t) => {
  const upload = { hash: hashOf('x'), bytes: 1 }
  t.match(await ask(socket, 'POST', '/sites/nobody/uploads', upload), {
    status: 404,
    body: { error: { code: 'ERR_SITE_UNKNOWN' } },
  })
  const { error } = (await ask(socket, 'POST', '/sites/mine/uploads', upload)).body
  t.match(error, { code: 'ERR_BAD_REQUEST', message: /not in a bucket/ })
  t.notMatch(error.message, running.layout.root, 'where the data lies is nobody’s business')
})

t.test('a version whose process ended before it had made the site is found by the next publish', async (t) => {
  await using host = await openSiteHost(t.testdir())
  const { registry, blobs } = host
  const nowhere = { live: 0, connected: 0 }
  const publisher = new Publisher({
    registry,
    blobs,
    turns: new Turns(),
    sent: createSentContents(),
    activator: { request: async () => nowhere, live: () => undefined },
    fronts: { push: async () => nowhere, connected: 0, behind: undefined, allInForce: async () => {} },
    outbox: () => ({ poke: () => {}, plugins: [], toldUpto: () => undefined }),
    published: () => {},
    urls: () => [],
    log: silentLog,
    now: Date.now,
  })
  const half = async (name: string) => {
    using site = await registry.hold(name)
    await publishTexts(host, site, { a: '1' })
    t.equal(registry.serves(name), false)
  }
  const put = async (texts: Record<string, string>) => {
    for (const text of Object.values(texts)) await blobs.putBytes(Buffer.from(text))
    return { opId: newOpId(), message: '', base: 0, put: filesOf(texts), del: [] }
  }
  await half('other-files')
  t.match(await publisher.publish('other-files', await put({ b: '2' })), { version: 2, rebased: true })
  t.ok(registry.serves('other-files'))
  await half('same-file')
  await t.rejects(publisher.publish('same-file', await put({ a: '2' })), { code: 'ERR_PUBLISH_CONFLICT' })
  t.ok(registry.serves('same-file'), 'so that what is live can be looked at')
  t.match(await publisher.publish('same-file', { ...(await put({ a: '2' })), base: 1 }), { version: 2 })
})
