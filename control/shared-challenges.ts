/**
 * Challenges of all Groves that share a vault: a CA may ask any front of any machine, so each control reads what the
 * others have to prove and has its own fronts answer that, too.
 *
 * No clock of one machine is compared with that of another: how long a note has been there each measures by itself, from
 * when it first saw it.
 */

import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { z } from 'zod'
import { type Challenge, type Solver, toChallenge } from '../certs/acme/solver.ts'
import type { Vault } from '../certs/vault.ts'
import { isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'

/** What shared challenges are made with. */
export interface SharedChallengesOptions {
  readonly vault: Vault
  /** Those of this machine's fronts: the kinds that they can be asked for at this moment. */
  readonly own: () => readonly Solver[]
  /** How often challenges of others are looked for. The same at all machines, since each waits that long for the others. */
  readonly everyMs: number
  readonly environment: Pick<Environment, 'monotonic' | 'sleep'>
  readonly log: Logger
}

/** Challenges that are answered by the fronts of all machines. Disposing of it ends the looking for those of others. */
export interface SharedChallenges extends AsyncDisposable {
  /** The kinds of this machine's fronts, answered by those of the others too. */
  solvers(): readonly Solver[]
}

const noteSchema = z.object({
  kind: z.enum(['http-01', 'tls-alpn-01']),
  name: z.string().max(253),
  token: z.string().max(512),
  keyAuthorization: z.string().max(1_024),
})
type Note = z.output<typeof noteSchema>

/** Shares challenges through a vault. */
export function shareChallenges(options: SharedChallengesOptions): SharedChallenges {
  const stopped = new AbortController()
  const looking = lookForOthers(options, stopped.signal)
  return {
    solvers: () => options.own().map((solver) => share(solver, options)),
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await looking
    },
  }
}

function share(solver: Solver, { vault, environment, everyMs }: SharedChallengesOptions): Solver {
  return {
    kind: solver.kind,
    async present(challenge) {
      const { name, token, keyAuthorization } = challenge
      if (solver.kind !== 'dns-01') {
        const note: Note = { kind: solver.kind, name, token, keyAuthorization }
        const key = keyOf(solver.kind, challenge)
        await vault.write(key, JSON.stringify(note), (await vault.read(key))?.number ?? 0)
      }
      await solver.present(challenge)
      await environment.sleep(everyMs + limits.challenges.othersTellMs)
    },
    async remove(challenge) {
      await vault.remove(keyOf(solver.kind, challenge))
      await solver.remove(challenge)
    },
  }
}

function keyOf(kind: string, { name, token }: Pick<Challenge, 'name' | 'token'>): string {
  return `challenges/${createHash('sha256').update(`${kind}\n${name}\n${token}`).digest('hex')}`
}

/** A note in the vault. */
interface Sighting {
  /** When it was first seen, by the clock of this machine that only goes on. */
  readonly sinceMs: number
  /** Whether nothing is to be done about it any more: it is answered, or nobody understands it. */
  isTaken: boolean
  /** Whether a failure was told. */
  isTold: boolean
  /** Ends the answering. */
  remove?: () => Promise<void>
}

/** Has our fronts answer what the vault says, and no longer what it says no more, until the signal aborts. */
async function lookForOthers(options: SharedChallengesOptions, signal: AbortSignal): Promise<void> {
  const { vault, own, everyMs, environment, log } = options
  const { most, longestMs } = limits.challenges
  /** Keyed by the key in the vault; at most `limits.challenges.most`. */
  const seen = new Map<string, Sighting>()

  async function take(key: string, sighting: Sighting): Promise<void> {
    // Whoever put it there has died since: a CA asks within minutes. What nobody understands goes that way, too.
    if (environment.monotonic() - sighting.sinceMs > longestMs) return vault.remove(key)
    if (sighting.isTaken) return
    const record = await vault.read(key)
    if (!record) return
    const note = parse(record.text)
    const solver = own().find(({ kind }) => kind === note?.kind)
    sighting.isTaken = true
    if (!note) log.warn({ key }, 'a challenge of another machine cannot be understood, and is passed over')
    if (!note || !solver) return
    const challenge = toChallenge(note.name, note.token, note.keyAuthorization)
    sighting.remove = () => solver.remove(challenge)
    try {
      await solver.present(challenge)
    } catch (error) {
      sighting.isTaken = false
      throw error
    }
  }

  /** Does something about one challenge. What fails holds up no other one, and is tried again at the next look. */
  async function attempt(key: string, sighting: Sighting, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (!sighting.isTold) log.warn({ err: error, key }, 'a challenge of another machine cannot be looked after')
      sighting.isTold = true
      // A damaged record stays so.
      if (isGroveError(error, 'ERR_CERT')) sighting.isTaken = true
    }
  }

  async function look(): Promise<void> {
    const there = new Set<string>()
    for await (const key of vault.list('challenges/')) {
      if (there.size >= most) break
      there.add(key)
    }
    for (const [key, sighting] of seen) {
      if (there.has(key)) continue
      seen.delete(key)
      await attempt(key, sighting, async () => sighting.remove?.())
    }
    for (const key of there) {
      const sighting = seen.get(key) ?? { sinceMs: environment.monotonic(), isTaken: false, isTold: false }
      seen.set(key, sighting)
      await attempt(key, sighting, () => take(key, sighting))
    }
  }

  let isAway = false
  while (!signal.aborted) {
    try {
      await look()
      isAway = false
    } catch (error) {
      if (!isAway) log.warn({ err: error }, 'challenges of other machines cannot be read; it is tried again and again')
      isAway = true
    }
    await environment.sleep(everyMs, signal).catch(() => {})
  }
}

/** Undefined for what is no note. */
function parse(text: string): Note | undefined {
  try {
    return noteSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
