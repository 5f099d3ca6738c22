/** Clients that make grants, use them up and take them away; and those who read. */

import type { Random } from '../random.ts'
import type { AskedGrant } from './asks.ts'
import { charge, grant, read, revoke, type Session } from './session.ts'
import { type Client, plainLog, versionsLog, type Workplace } from './writers.ts'

const paths = ['/', '/sites', '/sites/ada', '/sites/ada/blog', versionsLog, plainLog, '/sites/eve']

/** A client that makes grants under others, now and then more than it may. */
export function createGranter(work: Workplace, random: Random, name: string, steps: number, now: () => number): Client {
  return createDoer(name, steps, async (session) => {
    const grants = work.grants()
    const by = random.chance(0.5) ? (grants.at(-1) ?? 'root') : random.pick(grants)
    const label = work.newName('grant')
    const quotas = {
      ...(random.chance(0.3) && { maxWrites: random.between(1, 4) }),
      ...(random.chance(0.2) && { maxBytes: random.between(100, 1_500) }),
    }
    const options: AskedGrant = random.chance(0.5)
      ? { ...generous(now()), ...quotas }
      : { ...anyGrant(random, now()), ...quotas }
    await grant(work, session, name, { call: 'grant', by, label, options })
  })
}

/** Of these, long chains can be made. */
function generous(nowMs: number): AskedGrant {
  // A whole hour: a child that is made later in it does not last longer.
  const untilMs = Math.ceil(nowMs / 3_600_000) * 3_600_000 + 3_600_000
  return { path: '/sites/ada', untilMs, read: true, write: true, grant: true }
}

function anyGrant(random: Random, nowMs: number): AskedGrant {
  return {
    path: random.pick(paths),
    untilMs: nowMs + random.pick([20, 60, 500, 5_000, 3_600_000]),
    read: random.chance(0.8),
    write: random.chance(0.8),
    grant: random.chance(0.6),
  }
}

/** A client that takes grants away. */
export function createRevoker(work: Workplace, random: Random, name: string, steps: number): Client {
  return createDoer(name, steps, async (session) => {
    const target = random.pick(work.grants())
    const by = random.chance(0.8) ? 'root' : random.pick(work.grants())
    if (target !== 'root') await revoke(work, session, name, { call: 'revoke', by, target })
  })
}

/** A client that uses grants without writing. */
export function createCharger(work: Workplace, random: Random, name: string, steps: number): Client {
  return createDoer(name, steps, async (session) => {
    const label = random.pick(work.grants())
    const path = random.pick([plainLog, versionsLog])
    await charge(work, session, name, { call: 'charge', grant: label, path, bytes: random.below(300) })
  })
}

/** A client that reads, from the beginning or from what it was shown. */
export function createReader(work: Workplace, random: Random, name: string, steps: number): Client {
  const cursors = new Map<string, string>()
  return createDoer(name, steps, async (session) => {
    const log = random.pick([plainLog, versionsLog, '/grants'])
    const after = random.chance(0.4) ? cursors.get(log) : undefined
    const limit = random.chance(0.3) ? random.between(1, 6) : undefined
    const ask = { call: 'read', log, grant: 'root', ...(after && { after }), ...(limit && { limit }) } as const
    const { answer } = await read(work, session, name, ask)
    const last = answer?.entries.at(-1)
    if (last) cursors.set(log, last.ts)
  })
}

function createDoer(name: string, steps: number, act: (session: Session) => Promise<void>): Client {
  let left = steps
  return {
    name,
    get left() {
      return left
    },
    async step(session) {
      left -= 1
      await act(session)
    },
    async finish() {},
  }
}
