/**
 * Runs the whole example: Grove, the guestbook's pages and upstream, and a demo account. `npm start` calls it.
 *
 * It does what a person would do by hand, with the same commands: `grove serve`, `grove publish`, `grove user add`. What
 * is there already from an earlier run is kept.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, relative, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type AdminClient, createAdminClient } from '../../cli/admin-client.ts'
import { GroveError, isGroveError } from '../../core/errors.ts'
import { layoutOf } from '../../core/layout.ts'
import { userListSchema } from '../../plugins/login-password/commands.ts'
import { type Guestbook, startGuestbook } from './upstream/guestbook.ts'
import { createIdentityVerifier } from './upstream/identity.ts'
import { fetchJwks } from './upstream/jwks.ts'

const siteName = 'guestbook'
const demo = { user: 'ada', password: 'analytical-engine' }
const startTimeoutMs = 60_000
const pollMs = 100

const folder = import.meta.dirname
const siteFolder = join(folder, 'site')
const command = join(folder, '../../bin/grove.js')
const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: './data' },
    'https-port': { type: 'string' },
    'http-port': { type: 'string' },
  },
})
const layout = layoutOf(resolve(options.data))
/** Whether somebody asked to stop: what fails from then on is no fault. */
let isStopping = false

process.exitCode = await main()

async function main(): Promise<number> {
  /** Where visitors are; known when Grove listens, and nobody is signed in before that. */
  let origin = ''
  await using guestbook = await startGuestbook({
    databaseFile: join(layout.root, 'guestbook/guestbook.db'),
    siteFolder,
    verifier: createIdentityVerifier({
      fetchKeys: () => fetchJwks(`${origin}/.grove/jwks.json`, join(layout.certs, 'root.pem')),
      site: siteName,
      now: Date.now,
    }),
    report: (error) => console.error(error),
  })
  const serve = startServe(guestbook)
  const ended = once(serve, 'exit')
  try {
    using client = createAdminClient(layout.controlSocket)
    const port = await waitUntilReady(client, serve)
    if (port !== undefined) {
      origin = `https://${siteName}.localhost${port === 443 ? '' : `:${port}`}`
      await prepare(client)
      console.log(welcome(origin))
    }
  } catch (error) {
    if (!isStopping) console.error(error instanceof GroveError ? `error: ${error.message}` : error)
    serve.kill('SIGTERM')
    await ended
    return isStopping ? 0 : 1
  }
  const [code] = await ended
  return typeof code === 'number' ? code : 1
}

/**
 * Starts `grove serve` in a process group of its own: Ctrl-C on a terminal goes to a whole group, and Grove would take
 * the signal that is passed on for a second one, which ends it at once.
 */
function startServe({ port }: Guestbook): ChildProcess {
  const ports = (['https-port', 'http-port'] as const).flatMap((name) => {
    const value = options[name]
    return value === undefined ? [] : [`--${name}`, value]
  })
  const args = ['serve', '--config', join(folder, 'grove.config.ts'), '--data', layout.root, ...ports]
  const serve = spawn(process.execPath, [command, ...args], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, GUESTBOOK_UPSTREAM: `http://127.0.0.1:${port}` },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      isStopping = true
      // A terminal that is closed says SIGHUP; Grove would read its config again.
      serve.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal)
    })
  return serve
}

/** Resolves with the port for https when Grove serves, or undefined when it has ended, after saying why. */
async function waitUntilReady(client: AdminClient, serve: ChildProcess): Promise<number | undefined> {
  const untilMs = Date.now() + startTimeoutMs
  while (serve.exitCode === null && serve.signalCode === null) {
    const status = await client.status().catch((error: unknown) => {
      if (isGroveError(error, 'ERR_NOT_RUNNING')) return undefined
      throw error
    })
    // Another Grove may have this data folder; then ours is about to say so, and to end.
    const isOurs = status?.processes.some(({ kind, pid }) => kind === 'serve' && pid === serve.pid)
    if (status && isOurs && status.fronts.length > 0) return status.listen.find(({ name }) => name === 'https')?.port
    if (Date.now() > untilMs) throw new GroveError('ERR_TIMEOUT', `grove did not serve within ${startTimeoutMs} ms`)
    await pause(pollMs)
  }
  return undefined
}

/** Publishes the site and makes the demo account, unless an earlier run did. */
async function prepare(client: AdminClient): Promise<void> {
  const { live } = await client.site(siteName)
  if (live === undefined) await grove(['publish', siteFolder, '--site', siteName, '--message', 'the example'])
  const { users } = await client.plugin('login-password', 'list', {}, userListSchema)
  if (!users.some(({ userId }) => userId === demo.user))
    await grove(['user', 'add', demo.user, '--site', siteName, '--password-stdin'], demo.password)
}

/** Runs a command of Grove as a person would, and shows what it says. */
async function grove(args: readonly string[], input = ''): Promise<void> {
  const child = spawn(process.execPath, [command, ...args, '--data', layout.root], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(input)
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  process.stdout.write(said)
  if (code !== 0) throw new GroveError('ERR_INTERNAL', `"grove ${args.join(' ')}" ended with ${code}`)
}

function welcome(origin: string): string {
  const dataOption = layout.root === resolve('data') ? '' : ` --data ${shellWord(shown(layout.root))}`
  return `
  The guestbook is open.

    public page       ${origin}/
    sign in           ${origin}/.grove/login-password/
    demo account      ${demo.user}, password ${demo.password}

  Browsers warn about it until they trust the certificate authority that Grove made for itself:

    root certificate  ${shown(join(layout.certs, 'root.pem'))}
    trust it          npx grove trust${dataOption}
    undo that         npx grove trust --remove${dataOption}

  Change a file of the site, and publish the next version from another terminal:

    npx grove publish ${shellWord(shown(siteFolder))} --site ${siteName}${dataOption}

  Ctrl-C stops it. Versions, notes and accounts stay in ${shown(layout.root)}.
`
}

/** A path as it is typed from here. */
function shown(path: string): string {
  const fromHere = relative('.', path)
  return fromHere === '' || fromHere.startsWith('..') ? path : fromHere
}

function shellWord(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
