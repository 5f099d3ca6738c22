import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseConfig } from '../../../core/config.ts'
import type { PublishEvent } from '../../../core/plugin.ts'
import { type CdnVarnishOptions, cdnVarnish } from '../../../plugins/cdn-varnish/cdn-varnish.ts'
import { groveVcl, startVarnish } from '../../services/varnish.ts'
import { get, site, startOrigin } from './origin.ts'

const event = (parts: Partial<PublishEvent>): PublishEvent => ({
  id: 'event-1',
  site,
  version: 2,
  versions: [2],
  complete: true,
  changed: [],
  added: [],
  removed: [],
  ...parts,
})

interface SetupOptions {
  readonly plugin?: Partial<CdnVarnishOptions>
  readonly vcl?: (vcl: string) => string
}

/** A site server with a real Varnish before it. */
async function setup(t: Test, { plugin = {}, vcl }: SetupOptions = {}) {
  const origin = await startOrigin(cdnVarnish({ urls: ['http://127.0.0.1:1'], ...plugin }))
  t.teardown(() => origin[Symbol.asyncDispose]())
  const varnish = await startVarnish({ folder: join(t.testdir(), 'varnish'), vcl: await groveVcl(origin.port, vcl) })
  t.teardown(() => varnish[Symbol.asyncDispose]())
  const purger = cdnVarnish({ urls: [varnish.url], reboundMs: 0, ...plugin })
  const publish = async (parts: Partial<PublishEvent>) => purger.published?.(event(parts))
  return { origin, varnish, publish }
}

t.test(
  'a page stays in Varnish until it changes; then no old byte comes, and no other page was fetched anew',
  async (t) => {
    const { origin, varnish, publish } = await setup(t)
    for (let i = 0; i < 50; i += 1) origin.files.set(`page${i}/index.html`, `page ${i}, version 1`)
    const targets = Array.from({ length: 50 }, (_, i) => `/page${i}/`)
    for (const target of targets) t.equal((await get(varnish.port, target)).isHit, false)
    const hit = await get(varnish.port, '/page7/')
    t.equal(hit.isHit, true)
    t.match(hit.headers, { 'cache-control': 'public, max-age=0, must-revalidate' })
    t.equal(hit.headers['xkey'], undefined, 'visitors do not see tags')
    t.equal(hit.headers['cdn-cache-control'], undefined)

    origin.files.set('page7/index.html', 'page 7, version 2')
    t.equal((await get(varnish.port, '/page7/')).body, 'page 7, version 1', 'nobody has told Varnish yet')
    origin.requests.length = 0
    t.same(await publish({ changed: ['page7/index.html'] }), {
      action: 'purged',
      details: { varnishes: 1, urls: 6, tags: 1, objects: 1 },
    })
    for (const target of targets) {
      const answer = await get(varnish.port, target)
      t.equal(answer.isHit, target !== '/page7/', target)
      t.match(answer.body, target === '/page7/' ? 'page 7, version 2' : 'version 1')
    }
    t.same(
      origin.requests.map(({ line }) => line),
      ['GET /page7/'],
    )
  },
)

t.test('every way to ask for a page is purged: spellings, queries, ports, authorities, codings', async (t) => {
  const { origin, varnish, publish } = await setup(t)
  origin.files.set('über uns/index.html', 'version 1')
  origin.files.set('other/index.html', 'other')
  const asks: [string, Record<string, string>][] = [
    '/%C3%BCber%20uns/',
    '/%c3%bcber%20uns/',
    '/%C3%BCber%20un%73/',
    '/%C3%BCber%20uns/?x=1',
    '/%C3%BCber%20uns/index.html',
    '/%C3%BCber%20uns/index.html?x=1',
    '/%C3%BCber%20uns',
    '/%C3%BCber%20uns?x=1',
  ].flatMap((target): [string, Record<string, string>][] => [
    [target, {}],
    [target, { host: 'BLOG.localhost:8443' }],
    [target, { host: 'blog.example.org' }],
    [target, { 'accept-encoding': 'gzip' }],
  ])
  for (const [target, headers] of asks) await get(varnish.port, target, headers)
  await get(varnish.port, '/other/?x=1')
  for (const [target, headers] of asks) t.equal((await get(varnish.port, target, headers)).isHit, true, target)

  origin.files.delete('über uns/index.html')
  await publish({ removed: ['über uns/index.html'] })
  for (const [target, headers] of asks) {
    const answer = await get(varnish.port, target, headers)
    t.equal(answer.status, 404, `${target} ${JSON.stringify(headers)}`)
    t.equal(answer.isHit, false)
  }
  t.equal((await get(varnish.port, '/other/?x=1')).isHit, true)
})

