import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import type { Exchange } from '../../../sandbox/tenant/exchange.ts'
import { overdue } from '../../../sandbox/tenant/overdue.ts'

const limits = { ...defaultSandboxLimits, firstByteMs: 100, totalMs: 1_000, waitUntilMs: 50 }

/** What is looked at of a request. */
type Clock = Pick<Exchange, 'phase' | 'isAnswered' | 'isUpgraded' | 'answeredAtMs' | 'startedAtMs'>

const begun: Clock = { phase: 'running', isAnswered: false, isUpgraded: false, answeredAtMs: 0, startedAtMs: 10_000 }

t.test('a request is past the limit of the phase that it is in', (t) => {
  const rows: [string, Partial<Clock>, number, string | undefined][] = [
    ['one that has just begun', {}, 100, undefined],
    ['one without an answer', {}, 101, 'firstByteMs'],
    ['one that waits for its turn', { phase: 'queued' }, 101, 'firstByteMs'],
    ['one that is being answered', { isAnswered: true }, 1_000, undefined],
    ['one that is answered for too long', { isAnswered: true }, 1_001, 'totalMs'],
    ['a WebSocket', { isAnswered: true, isUpgraded: true }, 1_000_000, undefined],
    ['one in the background', { phase: 'background', isAnswered: true, answeredAtMs: 10_900 }, 950, undefined],
    ['one that stays there', { phase: 'background', isAnswered: true, answeredAtMs: 10_900 }, 951, 'waitUntilMs'],
  ]
  for (const [what, more, ageMs, limit] of rows) {
    const found = overdue({ ...begun, ...more } as Exchange, limits, 10_000 + ageMs)
    t.equal(found?.limit, limit, what)
  }
  t.same(overdue(begun as Exchange, limits, 10_300), { limit: 'firstByteMs', value: 300, bound: 100, place: '' })
  t.end()
})
