/**
 * The pages under `/.grove/login-password/`: signing in and signing out.
 *
 * The host refuses a POST from another site before it gets here (Origin and Sec-Fetch-Site), and the cookie is
 * SameSite=Lax; so the forms carry no token of their own.
 */

import type { Logger } from 'pino'
import { isGroveError } from '../../core/errors.ts'
import type { Handler, RouteContext } from '../../core/plugin.ts'
import type { Turnstile } from '../../core/turnstile.ts'
import type { Account, Accounts } from './accounts.ts'
import type { GuessLimits } from './guess-limits.ts'
import { safeNextPath } from './next-path.ts'
import { pageResponse, signedInPage, signInPage } from './page.ts'
import {
  type HashCost,
  hashPassword,
  isOutdated,
  maxPasswordBytes,
  passwordBytes,
  unmatchedHash,
  verifyPassword,
} from './password-hash.ts'
import { toUserId } from './user-id.ts'

/** What the routes work on. */
export interface RouteOptions {
  readonly accounts: Accounts
  readonly limits: GuessLimits
  readonly turnstile: Turnstile
  readonly cost: HashCost
  readonly log: Logger
}

/** How long a visitor is told to wait when too many others are signing in. */
const busySeconds = 5

/** Shows the sign-in page, or to whom the visitor is signed in. `GET /?next=/path`. */
export const showPage: Handler = (request, { site, session }) => {
  if (session) return pageResponse(200, signedInPage({ siteName: site.name, userId: session.userId }))
  const next = safeNextPath(new URL(request.url).searchParams.get('next'))
  return pageResponse(200, signInPage({ siteName: site.name, next }))
}

/** Ends the session, if there is one, and goes to the front page. `POST /sign-out`. */
export const signOut: Handler = async (_request, context) =>
  goTo('/', context.session ? await context.signOut() : undefined)

/** Checks a name and password and starts a session. `POST /sign-in`, `application/x-www-form-urlencoded`. */
export async function signIn(request: Request, context: RouteContext, options: RouteOptions): Promise<Response> {
  const { username, password, next } = await readForm(request)
  const again = (status: number, problem: string, headers: Readonly<Record<string, string>>) =>
    pageResponse(status, signInPage({ siteName: context.site.name, next, username, problem }), headers)

  const userId = toUserId(username)
  const attempt = options.limits.take(userId, context.clientAddress)
  if (attempt.waitMs > 0) {
    const seconds = Math.ceil(attempt.waitMs / 1_000)
    const problem = `Too many attempts. Please try again in ${durationText(seconds)}.`
    return again(429, problem, { 'retry-after': String(seconds) })
  }
  try {
    const isRight = await options.turnstile.run(() => verify(userId, password, context.site.name, options))
    if (!isRight || userId === undefined) {
      // RFC 9110 section 15.5.2: a 401 names a challenge. Browsers open no dialog for a scheme that they do not know.
      const headers = { 'www-authenticate': 'Grove-Password' }
      return again(401, 'This name and password do not match an account here.', headers)
    }
    // A new sign-in does not leave an older session behind.
    if (context.session) await context.signOut()
    const cookie = context.signIn(userId)
    attempt.succeeded()
    return goTo(next, cookie)
  } catch (error) {
    attempt.giveBack()
    if (!isGroveError(error, 'ERR_TOO_MANY')) throw error
    const problem = 'Many people are signing in right now. Please try again in a few seconds.'
    return again(503, problem, { 'retry-after': String(busySeconds) })
  }
}

/**
 * Whether the password is the account's and the account is one of this site. Costs one hash in every case, so that
 * the time does not tell an unknown name from a wrong password. (When the cost was raised, an account that has not
 * signed in since takes the time of its old cost.)
 */
async function verify(
  userId: string | undefined,
  password: string,
  siteName: string,
  options: RouteOptions,
): Promise<boolean> {
  const isTooLong = passwordBytes(password) > maxPasswordBytes
  for (let tries = 0; tries < 2; tries += 1) {
    const account = userId === undefined ? undefined : options.accounts.get(userId)
    const matches = await verifyPassword(isTooLong ? '' : password, account?.hash ?? unmatchedHash(options.cost))
    if (!account || isTooLong || !matches) return false
    if (account.sites !== undefined && !account.sites.includes(siteName)) return false
    if (isOutdated(account.hash, options.cost)) {
      if (await renewHash(account, password, options)) return true
    } else if (options.accounts.get(account.userId) === account) {
      return true
    }
    // The account was changed while the hash was computed, and its sessions were ended: look at it as it is now.
  }
  return false
}

/** Hashes a right password anew at today's cost. Answers false when the account was changed meanwhile. */
async function renewHash(account: Account, password: string, options: RouteOptions): Promise<boolean> {
  const { accounts, cost, log } = options
  const renewed = { ...account, hash: await hashPassword(password, cost) }
  try {
    return await accounts.replace(account, renewed)
  } catch (error) {
    // The old hash is as right as it was; whoever knows the password is not kept out by a full disk.
    log.warn({ err: error, userId: account.userId }, 'hash not renewed')
    return accounts.get(account.userId) === account
  }
}

interface Form {
  readonly username: string
  readonly password: string
  readonly next: string
}

/** The form's fields; missing ones are empty, and a body of another type is an empty form. */
async function readForm(request: Request): Promise<Form> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  const text = await request.text()
  const fields = new URLSearchParams(type === 'application/x-www-form-urlencoded' ? text : '')
  return {
    username: (fields.get('username') ?? '').slice(0, 100),
    password: fields.get('password') ?? '',
    next: safeNextPath(fields.get('next')),
  }
}

function goTo(path: string, cookie: string | undefined): Response {
  const headers = new Headers({ location: path, 'cache-control': 'no-store' })
  if (cookie !== undefined) headers.append('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}

function durationText(seconds: number): string {
  const [count, unit] = seconds < 60 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
