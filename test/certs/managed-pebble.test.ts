/** Managed certificates against a real CA, in time that is moved forward. */

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import t, { type Test } from 'tap'
import { createIssuer } from '../../certs/acme/issuer.ts'
import type { Solver } from '../../certs/acme/solver.ts'
import type { Certificate } from '../../certs/certificate.ts'
import {
  type CertificateState,
  type ManagedCertificates,
  type ManagedOptions,
  openManaged,
} from '../../certs/managed.ts'
import { openVault } from '../../certs/open-vault.ts'
import type { Vault } from '../../certs/vault.ts'
import { type Pebble, startPebble } from '../services/pebble.ts'
import { alpnSolver, dnsSolver, httpSolver, silent } from './acme/fixture.ts'
import { createMovedClock, type MovedClock } from './fixtures/moved-clock.ts'

const dayMs = 86_400_000

/** A machine with managed certificates from one CA or several. */
interface Machine {
  readonly clock: MovedClock
  readonly vault: Vault
  readonly managed: ManagedCertificates
  readonly told: string[]
  /** Waits until something was told so many times. */
  until(event: string, times?: number): Promise<void>
}

interface MachineOptions extends Partial<ManagedOptions> {
  readonly cas: readonly Pebble[]
  readonly staging?: Pebble
  readonly folder?: string
  readonly ways: readonly Solver[]
}