t.test('a path that was not there is served as soon as it is, and a new 404 page is seen everywhere', async (t) => {
  const { origin, varnish, publish } = await setup(t)
  t.equal((await get(varnish.port, '/new/?x')).status, 404)
  t.equal((await get(varnish.port, '/new/?x')).isHit, false, 'an answer that says so is not kept')
  origin.files.set('404.html', 'lost, version 1')
  await publish({ added: ['404.html'] })
  for (const target of ['/new/', '/new/?x', '/never']) {
    t.equal((await get(varnish.port, target)).body, 'lost, version 1')
    t.equal((await get(varnish.port, target)).isHit, true)
  }
  origin.files.set('404.html', 'lost, version 2')
  await publish({ changed: ['404.html'] })
  for (const target of ['/new/', '/new/?x', '/never'])
    t.equal((await get(varnish.port, target)).body, 'lost, version 2')
  for (const _ of [1, 2]) t.equal((await get(varnish.port, '/404.html')).status, 200)
  origin.files.set('new/index.html', 'found')
  await publish({ added: ['new/index.html'] })
  for (const target of ['/new/', '/new/?x']) t.equal((await get(varnish.port, target)).body, 'found')
  t.equal((await get(varnish.port, '/never')).body, 'lost, version 2')
  t.equal((await get(varnish.port, '/404.html')).isHit, true, 'the page itself has not changed')
  origin.files.set('404.html', 'lost, version 3')
  await publish({ changed: ['404.html'] })
  t.equal((await get(varnish.port, '/404.html')).body, 'lost, version 3')
})

t.test('an old answer that was under way while the first purge ran does not stay', async (t) => {
  let release = () => {}
  let arrived: Promise<unknown> = Promise.resolve()
  const { origin, varnish, publish } = await setup(t, {
    plugin: {
      // Between the two purges the old answer arrives, and Varnish keeps it.
      wait: async (ms) => {
        t.equal(ms, 250)
        release()
        await arrived
        t.equal((await get(varnish.port, '/slow/')).body, 'version 1', 'Varnish has kept the old page')
      },
      reboundMs: 250,
    },
  })
  origin.files.set('slow/index.html', 'version 1')
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const asked = new Promise<void>((resolve) => {
    origin.handle = async (_incoming, response) => {
      origin.handle = () => false
      resolve()
      await held
      response.writeHead(200, cdnHeaders('slow/index.html')).end('version 1')
      return true
    }
  })
  arrived = get(varnish.port, '/slow/').then((answer) => t.equal(answer.body, 'version 1'))
  await asked
  origin.files.set('slow/index.html', 'version 2')
  await publish({ changed: ['slow/index.html'] })
  t.equal((await get(varnish.port, '/slow/')).body, 'version 2')
})

function cdnHeaders(path: string): string[] {
  const plugin = cdnVarnish({ urls: ['http://127.0.0.1:1'] })
  return [...(plugin.headers?.({ path, hash: '', bytes: 0, type: 'text/html', personal: false }, site) ?? [])]
}

t.test('a deleted site leaves nothing behind, and another site keeps its pages', async (t) => {
  const { origin, varnish, publish } = await setup(t)
  origin.files.set('a.css', 'a')
  origin.files.set('b.css', 'b')
  await get(varnish.port, '/a.css')
  await get(varnish.port, '/b.css')
  origin.handle = (incoming, response) => {
    if (incoming.headers.host !== 'shop.localhost') return false
    response.writeHead(200, { 'cdn-cache-control': 'max-age=600', xkey: 's-shop' }).end('shop')
    return true
  }
  await get(varnish.port, '/a.css', { host: 'shop.localhost' })
  origin.files.clear()
  await publish({ version: undefined, removed: ['a.css'] })
  t.equal((await get(varnish.port, '/a.css')).status, 404)
  t.equal((await get(varnish.port, '/b.css')).status, 404, 'not in the list, and gone by its tag')
  t.equal((await get(varnish.port, '/a.css', { host: 'shop.localhost' })).isHit, true)
})

