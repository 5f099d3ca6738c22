import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto'
import { chmod, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openTickets } from '../../certs/tickets.ts'
import { openKeys } from '../../control/keys.ts'
import { keysSchema } from '../../core/messages.ts'
import { openSession, type Session, sealSession } from '../../core/session.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { plainVault, type Records } from '../certs/fixtures/plain-vault.ts'
import { silentLog as log } from './fixtures/silent-log.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const weekMs = 7 * dayMs

async function setUp(t: Test) {
  const clock = { nowMs: Date.UTC(2030, 0, 1) }
  const file = join(t.testdir({}), 'keys.json')
  const records: Records = new Map()
  const trouble: { error?: Error } = {}
  const vault = plainVault(records, () => trouble.error)
  const environment = { ...nodeEnvironment, now: () => clock.nowMs, randomBytes }
  const open = async (maxSessionMs = weekMs) => {
    const tickets = await openTickets({ vault, environment, log })
    return openKeys(file, { maxSessionMs, tickets, now: environment.now })
  }
  return { clock, file, open, trouble, keys: await open() }
}

t.test('keys are made once, fit what fronts expect, and lie in a file of mode 0600', async (t) => {
  const { file, keys, open } = await setUp(t)
  const current = keysSchema.parse(keys.current())
  t.equal(Buffer.from(current.ticket, 'base64').length, 48)
  t.match(current.session, [{ kid: /^[0-9a-z]{16}$/ }])
  t.strictSame((await open()).current(), current)
  t.equal(await keys.rotateIfDue(), false)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.strictSame(await readdir(join(file, '..')), ['keys.json'])
})

