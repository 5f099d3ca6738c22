import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { Feed } from '../../../store/logs/feed.ts'
import { createFeeds, type Feeds } from '../../../store/logs/feeds.ts'
import type { Handle } from '../../../store/store.ts'

/** Has a batch append one entry to a log. */
function grow(feeds: Feeds, path: string, seq: number, bytes = 1): void {
  const part = { path, handle: '' as Handle, data: new Uint8Array(bytes) }
  const appended = { seq, isNew: true, writers: ['g'], after: [], covers: [{ lo: seq, hi: seq }] }
  feeds.done(
    { nowMs: 5, requests: [{ kind: 'append', parts: [part], opId: undefined, after: [] }] },
    { answers: [{ value: appended }], changes: { grew: [[path, seq]], trimmed: [], rights: false }, lastSeq: seq },
  )
}

/** Says that the store itself wrote to a log. */
function growItself(feeds: Feeds, path: string, seq: number): void {
  feeds.done(
    { nowMs: 5, requests: [] },
    { answers: [], changes: { grew: [[path, seq]], trimmed: [], rights: false }, lastSeq: seq },
  )
}

function opened(feeds: Feeds, path: string, head: number): Feed {
  const feed = feeds.enter(path)
  feed.opened(head)
  return feed
}

t.test('entries are kept for those who watch, and for nobody else', (t) => {
  const feeds = createFeeds(3)
  const feed = opened(feeds, '/a', 3)
  t.ok(feed.knows(3))
  t.equal(feed.next(3), undefined)
  t.notOk(feed.knows(2), 'what was there before is asked for')
  grow(feeds, '/a', 4)
  t.notOk(feed.knows(3), 'nobody watched')
  let woken = 0
  const leave = feed.watch(() => {
    woken += 1
  })
  grow(feeds, '/a', 5)
  grow(feeds, '/b', 6)
  grow(feeds, '/a', 7)
  t.equal(woken, 2)
  t.same(
    [4, 5, 6, 7].map((seq) => feed.next(seq)?.seq),
    [5, 7, 7, undefined],
  )
  t.equal(feeds.lastSeq, 7)
  leave()
  leave()
  t.notOk(feed.knows(4))
  t.ok(feed.knows(7))
  t.end()
})

t.test('a log that grew before its opening was answered is not known from before that', (t) => {
  const feeds = createFeeds(3)
  const feed = feeds.enter('/a')
  feed.watch(() => {})
  t.notOk(feed.knows(3))
  grow(feeds, '/a', 4)
  t.notOk(feed.knows(4), 'though it was told')
  feed.opened(3)
  t.notOk(feed.knows(3))
  t.ok(feed.knows(4))
  feed.opened(1)
  t.equal(feed.head, 4, 'another who opens it changes nothing')
  t.end()
})

t.test('what the store wrote itself, and what was trimmed, is asked for', (t) => {
  const feeds = createFeeds(0)
  const feed = opened(feeds, '/grants', 0)
  feed.watch(() => {})
  grow(feeds, '/grants', 1)
  growItself(feeds, '/grants', 2)
  t.notOk(feed.knows(0))
  t.notOk(feed.knows(1))
  t.ok(feed.knows(2))
  grow(feeds, '/grants', 3)
  grow(feeds, '/grants', 4)
  feeds.done(
    { nowMs: 5, requests: [] },
    { answers: [], changes: { grew: [], trimmed: [['/grants', 3]], rights: false }, lastSeq: 4 },
  )
  t.notOk(feed.knows(2))
  t.equal(feed.next(3)?.seq, 4)
  t.end()
})

t.test('so many entries and so many bytes of a log are kept', (t) => {
  const feeds = createFeeds(0)
  const feed = opened(feeds, '/a', 0)
  feed.watch(() => {})
  for (let seq = 1; seq <= limits.store.tailEntries + 10; seq += 1) grow(feeds, '/a', seq)
  t.notOk(feed.knows(9))
  t.ok(feed.knows(10))
  const next = limits.store.tailEntries + 11
  grow(feeds, '/a', next, limits.store.tailBytes - 1)
  t.ok(feed.knows(next - 2), 'the last and the one before it fit')
  t.notOk(feed.knows(next - 3))
  grow(feeds, '/a', next + 1, limits.store.tailBytes + 1)
  t.notOk(feed.knows(next), 'one that is too large is not kept')
  t.ok(feed.knows(next + 1))
  t.end()
})

t.test('so many bytes of all logs together are kept', (t) => {
  const feeds = createFeeds(0)
  const count = limits.store.tailsBytes / limits.store.tailBytes
  const all = Array.from({ length: count + 1 }, (_, index) => opened(feeds, `/${index}`, 0))
  const leaves = all.map((feed) => feed.watch(() => {}))
  for (const [index, { path }] of all.entries()) grow(feeds, path, index + 1, limits.store.tailBytes)
  t.equal(all.filter((feed) => feed.knows(0)).length, count)
  leaves[0]?.()
  grow(feeds, `/${count}`, count + 2, limits.store.tailBytes)
  t.ok(all[count]?.knows(count + 1), 'what one gives up another may have')
  all[1]?.leave()
  t.notOk(all[1]?.knows(0))
  t.end()
})
