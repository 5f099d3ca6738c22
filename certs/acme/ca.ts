/** One CA with one account, as all that is done with it sees it. */

import type { Logger } from 'pino'
import type { Environment } from '../../store/environment.ts'
import type { Vault } from '../vault.ts'
import type { Directory } from './answers.ts'
import type { Pace, Quiet } from './pace.ts'
import type { ChallengeKind } from './solver.ts'
import type { Transport } from './transport.ts'

/** What is taken of the world here. */
export type AcmeEnvironment = Pick<Environment, 'now' | 'monotonic' | 'sleep' | 'randomBytes'>

/** One CA with one account. */
export interface Ca {
  /** SHA-256 of the directory's address, hex. */
  readonly id: string
  readonly directoryUrl: string
  /** The email address that the CA may write to. */
  readonly contact: string | undefined
  readonly eab: { readonly kid: string; readonly hmacKey: string } | undefined
  readonly vault: Vault
  readonly transport: Transport
  readonly environment: AcmeEnvironment
  readonly log: Logger
  /** Orders begin at this pace. */
  readonly pace: Pace
  readonly quiet: Quiet
  readonly history: History
  /** The directory, asked for at most once an hour. */
  readDirectory(signal: AbortSignal): Promise<Directory>
  /** The wall clock, in milliseconds since the epoch. */
  now(): number
}

/** Which kinds of challenges this CA has found answered. */
export interface History {
  /** The kinds in the order in which they are to be tried: those that worked more often first, equals at random. */
  sort(kinds: readonly ChallengeKind[]): ChallengeKind[]
  note(kind: ChallengeKind, isGood: boolean): void
}

/** A history of nothing. It is kept in memory only: after a start chance chooses again. */
export function createHistory(randomBytes: Environment['randomBytes']): History {
  const score = new Map<ChallengeKind, number>()
  return {
    sort(kinds) {
      const ranked = kinds.map((kind) => ({ kind, score: score.get(kind) ?? 0, chance: randomBytes(4).readUInt32BE() }))
      ranked.sort((one, other) => other.score - one.score || one.chance - other.chance)
      return ranked.map(({ kind }) => kind)
    },
    note(kind, isGood) {
      // What was long ago must not outweigh a firewall that was closed today.
      const next = (score.get(kind) ?? 0) + (isGood ? 1 : -1)
      score.set(kind, Math.max(-10, Math.min(next, 10)))
    },
  }
}
