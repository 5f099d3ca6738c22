/** Rows of attacks: code of one site, each under a path of its own, and what becomes of whoever visits it. */

import type { Test } from 'tap'
import type { Ground, Publication, Seen, Visit } from './host.ts'

/** What may become of a visit. */
export interface Outcome {
  readonly status?: number
  readonly body?: string | RegExp
  /** One of `failureCodes`; undefined: it is answered. */
  readonly failed?: string
  readonly isCut?: true
}

/** A row. */
export interface Row {
  readonly name: string
  /** The body of an async function of `request`, `env`, `context`. */
  readonly code: string
  readonly visit?: Visit
  /** Any of these. */
  readonly expected: Outcome | readonly Outcome[]
  /** A line that the author then finds in the log. */
  readonly log?: RegExp
  /** The next visitor may be told to come again, so often. @default 3 */
  readonly tries?: number
}

/** How long an attack may take in all: a request is over after 60 s, whatever it does. */
const longestMs = 90_000

/** Publishes all rows as one version of a site. */
export async function publishRows(ground: Ground, site: string, rows: readonly Row[], more: Publication = {}) {
  const handlers = rows
    .map(({ code }, index) => `'/${index}': async (request, env, context) => { ${code}\n},`)
    .join('\n')
  const top = `const rows = {\n${handlers}\n}\nconst well = () => new Response('well')\n`
  const fetch = 'fetch: (request, env, context) => (rows[new URL(request.url).pathname] ?? well)(request, env, context)'
  await ground.publish(site, `${top}\nexport default { ${fetch} }`, more)
}

/** Visits each row, and after each the site once more. */
export async function visitRows(t: Test, ground: Ground, site: string, rows: readonly Row[]): Promise<void> {
  for (const [index, row] of rows.entries())
    await t.test(row.name, { timeout: longestMs }, async (t) => {
      ground.lines.length = 0
      const path = `/${index}${row.visit?.path ?? ''}`
      const seen = await ground.ask(site, { ...row.visit, path })
      const outcomes: readonly Outcome[] = Array.isArray(row.expected) ? row.expected : [row.expected]
      t.ok(
        outcomes.some((outcome) => isOutcome(outcome, seen)),
        JSON.stringify({ ...seen, body: seen.body.slice(0, 300) }),
      )
      if (row.log) t.ok(await ground.line(site, row.log), `${row.log} in ${JSON.stringify(ground.lines).slice(0, 600)}`)
      await recovers(t, ground, site, row.tries)
    })
}

/** The next visitor is answered soon. */
export async function recovers(t: Test, ground: Ground, site: string, tries = 3): Promise<void> {
  await ground.release(site)
  let seen: Seen | undefined
  for (let count = 0; count < tries && seen?.body !== 'well'; count += 1) {
    if (count > 0) await new Promise((resolve) => setTimeout(resolve, 500))
    seen = await ground.ask(site, { path: '/well' })
  }
  t.equal(seen?.body, 'well', `the next visitor is answered: ${JSON.stringify(seen)}`)
}

function isOutcome({ status, body, failed, isCut }: Outcome, seen: Seen): boolean {
  if (failed !== seen.failed || isCut !== seen.isCut) return false
  if (status !== undefined && status !== seen.status) return false
  if (body === undefined) return true
  return typeof body === 'string' ? body === seen.body : body.test(seen.body)
}
