/**
 * What the code of sites says, kept for their authors: for each site a file of lines and an older one, bounded, and
 * those who follow it as it comes. Lines come with secrets taken out by then; here they are only kept.
 */

import { appendFile, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { makePrivateFolder } from '../core/private-file.ts'
import { type SiteLogLine, siteLogLineSchema } from '../core/supervisor-messages.ts'

const bounds = limits.siteOutput

/** The output of all sites. */
export interface SiteOutput extends AsyncDisposable {
  /** Takes lines. They are on the disk a moment later; what cannot be kept is left out. */
  write(lines: readonly SiteLogLine[]): void
  /** The last lines of a site that are wanted, oldest first. Throws `ERR_DATA_IO`. */
  read(site: SiteName, most: number, isWanted?: (line: SiteLogLine) => boolean): Promise<SiteLogLine[]>
  /**
   * Lines of a site from now on, until the signal aborts; `undefined` every {@link limits.siteOutput} `beatMs` in which
   * there is none. Who does not keep up misses lines, and is told how many. Throws `ERR_TOO_MANY`.
   */
  follow(site: SiteName, signal: AbortSignal): AsyncGenerator<SiteLogLine | undefined>
  /** Removes what is kept of a site. */
  remove(site: SiteName): Promise<void>
  /** Resolves when all that was taken is on the disk. */
  idle(): Promise<void>
}

interface Follower {
  readonly lines: SiteLogLine[]
  lost: number
  wake: () => void
}

/** Opens the folder of sites' output, and makes it the first time. */
export async function openSiteOutput(folder: string, log: Logger): Promise<SiteOutput> {
  await makePrivateFolder(folder)
  return new FileOutput(folder, log)
}

class FileOutput implements SiteOutput {
  readonly #folder: string
  readonly #log: Logger
  readonly #followers = new Map<SiteName, Set<Follower>>()
  /** Texts that wait for the disk. Keyed by site. */
  #queued = new Map<SiteName, string[]>()
  #queuedLines = 0
  #writing: Promise<void> | undefined

  constructor(folder: string, log: Logger) {
    this.#folder = folder
    this.#log = log
  }

  write(lines: readonly SiteLogLine[]): void {
    for (const line of lines) {
      this.#tell(line)
      if (this.#queuedLines >= bounds.queued) continue
      const texts = this.#queued.get(line.site) ?? []
      texts.push(`${JSON.stringify(line)}\n`)
      this.#queued.set(line.site, texts)
      this.#queuedLines += 1
    }
    this.#start()
  }

  async read(site: SiteName, most: number, isWanted = (_: SiteLogLine) => true): Promise<SiteLogLine[]> {
    if (most === 0) return []
    await this.idle()
    const { current, older } = this.#filesOf(site)
    const lines = (await readLines(current)).filter(isWanted)
    if (lines.length >= most) return lines.slice(-most)
    return [...(await readLines(older)).filter(isWanted), ...lines].slice(-most)
  }

  async *follow(site: SiteName, signal: AbortSignal): AsyncGenerator<SiteLogLine | undefined> {
    const all = this.#followers.get(site) ?? new Set()
    if (all.size >= bounds.followers)
      throw new GroveError('ERR_TOO_MANY', `${bounds.followers} follow the log of "${site}" already`)
    const follower: Follower = { lines: [], lost: 0, wake: () => {} }
    this.#followers.set(site, all.add(follower))
    try {
      while (!signal.aborted) {
        if (follower.lines.length === 0) await arrival(follower, signal)
        if (signal.aborted) return
        const { lost } = follower
        follower.lost = 0
        if (follower.lines.length === 0) yield undefined
        else yield* follower.lines.splice(0)
        if (lost > 0) yield lostLine(site, lost)
      }
    } finally {
      all.delete(follower)
      if (all.size === 0) this.#followers.delete(site)
    }
  }

  async remove(site: SiteName): Promise<void> {
    this.#queued.delete(site)
    await this.idle()
    const { current, older } = this.#filesOf(site)
    await rm(current, { force: true })
    await rm(older, { force: true })
  }

  async idle(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const all of this.#followers.values()) for (const { wake } of all) wake()
    await this.idle()
  }

  #tell(line: SiteLogLine): void {
    for (const follower of this.#followers.get(line.site) ?? []) {
      if (follower.lines.length < bounds.waiting) follower.lines.push(line)
      else follower.lost += 1
      follower.wake()
    }
  }

  #start(): void {
    if (this.#writing || this.#queued.size === 0) return
    this.#writing = this.#drain().finally(() => {
      this.#writing = undefined
      this.#start()
    })
  }

  async #drain(): Promise<void> {
    const queued = this.#queued
    this.#queued = new Map()
    this.#queuedLines = 0
    for (const [site, texts] of queued)
      await this.#append(site, texts).catch((error: unknown) => {
        this.#log.warn({ err: error, site }, 'lines of a site cannot be kept')
      })
  }

  /** A piece is at most as long as a file may grow, so that the two files together are bounded. */
  async #append(site: SiteName, texts: readonly string[]): Promise<void> {
    const { current, older } = this.#filesOf(site)
    const { size } = (await stat(current).catch(ignoreMissing)) ?? { size: 0 }
    let text = ''
    let bytes = size
    for (const line of texts) {
      const lineBytes = Buffer.byteLength(line)
      if (bytes > 0 && bytes + lineBytes > bounds.fileBytes) {
        if (text !== '') await appendFile(current, text, { mode: 0o600 })
        await rename(current, older).catch(ignoreMissing)
        text = ''
        bytes = 0
      }
      text += line
      bytes += lineBytes
    }
    if (text !== '') await appendFile(current, text, { mode: 0o600 })
  }

  /** A site's name is a DNS label, so it cannot lead out of the folder. */
  #filesOf(site: SiteName): { readonly current: string; readonly older: string } {
    return { current: join(this.#folder, `${site}.log`), older: join(this.#folder, `${site}.old.log`) }
  }
}

/** Resolves when there is a line, it is time for a beat, or the signal aborts. */
async function arrival(follower: Follower, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  follower.wake = resolve
  const timer = setTimeout(resolve, bounds.beatMs)
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
  clearTimeout(timer)
}

function lostLine(site: SiteName, lost: number): SiteLogLine {
  const text = `${lost} lines came too fast to be followed; they are in the log`
  return { atMs: Date.now(), site, level: 'warn', text, from: 'grove' }
}

/** The lines of a file that are whole. A process that ended in the middle of one leaves a part, which is passed over. */
async function readLines(file: string): Promise<SiteLogLine[]> {
  const handle = await open(file, 'r').catch(ignoreMissing)
  if (!handle) return []
  try {
    const lines: SiteLogLine[] = []
    for await (const text of handle.readLines()) {
      const line = parseLine(text)
      if (line) lines.push(line)
    }
    return lines
  } finally {
    await handle.close().catch(() => undefined)
  }
}

function parseLine(text: string): SiteLogLine | undefined {
  try {
    return siteLogLineSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
