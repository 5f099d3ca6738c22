import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import t from 'tap'
import { createIdentityVerifier } from '../../../examples/guestbook/upstream/identity.ts'
import { createIdentity } from '../../../proxy/identity.ts'

const origin = 'https://guestbook.localhost:8443'
const startMs = 1_800_000_000_000

/** A key as Grove has it, and the way to sign as Grove does. */
function makeKey(kid: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const jwk = privateKey.export({ format: 'jwk' }) as Record<string, string>
  const publicJwk = { ...(publicKey.export({ format: 'jwk' }) as Record<string, string>), kid }
  const identity = createIdentity({ identity: { kid, jwk }, identityPublic: [publicJwk] })
  const token = (site = 'guestbook', iss = origin, nowMs = startMs) =>
    identity.sign({ id: 'id', userId: 'ada', site, issuedAtMs: 0, expiresAtMs: startMs + 1e9 }, iss, nowMs)
  return { privateKey, publicKey, token, jwks: JSON.parse(identity.jwks) as { keys: unknown[] } }
}

function setup() {
  const state = { nowMs: startMs, key: makeKey('k1'), fetches: 0 }
  const verifier = createIdentityVerifier({
    fetchKeys: async () => {
      state.fetches += 1
      return state.key.jwks
    },
    site: 'guestbook',
    now: () => state.nowMs,
  })
  return { state, verifier }
}

t.test('an identity that Grove signs for this site tells who the visitor is, with one fetch of keys', async (t) => {
  const { state, verifier } = setup()
  const token = state.key.token()
  t.equal(await verifier.verify(token, origin), 'ada')
  await Promise.all(Array.from({ length: 10 }, () => verifier.verify(token, origin)))
  t.equal(state.fetches, 1)
})

t.test('an identity is good for its minute', async (t) => {
  const { state, verifier } = setup()
  const token = state.key.token()
  for (const [afterMs, userId] of [
    [-6_000, undefined],
    [-5_000, 'ada'],
    [59_999, 'ada'],
    [64_999, 'ada'],
    [65_000, undefined],
  ] as const) {
    state.nowMs = startMs + afterMs
    t.equal(await verifier.verify(token, origin), userId, `${afterMs} ms`)
  }
})

t.test('a key that is new is fetched, one that Grove has taken back is forgotten', async (t) => {
  const { state, verifier } = setup()
  t.equal(await verifier.verify(state.key.token(), origin), 'ada')
  const old = state.key
  state.key = makeKey('k2')
  t.equal(await verifier.verify(state.key.token(), origin), undefined, 'fetched a moment ago')
  state.nowMs += 5_001
  t.equal(await verifier.verify(state.key.token(), origin), 'ada')
  t.equal(await verifier.verify(old.token(), origin), undefined)
  state.key = makeKey('k2')
  state.nowMs += 600_001
  t.equal(await verifier.verify(state.key.token('guestbook', origin, state.nowMs), origin), 'ada')
})

t.test('keys that cannot be fetched are an error, and fetched at the next try', async (t) => {
  const { state, verifier } = setup()
  const { jwks } = state.key
  const token = state.key.token()
  for (const broken of [
    undefined,
    { keys: [{ kty: 'RSA' }] },
    { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '!', kid: 'k1' }] },
  ]) {
    Object.assign(state.key, { jwks: broken })
    await t.rejects(verifier.verify(token, origin))
  }
  Object.assign(state.key, { jwks })
  t.equal(await verifier.verify(token, origin), 'ada')
})

t.test('whatever Grove did not sign for this visitor here proves nothing', async (t) => {
  const { state, verifier } = setup()
  const good = state.key.token()
  const [header = '', payload = '', signature = ''] = good.split('.')
  const claims = { iss: origin, sub: 'ada', aud: 'guestbook', iat: startMs / 1000, exp: startMs / 1000 + 60 }
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const make = (head: unknown, body: unknown, key: KeyObject = state.key.privateKey) => {
    const input = `${encode(head)}.${encode(body)}`
    return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`
  }
  const head = { alg: 'EdDSA', kid: 'k1' }
  t.equal(await verifier.verify(make(head, claims), origin), 'ada', 'the maker of this table makes good ones too')
  for (const [name, token] of [
    ['none', undefined],
    ['empty', ''],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${good}.x`],
    ['no signature', `${header}.${payload}.`],
    ['another signature', `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`],
    ['another payload', `${header}.${encode({ ...claims, sub: 'eve' })}.${signature}`],
    ['a key of somebody else', make(head, claims, makeKey('k1').privateKey)],
    ['alg none', `${encode({ alg: 'none', kid: 'k1' })}.${payload}.`],
    ['alg HS256', make({ alg: 'HS256', kid: 'k1' }, claims)],
    ['an unknown key', make({ alg: 'EdDSA', kid: 'k9' }, claims)],
    ['no kid', make({ alg: 'EdDSA' }, claims)],
    ['kid of the prototype', make({ alg: 'EdDSA', kid: '__proto__' }, claims)],
    ['another site', state.key.token('shop')],
    ['another origin', state.key.token('guestbook', 'https://guestbook.example.org')],
    ['no user', make(head, { ...claims, sub: '' })],
    ['no end', make(head, { ...claims, exp: undefined })],
    ['an end as text', make(head, { ...claims, exp: '9999999999' })],
    ['a list of sites', make(head, { ...claims, aud: ['guestbook'] })],
    ['no JSON', `${Buffer.from('{').toString('base64url')}.${payload}.${signature}`],
    ['null', make(null, null)],
    ['too long', `${good}${'A'.repeat(5_000)}`],
  ] as const)
    t.equal(await verifier.verify(token, origin), undefined, name)
})
