import t from 'tap'
import { type Session, sealSession, sessionCookieName } from '../../core/session.ts'
import type { Revocations } from '../../proxy/revocations.ts'
import { sessionCookieValue, sessionOf } from '../../proxy/session-check.ts'

const keys = [
  { kid: 'b', secret: Buffer.alloc(32, 2).toString('base64url') },
  { kid: 'a', secret: Buffer.alloc(32, 1).toString('base64url') },
]
const session: Session = { id: 'x', userId: 'ada', site: 'blog', issuedAtMs: 1_000, expiresAtMs: 10_000 }
const none: Pick<Revocations, 'isRevoked'> = { isRevoked: () => false }
const good = sealSession(session, keys)
const other = sealSession({ ...session, userId: 'bob' }, keys)
const old = sealSession(session, keys.slice(1))
const name = sessionCookieName
const open = (headers: readonly string[], nowMs = 5_000, revocations = none) =>
  sessionOf({ headers }, 'blog', keys, revocations, nowMs)

t.test('cookies that carry the session', (t) => {
  const rows: [string, string[]][] = [
    ['alone', ['cookie', `${name}=${good}`]],
    ['between others', ['cookie', `a=1; ${name}=${good}; b=2`]],
    ['without a space', ['cookie', `a=1;${name}=${good}`]],
    ['with spaces and tabs', ['cookie', `a=1; \t ${name} = ${good} \t; b`]],
    ['after an empty pair', ['cookie', `;; ${name}=${good}`]],
    ['in the second of two fields', ['cookie', 'a=1', 'accept', '*/*', 'cookie', `${name}=${good}`]],
    ['twice the same', ['cookie', `${name}=${good}; ${name}=${good}`]],
    ['sealed with an older key', ['cookie', `${name}=${old}`]],
  ]
  for (const [title, headers] of rows) t.same(open(headers), session, title)
  t.end()
})

t.test('cookies that carry none', (t) => {
  const flipped = good.slice(0, -2) + (good.endsWith('A') ? 'B' : 'A') + good.slice(-1)
  const rows: [string, string[]][] = [
    ['no cookie at all', []],
    ['another header of that content', ['x-cookie', `${name}=${good}`]],
    ['an empty value', ['cookie', `${name}=`]],
    ['no equals sign', ['cookie', name]],
    ['two that differ', ['cookie', `${name}=${good}; ${name}=${other}`]],
    ['two that differ, in two fields', ['cookie', `${name}=${good}`, 'cookie', `${name}=${other}`]],
    ['a good one and an empty one', ['cookie', `${name}=${good}; ${name}=`]],
    ['a good one and a broken one', ['cookie', `${name}=junk; ${name}=${good}`]],
    ['the name in another case', ['cookie', `${name.toLowerCase()}=${good}`]],
    ['a name that ends the same', ['cookie', `x${name}=${good}`]],
    ['a name that starts the same', ['cookie', `${name}2=${good}`]],
    ['a cookie without a name', ['cookie', `=${name}=${good}`]],
    ['in quotes', ['cookie', `${name}="${good}"`]],
    ['inside the quotes of another', ['cookie', `a="${name}=${good}"`]],
    ['percent-encoded', ['cookie', `${name}=${encodeURIComponent(`${good}+`)}`]],
    ['padded base64', ['cookie', `${name}=${good}=`]],
    ['cut short', ['cookie', `${name}=${good.slice(0, -1)}`]],
    ['one bit flipped', ['cookie', `${name}=${flipped}`]],
    ['more after it', ['cookie', `${name}=${good}.x`]],
    ['an unknown key', ['cookie', `${name}=${good.replace('s1.b.', 's1.c.')}`]],
    ['another key of ours', ['cookie', `${name}=${good.replace('s1.b.', 's1.a.')}`]],
    ['another format', ['cookie', `${name}=${good.replace('s1.', 's2.')}`]],
    ['a non-breaking space before the name', ['cookie', `a=1;\u00a0${name}=${good}`]],
    ['a comma between cookies', ['cookie', `a=1, ${name}=${good}`]],
    ['the prototype', ['cookie', '__proto__=1; constructor=2']],
    ['more than any request carries', ['cookie', `${'a=1; '.repeat(4_000)}${name}=${good}`]],
  ]
  for (const [title, headers] of rows) t.equal(open(headers), undefined, title)
  t.end()
})

t.test('a session counts only on its site, until it expires, and until it is revoked', (t) => {
  const headers = ['cookie', `${name}=${good}`]
  t.equal(sessionOf({ headers }, 'shop', keys, none, 5_000), undefined, 'another site')
  t.same(open(headers, 9_999), session)
  t.equal(open(headers, 10_000), undefined, 'expired')
  const asked: string[] = []
  const revoked = {
    isRevoked: ({ id }: Session) => {
      asked.push(id)
      return true
    },
  }
  t.equal(open(headers, 5_000, revoked), undefined, 'revoked')
  t.same(asked, ['x'])
  t.equal(open(['cookie', `${name}=junk`], 5_000, revoked), undefined)
  t.same(asked, ['x'], 'what is no session is not looked up')
  t.end()
})

t.test('the value is found without opening it', (t) => {
  t.equal(sessionCookieValue(['cookie', `a=b; ${name}=v=w`]), 'v=w')
  t.equal(sessionCookieValue(['cookie', 'a=b']), undefined)
  t.end()
})
