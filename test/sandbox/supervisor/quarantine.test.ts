import t from 'tap'
import { createQuarantine } from '../../../sandbox/supervisor/quarantine.ts'

t.test('rests grow with kills in a row, and a minute without one ends the row', (t) => {
  let nowMs = 1_000_000
  const quarantine = createQuarantine(() => nowMs)
  const rests: number[] = []
  for (let kill = 0; kill < 12; kill++) {
    const { restMs, isQuarantine } = quarantine.killed('a', 'cpu')
    t.notOk(isQuarantine, 'four a minute are not five')
    rests.push(restMs)
    nowMs += restMs + 16_000
  }
  t.same(rests.slice(0, 5), [100, 200, 400, 800, 1_600])
  t.equal(rests.at(-1), 30_000)
  nowMs += 91_000
  t.equal(quarantine.killed('a', 'cpu').restMs, 100)
  t.end()
})

t.test('five kills within a minute are a quarantine, which is longer the next time', async (t) => {
  let nowMs = 1_000_000
  const quarantine = createQuarantine(() => nowMs)
  const fiveKills = () => Array.from({ length: 5 }, () => quarantine.killed('a', 'memory')).at(-1)
  t.same(fiveKills(), { restMs: 60_000, isQuarantine: true })
  t.match(quarantine.list(), [{ site: 'a', untilMs: nowMs + 60_000, kills: 5, reason: 'memory' }])
  await t.rejects(quarantine.pass('a'), {
    code: 'ERR_SITE_RESTING',
    message: 'the code of a is in quarantine after 5 kills within a minute (memory)',
    details: { retryAfterMs: 60_000, reason: 'memory' },
  })
  await quarantine.pass('b')
  nowMs += 60_001
  await quarantine.pass('a')
  t.same(quarantine.list(), [])
  t.same(fiveKills(), { restMs: 120_000, isQuarantine: true })
  nowMs += 120_001
  for (let n = 0; n < 8; n++) {
    fiveKills()
    nowMs += 900_001
  }
  t.same(fiveKills(), { restMs: 900_000, isQuarantine: true }, 'at most a quarter of an hour')
  nowMs += 2_000_000
  t.same(fiveKills(), { restMs: 60_000, isQuarantine: true }, 'forgotten after it ran well for long')
})

t.test('a short rest is waited for, a longer one is told', async (t) => {
  let nowMs = 0
  const quarantine = createQuarantine(() => nowMs)
  quarantine.killed('a', 'cpu')
  await quarantine.pass('a')
  for (let n = 0; n < 4; n++) {
    nowMs += 20_000
    quarantine.killed('a', 'cpu')
  }
  await t.rejects(quarantine.pass('a'), {
    code: 'ERR_SITE_RESTING',
    message: /rests after a kill/,
    details: { retryAfterMs: 1_600 },
  })
  quarantine.release('a')
  await quarantine.pass('a')
})
