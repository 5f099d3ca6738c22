import t from 'tap'
import type { Session } from '../../core/session.ts'
import { createRevocations } from '../../proxy/revocations.ts'

const session = (id: string, extra: Partial<Session> = {}): Session => ({
  id,
  userId: 'ada',
  site: 'blog',
  issuedAtMs: 1_000,
  expiresAtMs: 100_000,
  ...extra,
})

t.test('a revoked session is revoked, others are not', (t) => {
  const revocations = createRevocations(10)
  revocations.add([{ kind: 'session', id: 'one', untilMs: 100_000 }], 2_000)
  t.equal(revocations.isRevoked(session('one')), true)
  t.equal(revocations.isRevoked(session('two')), false)
  t.equal(revocations.size, 1)
  t.end()
})

t.test('a user is revoked up to a moment: what is issued later counts', (t) => {
  const revocations = createRevocations(10)
  revocations.add([{ kind: 'user', userId: 'ada', issuedUptoMs: 1_000, untilMs: 100_000 }], 2_000)
  t.equal(revocations.isRevoked(session('one')), true, 'issued at that moment')
  t.equal(revocations.isRevoked(session('one', { issuedAtMs: 1_001 })), false, 'issued after')
  t.equal(revocations.isRevoked(session('one', { userId: 'bob' })), false, 'somebody else')
  t.end()
})

t.test('an older revocation never takes back a newer one', (t) => {
  const revocations = createRevocations(10)
  revocations.add([{ kind: 'user', userId: 'ada', issuedUptoMs: 5_000, untilMs: 100_000 }], 0)
  revocations.add([{ kind: 'user', userId: 'ada', issuedUptoMs: 1_000, untilMs: 50_000 }], 0)
  revocations.add([{ kind: 'session', id: 'x', untilMs: 100_000 }], 0)
  revocations.add([{ kind: 'session', id: 'x', untilMs: 10 }], 0)
  for (let i = 0; i < 10; i += 1) revocations.add([{ kind: 'session', id: `s${i}`, untilMs: 99_000 }], 60_000)
  t.equal(revocations.isRevoked(session('y', { issuedAtMs: 4_000 })), true)
  t.equal(revocations.isRevoked(session('x', { userId: 'bob', expiresAtMs: 100_000 })), true)
  t.end()
})

t.test('when there is no room, expired ones go and nothing else', (t) => {
  const revocations = createRevocations(4)
  for (const id of ['a', 'b', 'c', 'd']) revocations.add([{ kind: 'session', id, untilMs: 10_000 }], 0)
  revocations.add([{ kind: 'session', id: 'e', untilMs: 90_000 }], 20_000)
  t.equal(revocations.size, 1)
  t.equal(revocations.isRevoked(session('e')), true)
  t.equal(revocations.isRevoked(session('f', { expiresAtMs: 90_000 })), false, 'no live session suffers')
  t.end()
})

t.test('over its bound it stays bounded and still revokes every session that it was told of', (t) => {
  const max = 64
  const revocations = createRevocations(max)
  const told: Session[] = []
  for (let i = 0; i < 1_000; i += 1) {
    const expiresAtMs = 100_000 + ((i * 7919) % 1_000)
    told.push(session(`s${i}`, { expiresAtMs }))
    revocations.add([{ kind: 'session', id: `s${i}`, untilMs: expiresAtMs }], 0)
    if (revocations.size > max) t.fail('over its bound')
  }
  t.equal(told.filter((one) => !revocations.isRevoked(one)).length, 0, 'nobody who signed out comes back')
  t.equal(revocations.isRevoked(session('fresh', { expiresAtMs: 500_000 })), false, 'a fresh sign-in counts')
  t.end()
})

t.test('users are bounded in the same way', (t) => {
  const revocations = createRevocations(16)
  const told: Session[] = []
  for (let i = 0; i < 100; i += 1) {
    const one = session(`s${i}`, { userId: `u${i}`, expiresAtMs: 100_000 + i })
    told.push(one)
    revocations.add([{ kind: 'user', userId: `u${i}`, issuedUptoMs: 1_000, untilMs: 100_000 + i }], 0)
  }
  t.ok(revocations.size <= 16)
  t.equal(told.filter((one) => !revocations.isRevoked(one)).length, 0)
  t.end()
})
