import t from 'tap'
import type { PublishEvent } from '../../../core/plugin.ts'
import { pathTag, siteTag } from '../../../plugins/cdn-varnish/cache-tags.ts'
import { packTags, planPurge, spellings } from '../../../plugins/cdn-varnish/purge-plan.ts'

const event = (parts: Partial<PublishEvent>): PublishEvent => ({
  id: 'event-1',
  site: { name: 'blog', authorities: ['blog.localhost', 'blog.example.org'] },
  version: 2,
  versions: [2],
  complete: true,
  changed: [],
  added: [],
  removed: [],
  ...parts,
})
const tag = (path: string) => pathTag('blog', path)

t.test('every spelling of a path', async (t) => {
  for (const [path, targets] of [
    ['index.html', ['/', '/index.html']],
    ['a/index.html', ['/a/', '/a', '/a/index.html']],
    ['a/b/index.html', ['/a/b/', '/a/b', '/a/b/index.html']],
    ['about.html', ['/about.html']],
    ['myindex.html', ['/myindex.html']],
    ['a/myindex.html', ['/a/myindex.html']],
    ['index.html/x', ['/index.html/x']],
    ['über uns/index.html', ['/%C3%BCber%20uns/', '/%C3%BCber%20uns', '/%C3%BCber%20uns/index.html']],
    ['a?b#c%.txt', ['/a%3Fb%23c%25.txt']],
    ["a!'()*~-_.:@&=+$,;", ["/a!'()*~-_.:@&=+$,;"]],
    ['a"<>[]^`{|}', ['/a%22%3C%3E%5B%5D%5E%60%7B%7C%7D']],
  ] as const)
    t.same(spellings(path), targets, path)
})

t.test('a changed page is purged at every authority, and nothing else', async (t) => {
  t.same(planPurge(event({ changed: ['a/index.html'] })), {
    urls: ['blog.localhost', 'blog.example.org'].flatMap((authority) =>
      ['/a/', '/a', '/a/index.html'].map((target) => ({ authority, target })),
    ),
    tags: [tag('a/index.html')],
  })
})

t.test('a path that came or went, or a changed 404 page, takes the pages for what was not found along', async (t) => {
  t.same(planPurge(event({ added: ['a.css'] })).tags, [tag('a.css'), 'nf-blog'])
  t.same(planPurge(event({ removed: ['a.css'] })).tags, [tag('a.css'), 'nf-blog'])
  t.same(planPurge(event({ changed: ['404.html'] })).tags, [tag('404.html'), 'nf-blog'])
  t.same(planPurge(event({ changed: ['docs/404.html'] })).tags, [tag('docs/404.html'), 'nf-blog'])
  t.same(planPurge(event({ changed: ['my404.html'] })).tags, [tag('my404.html')])
  const several = event({ changed: ['a.css'], versions: [2, 3] })
  t.same(planPurge(several).tags, [tag('a.css'), 'nf-blog'], 'it may have been gone for one of the versions')
})

t.test('a deleted site is purged whole', async (t) => {
  t.same(planPurge(event({ version: undefined, removed: ['a.css'] })).tags, [tag('a.css'), 'nf-blog', 's-blog'])
})

t.test('a path in two lists is purged once, and an event of no paths purges nothing', async (t) => {
  t.equal(planPurge(event({ changed: ['a.css'], added: ['a.css'] })).urls.length, 2)
  t.same(planPurge(event({})), { urls: [], tags: [] })
})

t.test('tags of two sites or paths differ', async (t) => {
  t.equal(new Set([pathTag('a', 'b'), pathTag('b', 'a'), pathTag('a', 'b/'), pathTag('a', 'c')]).size, 4)
  t.match(pathTag('a', 'b'), /^p-[0-9a-f]{16}$/)
})

t.test('tags are packed into as few texts as fit, none lost', async (t) => {
  t.same(packTags([], 10), [])
  t.same(packTags(['aaaa', 'bbbb', 'cccc', 'd'], 9), ['aaaa bbbb', 'cccc d'])
  const tags = Array.from({ length: 1_000 }, (_, i) => tag(String(i)))
  const texts = packTags(tags, 4_000)
  t.same(texts.join(' ').split(' '), tags)
  t.ok(texts.every((text) => text.length <= 4_000))
  t.equal(texts.length, Math.ceil(1_000 / Math.floor(4_001 / 19)))
})

t.test('an event that is not complete is one of the whole site', async (t) => {
  const plan = planPurge(event({ complete: false, changed: ['a.html'] }))
  t.ok(plan.tags.includes(siteTag('blog')))
  t.ok(plan.tags.includes(tag('a.html')))
  t.ok(plan.urls.some(({ target }) => target === '/a.html'))
  t.notOk(planPurge(event({ changed: ['a.html'] })).tags.includes(siteTag('blog')))
})
