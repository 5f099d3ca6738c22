/** `grove dev`: a site of a folder, served here as Grove would serve it, and again whenever something in it changes. */

import { hash } from 'node:crypto'
import { join } from 'node:path'
import type { GroveError } from '../../core/errors.ts'
import { toGroveError } from '../../core/errors.ts'
import { createLog } from '../../core/log.ts'
import type { Terminal } from '../terminal.ts'
import { buildDev, type DevBuild, devLimits } from './dev-build.ts'
import { DevFiles, type FileAnswer, openDevFolder } from './dev-folder.ts'
import { DevLines } from './dev-lines.ts'
import type { DevFault } from './dev-page.ts'
import { DevReload } from './dev-reload.ts'
import { type DevSandbox, devDataFolder, devSite, startDevSandbox } from './dev-sandbox.ts'
import { type DevServed, listenDev } from './dev-server.ts'
import { watchFolder } from './dev-watch.ts'

/** What is served, and how. */
export interface DevOptions {
  /** Absolute. */
  readonly folder: string
  /** 0 for one that is free. */
  readonly port: number
  /** Whether open pages reload when something has changed. */
  readonly reload: boolean
  readonly terminal: Terminal
}

/** A site that is served. */
export interface Dev extends AsyncDisposable {
  readonly url: string
}

/**
 * Serves the folder until it is disposed. Code that cannot be built is no reason to end: what is wrong is told, here and in
 * the browser. Throws `ERR_NOT_FOUND` for no folder, `ERR_PORT`, `ERR_DATA_LOCKED`.
 */
