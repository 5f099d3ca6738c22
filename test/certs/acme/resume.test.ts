/** A process that orders is killed at each of its requests; the next one goes on where it was. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openVault } from '../../../certs/open-vault.ts'
import type { Lease, Vault } from '../../../certs/vault.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { type Endpoint, startFaultyCa } from '../../services/faulty-ca.ts'
import { startPebble } from '../../services/pebble.ts'
import { idleSolver, makeIssuer, orderNow, silent } from './fixture.ts'
import type { ChildOrder } from './fixtures/order-child.ts'

const program = fileURLToPath(new URL('fixtures/order-child.ts', import.meta.url))
const pebble = await startPebble(t, { alwaysValid: true })

/** Time passes quickly while somebody waits for the lease of a dead holder, and as ever once they have it. */
async function takeOver(t: Test, folder: string): Promise<{ readonly vault: Vault; readonly lease: Lease }> {
  let aheadMs = 0
  const env = { ...nodeEnvironment, monotonic: () => nodeEnvironment.monotonic() + aheadMs }
  const vault = await openVault({ env, folder, log: silent })
  t.teardown(() => vault[Symbol.asyncDispose]())
  for (;;) {
    const lease = await vault.lease('order')
    if (lease) return { vault, lease }
    aheadMs += 1_000
    await nodeEnvironment.sleep(10)
  }
}

/** Orders in a process of its own, and waits for its end. Answers what it has said. */
async function orderInChild(order: ChildOrder, onStart: (kill: () => void) => void): Promise<string> {
  const child = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] })
  onStart(() => void child.kill('SIGKILL'))
  const closed = once(child, 'close')
  const said = Buffer.concat(await child.stdout.toArray()).toString()
  await closed
  return said
}

interface Point {
  readonly at: Endpoint
  readonly when: 'before' | 'after'
  /** Which of the requests to the place. @default 1 */
  readonly nth?: number
  /** Orders that the CA has afterwards. @default 1 */
  readonly orders?: number
}

const points: readonly Point[] = [
  { at: 'directory', when: 'before' },
  { at: 'newAccount', when: 'before' },
  { at: 'newAccount', when: 'after' },
  { at: 'newOrder', when: 'before' },
  // What the CA has said to nobody cannot be gone on with.
  { at: 'newOrder', when: 'after', orders: 2 },
  { at: 'authorization', when: 'after' },
  { at: 'challenge', when: 'before' },
  { at: 'challenge', when: 'after' },
  { at: 'authorization', when: 'after', nth: 2 },
  { at: 'order', when: 'after' },
  { at: 'finalize', when: 'before' },
  { at: 'finalize', when: 'after' },
  { at: 'certificate', when: 'after' },
]

t.test('no kill costs an account, or more than the order that was in flight', { jobs: 3 }, async (t) => {
  for (const { at, when, nth = 1, orders = 1 } of points)
    t.test(`killed ${when} request ${nth} to ${at}`, async (t) => {
      const ca = await startFaultyCa(t, pebble.directory)
      const folder = t.testdir({})
      const names = ['killed.example.com']
      const said = await orderInChild({ directory: ca.directory, roots: ca.roots, folder, names }, (kill) => {
        const call = () => {
          kill()
          // The request ends with its sender.
          if (when === 'before') throw new Error('the sender is dead')
        }
        ca.rule({ at, nth, times: 1, fault: { do: 'call', when, call } })
      })
      t.equal(said, '', 'it was killed before its end')
      const { vault, lease } = await takeOver(t, folder)
      await using _ = lease
      const issuer = await makeIssuer(t, ca, { vault })
      const { signal } = new AbortController()
      const order = { names, solvers: [idleSolver()], keyKind: 'ecdsa', lease, signal } as const
      const certificate = await issuer.order(order)
      t.strictSame(certificate.names, names)
      t.ok(ca.count('newAccount', 201) <= 1, 'one account')
      t.ok(ca.count('newOrder', 201) <= orders, `${ca.count('newOrder', 201)} orders`)
    })
})

t.test('an order that the CA has forgotten, or given up, is begun anew', async (t) => {
  for (const lost of ['forgotten', 'given up'] as const) {
    const ca = await startFaultyCa(t, pebble.directory)
    const issuer = await makeIssuer(t, ca)
    const order = () => orderNow(issuer, ['lost.example.com'], [idleSolver()])
    ca.rule({ at: 'finalize', fault: { do: 'answer', status: 500 } })
    await t.rejects(order(), { code: 'ERR_ACME', details: { reason: 'unavailable' } })
    ca.heal()
    const edit = (passing: { body: string }) => {
      passing.body = JSON.stringify({ ...(JSON.parse(passing.body) as object), status: 'invalid' })
    }
    const type = 'urn:ietf:params:acme:error:malformed'
    const fault =
      lost === 'forgotten' ? ({ do: 'answer', status: 404, type } as const) : ({ do: 'edit', edit } as const)
    ca.rule({ at: 'order', times: 1, fault })
    await order()
    t.equal(ca.count('newOrder'), 1, lost)
  }
})

t.test('a note that cannot be understood, or is of another order, costs one order', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const order = (more = {}) => orderNow(issuer, ['note.example.com'], [idleSolver()], more)
  const first = await order()
  const keys: string[] = []
  for await (const key of issuer.vault.list('orders/')) keys.push(key)
  const [key = ''] = keys
  t.equal(keys.length, 1)
  await issuer.vault.remove(key)
  for (const text of ['', 'null', '{"format":2}', '{"format":1']) {
    await using lease = await issuer.vault.lease('order')
    await lease?.write(key, text)
    await lease?.[Symbol.asyncDispose]()
    const next = await order({ replaces: first })
    t.not(next.id, first.id, text)
  }
  const rsa = await order({ keyKind: 'rsa' })
  t.equal(rsa.keyKind, 'rsa')
})

t.test('a lease that is lost ends the order', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const lease = await issuer.vault.lease('order')
  if (!lease) throw new Error('another one has the lease')
  let given: Promise<void> | undefined
  const call = () => {
    given ??= Promise.resolve(lease[Symbol.asyncDispose]())
    return given
  }
  ca.rule({ at: 'finalize', fault: { do: 'call', when: 'before', call } })
  const { signal } = new AbortController()
  const order = { names: ['lease.example.com'], solvers: [idleSolver()], keyKind: 'ecdsa', lease, signal } as const
  await t.rejects(issuer.order(order), { code: 'ERR_CLOSED' })
  await given
  ca.heal()
  await orderNow(issuer, ['lease.example.com'], [idleSolver()])
  t.equal(ca.count('newOrder'), 0, 'the next holder goes on with it')
})
