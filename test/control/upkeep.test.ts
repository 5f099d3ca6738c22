import t from 'tap'
import { Upkeep } from '../../control/upkeep.ts'
import { silentLog } from './fixtures/silent-log.ts'

const merged = { pruned: [], segmentsBefore: 1, segmentsAfter: 1 }
const keep = () => ({ versions: 10, ms: 1 })
const never = 2 ** 30

/** Keeps the process alive while only timers that do not are under way. */
function stayAwake(t: { teardown(end: () => void): void }): void {
  const timer = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(timer))
}

t.test('many publishes of a site are one prune, and one that fails does not stop the others', async (t) => {
  stayAwake(t)
  const pruned: string[] = []
  const three = Promise.withResolvers<void>()
  const publisher = {
    async prune(name: string) {
      pruned.push(name)
      if (pruned.length === 3) three.resolve()
      if (name === 'gone') throw new Error('no such site')
      return merged
    },
  }
  const collect = async () => {}
  await using upkeep = new Upkeep({ publisher, keep, collect, log: silentLog, pruneAfterMs: 1, collectEveryMs: never })
  for (const name of ['gone', 'blog', 'gone', 'blog', 'blog', 'shop']) upkeep.published(name)
  await three.promise
  t.same(pruned, ['gone', 'blog', 'shop'])
})

t.test('objects are collected again and again, also after a failure', async (t) => {
  stayAwake(t)
  let runs = 0
  const third = Promise.withResolvers<void>()
  const collect = async () => {
    runs += 1
    if (runs === 3) third.resolve()
    if (runs === 1) throw new Error('the bucket is away')
  }
  const publisher = { prune: async () => merged }
  const upkeep = new Upkeep({ publisher, keep, collect, log: silentLog, pruneAfterMs: never, collectEveryMs: 1 })
  await third.promise
  await upkeep[Symbol.asyncDispose]()
  t.ok(runs >= 3)
})

t.test('the end does not wait for what is not due yet, but for what is under way', async (t) => {
  stayAwake(t)
  const begun = Promise.withResolvers<void>()
  const going = Promise.withResolvers<void>()
  let done = false
  const publisher = {
    async prune() {
      begun.resolve()
      await going.promise
      done = true
      return merged
    },
  }
  const collect = async () => {}
  const upkeep = new Upkeep({ publisher, keep, collect, log: silentLog, pruneAfterMs: 1, collectEveryMs: never })
  upkeep.published('blog')
  await begun.promise
  upkeep.published('shop')
  const ended = upkeep[Symbol.asyncDispose]()
  t.equal(done, false)
  going.resolve()
  await ended
  t.equal(done, true)
})

t.test('objects are collected soon after a start, and not again before it is time', async (t) => {
  stayAwake(t)
  let runs = 0
  const first = Promise.withResolvers<void>()
  const collect = async () => {
    runs += 1
    first.resolve()
  }
  const publisher = { prune: async () => merged }
  const upkeep = new Upkeep({ publisher, keep, collect, log: silentLog, collectFirstMs: 1, collectEveryMs: never })
  await first.promise
  await upkeep[Symbol.asyncDispose]()
  t.equal(runs, 1)
})
