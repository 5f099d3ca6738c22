/**
 * Sign-in with a name and a password, for sites that have people.
 *
 * The plugin proves who somebody is; the host makes the session. Accounts lie in the plugin's own log with argon2id
 * hashes. `grove user` manages them, and changing a password or removing a user ends all sessions of that user.
 */

import { z } from 'zod'
import { GroveError } from '../../core/errors.ts'
import type { Handler, Plugin } from '../../core/plugin.ts'
import { lazyOptions } from '../../core/plugin-options.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { openAccounts } from './accounts.ts'
import { createCommands } from './commands.ts'
import { createGuessLimits } from './guess-limits.ts'
import { defaultHashCost } from './password-hash.ts'
import { type RouteOptions, showPage, signIn, signOut } from './routes.ts'

const limitSchema = z.strictObject({ burst: z.int().min(1).max(10_000), everyMs: z.int().min(1).max(86_400_000) })

const optionsSchema = z.strictObject({
  /** What one hash costs. Raised, old hashes are made anew when their owner signs in. */
  cost: z
    .strictObject({
      memoryKiB: z.int().min(64).max(1_048_576),
      passes: z.int().min(1).max(100),
      lanes: z.int().min(1).max(8),
    })
    .default(defaultHashCost),
  /** Attempts per account: ten at once, then one a minute. */
  accountLimit: limitSchema.default({ burst: 10, everyMs: 60_000 }),
  /** Attempts per address: thirty at once, then one every ten seconds. */
  addressLimit: limitSchema.default({ burst: 30, everyMs: 10_000 }),
  /** Most accounts. */
  maxAccounts: z.int().min(1).max(1_000_000).default(100_000),
  /** The clock, for tests. */
  now: z.custom<() => number>((value) => typeof value === 'function', 'a function').default(() => Date.now),
})

/** What {@link loginPassword} takes; all of it has a default. */
export type LoginPasswordOptions = z.input<typeof optionsSchema>

/** How many hashes are computed at once, and how many sign-ins are let in before: a bound on memory and on time. */
const signInTurnstile = { parallel: 2, most: 66, what: 'sign-ins' }

/** How long an address from which somebody signed in is not held up by guesses that others make at the account. */
const knownAddressMs = 30 * 86_400_000

/** Accounts and addresses whose attempts are remembered. */
const maxLimitKeys = 50_000

/** A plugin `login-password`. Its options are checked when the config is read. */
export function loginPassword(options: LoginPasswordOptions = {}): Plugin {
  const parsed = lazyOptions(optionsSchema, options)
  let started: RouteOptions | undefined
  const postSignIn: Handler = (request, context) => {
    if (!started) throw new GroveError('ERR_PLUGIN', 'login-password was asked to sign in before it was started')
    return signIn(request, context, started)
  }
  return {
    name: 'login-password',
    schema: optionsSchema,
    options,
    routes: { 'GET /': showPage, 'POST /sign-in': postSignIn, 'POST /sign-out': signOut },
    async start(host) {
      const { cost, accountLimit, addressLimit, maxAccounts, now } = parsed()
      const accounts = await openAccounts(await host.openLog('accounts'), maxAccounts)
      const limits = { account: accountLimit, address: addressLimit, knownMs: knownAddressMs, maxKeys: maxLimitKeys }
      started = {
        accounts,
        cost,
        limits: createGuessLimits({ ...limits, now }),
        turnstile: createTurnstile(signInTurnstile),
        log: host.log,
      }
      for (const [path, run] of Object.entries(createCommands(host, { accounts, cost, now }))) host.command(path, run)
      return undefined
    },
  }
}
