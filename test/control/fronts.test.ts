import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FrontLinks, type FrontLinksOptions } from '../../control/fronts.ts'
import { GroveError } from '../../core/errors.ts'
import type { ControlToFront } from '../../core/messages.ts'
import { emptyState } from './fixtures/empty-state.ts'
import { FakeFront } from './fixtures/fake-front.ts'
import { shortFolder } from './fixtures/short-folder.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { usageOf } from './fixtures/usage.ts'

const state = emptyState
const gone: ControlToFront = { kind: 'gone', name: 'blog' }

async function listen(t: Test, options: Partial<FrontLinksOptions> = {}) {
  const socket = join(shortFolder(t), 'fronts.sock')
  const links = new FrontLinks({
    socket,
    state: () => state,
    ready: async () => {},
    site: () => undefined,
    mend: async () => {},
    asked: async () => ({}),
    log: silentLog,
    ...options,
  })
  await links.listen()
  t.teardown(() => links[Symbol.asyncDispose]())
  const front = (pid: number, before?: (message: ControlToFront) => unknown) =>
    FakeFront.connect({ socket, pid, ...(before && { before }) })
  return { links, socket, front }
}

t.test('a front that says hello gets the state, and answers to what it asks', async (t) => {
  const { links, front } = await listen(t, {
    asked: async (message) => {
      if (message.kind === 'certificate' && message.name === 'blog.localhost') return { chain: 'c' }
      throw new GroveError('ERR_CERT_NAME', 'no site')
    },
  })
  const one = await front(1)
  t.same(await one.until('state'), state)
  t.equal(links.connected, 1)
  t.match(await one.channel.call({ kind: 'certificate', name: 'blog.localhost' }), { chain: 'c' })
  await t.rejects(one.channel.call({ kind: 'certificate', name: 'other' }), { code: 'ERR_CERT_NAME' })
})

t.test('a push reaches all fronts, and cuts off those that fail or do not answer', async (t) => {
  const { links, front } = await listen(t, { answerMs: 50 })
  const never = new Promise(() => {})
  const good = await front(1)
  const bad = await front(2, ({ kind }) => {
    if (kind === 'gone') throw new Error('cannot')
  })
  const silent = await front(3, ({ kind }) => (kind === 'gone' ? never : undefined))
  for (const each of [good, bad, silent]) await each.until('state')
  links.setRunning([1, 2, 3])
  await links.allInForce(new AbortController().signal)
  t.same(await links.push(gone), { live: 1, connected: 3 })
  await Promise.all([bad.closed, silent.closed])
  t.equal(links.connected, 1)
  t.same(await links.push(gone), { live: 1, connected: 1 })
})

t.test('a front that is still taking its state gets time for a change, and nobody waits for it', async (t) => {
  const { links, front } = await listen(t, { answerMs: 20 })
  const { signal } = new AbortController()
  links.setRunning([1])
  const gate = Promise.withResolvers<void>()
  const one = await front(1, () => gate.promise)
  await one.until('state')
  t.same(await links.push(gone), { live: 0, connected: 1 })
  t.match(links.behind, /front 1 has not confirmed/)
  gate.resolve()
  await links.allInForce(signal)
  t.same(
    one.messages.map(({ kind }) => kind),
    ['state', 'gone'],
  )
  t.same(await links.push(gone), { live: 1, connected: 1 })
})

t.test('a change that a front does right after its state counts', async (t) => {
  const { links, front } = await listen(t)
  const gate = Promise.withResolvers<void>()
  const one = await front(1, ({ kind }) => (kind === 'state' ? gate.promise : undefined))
  await one.until('state')
  const pushed = links.push(gone)
  gate.resolve()
  t.same(await pushed, { live: 1, connected: 1 })
})

t.test('all is in force when every front that runs has its state', async (t) => {
  const { links, front } = await listen(t)
  const { signal } = new AbortController()
  t.match(links.behind, 'not known yet')
  let resolved = false
  const waiting = links.allInForce(signal).then(() => {
    resolved = true
  })
  links.setRunning([1, 2])
  t.match(links.behind, 'front 1, 2 is not connected')
  const gate = Promise.withResolvers<void>()
  const one = await front(1, ({ kind }) => (kind === 'state' ? gate.promise : undefined))
  await one.until('state')
  const two = await front(2)
  await two.until('state')
  await two.channel.call({ kind: 'certificate', name: 'x' }) // By then control has read the answer to `state`.
  t.notOk(resolved)
  t.match(links.behind, /front 1 has not confirmed/)
  gate.resolve()
  await waiting
  t.equal(links.behind, undefined)
  two.channel.close()
  await two.closed
  const later = links.allInForce(signal)
  links.setRunning([1])
  await later
  t.pass('a front that ended is waited for no more')
})

t.test('waiting for fronts ends when nobody wants it any more', async (t) => {
  const { links } = await listen(t)
  const ended = new AbortController()
  links.setRunning([7])
  const waiting = links.allInForce(ended.signal)
  ended.abort(new Error('over'))
  await t.rejects(waiting, { message: 'over' })
  await t.rejects(links.allInForce(ended.signal), { message: 'over' })
})

t.test('a site is settled when every front that runs has said so', async (t) => {
  const { links, front } = await listen(t, { answerMs: 50 })
  links.setRunning([1, 2])
  const one = await front(1)
  await one.until('state')
  await t.rejects(links.settle('blog'), { code: 'ERR_TIMEOUT', details: { late: [2] } })
  const two = await front(2, ({ kind }) => {
    if (kind === 'settle') throw new Error('cannot')
  })
  await two.until('state')
  await t.rejects(links.settle('blog'), { code: 'ERR_TIMEOUT' })
  links.setRunning([1])
  await t.resolves(links.settle('blog'))
})

