/**
 * Limits on guessing passwords: so many attempts per account and per address, then one every now and then.
 *
 * Every attempt is charged before the password is looked at, and given back when it was right; so a burst of parallel
 * guesses gains nothing. The account's limit defends against many addresses that guess at one account, the address's
 * against one that guesses at many. Unknown accounts are counted like known ones, so a limit tells nothing about them.
 *
 * An address from which an account was signed in lately is not held up by the account's limit: an attacker elsewhere
 * cannot lock the owner out. What it cannot do: hold off a network of very many addresses that each guess slowly, or
 * tell apart the people behind one address. All of it is in memory and starts anew with the process.
 */

import { networkOf } from '../../core/network.ts'
import { setNewest } from '../../core/newest.ts'

/** How many attempts one key has: `burst` at once, then one every `everyMs`. */
export interface GuessLimit {
  readonly burst: number
  readonly everyMs: number
}

/** What {@link createGuessLimits} needs. */
export interface GuessLimitsOptions {
  readonly account: GuessLimit
  readonly address: GuessLimit
  /** How long an address stays known for an account after a right password, in milliseconds. */
  readonly knownMs: number
  /** Most accounts, addresses and known pairs kept, each; the one not seen for longest is forgotten first. */
  readonly maxKeys: number
  readonly now: () => number
}

/** One attempt to sign in. */
export interface Attempt {
  /** How long to wait before the password may be looked at, in milliseconds; 0 when it may be now. */
  readonly waitMs: number
  /** Gives the attempt back: nothing was learned from it. Call at most once. */
  giveBack(): void
  /** Remembers that the address knows the account's password, and gives the attempt back. Call at most once. */
  succeeded(): void
}

/** Counts attempts. */
export interface GuessLimits {
  /**
   * Charges one attempt, or charges nothing when it has to wait. `userId` is undefined for a text that cannot be a
   * user id.
   */
  take(userId: string | undefined, address: string): Attempt
}

/** Limits with nothing charged. */
export function createGuessLimits(options: GuessLimitsOptions): GuessLimits {
  const { maxKeys, knownMs, now } = options
  const accounts = createBuckets(options.account, maxKeys)
  const addresses = createBuckets(options.address, maxKeys)
  const knownUntil = new Map<string, number>()
  return {
    take(userId, address) {
      const nowMs = now()
      const network = networkOf(address)
      const isKnown = userId !== undefined && (knownUntil.get(pairKey(userId, network)) ?? 0) > nowMs
      const account = isKnown ? undefined : userId
      const accountWaitMs = account === undefined ? 0 : accounts.waitMs(account, nowMs)
      const waitMs = Math.max(accountWaitMs, addresses.waitMs(network, nowMs))
      const giveBack = () => {
        if (account !== undefined) accounts.giveBack(account)
        addresses.giveBack(network)
      }
      if (waitMs > 0) return { waitMs, giveBack: doNothing, succeeded: doNothing }
      if (account !== undefined) accounts.charge(account, nowMs)
      addresses.charge(network, nowMs)
      return {
        waitMs,
        giveBack,
        succeeded() {
          giveBack()
          if (userId !== undefined) setNewest(knownUntil, pairKey(userId, network), now() + knownMs, maxKeys)
        },
      }
    },
  }
}

interface Buckets {
  waitMs(key: string, nowMs: number): number
  charge(key: string, nowMs: number): void
  giveBack(key: string): void
}

/**
 * Leaky buckets, each kept as the one moment at which it will be empty again (the virtual scheduling form of ITU-T
 * I.371's generic cell rate algorithm). Keyed by account or network.
 */
function createBuckets({ burst, everyMs }: GuessLimit, maxKeys: number): Buckets {
  const emptyAt = new Map<string, number>()
  return {
    waitMs(key, nowMs) {
      return Math.max(0, (emptyAt.get(key) ?? 0) - nowMs - (burst - 1) * everyMs)
    },
    charge(key, nowMs) {
      setNewest(emptyAt, key, Math.max(nowMs, emptyAt.get(key) ?? 0) + everyMs, maxKeys)
    },
    giveBack(key) {
      const moment = emptyAt.get(key)
      if (moment !== undefined) emptyAt.set(key, moment - everyMs)
    },
  }
}

function pairKey(userId: string, network: string): string {
  return `${userId} ${network}`
}

function doNothing(): void {}
