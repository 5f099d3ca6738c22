import t from 'tap'
import type { SiteDetail } from '../../core/admin-api.ts'
import type { Answer } from '../plugins/cdn-varnish/origin.ts'
import {
  fillOf,
  firstTree,
  purged,
  siteNames,
  spellingsOf,
  startCachedSite,
  type Tree,
  treeOf,
} from './varnish-site.ts'

/** One way to ask for a file. */
interface Way {
  readonly path: string
  readonly target: string
  readonly host: string
}

/** Every spelling of some paths, by every name of the site. */
function waysTo(paths: readonly string[]): Way[] {
  return paths.flatMap((path) =>
    spellingsOf(path).flatMap((target) => siteNames.map((host) => ({ path, target, host }))),
  )
}

t.test('after a publish no stale byte comes from Varnish, and no page that stayed was fetched anew', async (t) => {
  const { grove, publish, ask, delivered } = await startCachedSite(t)
  t.match(await publish(firstTree), { version: 1, ...purged })

  /** Hits of the first version, keyed by host and target. */
  const hits = new Map<string, Answer>()
  for (const { path, target, host } of waysTo(Object.keys(firstTree))) {
    await ask(target, { host })
    const hit = await ask(target, { host })
    if (hit.isHit && hit.body === firstTree[path]) hits.set(host + target, hit)
    else t.fail(`${host}${target} is no hit: ${hit.status} ${hit.body}`)
  }
  for (const target of ['/new/', '/new/?q', '/new', '/never']) {
    await ask(target)
    t.match(await ask(target), { status: 404, isHit: true, body: '404.html, version 1' })
  }
  /** What is wrong with the answers now, if this is live. */
  const faultsOf = async (tree: Tree) => {
    const faults: string[] = []
    for (const { path, target, host } of waysTo([...Object.keys(firstTree), 'new/index.html'])) {
      const answer = await ask(target, { host })
      const got = `${host}${target} got ${answer.status} "${answer.body}"`
      if (answer.body !== (tree[path] ?? '404.html, version 1')) faults.push(got)
      if (answer.status !== (tree[path] === undefined ? 404 : 200)) faults.push(got)
      const before = hits.get(host + target)
      if (!before || second[path] !== firstTree[path]) continue
      if (fillOf(answer) !== fillOf(before)) faults.push(`${got}, fetched anew`)
      if (!(Number(answer.headers['age']) > Number(before.headers['age']))) faults.push(`${got}, not older`)
    }
    return faults
  }

  const changed = ['index.html', 'page0/index.html', 'page1/index.html', 'über uns/index.html', 'docs/a b.html']
  const { 'page2/index.html': _page, 'style.css': _style, ...stayed } = firstTree
  const second: Tree = { ...stayed, ...treeOf([...changed, 'new/index.html'], 2) }
  t.match(await publish(second), { version: 2, changed: 5, added: 1, removed: 2, ...purged })
  // Three times: what comes first fills the cache for those who come later.
  for (const round of [1, 2, 3]) t.strictSame(await faultsOf(second), [], `round ${round}`)
  t.match(await ask('/new'), { status: 308, headers: { location: '/new/' } })
  t.match(await ask('/page2'), { status: 404 })
  for (const [target, status] of [
    ['/page0/', 200],
    ['/page9/', 304],
  ] as const) {
    const etag = hits.get(`blog.localhost${target}`)?.headers.etag ?? ''
    t.equal((await ask(target, { 'if-none-match': etag })).status, status, `${target} for who has its first version`)
  }

  await grove.json(['site', 'rollback', 'blog'])
  await delivered()
  t.strictSame(await faultsOf(firstTree), [], 'after the way back')
})

t.test('a site that is deleted is gone from Varnish, and its neighbour stays', async (t) => {
  const { grove, publish, ask, delivered } = await startCachedSite(t)
  await publish(treeOf(['index.html']))
  t.match(await publish(treeOf(['index.html', 'cart/index.html', '404.html'], 7), 'shop'), purged)
  const shop = { host: 'shop.localhost' }
  for (const target of ['/', '/cart/?q', '/lost']) {
    await ask(target, shop)
    t.equal((await ask(target, shop)).isHit, true)
  }
  await ask('/')

  await grove.json(['site', 'delete', 'shop', '--yes'])
  await delivered()
  for (const target of ['/', '/cart/?q', '/lost']) t.equal((await ask(target, shop)).status, 421)
  t.equal((await ask('/')).isHit, true)

  t.match(await publish(treeOf(['cart/index.html'], 8), 'shop'), { version: 2, ...purged })
  t.equal((await ask('/cart/?q', shop)).body, 'cart/index.html, version 8')
  t.equal((await ask('/lost', shop)).status, 404)
})

t.test('no stale byte comes while publishes follow each other under load', async (t) => {
  const { publish, ask } = await startCachedSite(t)
  const moving = ['index.html', 'page0/index.html', 'page1/index.html', 'über uns/index.html', 'style.css']
  await publish(firstTree)
  const still = spellingsOf('page9/index.html')
  for (const target of still) await ask(target)
  const stillFills = await Promise.all(still.map(async (target) => fillOf(await ask(target))))

  const versionIn = ({ body }: Answer) => Number(/, version (\d+)$/.exec(body)?.[1])
  /** The newest version whose receipt was there: whoever asks from then on must get no older one. */
  let confirmed = 1
  let isOver = false
  let asked = 0
  let hits = 0
  const stale: string[] = []
  const ways = waysTo(moving)
  const visit = async (first: number) => {
    for (let i = first; !isOver; i += 1) {
      const { target, host } = ways[i % ways.length] as Way
      const least = confirmed
      const answer = await ask(target, { host })
      asked += 1
      if (answer.isHit) hits += 1
      if (!(versionIn(answer) >= least))
        stale.push(`${host}${target}: ${answer.status} "${answer.body}" after ${least}`)
    }
  }
  const visitors = [0, 20, 40, 60].map(visit)
  try {
    for (let version = 2; version <= 7; version++) {
      const answer = await publish({ ...firstTree, ...treeOf(moving, version) })
      t.match(answer, { version, changed: moving.length, ...purged })
      confirmed = version
    }
  } finally {
    isOver = true
    await Promise.all(visitors)
  }
  t.strictSame(stale, [])
  t.comment(`${asked} answers, ${hits} of them hits`)
  t.ok(hits > asked / 2, 'most came from the cache')
  const last = await Promise.all(ways.map(async ({ target, host }) => versionIn(await ask(target, { host }))))
  t.ok(
    last.every((version) => version === 7),
    `in the end all are of version 7: ${last}`,
  )
  t.strictSame(await Promise.all(still.map(async (target) => fillOf(await ask(target)))), stillFills)
})

t.test('publishers who come together each get a receipt', async (t) => {
  const { grove, publish, ask } = await startCachedSite(t)
  await publish(treeOf(['index.html']))
  // Each adds a page of its own: those who change the same file at once would be refused.
  const answers = await Promise.all(
    [2, 3, 4].map((version) => publish({ ...treeOf(['index.html']), ...treeOf([`page-${version}.html`], version) })),
  )
  for (const answer of answers) t.match(answer, purged, `version ${answer.version}`)
  const { live, history } = await grove.json<SiteDetail>(['site', 'show', 'blog'])
  t.match(await ask('/'), { headers: { 'grove-version': `blog@${live}` } })
  t.equal(history.length, 4)
  for (const version of history) t.match(version, purged)
})
