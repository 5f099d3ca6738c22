import t from 'tap'
import { Followers } from '../../control/followers.ts'
import { limits } from '../../core/limits.ts'

t.test('requests that come during a piece of work are met by the next one together', async (t) => {
  let value = 0
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let works = 0
  const begun = Promise.withResolvers<void>()
  const followers = new Followers<number>(async () => {
    const seen = value
    begun.resolve()
    await gates[works++]?.promise
    return seen
  })
  value = 1
  const first = followers.request('a')
  await begun.promise
  value = 2
  const second = followers.request('a')
  const third = followers.request('a')
  for (const { resolve } of gates) resolve()
  t.equal(await first, 1)
  t.same(await Promise.all([second, third]), [2, 2])
  t.equal(works, 2)
})

t.test('work that became old is passed over, and its requests are met by the newer', async (t) => {
  let value = 0
  let shown: number | undefined
  const begun = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const followers = new Followers<number>(async (_key, isNewest) => {
    const seen = value
    begun.resolve()
    await gate.promise
    if (!isNewest()) return undefined
    t.equal(shown, undefined, 'the old one was never shown')
    shown = seen
    return seen
  })
  value = 1
  const first = followers.request('a')
  await begun.promise
  value = 2
  const second = followers.request('a')
  gate.resolve()
  t.same(await Promise.all([first, second]), [2, 2])
})

t.test('requests that never end do not put the work off for ever', async (t) => {
  let shown = 0
  let asked = 0
  const followers: Followers<number> = new Followers<number>(async (key, isNewest) => {
    // Somebody asks again during each piece of work.
    if (asked++ < 20) void followers.request(key)
    await new Promise(setImmediate)
    return isNewest() ? ++shown : undefined
  })
  await followers.request('a')
  // One more may have begun when this is told.
  t.ok(asked <= limits.control.passedOver + 2, `shown after ${asked} tries`)
  await followers.idle('a')
})

t.test('a failure reaches those who asked for it, and later requests work', async (t) => {
  let fails = true
  const followers = new Followers<string>(async () => {
    if (fails) throw new Error('cannot')
    return 'done'
  })
  await t.rejects(followers.request('a'), { message: 'cannot' })
  await followers.idle('a')
  fails = false
  t.equal(await followers.request('a'), 'done')
})

t.test('a pause waits for what works, and holds the rest back', async (t) => {
  const gate = Promise.withResolvers<void>()
  const seen: string[] = []
  const begun = Promise.withResolvers<void>()
  const followers = new Followers<true>(async (key) => {
    begun.resolve()
    if (key === 'slow') await gate.promise
    seen.push(key)
    return true
  })
  const slow = followers.request('slow')
  await begun.promise
  const inPause = Promise.withResolvers<void>()
  const pause = followers.paused(async () => {
    seen.push('pause')
    await inPause.promise
    seen.push('end of pause')
    return 7
  })
  const second = followers.paused(async () => seen.push('second pause'))
  const held = followers.request('held')
  gate.resolve()
  await slow
  inPause.resolve()
  t.equal(await pause, 7)
  await Promise.all([held, second, followers.allIdle()])
  t.same(seen.slice(0, 3), ['slow', 'pause', 'end of pause'])
  t.same(seen.slice(3).sort(), ['held', 'second pause'])
})

t.test('a pause that fails ends all the same', async (t) => {
  const followers = new Followers<true>(async () => true)
  await t.rejects(
    followers.paused(async () => {
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.equal(await followers.request('a'), true)
})
