/** Accounts, kept as a log of what happened to them: put and remove. The map in memory is what the log adds up to. */

import { z } from 'zod'
import { GroveError } from '../../core/errors.ts'
import type { SiteName } from '../../core/names.ts'
import type { PluginLog } from '../../core/plugin.ts'
import { createTurnstile } from '../../core/turnstile.ts'

/** One account. */
export interface Account {
  readonly userId: string
  /** PHC string of the password. A secret: never logged, never sent. */
  readonly hash: string
  /** The sites that it can sign in on; undefined for all. */
  readonly sites: readonly SiteName[] | undefined
  readonly createdAtMs: number
  /** When its password was last set. */
  readonly changedAtMs: number
}

/** Changes that wait for each other: more than sign-ins and commands can ask for at once. */
const mostChanges = 1_000

/** All accounts. Each change is durable when it resolves, and seen by {@link Accounts.get} from then on. */
export interface Accounts {
  get(userId: string): Account | undefined
  /** Sorted by user id. */
  list(): readonly Account[]
  /** Throws `ERR_USER` when there is one of that id, `ERR_TOO_MANY` when there are too many of them or of changes. */
  add(account: Account): Promise<void>
  /** Puts `after` in the place of `before`, and answers whether `before` was still the account when it came to that. */
  replace(before: Account, after: Account): Promise<boolean>
  /** Throws `ERR_USER` when there is none. */
  remove(userId: string): Promise<void>
}

const recordSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('put'),
    userId: z.string(),
    hash: z.string(),
    sites: z.array(z.string()).optional(),
    createdAtMs: z.number(),
    changedAtMs: z.number(),
  }),
  z.object({ kind: z.literal('remove'), userId: z.string() }),
])

/** The accounts in a log. Throws `ERR_DATA_FORMAT` when a record is not one of ours. `max`: most accounts. */
export async function openAccounts(log: PluginLog, max: number): Promise<Accounts> {
  const accounts = new Map<string, Account>()
  for (const record of await log.read()) apply(accounts, record)

  /** One change at a time, so that what was checked still holds when the record is written. */
  const { run: change } = createTurnstile({ most: mostChanges, what: 'changes of accounts' })
  const put = async (account: Account) => {
    await log.append({ kind: 'put', ...account })
    accounts.set(account.userId, account)
  }
  return {
    get: (userId) => accounts.get(userId),
    list: () => [...accounts.values()].sort((a, b) => (a.userId < b.userId ? -1 : 1)),
    add: (account) =>
      change(async () => {
        if (accounts.has(account.userId)) throw existsError(account.userId)
        if (accounts.size >= max) throw new GroveError('ERR_TOO_MANY', `there are ${max} accounts, and no more fit`)
        await put(account)
      }),
    replace: (before, after) =>
      change(async () => {
        if (accounts.get(before.userId) !== before) return false
        await put(after)
        return true
      }),
    remove: (userId) =>
      change(async () => {
        if (!accounts.has(userId)) throw unknownError(userId)
        await log.append({ kind: 'remove', userId })
        accounts.delete(userId)
      }),
  }
}

/** The error for a user id that is taken. */
export function existsError(userId: string): GroveError {
  return new GroveError('ERR_USER', `there is a user "${userId}" already`, {
    details: { reason: 'exists', userId },
    hint: `change its password with: grove user passwd ${userId}`,
  })
}

/** The error for a user id that nobody has. */
export function unknownError(userId: string): GroveError {
  return new GroveError('ERR_USER', `there is no user "${userId}"`, {
    details: { reason: 'unknown', userId },
    hint: 'see all with: grove user list',
  })
}

function apply(accounts: Map<string, Account>, record: unknown): void {
  const parsed = recordSchema.safeParse(record)
  if (!parsed.success) throw new GroveError('ERR_DATA_FORMAT', 'the log of accounts has a record of an unknown form')
  if (parsed.data.kind === 'remove') {
    accounts.delete(parsed.data.userId)
  } else {
    const { userId, hash, sites, createdAtMs, changedAtMs } = parsed.data
    accounts.set(userId, { userId, hash, sites, createdAtMs, changedAtMs })
  }
}