t.test('thousands of changed pages are purged in one event', async (t) => {
  const { origin, varnish, publish } = await setup(t)
  const paths = Array.from({ length: 4_000 }, (_, i) => `folder/page-${i}.html`)
  for (const path of paths) origin.files.set(path, 'version 1')
  const sample = paths.filter((_, i) => i % 97 === 0)
  for (const path of sample) await get(varnish.port, `/${path}?q`)
  for (const path of paths) origin.files.set(path, 'version 2')
  const receipt = await publish({ changed: paths })
  t.match(receipt, { details: { urls: 8_000, tags: 4_000, objects: sample.length } })
  for (const path of sample) t.equal((await get(varnish.port, `/${path}?q`)).body, 'version 2')
  const many = Array.from({ length: 5_001 }, (_, i) => `page-${i}.html`)
  t.match(await publish({ changed: many }), { details: { urls: 0, tags: 5_001 } }, 'too many URLs are left to the tags')
})

t.test('signed-in visitors and answers that are not for all go past the cache', async (t) => {
  const { origin, varnish } = await setup(t)
  origin.files.set('index.html', 'public page')
  t.equal((await get(varnish.port, '/')).body, 'public page')
  origin.handle = (incoming, response) => {
    const kinds: Record<string, Record<string, string>> = {
      '/': { 'cache-control': 'private' },
      '/cookie': { 'cdn-cache-control': 'max-age=600', 'set-cookie': 'a=b' },
      '/no-store': { 'cache-control': 'no-store' },
      '/cdn-no-store': { 'cache-control': 'max-age=600', 'cdn-cache-control': 'max-age=600, no-store' },
      '/cdn-zero': { 'cache-control': 'max-age=600', 'cdn-cache-control': 'max-age=0' },
      '/cdn-odd': { 'cache-control': 'max-age=600', 'cdn-cache-control': 'x-max-age=600' },
      '/silent': {},
    }
    response.writeHead(200, kinds[incoming.url ?? ''] ?? {}).end(`for ${incoming.headers.cookie}`)
    return true
  }
  for (const name of ['ada', 'bob']) {
    const mine = await get(varnish.port, '/', { cookie: `x=1; __Host-grove=${name}` })
    t.equal(mine.body, `for x=1; __Host-grove=${name}`)
  }
  t.equal((await get(varnish.port, '/')).body, 'public page')
  for (const target of ['/cookie', '/no-store', '/cdn-no-store', '/cdn-zero', '/cdn-odd', '/silent']) {
    await get(varnish.port, target)
    t.equal((await get(varnish.port, target)).isHit, false, target)
  }
})

t.test('an upstream can say how long Varnish keeps its answer', async (t) => {
  const { origin, varnish } = await setup(t)
  const values = ['max-age=60', 'public, max-age=60', 'MAX-AGE=60,public', 'stale-if-error=9, max-age=60']
  origin.handle = (incoming, response) => {
    response.writeHead(200, { 'cdn-cache-control': values[Number(incoming.url?.slice(1))] ?? '' }).end('x')
    return true
  }
  for (const [i, value] of values.entries()) {
    await get(varnish.port, `/${i}`)
    t.equal((await get(varnish.port, `/${i}`)).isHit, true, value)
  }
})

t.test('Grove is told who asks and how, and a stranger cannot say it', async (t) => {
  const { origin, varnish } = await setup(t, {
    vcl: (vcl) => vcl.replace(/acl tls_terminators \{[^}]*\}/, 'acl tls_terminators { "192.0.2.1"; }'),
  })
  await get(varnish.port, '/', { 'x-forwarded-for': '203.0.113.5', 'x-forwarded-proto': 'https' })
  t.match(origin.requests.at(-1)?.headers, {
    'x-forwarded-for': '203.0.113.5, 127.0.0.1',
    'x-forwarded-proto': 'http',
  })
  const trusting = await setup(t)
  await get(trusting.varnish.port, '/', { 'x-forwarded-for': '203.0.113.5', 'x-forwarded-proto': 'https' })
  t.match(trusting.origin.requests.at(-1)?.headers, { 'x-forwarded-proto': 'https' })
  const forged = await get(trusting.varnish.port, '/', { 'x-forwarded-for': '203.0.113.5' }, 'PURGE')
  t.equal(forged.status, 403, 'a visitor behind the TLS terminator cannot purge')
})

