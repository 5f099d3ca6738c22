import t from 'tap'
import {
  clearedSessionCookie,
  openSession,
  type Session,
  sealSession,
  sessionCookie,
  sessionCookieName,
} from '../../core/session.ts'

const older = { kid: 'a', secret: Buffer.alloc(32, 1).toString('base64url') }
const newer = { kid: 'b', secret: Buffer.alloc(32, 2).toString('base64url') }
const session: Session = { id: 'x', userId: 'ada', site: 'blog', issuedAtMs: 1_000, expiresAtMs: 10_000 }

t.test('a sealed session opens on its site until it expires', (t) => {
  const value = sealSession(session, [newer])
  t.same(openSession(value, 'blog', [newer], 9_999), session)
  t.equal(openSession(value, 'blog', [newer], 10_000), undefined, 'expired')
  t.equal(openSession(value, 'shop', [newer], 2_000), undefined, 'another site')
  t.end()
})

t.test('a rotation signs nobody out, the end of a key does', (t) => {
  const value = sealSession(session, [older])
  t.same(openSession(value, 'blog', [newer, older], 2_000), session)
  t.equal(openSession(value, 'blog', [newer], 2_000), undefined)
  t.match(sealSession(session, [newer, older]), /^s1\.b\./)
  t.throws(() => sealSession(session, []), TypeError)
  t.end()
})

t.test('the same session is sealed differently each time and shows nothing of itself', (t) => {
  const [one, two] = [sealSession(session, [newer]), sealSession(session, [newer])]
  t.not(one, two)
  t.notMatch(Buffer.from(one.split('.')[2] ?? '', 'base64url').toString('latin1'), /ada/)
  t.end()
})

t.test('every flipped bit of a cookie makes it no session', (t) => {
  const [format, kid, body = ''] = sealSession(session, [newer]).split('.')
  const bytes = Buffer.from(body, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const forged = Buffer.from(bytes)
    forged.writeUInt8((forged[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3)
    const value = `${format}.${kid}.${forged.toString('base64url')}`
    if (openSession(value, 'blog', [newer], 2_000)) t.fail(`bit ${bit}`)
  }
  t.end()
})

t.test('what strangers send is no session and throws nothing', (t) => {
  const value = sealSession(session, [newer])
  const hostile = [
    '',
    's1',
    's1.b',
    's1.b.',
    's1..x',
    's2.b.AAAA',
    value.slice(0, -1),
    `${value}=`,
    `${value}.x`,
    `${value}A`,
    ` ${value}`,
    value.replace('s1.b.', 's1.a.'),
    value.replace('s1.b.', 's1.__proto__.'),
    `s1.b.${'A'.repeat(2_000)}`,
    `s1.b.${Buffer.alloc(28).toString('base64url')}`,
    `s1.b.${Buffer.alloc(60).toString('base64url')}`,
    's1.b.\u0000',
    '{"id":"x"}',
  ]
  for (const forged of hostile)
    t.equal(openSession(forged, 'blog', [newer, older], 2_000), undefined, JSON.stringify(forged))
  t.end()
})

t.test('the cookie is host-only, secure, hidden from scripts and ends with the session', (t) => {
  const cookie = sessionCookie(session, [newer], 4_000)
  t.ok(cookie.startsWith(`${sessionCookieName}=s1.b.`))
  t.match(cookie, /; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=6$/)
  t.match(clearedSessionCookie, /Max-Age=0$/)
  t.end()
})
