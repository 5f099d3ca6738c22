import t from 'tap'
import { createCrowdedCas } from '../../certs/crowded-cas.ts'
import { limits } from '../../core/limits.ts'
import { createScriptedCa, problem } from './fixtures/scripted-ca.ts'
import { boot, createWorld } from './fixtures/virtual-machines.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

t.test(
  'a CA that sent three domains away is asked for none; one that sent three names of a domain, for none of it',
  async (t) => {
    const cas = createCrowdedCas()
    for (const name of ['a.one.org', 'b.one.org']) cas.sentAway('ca', name, 500, 0)
    t.equal(cas.untilMs('ca', 'c.one.org', 0), undefined)
    cas.sentAway('ca', 'b.one.org', 600, 0)
    t.equal(cas.untilMs('ca', 'c.one.org', 0), undefined, 'the same name twice is one')
    cas.sentAway('ca', 'c.one.org', 700, 0)
    t.equal(cas.untilMs('ca', 'd.one.org', 0), 700)
    t.equal(cas.untilMs('ca', 'a.two.org', 0), undefined, 'another domain')
    t.equal(cas.untilMs('other', 'd.one.org', 0), undefined, 'another CA')
    t.equal(cas.untilMs('ca', 'd.one.org', 700), undefined, 'the time is over')
    for (const name of ['a.two.org', 'a.three.org']) cas.sentAway('ca', name, 900, 0)
    t.equal(cas.untilMs('ca', 'a.four.org', 0), 900)
    cas.served('ca', 'a.five.org')
    t.equal(cas.untilMs('ca', 'a.four.org', 0), undefined, 'somebody was served')
    t.equal(cas.untilMs('ca', 'd.one.org', 0), 700, 'of another domain')
  },
)

t.test('it is asked again after an hour at the latest', async (t) => {
  const cas = createCrowdedCas()
  for (const name of ['a.one.org', 'a.two.org', 'a.three.org']) cas.sentAway('ca', name, 1e12, 0)
  t.equal(cas.untilMs('ca', 'a.four.org', 5), limits.managed.crowdedMs)
  t.equal(cas.untilMs('ca', 'a.four.org', limits.managed.crowdedMs), undefined, 'and then somebody can be served')
})

t.test('a limit of an account is not heard by each of hundreds of names', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  const names = Array.from({ length: 300 }, (_, index) => `www.site-${index}.org`)
  let left = 20
  ca.answer = () => {
    left -= 1
    return left >= 0 ? 'certificate' : problem('too many new orders', { reason: 'limited', retryAfterMs: 2 * hourMs })
  }
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want(names)
    await host.env.sleep(40 * minuteMs)
    t.equal(host.managed.list().filter(({ state }) => state === 'valid').length, 20)
    t.ok(ca.orders.length < 20 + 2 * limits.managed.orders, `${ca.orders.length} orders`)
    t.match(host.managed.list().at(-1), { state: 'wanted', tries: 0 }, 'who was not asked for has not failed')
    t.ok(host.told.filter((event) => event.startsWith('failed')).length < 2 * limits.managed.orders)
    t.match(host.managed.list().at(-1)?.lastError, { code: 'ERR_ACME', message: /each said when to come again/ })
    left = 1_000
    await host.env.sleep(8 * hourMs)
    t.ok(
      host.managed.list().every(({ state }) => state === 'valid'),
      'in the end all have theirs',
    )
    await host.stop()
  })
})
