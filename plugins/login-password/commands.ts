/** What `grove user add|list|passwd|remove` asks of the plugin, over the control socket. */

import { z } from 'zod'
import { formatPath } from '../../core/config-faults.ts'
import { GroveError } from '../../core/errors.ts'
import type { Command, PluginHost } from '../../core/plugin.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { type Accounts, existsError, unknownError } from './accounts.ts'
import { type HashCost, hashPassword, maxPasswordBytes, passwordBytes } from './password-hash.ts'
import { toUserId } from './user-id.ts'

/** Shortest password, in characters. */
const minPasswordChars = 8

const userId = z.string()
const password = z.string()

/** Input of `add`. `sites`: where the account can sign in; absent or empty for everywhere. */
const userAddSchema = z.strictObject({ userId, password, sites: z.array(z.string()).max(1_000).optional() })
/** Input of `passwd`. */
const userPasswdSchema = z.strictObject({ userId, password })
/** Input of `remove`. */
const userRemoveSchema = z.strictObject({ userId })
/** Answer of `add`, and each element of `users` in the answer of `list`. `sites` is absent for everywhere. */
export const userSchema = z.object({
  userId: z.string(),
  sites: z.array(z.string()).readonly().optional(),
  createdAtMs: z.number(),
  /** When the password was last set. */
  changedAtMs: z.number(),
})
/** An account as the commands tell it. */
export type User = z.output<typeof userSchema>
/** Answer of `list`. */
export const userListSchema = z.object({ users: z.array(userSchema) })

/** What the commands work on. */
export interface CommandOptions {
  readonly accounts: Accounts
  readonly cost: HashCost
  readonly now: () => number
}

/** The commands, keyed by path: `add`, `list`, `passwd`, `remove`. All throw `ERR_USER`, with `details.reason`. */
export function createCommands(
  host: PluginHost,
  { accounts, cost, now }: CommandOptions,
): Readonly<Record<string, Command>> {
  // Apart from the line of sign-ins, so that a flood of guesses does not hold up the operator.
  const turnstile = createTurnstile({ most: 65, what: 'commands about users' })
  const hash = (text: string) => turnstile.run(() => hashPassword(text, cost))
  return {
    async add(input) {
      const wanted = parse(userAddSchema, input)
      const userId = checkUserId(wanted.userId)
      const sites = checkSites(host, wanted.sites)
      checkPassword(wanted.password)
      if (accounts.get(userId)) throw existsError(userId)
      const nowMs = now()
      const user = { userId, sites, createdAtMs: nowMs, changedAtMs: nowMs }
      await accounts.add({ ...user, hash: await hash(wanted.password) })
      host.log.info({ userId, sites }, 'user added')
      return user satisfies User
    },

    list(input) {
      parse(z.strictObject({}).optional(), input)
      return { users: accounts.list().map(({ hash: _secret, ...user }): User => user) }
    },

    async passwd(input) {
      const wanted = parse(userPasswdSchema, input)
      const userId = checkUserId(wanted.userId)
      checkPassword(wanted.password)
      if (!accounts.get(userId)) throw unknownError(userId)
      const newHash = await hash(wanted.password)
      // Before as well as after: were control to die between the write and the second call, nobody who signed in with
      // the old password would stay.
      await host.revokeUser(userId)
      let isReplaced = false
      while (!isReplaced) {
        const before = accounts.get(userId)
        if (!before) throw unknownError(userId)
        isReplaced = await accounts.replace(before, { ...before, hash: newHash, changedAtMs: now() })
      }
      await host.revokeUser(userId)
      host.log.info({ userId }, 'password changed, sessions ended')
      return { userId }
    },

    async remove(input) {
      const userId = checkUserId(parse(userRemoveSchema, input).userId)
      if (!accounts.get(userId)) throw unknownError(userId)
      await host.revokeUser(userId)
      await accounts.remove(userId)
      await host.revokeUser(userId)
      host.log.info({ userId }, 'user removed, sessions ended')
      return { userId }
    },
  }
}

/** The input as its schema gives it out. Faults tell no values: a password may stand in the wrong place. */
function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(({ path, message }) => {
    const sentence = message.charAt(0).toLowerCase() + message.slice(1)
    return path.length === 0 ? sentence : `${formatPath(path)}: ${sentence}`
  })
  throw new GroveError('ERR_USER', `the user command: ${faults.join('; ')}`, { details: { faults } })
}

function checkUserId(typed: string): string {
  const userId = toUserId(typed)
  if (userId !== undefined) return userId
  throw new GroveError(
    'ERR_USER',
    `${JSON.stringify(typed.slice(0, 80))} is not a user id: expected 1 to 64 letters, digits or any of . _ @ -`,
    { details: { reason: 'id' } },
  )
}

function checkPassword(text: string): void {
  const refuse = (expected: string) => {
    throw new GroveError('ERR_USER', `the password is not accepted: expected ${expected}`, {
      details: { reason: 'password' },
    })
  }
  if (!text.isWellFormed()) refuse('valid Unicode')
  const chars = Array.from(text).length
  if (chars < minPasswordChars) refuse(`at least ${minPasswordChars} characters, found ${chars}`)
  const bytes = passwordBytes(text)
  if (bytes > maxPasswordBytes) refuse(`at most ${maxPasswordBytes} bytes, found ${bytes}`)
}

function checkSites(host: PluginHost, names: readonly string[] | undefined): string[] | undefined {
  if (names === undefined || names.length === 0) return undefined
  const existing = new Set(host.sites().map((site) => site.name))
  const unknown = names.filter((name) => !existing.has(name))
  if (unknown.length === 0) return [...new Set(names)].sort()
  throw new GroveError('ERR_USER', `there is no site ${unknown.map((name) => `"${name}"`).join(', ')}`, {
    details: { reason: 'site', sites: unknown },
    hint: 'see all with: grove site list; make one with: grove site create <name>',
  })
}
