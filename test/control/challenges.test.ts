import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { toChallenge } from '../../certs/acme/solver.ts'
import { Challenges } from '../../control/challenges.ts'
import { FrontLinks, type FrontState } from '../../control/fronts.ts'
import { limits } from '../../core/limits.ts'
import type { ControlToFront } from '../../core/messages.ts'
import { emptyState } from './fixtures/empty-state.ts'
import { FakeFront } from './fixtures/fake-front.ts'
import { shortFolder } from './fixtures/short-folder.ts'
import { silentLog } from './fixtures/silent-log.ts'

async function listen(t: Test, inForceMs = 10_000) {
  const socket = join(shortFolder(t), 'fronts.sock')
  const fronts: FrontLinks = new FrontLinks({
    socket,
    state: (): FrontState => ({ ...emptyState, challenges: challenges.current() }),
    ready: async () => {},
    site: () => undefined,
    mend: async () => {},
    asked: async () => ({}),
    log: silentLog,
    answerMs: 100,
  })
  const challenges: Challenges = new Challenges({ fronts, now: Date.now, inForceMs })
  await fronts.listen()
  t.teardown(() => fronts[Symbol.asyncDispose]())
  const front = (pid: number, before?: (message: ControlToFront) => unknown) =>
    FakeFront.connect({ socket, pid, ...(before && { before }) })
  return { fronts, challenges, front }
}

const one = toChallenge('a.example', 'token-1', 'token-1.thumb')
const two = toChallenge('b.example', 'token-2', 'token-2.thumb')

t.test('a challenge is presented once all fronts have confirmed it, and comes with the state', async (t) => {
  const { fronts, challenges, front } = await listen(t)
  const gate = Promise.withResolvers<void>()
  const first = await front(1)
  const second = await front(2, ({ kind }) => (kind === 'challenges' ? gate.promise : undefined))
  await Promise.all([first.until('state'), second.until('state')])
  fronts.setRunning([1, 2])
  let presented = false
  const presenting = challenges.http.present(one).then(() => {
    presented = true
  })
  await second.until('challenges')
  t.equal(presented, false)
  gate.resolve()
  await presenting
  const http = [{ token: 'token-1', keyAuthorization: 'token-1.thumb' }]
  t.match(await first.until('challenges'), { challenges: { http, tlsAlpn: [] } })
  t.match(await (await front(3)).until('state'), { challenges: { http } })
  await challenges.http.present(two)
  await challenges.http.remove(one)
  await challenges.http.remove(one)
  await first.until('challenges', ({ challenges }) => challenges.http[0]?.token === 'token-2')
  t.same(challenges.current().http.length, 1)
})

t.test('a challenge certificate is for the name alone, and only its own removal takes it away', async (t) => {
  const { fronts, challenges, front } = await listen(t)
  const first = await front(1)
  fronts.setRunning([1])
  await challenges.tlsAlpn.present(one)
  const [told] = (await first.until('challenges')).challenges.tlsAlpn
  t.equal(told?.name, 'a.example')
  t.equal(new X509Certificate(told?.chain ?? '').subjectAltName, 'DNS:a.example')
  const newer = toChallenge('a.example', 'token-9', 'token-9.thumb')
  await challenges.tlsAlpn.present(newer)
  await challenges.tlsAlpn.remove(one)
  t.equal(challenges.current().tlsAlpn.length, 1)
  await challenges.tlsAlpn.remove(newer)
  t.equal(challenges.current().tlsAlpn.length, 0)
})

t.test('a front that was cut off is waited for', async (t) => {
  const { fronts, challenges, front } = await listen(t)
  const failing = await front(1, ({ kind }) => {
    if (kind === 'challenges') throw new Error('cannot')
  })
  await failing.until('state')
  fronts.setRunning([1])
  const presenting = challenges.http.present(one)
  await failing.closed
  const back = await front(1)
  await presenting
  t.match(await back.until('state'), { challenges: { http: [{ token: 'token-1' }] } })
})

t.test('a challenge that a front does not confirm in time is not presented', async (t) => {
  const { fronts, challenges } = await listen(t, 20)
  fronts.setRunning([1])
  await t.rejects(challenges.http.present(one), { code: 'ERR_TIMEOUT' })
  await t.rejects(challenges.tlsAlpn.present(one), { code: 'ERR_TIMEOUT' })
  t.same(challenges.current(), { http: [], tlsAlpn: [] })
})

t.test('challenges are bounded', async (t) => {
  const { fronts, challenges } = await listen(t)
  fronts.setRunning([])
  for (let i = 0; i < limits.challenges.most; i += 1)
    await challenges.http.present(toChallenge('a.example', `token-${i}`, 'x'))
  await t.rejects(challenges.http.present(toChallenge('a.example', 'token-x', 'x')), { code: 'ERR_TOO_MANY' })
})
