import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { certificateId } from '../../../certs/acme/renewal.ts'
import { startFaultyCa } from '../../services/faulty-ca.ts'
import { startPebble } from '../../services/pebble.ts'
import { makeTestCa } from '../../services/test-certificates.ts'
import { idleSolver, makeIssuer, orderNow } from './fixture.ts'

const pebble = await startPebble(t, { alwaysValid: true })
const solvers = [idleSolver()]
const hourMs = 3_600_000

/** The certificate of the example in RFC 9773, appendix A. */
const example = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`

const windowOf = (startMs: number, endMs: number, more = {}) => ({
  suggestedWindow: { start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() },
  ...more,
})

t.test('a certificate is known by the key of its issuer and its serial number, as in RFC 9773', async (t) => {
  t.equal(certificateId({ chain: example }), 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')
})

t.test('one that does not name the key of its issuer has no such name', async (t) => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({ type: 'spki', format: 'pem' })
  const chain = await (await makeTestCa()).issue(pem.toString(), { names: ['a.example'] })
  t.equal(certificateId({ chain }), undefined)
})

t.test('a CA without renewal information has no wish, and is asked nothing', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const certificate = await orderNow(issuer, ['none.example.com'], solvers)
  t.equal(await issuer.renewal(certificate), undefined)
  t.equal(ca.count('renewalInfo'), 0)
})

t.test('the window and the time to ask again come from the CA', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const startMs = Math.floor(Date.now() / 1_000) * 1_000 + hourMs
  const body = JSON.stringify(windowOf(startMs, startMs + hourMs, { explanationURL: 'https://example.com/why' }))
  ca.renewalInfo = () => ({ status: 200, body, headers: { 'retry-after': '21600' } })
  const issuer = await makeIssuer(t, ca)
  const certificate = await orderNow(issuer, ['window.example.com'], solvers)
  const beforeMs = Date.now()
  const found = await issuer.renewal(certificate)
  const { askAgainMs = 0, ...rest } = found ?? {}
  t.strictSame(rest, { startMs, endMs: startMs + hourMs, explanationUrl: 'https://example.com/why' })
  t.ok(askAgainMs >= beforeMs + 6 * hourMs && askAgainMs <= Date.now() + 6 * hourMs)
  const asked = ca.seen.find(({ at }) => at === 'renewalInfo')
  t.match(asked, { method: 'GET', payload: undefined })
  t.equal(asked?.url, `/renewal/${certificateId(certificate)}`)
})

t.test('the time to ask again has bounds, and links that are no https are left out', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  let retryAfter: string | undefined
  const body = JSON.stringify(windowOf(Date.now(), Date.now() + hourMs, { explanationURL: 'javascript:alert(1)' }))
  ca.renewalInfo = () => ({ status: 200, body, headers: { ...(retryAfter && { 'retry-after': retryAfter }) } })
  const certificate = await orderNow(issuer, ['bounds.example.com'], solvers)
  const cases: readonly (readonly [value: string | undefined, expectedMs: number])[] = [
    [undefined, 6 * hourMs],
    ['0', 60_000],
    ['1', 60_000],
    ['999999999', 24 * hourMs],
    ['nonsense', 6 * hourMs],
    [new Date(Date.now() - hourMs).toUTCString(), 60_000],
  ]
  for (const [value, expectedMs] of cases) {
    retryAfter = value
    const beforeMs = Date.now()
    const found = await issuer.renewal(certificate)
    const waitMs = (found?.askAgainMs ?? 0) - beforeMs
    t.ok(waitMs >= expectedMs && waitMs < expectedMs + 30_000, `${value}: ${waitMs}`)
    t.equal(found?.explanationUrl, undefined)
  }
})

t.test('answers that make no sense are errors, and one that the CA does not know is none', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  ca.renewalInfo = () => ({ status: 404, body: '{}' })
  const issuer = await makeIssuer(t, ca)
  const certificate = await orderNow(issuer, ['odd.example.com'], solvers)
  t.equal(await issuer.renewal(certificate), undefined)
  const nowMs = Date.now()
  const cases: readonly (readonly [what: string, body: string, status?: number])[] = [
    ['no JSON', '<html>'],
    ['an empty object', '{}'],
    ['no end', '{"suggestedWindow":{"start":"2030-01-01T00:00:00Z"}}'],
    ['times that are none', '{"suggestedWindow":{"start":"soon","end":"later"}}'],
    ['numbers', '{"suggestedWindow":{"start":1,"end":2}}'],
    ['an end before the beginning', JSON.stringify(windowOf(nowMs, nowMs - 1_000))],
    ['no width', JSON.stringify(windowOf(nowMs, nowMs))],
    ['too much', `"${'a'.repeat(200_000)}"`],
    ['a fault of its own', '{}', 500],
  ]
  for (const [what, body, status = 200] of cases) {
    ca.renewalInfo = () => ({ status, body })
    await t.rejects(issuer.renewal(certificate), { code: 'ERR_ACME' }, what)
  }
})

t.test('an order tells which certificate it replaces', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const body = JSON.stringify(windowOf(Date.now(), Date.now() + hourMs))
  ca.renewalInfo = () => ({ status: 200, body })
  const issuer = await makeIssuer(t, ca)
  const first = await orderNow(issuer, ['replaced.example.com'], solvers)
  await orderNow(issuer, ['replaced.example.com'], solvers, { replaces: first })
  const told = ca.seen.filter(({ at }) => at === 'newOrder').map(({ payload }) => payload?.['replaces'])
  t.strictSame(told, [undefined, certificateId(first)])
})

for (const [status, word] of [
  [409, 'alreadyReplaced'],
  [400, 'malformed'],
  [403, 'unauthorized'],
] as const)
  t.test(`a CA that does not take the replaced one (${word}) is asked once more without`, async (t) => {
    const ca = await startFaultyCa(t, pebble.directory)
    ca.renewalInfo = () => ({ status: 404, body: '{}' })
    const issuer = await makeIssuer(t, ca)
    const first = await orderNow(issuer, ['again.example.com'], solvers)
    ca.heal()
    const type = `urn:ietf:params:acme:error:${word}`
    ca.rule({ at: 'newOrder', times: 1, fault: { do: 'answer', status, type } })
    const next = await orderNow(issuer, ['again.example.com'], solvers, { replaces: first })
    t.not(next.id, first.id)
    t.equal(ca.count('newOrder'), 2)
  })
