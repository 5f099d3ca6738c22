import { mock } from 'node:test'
import t from 'tap'
import { startTimers } from '../../control/timers.ts'
import { limits } from '../../core/limits.ts'
import type { ControlToFront } from '../../core/messages.ts'
import { silentLog } from './fixtures/silent-log.ts'

t.test('keys follow one another, fronts are told, and certificates that ended go', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const pushed: ControlToFront[] = []
  const keys = { session: [{ kid: 'a', secret: '' }], ticket: '', identity: { kid: 'i', jwk: {} }, identityPublic: [] }
  const due = [false, true, true]
  let rotations = 0
  let sweeps = 0
  let retries = 0
  const timers = startTimers({
    keys: {
      rotateIfDue: async () => due[rotations++] === true,
      current: () => {
        if (rotations === 3) throw new Error('damaged')
        return keys
      },
    },
    leaves: { sweep: async () => ++sweeps },
    activator: { retryFailed: async () => void ++retries },
    fronts: {
      async push(message) {
        pushed.push(message)
        return { live: 0, connected: 0 }
      },
    },
    log: silentLog,
  })
  for (let turn = 0; turn < 3; turn += 1) {
    mock.timers.tick(limits.control.rotateEveryMs)
    await new Promise(setImmediate)
  }
  t.equal(rotations, 3)
  t.same(pushed, [{ kind: 'keys', keys }], 'told once: nothing changed first, and a failure is only logged')
  mock.timers.tick(limits.control.leafSweepEveryMs)
  t.equal(sweeps, 1)
  t.ok(retries > 0, 'versions that could not be put live are tried again')
  timers[Symbol.dispose]()
  const before = rotations
  mock.timers.tick(limits.control.leafSweepEveryMs)
  t.same([rotations, sweeps], [before, 1], 'nothing happens after the end')
})
