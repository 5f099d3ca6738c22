/** What a CA can answer: each leads to an error that says what it was, in a bounded number of requests. */

import t from 'tap'
import { acmeFacts } from '../../../certs/acme/acme-error.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { type CaRequest, type Endpoint, startFaultyCa } from '../../services/faulty-ca.ts'
import { startPebble } from '../../services/pebble.ts'
import { answer, faultCases, urn, watchRequests } from './fault-table.ts'
import { idleSolver, makeIssuer, orderNow } from './fixture.ts'

const pebble = await startPebble(t, { alwaysValid: true })
const solvers = [idleSolver()]

t.comment(`${faultCases.length} faulty answers`)
for (const { name, at, fault, reason, type, status, message = /./, requests = 1, goesOn = false } of faultCases)
  t.test(name, async (t) => {
    const ca = await startFaultyCa(t, pebble.directory)
    watchRequests(ca)
    // Long enough for a whole answer of a busy machine, as nobody waits for the end of a hung one.
    const issuer = await makeIssuer(t, ca, { requestMs: reason === 'timeout' ? 1_500 : 10_000 })
    const order = () => orderNow(issuer, ['fault.example.com'], solvers)
    ca.rule({ at, fault })
    const thrown = await order().catch((error: unknown) => error)
    t.match(thrown, { code: 'ERR_ACME', message })
    t.match(acmeFacts(thrown), { reason, ...(type !== undefined && { type }), ...(status !== undefined && { status }) })
    t.ok(ca.count(at) <= requests + pollsOf(ca.seen, at), `${ca.count(at)} requests`)
    t.ok(ca.seen.length < 40, `${ca.seen.length} requests in all`)
    if (acmeFacts(thrown)?.retryAfterMs !== undefined) return
    ca.heal()
    // Whatever it was: once the CA is well, it gives a certificate.
    const certificate = await order()
    t.strictSame(certificate.names, ['fault.example.com'])
    t.equal(ca.count('newOrder'), goesOn ? 0 : 1)
  })

/** Reading an order or a proof is asked again while nothing is wrong. */
function pollsOf(seen: readonly CaRequest[], at: Endpoint): number {
  return seen.filter((one) => one.at === at && (at === 'order' || at === 'authorization') && !one.payload).length
}

t.test('a CA that asks to be left alone is, whoever orders, until the time has passed', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  let aheadMs = 0
  const environment = { ...nodeEnvironment, monotonic: () => nodeEnvironment.monotonic() + aheadMs }
  const issuer = await makeIssuer(t, ca, { environment })
  const order = (name: string) => orderNow(issuer, [`${name}.example.com`], solvers)
  const limited = { code: 'ERR_ACME', details: { reason: 'limited' } }
  await order('quiet0')
  ca.heal()
  const fault = answer(429, { type: `${urn}rateLimited`, headers: { 'retry-after': '3600' } })
  ca.rule({ at: 'newOrder', times: 1, fault })
  await t.rejects(order('quiet1'), { ...limited, details: { retryAfterMs: 3_600_000 } })
  for (let round = 0; round < 20; round += 1) await t.rejects(order('quiet1'), limited)
  t.equal(ca.count('newOrder'), 1)
  await t.resolves(order('quiet2'), 'other names are not meant')
  aheadMs += 3_600_000
  await t.resolves(order('quiet1'), 'the time has passed')
  ca.heal()
  ca.rule({ at: 'newOrder', times: 1, fault: answer(503, { headers: { 'retry-after': '60' } }) })
  await t.rejects(order('quiet3'), limited)
  await t.rejects(order('quiet4'), limited)
  t.equal(ca.count('newOrder'), 1, '503 is said of the whole CA')
})

t.test('an order that stays as it is for ever is given up, and asked for ever more rarely until then', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  let nowMs = 0
  const sleep = async (ms: number, signal?: AbortSignal) => {
    signal?.throwIfAborted()
    // Waits for what should not take long are not slept through.
    if (ms > limits.acme.longestPollMs) await nodeEnvironment.sleep(ms, signal)
    nowMs += ms
  }
  const environment = { ...nodeEnvironment, monotonic: () => nowMs, sleep }
  const issuer = await makeIssuer(t, ca, { environment })
  const edit = (passing: { body: string }) => {
    passing.body = passing.body.replace(/"status": *"(?:ready|processing|valid)"/, '"status":"processing"')
  }
  for (const at of ['order', 'finalize'] as const) ca.rule({ at, fault: { do: 'edit', edit } })
  await t.rejects(orderNow(issuer, ['for-ever.example.com'], solvers), {
    code: 'ERR_ACME',
    details: { reason: 'timeout' },
  })
  t.ok(ca.count('order') < 60, `${ca.count('order')} times`)
  t.ok(nowMs < 2 * limits.acme.stateMs + 60_000)
})

t.test('a CA that wants a longer rest than an order can wait for gets it, and the order stays', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const order = () => orderNow(issuer, ['rest.example.com'], solvers)
  ca.rule({ at: 'order', fault: answer(503, { headers: { 'retry-after': '3600' } }) })
  await t.rejects(order(), { code: 'ERR_ACME', details: { reason: 'limited', retryAfterMs: 3_600_000 } })
  t.equal(ca.count('order'), 1)
  ca.heal()
  await order()
  t.equal(ca.count('newOrder'), 0)
})

t.test('a passing fault while the CA works is waited out', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  ca.rule({ at: 'authorization', nth: 2, times: 1, fault: answer(500) })
  ca.rule({ at: 'order', nth: 1, times: 1, fault: { do: 'cut', when: 'before' } })
  ca.rule({ at: 'order', nth: 2, times: 1, fault: answer(503, { headers: { 'retry-after': '1' } }) })
  const certificate = await orderNow(issuer, ['passing.example.com'], solvers)
  t.strictSame(certificate.names, ['passing.example.com'])
  t.equal(ca.count('newOrder'), 1)
})

t.test('a lost answer to the last request costs nothing', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  ca.rule({ at: 'finalize', times: 1, fault: { do: 'cut', when: 'after' } })
  await orderNow(issuer, ['lost.example.com'], solvers)
  t.equal(ca.count('finalize'), 1)
  t.equal(ca.count('newOrder'), 1)
})

t.test('a nonce that is refused now and then is no matter', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  for (const at of ['newAccount', 'newOrder', 'challenge', 'finalize'] as const)
    ca.rule({ at, times: 3, fault: answer(400, { type: `${urn}badNonce` }) })
  await orderNow(issuer, ['nonces.example.com'], solvers)
  t.equal(ca.count('newOrder'), 4)
})

t.test('a CA whose own certificate is not trusted is named with what to do', async (t) => {
  const other = await startPebble(t)
  const issuer = await makeIssuer(t, { directory: pebble.directory, roots: other.roots })
  await t.rejects(orderNow(issuer, ['untrusted.example.com'], solvers), {
    code: 'ERR_ACME',
    details: { reason: 'network' },
    hint: /roots/,
  })
})

t.test('where nobody listens, that is said', async (t) => {
  const issuer = await makeIssuer(t, { directory: 'https://127.0.0.1:1/dir', roots: pebble.roots })
  await t.rejects(orderNow(issuer, ['nobody.example.com'], solvers), {
    code: 'ERR_ACME',
    message: /127\.0\.0\.1:1 cannot be reached/,
    details: { reason: 'network' },
  })
})
