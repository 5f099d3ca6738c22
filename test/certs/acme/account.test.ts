import { createHash, createPublicKey } from 'node:crypto'
import t from 'tap'
import { createIssuer } from '../../../certs/acme/issuer.ts'
import type { Vault } from '../../../certs/vault.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { startFaultyCa } from '../../services/faulty-ca.ts'
import { startPebble } from '../../services/pebble.ts'
import { idleSolver, makeIssuer, makeVault, orderNow, silent } from './fixture.ts'

const pebble = await startPebble(t, { alwaysValid: true })
const solvers = [idleSolver()]

interface Account {
  readonly key: string
  readonly url?: string
  readonly contact?: string
  readonly nextKey?: string
  readonly spareKeys: readonly string[]
}

async function accountOf(vault: Vault, id: string): Promise<Account> {
  return JSON.parse((await vault.read(`accounts/${id}`))?.text ?? '{}') as Account
}

t.test('an account is made once, with an ECDSA key and the email address, and found again', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca, { email: 'ops@example.com' })
  t.equal(issuer.id, createHash('sha256').update(ca.directory).digest('hex'))
  await orderNow(issuer, ['a1.example.com'], solvers)
  const account = await accountOf(issuer.vault, issuer.id)
  t.equal(createPublicKey(account.key).asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.match(account.url, /\/my-account\//)
  t.match(ca.seen.find(({ at }) => at === 'newAccount')?.payload, {
    contact: ['mailto:ops@example.com'],
    termsOfServiceAgreed: true,
  })
  const second = await makeIssuer(t, ca, { email: 'ops@example.com', vault: issuer.vault })
  await orderNow(second, ['a2.example.com'], solvers)
  t.equal(ca.count('newAccount'), 1)
  t.equal(ca.count('account'), 0)
})

t.test('another email address is told to the CA, once', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const { vault } = await makeIssuer(t, ca)
  for (const [round, email] of [undefined, 'new@example.com', 'new@example.com', undefined].entries()) {
    const issuer = await makeIssuer(t, ca, { vault, email })
    await orderNow(issuer, [`told${round}.example.com`], solvers)
  }
  const told = ca.seen
    .filter(({ at, payload }) => at === 'account' && payload)
    .map(({ payload }) => payload?.['contact'])
  t.strictSame(told, [['mailto:new@example.com'], []])
})

t.test('an email address that the CA does not take keeps nobody from certificates', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const { vault } = await makeIssuer(t, ca)
  await orderNow(await makeIssuer(t, ca, { vault }), ['mail1.example.com'], solvers)
  const type = 'urn:ietf:params:acme:error:invalidContact'
  ca.rule({ at: 'account', fault: { do: 'answer', status: 400, type, detail: 'no such domain' } })
  await orderNow(await makeIssuer(t, ca, { vault, email: 'a@no.example' }), ['mail2.example.com'], solvers)
})

t.test('issuers that begin at once on one vault make one account', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const vault = await makeVault(t)
  const issuers = await Promise.all([1, 2, 3, 4].map(() => makeIssuer(t, ca, { vault })))
  const orders = issuers.map(async (issuer, index) => {
    await using lease = await vault.lease(`order-${index}`)
    const { signal } = new AbortController()
    if (lease) await issuer.order({ names: [`at${index}.example.com`], solvers, keyKind: 'ecdsa', lease, signal })
  })
  await Promise.all(orders)
  t.equal(ca.count('newAccount', 201), 1)
})

t.test('a CA that wants an external account binding gets it', async (t) => {
  const hmacKey = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'
  const strict = await startPebble(t, { alwaysValid: true, eab: { 'kid-1': hmacKey } })
  await orderNow(await makeIssuer(t, strict, { eab: { kid: 'kid-1', hmacKey } }), ['eab.example.com'], solvers)
  await t.rejects(
    orderNow(await makeIssuer(t, strict), ['eab.example.com'], solvers),
    {
      code: 'ERR_ACME',
      details: { type: 'urn:ietf:params:acme:error:externalAccountRequired' },
      hint: /eab/,
    },
    'one without is told what is missing',
  )
  const wrong = { kid: 'kid-1', hmacKey: hmacKey.replace('z', 'y') }
  await t.rejects(orderNow(await makeIssuer(t, strict, { eab: wrong }), ['eab.example.com'], solvers), {
    code: 'ERR_ACME',
    details: { reason: 'refused' },
  })
  const stranger = { kid: 'kid-2', hmacKey }
  await t.rejects(orderNow(await makeIssuer(t, strict, { eab: stranger }), ['eab.example.com'], solvers), {
    code: 'ERR_ACME',
    details: { reason: 'refused' },
  })
})

