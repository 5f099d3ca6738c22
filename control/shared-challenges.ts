/**
 * Challenges of all Groves that share a vault: a CA may ask any front of any machine, so each control reads what the
 * others have to prove and has its own fronts answer that, too.
 */

import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { z } from 'zod'
import { type Challenge, type Solver, toChallenge } from '../certs/acme/solver.ts'
import type { Vault } from '../certs/vault.ts'
import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'

/** What shared challenges are made with. */
export interface SharedChallengesOptions {
  readonly vault: Vault
  /** Those of this machine's fronts. */
  readonly own: readonly Solver[]
  readonly environment: Pick<Environment, 'now' | 'sleep'>
  readonly log: Logger
}

/** Challenges that are answered by the fronts of all machines. Disposing of it ends the looking for those of others. */
export interface SharedChallenges extends AsyncDisposable {
  readonly solvers: readonly Solver[]
}

const noteSchema = z.object({
  kind: z.enum(['http-01', 'tls-alpn-01']),
  name: z.string().max(253),
  token: z.string().max(512),
  keyAuthorization: z.string().max(1_024),
  atMs: z.number(),
})
type Note = z.output<typeof noteSchema>

/** Shares challenges through a vault. */
export function shareChallenges(options: SharedChallengesOptions): SharedChallenges {
  const { vault, own, environment } = options
  const stopped = new AbortController()
  const looking = lookForOthers(options, stopped.signal)
  const { lookEveryMs } = limits.challenges
  return {
    solvers: own.map((solver) => ({
      kind: solver.kind,
      async present(challenge) {
        const { name, token, keyAuthorization } = challenge
        if (solver.kind !== 'dns-01') {
          const note: Note = { kind: solver.kind, name, token, keyAuthorization, atMs: environment.now() }
          const key = keyOf(solver.kind, challenge)
          await vault.write(key, JSON.stringify(note), (await vault.read(key))?.number ?? 0)
        }
        await solver.present(challenge)
        // Others look as often as we do, and tell their fronts.
        await environment.sleep(2 * lookEveryMs)
      },
      async remove(challenge) {
        await vault.remove(keyOf(solver.kind, challenge))
        await solver.remove(challenge)
      },
    })),
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await looking
    },
  }
}

function keyOf(kind: string, { name, token }: Pick<Challenge, 'name' | 'token'>): string {
  return `challenges/${createHash('sha256').update(`${kind}\n${name}\n${token}`).digest('hex')}`
}

/** Has our fronts answer what the vault says, and no longer what it says no more, until the signal aborts. */
async function lookForOthers(options: SharedChallengesOptions, signal: AbortSignal): Promise<void> {
  const { vault, own, environment, log } = options
  /** Keyed by the key in the vault. */
  const answered = new Map<string, () => Promise<void>>()

  async function take(key: string): Promise<void> {
    const note = parse((await vault.read(key))?.text)
    const solver = own.find(({ kind }) => kind === note?.kind)
    if (!note || !solver) return
    // Whoever put it there has died since: a CA asks within minutes.
    if (Math.abs(environment.now() - note.atMs) > limits.challenges.longestMs) return vault.remove(key)
    const challenge = toChallenge(note.name, note.token, note.keyAuthorization)
    await solver.present(challenge)
    answered.set(key, () => solver.remove(challenge))
  }

  async function look(): Promise<void> {
    const there = new Set<string>()
    for await (const key of vault.list('challenges/')) {
      if (there.size >= limits.challenges.most) break
      there.add(key)
    }
    for (const [key, remove] of answered) {
      if (there.has(key)) continue
      answered.delete(key)
      await remove()
    }
    for (const key of there) if (!answered.has(key)) await take(key)
  }

  while (!signal.aborted) {
    await look().catch((error: unknown) => log.warn({ err: error }, 'challenges of other machines cannot be read'))
    await environment.sleep(limits.challenges.lookEveryMs, signal).catch(() => {})
  }
}

function parse(text: string | undefined): Note | undefined {
  if (text === undefined) return undefined
  try {
    return noteSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // Not one of ours: it is passed over until it goes.
  }
}
