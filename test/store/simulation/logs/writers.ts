/** Clients that write: to a log of many writers, to one where publishers race, to both at once; and those who merge. */

import { justBefore } from '../../../../store/logs/timestamp.ts'
import type { Ts } from '../../../../store/store.ts'
import type { Random } from '../random.ts'
import type { AskedPart } from './asks.ts'
import { type AskOf, append, type Desk, head, isUnsure, lookup, read, type Session, trim } from './session.ts'

/** The logs of a simulation. */
export const plainLog = '/sites/ada/notes'
/** A serialized one. */
export const versionsLog = '/sites/ada/blog/versions'

/** What a client needs of the world. */
export interface Workplace extends Desk {
  /** Labels of grants that clients may try, the root's among them. */
  grants(): readonly string[]
  /** A name that nobody had. */
  newName(kind: string): string
}

/** A client: it does one thing after the other, over as many lives as that takes. */
export interface Client {
  readonly name: string
  /** Does the next thing. Never settles when the process ends meanwhile; the next life goes on from there. */
  step(session: Session): Promise<void>
  /** Things left to do. */
  readonly left: number
  /** Settles what is not known, once nothing fails any more. */
  finish(session: Session): Promise<void>
}

/** What a writer client does next. */
type NextAsk = (session: Session) => Promise<AskOf<'append'> | undefined>

/** A client that appends to a log of many writers. */
export function createWriter(work: Workplace, random: Random, name: string, steps: number): Client {
  const next: NextAsk = async () => {
    const part = { log: plainLog, name: work.newName(name), bytes: random.pick([0, 0, 40, 700]) }
    return askFor(random, grantOf(work, random), [part])
  }
  return createAppender(work, random, name, steps, next)
}

/** A client that appends to the log where publishers race. */
export function createPublisher(work: Workplace, random: Random, name: string, steps: number): Client {
  let known: { head: string | null } | undefined
  const next: NextAsk = async (session) => {
    // Now and then it tries with what it knew before, as one who comes too late.
    if (!known || random.chance(0.7)) {
      const { answer } = await head(work, session, name, versionsLog)
      if (!answer) return undefined
      known = { head: answer.ts }
    }
    const part = { log: versionsLog, name: work.newName(name), bytes: 0, expect: known.head }
    return askFor(random, grantOf(work, random), [part])
  }
  return createAppender(work, random, name, steps, next)
}

/** A client that appends to both logs in one transaction. */
export function createAuditor(work: Workplace, random: Random, name: string, steps: number): Client {
  const next: NextAsk = async (session) => {
    const { answer } = await head(work, session, name, versionsLog)
    if (!answer) return undefined
    const parts = [
      { log: versionsLog, name: work.newName(name), bytes: 0, expect: answer.ts },
      { log: plainLog, name: work.newName(name), bytes: 0 },
    ]
    return askFor(random, 'root', parts)
  }
  return createAppender(work, random, name, steps, next)
}

/** A client that puts one entry in place of the oldest ones of a log. */
export function createMerger(work: Workplace, random: Random, name: string, steps: number): Client {
  const next: NextAsk = async (session) => {
    const log = random.pick([plainLog, versionsLog])
    const { answer } = await read(work, session, name, { call: 'read', log, grant: 'root' })
    const entries = answer?.entries ?? []
    // What stands for what is gone by now has to be held, too.
    const first = Math.max(2, entries.findLastIndex((entry) => entry.holds) + 1)
    const upto = entries[first + random.below(4)]
    if (!upto) return undefined
    const merged = entries.filter(({ ts }) => ts < upto.ts)
    const lo = merged.map((entry) => entry.lo).sort()[0] ?? upto.lo
    const holds = [...new Set(merged.flatMap((entry) => [entry.name, ...(entry.holds ?? [])]))]
    const covers = { lo, hi: justBefore(upto.ts as Ts) }
    const range = { from: merged[0]?.ts ?? lo, to: upto.ts }
    const part = { log, name: work.newName(name), bytes: 0, holds, covers }
    if (log === versionsLog)
      return askFor(random, 'root', [{ ...part, expect: entries.at(-1)?.ts ?? null, trim: range }])
    if (random.chance(0.5)) return askFor(random, 'root', [{ ...part, trim: range }])
    const { answer: done } = await append(work, session, name, { call: 'append', grant: 'root', parts: [part] })
    if (done) await trim(work, session, name, { call: 'trim', log, ...range, by: done.ts })
    return undefined
  }
  return createAppender(work, random, name, steps, next)
}

/** The host itself as often as all others together. */
function grantOf(work: Workplace, random: Random): string {
  return random.chance(0.4) ? 'root' : random.pick(work.grants())
}

function askFor(random: Random, grant: string, parts: readonly AskedPart[]): AskOf<'append'> {
  const opId = random.chance(0.6) ? `operation-${parts[0]?.name}` : undefined
  return { call: 'append', grant, parts, ...(opId && { opId }) }
}

/** A client that appends one thing after the other, and settles what it does not know by repeating or by looking it up. */
function createAppender(work: Workplace, random: Random, name: string, steps: number, next: NextAsk): Client {
  let left = steps
  let pending: AskOf<'append'> | undefined
  let last: string | undefined

  async function attempt(session: Session, ask: AskOf<'append'>): Promise<void> {
    // Kept before the question: when the process ends over it, the next life still knows.
    pending = ask.opId === undefined ? undefined : ask
    const asked = await append(work, session, name, ask)
    if (!isUnsure(asked)) pending = undefined
    if (asked.answer) last = asked.answer.ts
    // Some clients repeat themselves although they were answered.
    if (asked.answer && ask.opId !== undefined && random.chance(0.2)) await append(work, session, name, ask)
  }

  async function settle(session: Session, ask: AskOf<'append'>): Promise<void> {
    const log = ask.parts[0]?.log ?? plainLog
    if (random.chance(0.5)) await lookup(work, session, name, log, ask.opId ?? '')
    await attempt(session, ask)
  }

  return {
    name,
    get left() {
      return left
    },
    async step(session) {
      if (pending) return settle(session, pending)
      left -= 1
      const ask = await next(session)
      if (!ask) return
      const after = last !== undefined && random.chance(0.3) ? { after: [last] } : {}
      await attempt(session, { ...ask, ...after })
    },
    async finish(session) {
      for (let tries = 0; pending && tries < 3; tries += 1) await settle(session, pending)
    },
  }
}