async function start(t: Test, { cas, staging, folder, ways, ...more }: MachineOptions): Promise<Machine> {
  const clock = createMovedClock()
  const vault = await openVault({ env: clock.env, folder: folder ?? t.testdir({}), log: silent })
  const common = { vault, environment: clock.env, log: silent, email: 'ops@example.com' }
  const issuers = cas.map(({ directory, roots }, index) => {
    if (!staging || index > 0) return createIssuer({ ...common, directory, roots })
    return createIssuer({ ...common, directory, staging: staging.directory, roots: roots + staging.roots })
  })
  const told: string[] = []
  const waiting = new Set<() => void>()
  const tell = (event: string) => (state: CertificateState) => {
    told.push(`${event} ${state.names[0]}`)
    for (const look of waiting) look()
  }
  const managed = openManaged({
    vault,
    environment: clock.env,
    log: silent,
    keyKind: 'ecdsa',
    issuers: issuers.map((issuer, index) => ({ issuer, ...(staging && index === 0 && { staging: issuer }) })),
    solvers: () => ways,
    events: {
      obtained: tell('obtained'),
      renewed: tell('renewed'),
      taken: tell('taken'),
      failed: tell('failed'),
      revoked: tell('revoked'),
    },
    ...more,
  })
  t.teardown(async () => {
    await managed[Symbol.asyncDispose]()
    for (const issuer of issuers) await issuer.close()
    await vault[Symbol.asyncDispose]()
  })
  const count = (event: string) => told.filter((one) => one === event).length
  return {
    clock,
    vault,
    managed,
    told,
    until: (event, times = 1) =>
      new Promise((resolve) => {
        const look = () => {
          if (count(event) < times) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
  }
}

async function only(managed: ManagedCertificates, name: string): Promise<Certificate> {
  const [found] = await managed.find(name)
  if (!found) throw new Error(`there is no certificate for ${name}`)
  return found
}

async function keysIn(vault: Vault, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const key of vault.list(prefix)) keys.push(key)
  return keys
}

/** Shakes hands as a client that trusts the CA's root alone. */
async function isTrusted(pebble: Pebble, { chain, key }: Certificate, name: string): Promise<boolean> {
  const server = createServer({ cert: chain, key }, (socket) => socket.end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const socket = connect({ port, host: '127.0.0.1', servername: name, ca: await pebble.manage('/roots/0') })
  await once(socket, 'secureConnect')
  const { authorized } = socket
  socket.destroy()
  server.close()
  return authorized
}

t.test('a name gets a certificate, and the next one when two thirds of its life have passed', async (t) => {
  const pebble = await startPebble(t)
  const ways = [await httpSolver(t, pebble.httpPort), await alpnSolver(t, pebble.tlsPort)]
  const { managed, clock, vault, until, told } = await start(t, { cas: [pebble], ways })
  const name = 'www.example.com'
  managed.want([name])
  await until(`obtained ${name}`)
  const first = await only(managed, name)
  t.equal(await isTrusted(pebble, first, name), true)
  const lifeMs = first.notAfterMs - first.notBeforeMs
  clock.advance(lifeMs * 0.6)
  t.match(managed.list(), [{ state: 'valid' }])
  t.strictSame(told, [`obtained ${name}`])
  clock.advance(lifeMs * 0.1)
  await until(`renewed ${name}`)
  const second = await only(managed, name)
  t.not(second.serial, first.serial)
  const spki = ({ chain }: Certificate) => new X509Certificate(chain).publicKey.export({ type: 'spki', format: 'pem' })
  t.not(spki(second), spki(first), 'a new key')
  t.equal(await isTrusted(pebble, second, name), true)
  t.equal((await keysIn(vault, 'accounts/')).length, 1)
})

t.test('one wildcard covers all names of a domain, proven by DNS', async (t) => {
  const pebble = await startPebble(t)
  const { managed, until } = await start(t, {
    cas: [pebble],
    ways: [dnsSolver(pebble)],
    wildcards: () => ['example.com'],
  })
  managed.want(['a.example.com', 'b.example.com', 'example.com'])
  await Promise.all([until('obtained *.example.com'), until('obtained example.com')])
  t.equal((await only(managed, 'a.example.com')).id, (await only(managed, 'b.example.com')).id)
  t.equal(await isTrusted(pebble, await only(managed, 'c.example.com'), 'c.example.com'), true)
  t.strictSame((await only(managed, 'example.com')).names, ['example.com'])
})

t.test('a second issuer takes over while the first one is down, and the first is asked again later', async (t) => {
  const [first, second] = [await startPebble(t), await startPebble(t)]
  const ways = [await httpSolver(t, second.httpPort)]
  await first.stop()
  const { managed, clock, until } = await start(t, { cas: [first, second], ways })
  const name = 'www.example.com'
  managed.want([name])
  await until(`obtained ${name}`)
  t.match(managed.list(), [{ state: 'valid', issuer: second.directory, tries: 0 }])
  t.equal(await isTrusted(second, await only(managed, name), name), true)
  await second.stop()
  const { notAfterMs, notBeforeMs } = await only(managed, name)
  clock.advance((notAfterMs - notBeforeMs) * 0.7)
  await until(`failed ${name}`)
  t.match(managed.list(), [{ state: 'valid', tries: 1, lastError: { code: 'ERR_ACME' } }])
  t.match(managed.list()[0]?.lastError?.message, second.directory, 'both are named')
})

t.test('a CA that is down for 30 days and comes back, having forgotten everything, gives the next one', async (t) => {
  const pebble = await startPebble(t)
  const ways = [await httpSolver(t, pebble.httpPort)]
  const { managed, clock, until, told } = await start(t, { cas: [pebble], ways })
  const name = 'www.example.com'
  managed.want([name])
  await until(`obtained ${name}`)
  const first = await only(managed, name)
  await pebble.stop()
  clock.advance((first.notAfterMs - first.notBeforeMs) * 0.7)
  await until(`failed ${name}`)
  for (let days = 0; days < 30; days += 6) {
    clock.advance(6 * dayMs)
    await until(`failed ${name}`, told.length)
  }
  t.equal((await only(managed, name)).id, first.id, 'the old one stays in use')
  await pebble.start()
  clock.advance(dayMs * 1.3)
  await until(`renewed ${name}`)
  t.match(managed.list(), [{ state: 'valid', tries: 0 }])
  const second = await only(managed, name)
  t.not(second.id, first.id)
  t.equal(await isTrusted(pebble, second, name), true)
})

t.test('what failed is rehearsed at the staging endpoint before production is asked again', async (t) => {
  // Both CAs ask at the same port, where nobody answers at first.
  const production = await startPebble(t)
  const staging = await startPebble(t, { httpPort: production.httpPort, tlsPort: production.tlsPort })
  const ways: Solver[] = [{ kind: 'http-01', async present() {}, async remove() {} }]
  const { managed, clock, until } = await start(t, { cas: [production], staging, ways })
  const orders = ({ said }: Pebble) => said.match(/There are now \d+ authorizations|Added order/g)?.length ?? 0
  const name = 'www.example.com'
  managed.want([name])
  await until(`failed ${name}`)
  const [atProduction, atStaging] = [orders(production), orders(staging)]
  t.ok(atProduction > 0)
  t.equal(atStaging, 0, 'the first try goes to production alone')
  clock.advance(10_000)
  await until(`failed ${name}`, 2)
  t.ok(orders(staging) > 0)
  t.equal(orders(production), atProduction, 'production is spared')
  ways[0] = await httpSolver(t, production.httpPort)
  clock.advance(120_000)
  await until(`obtained ${name}`)
  t.match(staging.said, /Issued certificate/, 'the rehearsal went well')
  t.match(managed.list(), [{ state: 'valid', issuer: production.directory }])
  t.equal(await isTrusted(production, await only(managed, name), name), true)
})

t.test('a staging endpoint that is away keeps nobody from a certificate', async (t) => {
  const production = await startPebble(t)
  const staging = await startPebble(t, { httpPort: production.httpPort, tlsPort: production.tlsPort })
  const ways: Solver[] = [{ kind: 'http-01', async present() {}, async remove() {} }]
  const { managed, clock, until } = await start(t, { cas: [production], staging, ways })
  const name = 'www.example.com'
  managed.want([name])
  await until(`failed ${name}`)
  await staging.stop()
  ways[0] = await httpSolver(t, production.httpPort)
  clock.advance(10_000)
  await until(`obtained ${name}`)
  t.equal(await isTrusted(production, await only(managed, name), name), true)
})

t.test('what is revoked is revoked at the CA, and another one comes', async (t) => {
  const pebble = await startPebble(t)
  const ways = [await httpSolver(t, pebble.httpPort)]
  const { managed, until } = await start(t, { cas: [pebble], ways })
  const name = 'www.example.com'
  managed.want([name])
  await until(`obtained ${name}`)
  const first = await only(managed, name)
  await managed.revoke(name, 'keyCompromise')
  t.match(JSON.parse(await pebble.manage(`/cert-status-by-serial/${first.serial}`)), { Status: 'Revoked' })
  await until(`obtained ${name}`, 2)
  t.not((await only(managed, name)).serial, first.serial)
})

t.test('two machines on one vault, a CA with bad nonces: one order for each of 20 names', async (t) => {
  const pebble = await startPebble(t, { badNonces: 15 })
  const ways = [await httpSolver(t, pebble.httpPort)]
  const folder = t.testdir({})
  const [one, two] = [await start(t, { cas: [pebble], ways, folder }), await start(t, { cas: [pebble], ways, folder })]
  const names = Array.from({ length: 20 }, (_, index) => `site-${index}.example.com`)
  one.managed.want(names)
  two.managed.want(names)
  const everywhere = (name: string) => {
    const has = (event: string) => [one, two].map(({ until }) => until(`${event} ${name}`))
    return Promise.race(has('obtained'))
  }
  await Promise.all(names.map(everywhere))
  t.equal(pebble.said.match(/Issued certificate/g)?.length, names.length)
  t.equal((await keysIn(one.vault, 'accounts/')).length, 1)
  for (const { managed } of [one, two])
    for (const name of names) {
      const found = (await managed.find(name))[0] ?? (await managed.ask(name))[0]
      t.strictSame(found?.names, [name])
    }
  t.equal(pebble.said.match(/Issued certificate/g)?.length, names.length, 'the other took them from the vault')
})