t.test('a refusal reaches who asks, with the front that refused', async (t) => {
  const { links, front } = await listen(t)
  const one = await front(41, ({ kind }) => {
    if (kind === 'prepare') throw new GroveError('ERR_CONFIG_LOAD', 'cannot import')
  })
  await one.until('state')
  await t.rejects(links.ask({ kind: 'prepare', settings: state.settings }), {
    code: 'ERR_CONFIG_LOAD',
    message: 'front 41: cannot import',
  })
  t.equal(links.connected, 1, 'it is not cut off')
})

t.test('the state is given anew to all, and a front that cannot take it is cut off', async (t) => {
  const { links, front } = await listen(t)
  const one = await front(1)
  let states = 0
  const two = await front(2, ({ kind }) => {
    if (kind === 'state' && ++states > 1) throw new Error('cannot')
  })
  await Promise.all([one.until('state'), two.until('state')])
  await links.push(gone)
  t.same(await links.pushState(new Set()), { live: 1, connected: 2 })
  await two.closed
  t.equal(one.messages.filter(({ kind }) => kind === 'state').length, 2)
})

t.test('a front that comes back takes the place of its old line', async (t) => {
  const { links, front } = await listen(t)
  const old = await front(1)
  await old.until('state')
  const back = await front(1)
  await back.until('state')
  await old.closed
  t.same(await links.push(gone), { live: 1, connected: 1 })
  t.match(back.messages.at(-1), gone)
})

t.test('only what has the shape of counters counts', async (t) => {
  const { links, front } = await listen(t)
  const one = await front(1)
  const two = await front(2, ({ kind }) => {
    if (kind === 'stats') throw new Error('cannot')
  })
  await Promise.all([one.until('state'), two.until('state')])
  t.match(await links.stats(), [{ pid: 1, connections: 3 }])
})

t.test('what speaks another language is cut off', async (t) => {
  const { links, socket } = await listen(t)
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '{"message":{"kind":"hello","pid":"one"}}\n', '[]\n']) {
    const stranger = connect(socket)
    stranger.on('error', () => {})
    await once(stranger, 'connect')
    stranger.write(bytes)
    stranger.resume()
    await once(stranger, 'close')
  }
  t.equal(links.connected, 0)
})

const siteState = (version: number) => ({
  name: 'blog',
  authorities: ['blog.localhost'],
  upstreams: [],
  timeoutMs: 1,
  bodyBytes: 1,
  live: { version, compiled: 'a'.repeat(64) },
})

t.test('a site that a front asks for is told as it is at that moment, before the answer', async (t) => {
  let version = 1
  const { links, front } = await listen(t, {
    async ready() {
      // A later version is pushed while the site is made ready.
      version = 2
      void links.push({ kind: 'site', site: siteState(2) })
    },
    site: (name) => (name === 'blog' ? siteState(version) : undefined),
  })
  const one = await front(1)
  await one.until('state')
  t.same(await one.channel.call({ kind: 'site', name: 'blog' }), {})
  t.same(one.versionsOf('blog'), [2, 2])
  await t.rejects(one.channel.call({ kind: 'site', name: 'other' }), { code: 'ERR_SITE_UNKNOWN' })
})

t.test('what a front cannot read is mended once and told again', async (t) => {
  const mended: string[] = []
  const { front, links } = await listen(t, {
    site: () => siteState(1),
    mend: async (name) => void mended.push(name),
  })
  let failures = 1
  const one = await front(1, ({ kind }) => {
    if (kind !== 'site' || failures === 0) return
    failures -= 1
    throw new GroveError('ERR_DATA_FORMAT', 'damaged')
  })
  await one.until('state')
  t.same(await one.channel.call({ kind: 'site', name: 'blog' }), {})
  t.same(mended, ['blog'])
  failures = 2
  await t.rejects(one.channel.call({ kind: 'site', name: 'blog' }), { code: 'ERR_DATA_FORMAT' })
  t.same(mended, ['blog', 'blog'])
  t.equal(links.connected, 1, 'it is not cut off for it')
})

t.test('a front is told of what it has loaded, and says it when it is asked', async (t) => {
  const asked: (readonly string[])[] = []
  const { links, socket, front } = await listen(t, {
    state(loaded) {
      asked.push([...loaded])
      return state
    },
  })
  const one = await FakeFront.connect({ socket, pid: 1, loaded: ['blog'] })
  await one.until('state')
  const silent = await front(2, ({ kind }) => {
    if (kind === 'loaded') throw new Error('cannot')
  })
  await silent.until('state')
  await links.push({ kind: 'site', site: siteState(1) })
  t.same([...(await links.loaded())], ['blog'])
  await silent.closed
  await links.pushState(new Set(['blog', 'shop']))
  t.same(asked, [['blog'], [], ['blog', 'shop']])
})

t.test('usage is taken from every front that answers', async (t) => {
  const { links, front } = await listen(t)
  const fronts = await Promise.all([
    front(1),
    front(2),
    front(3, ({ kind }) => {
      if (kind === 'usage') throw new Error('cannot')
    }),
  ])
  for (const each of fronts) await each.until('state')
  fronts[0]?.counted.push(usageOf('blog', 1), usageOf('shop', 2))
  fronts[1]?.counted.push(usageOf('blog', 4))
  fronts[2]?.counted.push(usageOf('blog', 8))
  const taken = await links.takeUsage()
  t.same(taken.map(({ site, requests }) => [site, requests]).sort(), [
    ['blog', 1],
    ['blog', 4],
    ['shop', 2],
  ])
  t.same(await links.takeUsage(), [], 'what was taken is not there again')
})
