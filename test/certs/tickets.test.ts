import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openTickets, type TicketKeys } from '../../certs/tickets.ts'
import type { Vault } from '../../certs/vault.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { silentLog as log } from '../control/fixtures/silent-log.ts'
import { plainVault, type Records } from './fixtures/plain-vault.ts'

const hourMs = 3_600_000

/** A machine with a clock, on a vault. */
function machine(records: Records = new Map()) {
  const clock = { nowMs: Date.UTC(2026, 0, 1) }
  const trouble: { error?: Error } = {}
  const vault = plainVault(records, () => trouble.error)
  const environment = { now: () => clock.nowMs, randomBytes, sleep: nodeEnvironment.sleep }
  return { clock, trouble, records, vault, open: () => openTickets({ vault, environment, log }) }
}

function texts({ current, previous }: TicketKeys): string[] {
  return [current, ...previous].map((key) => key.toString('hex'))
}

t.test('the first key is made, and kept over a restart', async (t) => {
  const one = machine()
  const keys = (await one.open()).ticketKeys()
  t.equal(keys.current.length, 48)
  t.strictSame(keys.previous, [])
  t.strictSame(texts((await one.open()).ticketKeys()), texts(keys))
})

t.test('every 12 hours another key is used, announced an hour before; four are known', async (t) => {
  const one = machine()
  const tickets = await one.open()
  const used: string[] = []
  let most = 0
  for (let minutes = 0; minutes < 5 * 24 * 60; minutes += 5) {
    await tickets.rotateIfDue()
    const keys = texts(tickets.ticketKeys())
    t.equal(new Set(keys).size, keys.length)
    most = Math.max(most, keys.length)
    const [current = ''] = keys
    if (used.at(-1) !== current) used.push(current)
    one.clock.nowMs += 300_000
  }
  t.equal(used.length, 10, 'one for each half of five days')
  t.equal(most, 4)
})

t.test(
  'a ticket of the last key is opened as long as a session lasts, and that of the next one an hour before',
  async (t) => {
    const one = machine()
    const tickets = await one.open()
    const [first = ''] = texts(tickets.ticketKeys())
    one.clock.nowMs += 11 * hourMs
    t.equal(await tickets.rotateIfDue(), true)
    const [still, next = ''] = texts(tickets.ticketKeys())
    t.equal(still, first)
    t.ok(next)
    one.clock.nowMs += hourMs
    t.equal(await tickets.rotateIfDue(), true, 'another one is in use')
    t.strictSame(texts(tickets.ticketKeys()), [next, first])
    t.equal(await tickets.rotateIfDue(), false)
    one.clock.nowMs += 23 * hourMs
    await tickets.rotateIfDue()
    t.ok(texts(tickets.ticketKeys()).includes(first))
    one.clock.nowMs += 2 * hourMs
    await tickets.rotateIfDue()
    t.notOk(texts(tickets.ticketKeys()).includes(first))
  },
)

t.test('machines on one vault have the same keys, whoever makes them', async (t) => {
  const records: Records = new Map()
  const [one, two] = [machine(records), machine(records)]
  const both = await Promise.all([one.open(), two.open()])
  const [first, second] = both
  t.strictSame(texts(first.ticketKeys()), texts(second.ticketKeys()))
  for (let hours = 0; hours < 72; hours += 1) {
    one.clock.nowMs += hourMs
    two.clock.nowMs += hourMs
    await Promise.all(both.map((tickets) => tickets.rotateIfDue()))
    t.strictSame(texts(first.ticketKeys()), texts(second.ticketKeys()), `hour ${hours}`)
  }
})

t.test('machines whose clocks differ by half an hour open the tickets of each other all the time', async (t) => {
  const records: Records = new Map()
  const [one, two] = [machine(records), machine(records)]
  two.clock.nowMs += hourMs / 2
  const [first, second] = [await one.open(), await two.open()]
  for (let minutes = 0; minutes < 3 * 24 * 60; minutes += 10) {
    one.clock.nowMs += 600_000
    two.clock.nowMs += 600_000
    await first.rotateIfDue()
    await second.rotateIfDue()
    const [ours, theirs] = [texts(first.ticketKeys()), texts(second.ticketKeys())]
    t.ok(ours.includes(theirs[0] ?? '') && theirs.includes(ours[0] ?? ''), `minute ${minutes}`)
  }
})

t.test(
  'while the vault does not answer the known keys are used, and at a start one of this machine alone',
  async (t) => {
    const one = machine()
    const tickets = await one.open()
    const before = texts(tickets.ticketKeys())
    one.trouble.error = new Error('the bucket is away')
    one.clock.nowMs += 100 * hourMs
    t.equal(await tickets.rotateIfDue(), false)
    t.strictSame(texts(tickets.ticketKeys()), before)
    const alone = await one.open()
    const [own = ''] = texts(alone.ticketKeys())
    t.notOk(before.includes(own))
    delete one.trouble.error
    t.equal(await alone.rotateIfDue(), true)
    t.notOk(texts(alone.ticketKeys()).includes(own))
  },
)

t.test('keys that are damaged are made anew', async (t) => {
  for (const text of [
    '',
    '{',
    '{"format":"other","keys":[]}',
    '{"format":"grove-tickets-1","keys":[{"secret":"AA=="}]}',
  ]) {
    const one = machine()
    one.records.set('tickets', { text, number: 3 })
    t.equal((await one.open()).ticketKeys().current.length, 48)
    t.match(JSON.parse(one.records.get('tickets')?.text ?? ''), { format: 'grove-tickets-1' })
  }
})

t.test('keys of a clock that was ahead do not keep the next ones from being made', async (t) => {
  const one = machine()
  one.clock.nowMs += 1_000 * 24 * hourMs
  const tickets = await one.open()
  const ahead = texts(tickets.ticketKeys())
  one.clock.nowMs -= 1_000 * 24 * hourMs
  t.equal(await tickets.rotateIfDue(), true)
  const [first = ''] = texts(tickets.ticketKeys())
  t.notOk(ahead.includes(first))
  one.clock.nowMs += 13 * hourMs
  await tickets.rotateIfDue()
  one.clock.nowMs += hourMs
  await tickets.rotateIfDue()
  t.not(texts(tickets.ticketKeys())[0], first)
})

t.test('a vault that hangs holds nobody up, and what it says in the end is used', async (t) => {
  const records: Records = new Map()
  const shared = machine(records)
  const [theirs = ''] = texts((await shared.open()).ticketKeys())
  const answers = Promise.withResolvers<void>()
  const vault: Vault = {
    ...shared.vault,
    async read(key) {
      await answers.promise
      return shared.vault.read(key)
    },
  }
  // No time passes for who waits: the bound is over at once.
  const environment = { now: () => shared.clock.nowMs, randomBytes, sleep: async () => {} }
  const tickets = await openTickets({ vault, environment, log })
  const [own = ''] = texts(tickets.ticketKeys())
  t.not(own, theirs)
  t.equal(await tickets.rotateIfDue(), false)
  answers.resolve()
  await nodeEnvironment.sleep(0)
  t.equal(await tickets.rotateIfDue(), true, 'fronts are told')
  t.strictSame(texts(tickets.ticketKeys()), [theirs])
})