t.test('a Varnish that is down, refuses or does not know purges is named, and the others are purged', async (t) => {
  const { origin, varnish, publish } = await setup(t)
  const closed = await setup(t, { vcl: (vcl) => vcl.replace(/acl purgers \{[^}]*\}/, 'acl purgers { "192.0.2.1"; }') })
  const noPurge = createServer((_request, response) => response.writeHead(405).end())
  const mute = createServer(() => undefined)
  for (const server of [noPurge, mute]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close().closeAllConnections())
  }
  const url = (server: typeof mute) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const unused = createServer().listen(0, '127.0.0.1')
  await once(unused, 'listening')
  const down = url(unused)
  unused.close()
  await once(unused, 'close')

  origin.files.set('a.css', 'version 1')
  await get(varnish.port, '/a.css')
  origin.files.set('a.css', 'version 2')
  for (const [bad, message, hint] of [
    [down, /^varnish at http:\/\/127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED 127/, undefined],
    [closed.varnish.url, /answered 403 to a purge, expected 200/, /list of purgers/],
    [url(noPurge), /answered 405 to a purge/, /grove\.vcl/],
    [url(mute), /cannot be reached: Headers Timeout Error/, undefined],
  ] as const) {
    const purger = cdnVarnish({ urls: [bad, varnish.url], reboundMs: 0, timeoutMs: 500 })
    const error = await purger.published?.(event({ changed: ['a.css', 'b/index.html'] })).catch((e: unknown) => e)
    t.match(error, { code: 'ERR_PLUGIN', message }, bad)
    t.match(error, { hint })
    t.match(error, { message: new RegExp(`^varnish at ${bad}`) })
    t.equal((await get(varnish.port, '/a.css')).body, 'version 2', 'the Varnish that is well was purged')
  }
  const both = cdnVarnish({ urls: [down, closed.varnish.url], reboundMs: 0 })
  await t.rejects(async () => both.published?.(event({ changed: ['a.css'] })), {
    message: /cannot be reached: .*; varnish at .* answered 403/,
    hint: /list of purgers/,
  })
  await publish({ changed: ['a.css'] })
})

t.test('without tags the URLs are purged, and what could not be found again is not kept', async (t) => {
  const { origin, varnish, publish } = await setup(t, { plugin: { xkey: false, maxAgeSeconds: 60 } })
  origin.files.set('a/index.html', 'version 1')
  origin.files.set('404.html', 'lost')
  for (const target of ['/a/', '/a', '/a/index.html', '/lost']) await get(varnish.port, target)
  t.equal((await get(varnish.port, '/a/')).isHit, true)
  t.equal((await get(varnish.port, '/lost')).isHit, false)
  origin.files.set('a/index.html', 'version 2')
  t.match(await publish({ changed: ['a/index.html'] }), { details: { urls: 6, tags: 0 } })
  t.equal((await get(varnish.port, '/a/')).body, 'version 2')
  t.equal((await get(varnish.port, '/a/index.html')).body, 'version 2')
})

t.test('an event that changes nothing asks nobody', async (t) => {
  const purger = cdnVarnish({ urls: ['http://127.0.0.1:1'], wait: () => t.fail('waited') as never })
  t.match(await purger.published?.(event({})), { action: 'purged', details: { urls: 0, tags: 0 } })
})

for (const options of [
  {},
  { urls: [] },
  { urls: ['http://127.0.0.1:6081/path'] },
  { urls: ['http://user@127.0.0.1'] },
  { urls: ['127.0.0.1:6081'] },
  { urls: ['ftp://127.0.0.1'] },
  { urls: ['http://127.0.0.1'], reboundMs: -1 },
  { urls: ['http://127.0.0.1'], maxAge: 5 },
  { urls: ['http://127.0.0.1'], wait: 5 },
]) {
  t.test(`options ${JSON.stringify(options)} are refused when the config is read`, async (t) => {
    const plugin = cdnVarnish(options as never)
    t.throws(() => parseConfig({ plugins: [plugin] }, 'the test'), {
      code: 'ERR_CONFIG_INVALID',
      message: /plugins\[0\]\.options\.\w.*: expected /,
    })
    await t.rejects(
      async () => plugin.published?.(event({})),
      { code: 'ERR_CONFIG_INVALID' },
      'and by the plugin itself',
    )
  })
}