export async function startDev({ folder, port, reload, terminal }: DevOptions): Promise<Dev> {
  await using parts = new AsyncDisposableStack()
  const site = await openDevFolder(folder)
  const lines = new DevLines(terminal, site)
  const pages = reload ? new DevReload() : undefined
  let hidden: ReadonlySet<string> = new Set()
  const files = new DevFiles(site, devSite, () => hidden)
  let served: DevServed = { files, routes: [], code: undefined, fault: undefined }
  let sandbox: Promise<DevSandbox> | undefined
  parts.defer(async () => (await sandbox?.catch(() => undefined))?.[Symbol.asyncDispose]())

  const openSandbox = (): Promise<DevSandbox> => {
    sandbox ??= startDevSandbox({
      root: site.root,
      asset: (url, ifNoneMatch) => assetOf(files, url, ifNoneMatch),
      line: lines.take,
      log: createLog('dev', 'error', true),
    }).then((started) => {
      tellSandbox(started, lines)
      return started
    })
    return sandbox
  }

  let inForce = ''
  const put = async ({ code, routes, hidden: sources }: DevBuild): Promise<void> => {
    const wanted = JSON.stringify(
      code && [hashOf(code.bundle), code.vars, code.allow, code.secrets, code.wasm.map(({ bytes }) => hashOf(bytes))],
    )
    // A page that changed is no reason to start the code anew.
    const isSame = wanted === inForce && served.fault === undefined
    const upstream = isSame ? served.code : code && (await (await openSandbox()).use(code))
    inForce = wanted
    hidden = sources
    served = { files, routes, code: upstream, fault: undefined }
  }

  /** Answers what it has come to, for people; undefined where it failed, which is told already. */
  const build = async (): Promise<string | undefined> => {
    lines.forget()
    try {
      const built = await buildDev(site)
      await put(built)
      return built.notes.join('\n')
    } catch (thrown) {
      const error = toGroveError(thrown)
      const hint = error.hint ?? 'Mend it and save.'
      if (error.code === 'ERR_SITE_CODE') {
        // Its log has said why.
        const said = await lines.errorOf('')
        served = { ...served, fault: { title: 'The code cannot be started', text: error.message, ...said, hint } }
      } else if (error.code === 'ERR_CODE') {
        served = { ...served, fault: { title: 'The code cannot be built', text: error.message, hint } }
        lines.say('error', [error.message, ...(error.hint === undefined ? [] : [error.hint])].join('\n'))
      } else throw error
      return undefined
    }
  }

  const first = await build()
  if (first) lines.say('ready', first)
  const listening = await listenDev(port, {
    served: () => served,
    faultOf: (error, request) => faultOf(error, request, lines),
    answered: ({ method, target }, status, ms) =>
      lines.say('debug', `${method} ${target} ${status} in ${Math.round(ms)} ms`),
    reload: pages,
  })
  parts.defer(() => {
    pages?.close()
    listening.server.closeAllConnections()
    listening.server.close()
  })
  const url = `http://localhost:${listening.port}/`
  lines.say('ready', `${url}  serves ${folder}${reload ? '; open pages reload when it changes' : ''}; Ctrl-C ends`)
  parts.use(watchAndBuild(site.root, build, pages, lines))
  const owned = parts.move()
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Builds after changes, one build at a time. */
function watchAndBuild(
  root: string,
  build: () => Promise<string | undefined>,
  pages: DevReload | undefined,
  lines: DevLines,
): Disposable {
  let building: Promise<void> = Promise.resolve()
  let isWaiting = false
  const changed = () => {
    if (isWaiting) return
    isWaiting = true
    building = building.then(async () => {
      isWaiting = false
      const startedAtMs = performance.now()
      try {
        const built = await build()
        const took = `changed; built in ${Math.round(performance.now() - startedAtMs)} ms`
        if (built !== undefined) lines.say('ready', built === '' ? took : `${took}; ${built}`)
      } catch (error) {
        lines.say('error', toGroveError(error).message)
      }
      pages?.reload()
    })
  }
  return watchFolder(root, changed, (error) =>
    lines.say('warn', `changes are not seen any more: ${error.message}; start grove dev again`),
  )
}

async function assetOf(files: DevFiles, url: string, ifNoneMatch: string | undefined): Promise<FileAnswer> {
  const { pathname, search } = new URL(url)
  let path: string
  try {
    path = decodeURIComponent(pathname)
  } catch {
    return { status: 400, headers: [] }
  }
  const found = await files.answer({ path, query: search, ifNoneMatch })
  return found ?? (await files.notFound(path)) ?? { status: 404, headers: [] }
}

function tellSandbox({ capabilities }: DevSandbox, lines: DevLines): void {
  const { cpuMs, cpuBucketMs, entryMs, startupMs, heapMiB, processMiB, firstByteMs, subrequests } = devLimits
  lines.say(
    'ready',
    `code has the limits of a published site: ${cpuMs} ms of CPU a request and ${cpuBucketMs / 1_000} s in reserve, ` +
      `${entryMs} ms at a stretch,\n${startupMs} ms to start, ${heapMiB} MiB of heap in a process of ${processMiB} MiB, ` +
      `${firstByteMs / 1_000} s to the first byte, ${subrequests} fetches a request`,
  )
  const names = (holds: boolean) => capabilities.filter((each) => each.holds === holds).map(({ name }) => name)
  const [confined, missing] = [names(true), names(false)]
  const lacks = missing.length === 0 ? '' : `; not on this machine: ${missing.join(', ')}`
  lines.say('ready', `its process is confined by: ${confined.join(', ') || 'nothing'}${lacks}`)
  lines.say('ready', `its data (env.DATA) lies in ${join('.', devDataFolder)}, its secrets come from .dev.vars`)
}

function hashOf(bytes: Uint8Array): string {
  return hash('sha256', bytes)
}

async function faultOf(error: GroveError, request: string, lines: DevLines): Promise<DevFault> {
  const { code, status = 500 } = (error.details ?? {}) as { readonly code?: string; readonly status?: number }
  const said = (await lines.errorOf(request)) ?? lines.lastError
  return {
    title: titles[code ?? ''] ?? 'The code did not answer',
    text: said?.text ?? error.message,
    frame: said?.frame,
    hint: `Request ${request}: a visitor would get the status ${status} and this id.`,
  }
}

/** What happened, by the code of a failure. */
const titles: Readonly<Record<string, string>> = {
  exception: 'The code has thrown an error',
  'bad-answer': 'The code did not answer with a response',
  cpu: 'The code took more time than it has',
  memory: 'The code took more memory than it has',
  wall: 'The code took too long to answer',
  limit: 'The code has reached a limit',
}
