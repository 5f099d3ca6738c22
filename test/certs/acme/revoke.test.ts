import t from 'tap'
import { type RevocationReason, revocationReasons } from '../../../certs/acme/issuer.ts'
import type { Certificate } from '../../../certs/certificate.ts'
import { startFaultyCa } from '../../services/faulty-ca.ts'
import { type Pebble, startPebble } from '../../services/pebble.ts'
import { idleSolver, makeIssuer, makeVault, orderNow } from './fixture.ts'

const pebble = await startPebble(t, { alwaysValid: true, badNonces: 5 })
const solvers = [idleSolver()]

async function statusOf(pebble: Pebble, { serial }: Certificate): Promise<{ Status: string; Reason?: number }> {
  return JSON.parse(await pebble.manage(`/cert-status-by-serial/${serial.toLowerCase()}`))
}

t.test('a certificate is revoked with each of the reasons', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  for (const reason of Object.keys(revocationReasons) as RevocationReason[]) {
    const certificate = await orderNow(issuer, [`${reason.toLowerCase()}.example.com`], solvers)
    t.match(await statusOf(pebble, certificate), { Status: 'Valid' })
    await issuer.revoke(certificate, reason)
    const { Status, Reason = 0 } = await statusOf(pebble, certificate)
    t.strictSame({ Status, Reason }, { Status: 'Revoked', Reason: revocationReasons[reason] }, reason)
  }
})

t.test('one that is revoked already counts as done, and is not handed out again', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const certificate = await orderNow(issuer, ['twice.example.com'], solvers)
  await issuer.revoke(certificate, 'superseded')
  await issuer.revoke(certificate, 'superseded')
  const next = await orderNow(issuer, ['twice.example.com'], solvers)
  t.not(next.id, certificate.id)
})

t.test('a certificate of an account that is lost is revoked with its own key', async (t) => {
  const certificate = await orderNow(await makeIssuer(t, pebble), ['orphan.example.com'], solvers)
  const stranger = await makeIssuer(t, pebble, { vault: await makeVault(t) })
  await stranger.revoke(certificate, 'keyCompromise')
  t.match(await statusOf(pebble, certificate), { Status: 'Revoked', Reason: 1 })
})

t.test('a CA that does not revoke is told', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const certificate = await orderNow(issuer, ['stays.example.com'], solvers)
  const type = 'urn:ietf:params:acme:error:badRevocationReason'
  ca.rule({ at: 'revokeCert', fault: { do: 'answer', status: 400, type, detail: 'not this one' } })
  await t.rejects(issuer.revoke(certificate, 'superseded'), {
    code: 'ERR_ACME',
    message: /not this one/,
    details: { type },
  })
  t.equal(ca.count('revokeCert'), 1)
})