t.test('the identity key signs, and what is published of it verifies without the private part', async (t) => {
  const { keys } = await setUp(t)
  const { identity, identityPublic } = keys.current()
  const published = identityPublic.find(({ kid }) => kid === identity.kid)
  t.match(published, { kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', d: undefined })
  const signature = sign(null, Buffer.from('text'), createPrivateKey({ key: identity.jwk, format: 'jwk' }))
  const publicKey = createPublicKey({ key: published ?? {}, format: 'jwk' })
  t.ok(verify(null, Buffer.from('text'), publicKey, signature))
})

t.test('over three months every session opens until it ends, whenever it began, and old keys go', async (t) => {
  const { clock, keys } = await setUp(t)
  const sealed: { cookie: string; session: Session }[] = []
  const seen = new Set<string>()
  const startMs = clock.nowMs
  for (; clock.nowMs < startMs + 100 * dayMs; clock.nowMs += 6 * hourMs) {
    const before = keys.current()
    const changed = await keys.rotateIfDue()
    const { session: ring } = keys.current()
    t.equal(changed, JSON.stringify(before) !== JSON.stringify(keys.current()))
    if (ring[0]?.kid !== before.session[0]?.kid)
      t.ok(
        before.session.some(({ kid }) => kid === ring[0]?.kid),
        'a key is known everywhere before it seals',
      )
    for (const { kid } of ring) seen.add(kid)
    t.ok(ring.length <= 2)
    const session = {
      id: 'id',
      userId: 'ada',
      site: 'blog',
      issuedAtMs: clock.nowMs,
      expiresAtMs: clock.nowMs + weekMs,
    }
    sealed.push({ cookie: sealSession(session, ring), session })
    for (const { cookie, session } of sealed)
      if (session.expiresAtMs > clock.nowMs && !openSession(cookie, 'blog', ring, clock.nowMs))
        t.fail(`a session of day ${(session.issuedAtMs - startMs) / dayMs} did not open`)
  }
  t.equal(seen.size, 4, 'one key for each 30 days')
})

t.test('sessions that a new config makes longer are kept as long', async (t) => {
  const { clock, keys, open } = await setUp(t)
  const first = keys.current().session[0]?.kid
  await keys.rotateIfDue(60 * dayMs)
  clock.nowMs += 29.5 * dayMs
  await keys.rotateIfDue(weekMs)
  clock.nowMs += dayMs
  await keys.rotateIfDue()
  t.not(keys.current().session[0]?.kid, first)
  clock.nowMs += 58 * dayMs
  const again = await open()
  t.ok(
    again.current().session.some(({ kid }) => kid === first),
    'a cookie of the long time may still be out',
  )
  clock.nowMs += 3 * dayMs
  await again.rotateIfDue()
  t.notOk(again.current().session.some(({ kid }) => kid === first))
})

t.test('a host that was off for a year opens what it sealed last before it takes up a new key', async (t) => {
  const { clock, keys, open } = await setUp(t)
  const old = keys.current()
  clock.nowMs += 365 * dayMs
  const current = (await open()).current()
  t.equal(current.session[0]?.kid, old.session[0]?.kid)
  t.equal(current.session.length, 2)
  t.equal(current.identity.kid, old.identity.kid)
  t.equal(current.identityPublic.length, 2)
})

t.test('the ticket key changes every 12 hours, and fronts go on opening tickets of those before', async (t) => {
  const { clock, keys } = await setUp(t)
  const seals: string[] = []
  for (let hours = 0; hours < 72; hours += 1) {
    const before = keys.current()
    clock.nowMs += hourMs
    const changed = await keys.rotateIfDue()
    const { ticket, otherTickets = [] } = keysSchema.parse(keys.current())
    t.equal(changed, JSON.stringify(before) !== JSON.stringify(keys.current()))
    if (ticket !== before.ticket) {
      seals.push(ticket)
      t.ok(before.otherTickets?.includes(ticket), 'known to fronts before it seals')
      t.ok(otherTickets.includes(before.ticket), 'and the last one after')
    }
  }
  t.equal(new Set(seals).size, 6)
})

t.test('a vault that is away keeps neither the start nor other keys from turning', async (t) => {
  const { clock, keys, open, trouble } = await setUp(t)
  const first = keys.current().ticket
  trouble.error = new Error('the bucket is away')
  clock.nowMs += 29.5 * dayMs
  t.equal(await keys.rotateIfDue(), true)
  t.equal(keys.current().session.length, 2)
  t.equal(keys.current().ticket, first)
  t.equal(Buffer.from((await open()).current().ticket, 'base64').length, 48)
})

t.test('an identity key is published a day before it signs and a week after', async (t) => {
  const { clock, keys } = await setUp(t)
  const first = keys.current().identity.kid
  const published = () => keys.current().identityPublic.map(({ kid }) => kid)
  clock.nowMs += 6 * dayMs
  t.equal(await keys.rotateIfDue(), true)
  t.equal(keys.current().identity.kid, first)
  t.equal(published().length, 2)
  const second = published()[1]
  clock.nowMs += dayMs
  t.equal(await keys.rotateIfDue(), true)
  t.equal(keys.current().identity.kid, second)
  t.ok(published().includes(first))
  clock.nowMs += 7 * dayMs
  await keys.rotateIfDue()
  t.notOk(published().includes(first))
  t.equal(keys.current().identityPublic.filter((key) => 'd' in key).length, 0)
})

t.test('rotations at one time make one key, and what lies on disk is what fronts have', async (t) => {
  const { clock, keys, open } = await setUp(t)
  clock.nowMs += 29.5 * dayMs
  const changed = await Promise.all(Array.from({ length: 5 }, () => keys.rotateIfDue()))
  t.strictSame(changed, [true, false, false, false, false])
  t.equal(keys.current().session.length, 2)
  t.strictSame((await open()).current(), keys.current())
})

t.test('a rotation that cannot be written is told, changes nothing, and is made up for', async (t) => {
  const { clock, file, keys } = await setUp(t)
  const before = keys.current()
  clock.nowMs += 29.5 * dayMs
  const folder = join(file, '..')
  await rename(folder, `${folder}-away`)
  await t.rejects(keys.rotateIfDue(), { code: 'ENOENT' })
  t.strictSame(keys.current(), before)
  await rename(`${folder}-away`, folder)
  t.equal(await keys.rotateIfDue(), true)
})

t.test('rights that others got to the file are taken away', async (t) => {
  const { file, open } = await setUp(t)
  await chmod(file, 0o644)
  await open()
  t.equal((await stat(file)).mode & 0o777, 0o600)
})

t.test('a damaged file stops the start and stays as it is', async (t) => {
  const { file, open } = await setUp(t)
  const whole = JSON.parse(await readFile(file, 'utf8'))
  const [key] = whole.session
  const damages: Record<string, string> = {
    empty: '',
    cut: JSON.stringify(whole).slice(0, -10),
    'another format': JSON.stringify({ ...whole, format: 'grove-keys-2' }),
    'a short session key': JSON.stringify({ ...whole, session: [{ ...key, secret: 'AAAA' }] }),
    'a key id with a dot': JSON.stringify({ ...whole, session: [{ ...key, kid: 'a.b' }] }),
    'an unknown key': JSON.stringify({ ...whole, extra: 1 }),
  }
  for (const [name, text] of Object.entries(damages)) {
    await writeFile(file, text)
    await t.rejects(open(), { code: 'ERR_DATA_FORMAT', hint: /sign in again/ }, name)
    t.equal(await readFile(file, 'utf8'), text)
  }
})

t.test('the one ticket key of an earlier Grove is passed over', async (t) => {
  const { file, open } = await setUp(t)
  const whole = JSON.parse(await readFile(file, 'utf8'))
  const secret = randomBytes(48).toString('base64')
  await writeFile(file, JSON.stringify({ ...whole, ticket: { secret, madeAtMs: 1 } }))
  const { ticket, otherTickets, session } = (await open()).current()
  t.equal(session[0]?.kid, whole.session[0].kid)
  t.notOk([ticket, ...(otherTickets ?? [])].includes(secret))
})
