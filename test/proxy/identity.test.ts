import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import t from 'tap'
import type { FrontKeys } from '../../core/messages.ts'
import type { Session } from '../../core/session.ts'
import { createIdentity } from '../../proxy/identity.ts'

const session: Session = { id: 'secret-id', userId: 'ada', site: 'blog', issuedAtMs: 0, expiresAtMs: 10_000_000 }
const origin = 'https://blog.localhost:8443'

function newKeys(): Pick<FrontKeys, 'identity' | 'identityPublic'> {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as Record<string, string>
  // The private part is left in on purpose: it must not get out.
  return { identity: { kid: 'k1', jwk }, identityPublic: [{ ...jwk, kid: 'k1' }] }
}

/** Checks a token as an upstream does: with nothing but the public document. */
function open(token: string, jwks: string) {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
  const jwk = JSON.parse(jwks).keys.find((key: { kid: string }) => key.kid === kid)
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const isGood = verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))
  return { alg, isGood, claims: JSON.parse(Buffer.from(payload, 'base64url').toString()) }
}

t.test('an upstream can verify who it is with the public document alone', (t) => {
  const identity = createIdentity(newKeys())
  const { alg, isGood, claims } = open(identity.sign(session, origin, 1_000_500), identity.jwks)
  t.equal(alg, 'EdDSA')
  t.equal(isGood, true)
  t.same(claims, { iss: origin, sub: 'ada', aud: 'blog', iat: 1000, exp: 1060 })
  t.end()
})

t.test('neither the session id nor the private key gets out', (t) => {
  const keys = newKeys()
  const identity = createIdentity(keys)
  const token = identity.sign(session, origin, 0)
  t.notMatch(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(), /secret-id/)
  t.same(JSON.parse(identity.jwks), {
    keys: [{ kty: 'OKP', crv: 'Ed25519', x: keys.identity.jwk['x'], kid: 'k1', alg: 'EdDSA', use: 'sig' }],
  })
  t.end()
})

t.test('an altered token and one of another key are not good', (t) => {
  const identity = createIdentity(newKeys())
  const [header, , signature] = identity.sign(session, origin, 0).split('.')
  const forged = Buffer.from(JSON.stringify({ iss: origin, sub: 'root', aud: 'blog', iat: 0, exp: 60 }))
  t.equal(open(`${header}.${forged.toString('base64url')}.${signature}`, identity.jwks).isGood, false)
  t.equal(open(createIdentity(newKeys()).sign(session, origin, 0), identity.jwks).isGood, false)
  t.end()
})

t.test('a token is used for 30 s, then there is a new one', (t) => {
  const identity = createIdentity(newKeys())
  const first = identity.sign(session, origin, 100_000)
  t.equal(identity.sign(session, origin, 129_999), first)
  const second = identity.sign(session, origin, 130_000)
  t.not(second, first)
  t.equal(open(second, identity.jwks).claims.exp, 190)
  t.not(identity.sign(session, origin, 90_000), second, 'a clock that was set back')
  t.end()
})

t.test('a token never outlives its session', (t) => {
  const identity = createIdentity(newKeys())
  const short = { ...session, expiresAtMs: 20_000 }
  t.equal(open(identity.sign(short, origin, 10_000), identity.jwks).claims.exp, 20)
  t.end()
})

t.test('sessions, sites and origins do not share tokens', (t) => {
  const identity = createIdentity(newKeys())
  const tokens = [
    identity.sign(session, origin, 0),
    identity.sign({ ...session, id: 'other', userId: 'bob' }, origin, 0),
    identity.sign({ ...session, site: 'shop' }, origin, 0),
    identity.sign(session, 'https://blog.example.com', 0),
  ]
  t.equal(new Set(tokens).size, tokens.length)
  t.end()
})

t.test('what is kept of tokens is bounded', (t) => {
  const identity = createIdentity(newKeys())
  const first = identity.sign(session, origin, 0)
  for (let i = 0; i < 10_000; i += 1) identity.sign({ ...session, id: `s${i}` }, origin, 0)
  t.not(identity.sign(session, origin, 1_000), first, 'the oldest made room')
  t.end()
})

t.test('a key of another kind is refused', (t) => {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  t.throws(() => createIdentity({ identity: { kid: 'k', jwk: jwk as Record<string, string> }, identityPublic: [] }), {
    message: 'expected an ed25519 key, found ec',
  })
  t.end()
})