t.test('the key of an account is rolled over, and the old one is of no use any more', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  await orderNow(issuer, ['roll1.example.com'], solvers)
  const before = await accountOf(issuer.vault, issuer.id)
  await issuer.rollOverKey()
  const after = await accountOf(issuer.vault, issuer.id)
  t.not(after.key, before.key)
  t.equal(after.url, before.url)
  t.strictSame({ nextKey: after.nextKey, spareKeys: after.spareKeys }, { nextKey: undefined, spareKeys: [] })
  await orderNow(issuer, ['roll2.example.com'], solvers)
  const vault = await makeVault(t)
  await vault.write(`accounts/${issuer.id}`, JSON.stringify(before), 0)
  const late = await makeIssuer(t, pebble, { vault })
  await orderNow(late, ['roll3.example.com'], solvers)
  t.not((await accountOf(vault, issuer.id)).url, before.url, 'its holder gets an account of its own')
})

t.test('an account of no orders yet can have its key rolled over', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  await issuer.rollOverKey()
  await orderNow(issuer, ['roll0.example.com'], solvers)
})

t.test('while another machine changes the key, nobody else does', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  await using _ = await issuer.vault.lease(`account-${issuer.id}`)
  await t.rejects(issuer.rollOverKey(), { code: 'ERR_CERT_RACED' })
})

for (const when of ['before', 'after'] as const)
  t.test(`a roll-over that breaks off ${when} the CA did it loses no account`, async (t) => {
    const ca = await startFaultyCa(t, pebble.directory)
    const issuer = await makeIssuer(t, ca)
    await orderNow(issuer, ['cut1.example.com'], solvers)
    const before = await accountOf(issuer.vault, issuer.id)
    ca.rule({ at: 'keyChange', times: 1, fault: { do: 'cut', when } })
    await t.rejects(issuer.rollOverKey(), { code: 'ERR_ACME', details: { reason: 'network' } })
    const broken = await accountOf(issuer.vault, issuer.id)
    t.equal(broken.key, before.key)
    t.type(broken.nextKey, 'string')
    await orderNow(issuer, ['cut2.example.com'], solvers)
    const after = await accountOf(issuer.vault, issuer.id)
    t.equal(after.key, when === 'after' ? broken.nextKey : before.key)
    t.equal(after.url, before.url)
    t.equal(ca.count('newAccount', 201), 1)
    await issuer.rollOverKey()
    await orderNow(issuer, ['cut3.example.com'], solvers)
  })

t.test('a roll-over that happens after others gave it up is found out', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const vault = await makeVault(t)
  const [slow, other] = [await makeIssuer(t, ca, { vault }), await makeIssuer(t, ca, { vault })]
  await orderNow(slow, ['late1.example.com'], solvers)
  // Between the note of the new key and the CA's hearing of it, another machine looks, and finds the old one in force.
  const call = async () => void (await orderNow(other, ['late2.example.com'], solvers))
  ca.rule({ at: 'keyChange', times: 1, fault: { do: 'call', when: 'before', call } })
  ca.rule({ at: 'keyChange', times: 1, fault: { do: 'cut', when: 'after' } })
  await t.rejects(slow.rollOverKey(), { code: 'ERR_ACME' })
  const given = await accountOf(vault, slow.id)
  t.equal(given.spareKeys.length, 1)
  await orderNow(other, ['late3.example.com'], solvers)
  const found = await accountOf(vault, slow.id)
  t.equal(found.key, given.spareKeys[0])
  t.equal(found.url, given.url)
  t.equal(ca.count('newAccount', 201), 1)
})

t.test('an order that is open while another machine rolls the key over is finished by the next try', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const vault = await makeVault(t)
  const [one, other] = [await makeIssuer(t, ca, { vault }), await makeIssuer(t, ca, { vault })]
  await orderNow(one, ['meanwhile1.example.com'], solvers)
  ca.rule({ at: 'newOrder', times: 1, fault: { do: 'call', when: 'before', call: () => other.rollOverKey() } })
  await orderNow(one, ['meanwhile2.example.com'], solvers)
  t.equal(ca.count('newAccount', 201), 1)
})

t.test('a record that cannot be understood is left alone', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const key = `accounts/${issuer.id}`
  for (const text of ['', '{}', '{"format":2}', '[1,2']) {
    const found = await issuer.vault.read(key)
    await issuer.vault.write(key, text, found?.number ?? 0)
    await t.rejects(orderNow(issuer, ['damaged.example.com'], solvers), { code: 'ERR_CERT', hint: /backup/ }, text)
    t.equal((await issuer.vault.read(key))?.text, text)
  }
})

t.test('an issuer asks nobody anything when it is made', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const vault = await makeVault(t)
  const issuer = createIssuer({ directory: ca.directory, environment: nodeEnvironment, log: silent, vault })
  await issuer.close()
  t.equal(ca.seen.length, 0)
})

t.test('many first orders at once, of two machines, make one account and none of them fails', async (t) => {
  const one = await makeIssuer(t, pebble)
  const other = await makeIssuer(t, pebble, { vault: one.vault })
  const { signal } = new AbortController()
  const orders = Array.from({ length: 16 }, async (_, index) => {
    await using lease = await one.vault.lease(`order-${index}`)
    if (!lease) throw new Error('another one has the lease')
    const names = [`crowd${index}.example.com`]
    return await (index % 2 ? one : other).order({ names, solvers, keyKind: 'ecdsa', lease, signal })
  })
  t.equal((await Promise.all(orders)).length, 16)
})
