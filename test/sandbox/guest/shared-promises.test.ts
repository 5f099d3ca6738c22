/**
 * Requests that wait for the same promise. What one of them goes on to do in an entry of the other is charged to the other,
 * since an engine does not tell whose continuation runs; it must not end with the other.
 */

import t from 'tap'
import { deliveries } from '../../../sandbox/bridge.ts'
import { loadSite, type TestSite } from './isolate.ts'

interface Started {
  readonly id: number
  readonly owner: number
  readonly url: string
}

/** A site, and the fetches that it has begun. */
async function openSite(code: string): Promise<{ site: TestSite; started: Started[]; answer(url: string): void }> {
  const started: Started[] = []
  const site = await loadSite(code, {
    host: {
      start(owner, _kind, args) {
        const id = 1_000 + started.length
        started.push({ id, owner, url: JSON.parse(args).url })
        return id
      },
    },
  })
  const answer = (url: string) => {
    const found = started.find((each) => each.url.endsWith(url))
    if (!found) throw new Error(`nobody has asked for ${url}: ${started.map((each) => each.url)}`)
    const head = { status: 200, statusText: 'OK', headers: [], url: found.url, redirected: false, hasBody: false }
    site.isolate.deliver(found.id, found.owner, deliveries.answer, JSON.stringify(head), new TextEncoder().encode(url))
  }
  return { site, started, answer }
}

t.test('one request begins a fetch that others wait for, and ends before they do', async (t) => {
  const { site, started, answer } = await openSite(`
    let shared
    var groveSite = { default: { async fetch(request) {
      const { pathname } = new URL(request.url)
      shared ??= fetch('https://example.com/shared').then((response) => response.text())
      const text = await shared
      if (pathname === '/first') return new Response('first ' + text)
      const own = await (await fetch('https://example.com/own' + pathname)).text()
      await new Promise((resolve) => setTimeout(resolve, 3))
      return new Response(pathname + ' ' + text + ' ' + own)
    } } }`)
  const first = site.ask('https://a.example/first')
  const second = site.ask('https://a.example/second')
  const third = site.ask('https://a.example/third')
  t.equal(started.length, 1)
  answer('/shared')
  t.equal(started.length, 3, 'the others have gone on')
  answer('/own/second')
  answer('/own/third')
  t.match(await first, { body: 'first /shared' })
  t.match(await second, { body: '/second /shared /own/second' })
  t.match(await third, { body: '/third /shared /own/third' })
  t.match(await site.ask('https://a.example/first'), { body: 'first /shared' }, 'what is settled stays')
  site.isolate.dispose()
})

t.test('a fetch that nobody waits for holds no request that is alone', async (t) => {
  const { site, started } = await openSite(`
    var groveSite = { default: { async fetch() {
      fetch('https://example.com/forgotten').catch(() => {})
      setInterval(() => {}, 1)
      return new Response('done')
    } } }`)
  t.match(await site.ask('https://a.example/'), { body: 'done' })
  t.match(await site.ask('https://a.example/'), { body: 'done' })
  t.equal(started.length, 2)
  site.isolate.dispose()
})

t.test('timers that nobody needs end with the requests', async (t) => {
  const { site } = await openSite(`
    let ticks = 0
    var groveSite = { default: { async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/ticks') return new Response(String(ticks))
      const chain = () => { ticks++; setTimeout(chain, 1) }
      setInterval(() => { ticks++ }, 1)
      chain()
      if (pathname === '/long') await new Promise((resolve) => setTimeout(resolve, 20))
      return new Response('over')
    } } }`)
  await Promise.all(['/long', '/short', '/short'].map((path) => site.ask(`https://a.example${path}`)))
  const { body: before } = await site.ask('https://a.example/ticks')
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.match(await site.ask('https://a.example/ticks'), { body: before })
  site.isolate.dispose()
})
