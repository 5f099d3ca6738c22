import t from 'tap'
import { openSession, type Session, sealSession } from '../../core/session.ts'

const keys = [{ kid: 'b', secret: Buffer.alloc(32, 2).toString('base64url') }]
const session: Session = { id: 'x', userId: 'ada', site: 'blog', issuedAtMs: 1_000, expiresAtMs: 10_000 }

t.test('a sealed session opens on its site until it expires', (t) => {
  const value = sealSession(session, keys)
  t.same(openSession(value, 'blog', keys, 9_999), session)
  t.equal(openSession(value, 'blog', keys, 10_000), undefined, 'expired')
  t.equal(openSession(value, 'shop', keys, 2_000), undefined, 'another site')
  t.end()
})
