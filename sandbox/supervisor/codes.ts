/** The code of versions: asked of control, read from the disk by hash, with placeholders where it has secrets. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { GroveError } from '../../core/errors.ts'
import { blobFile, type Layout } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash, SiteName, VersionNumber } from '../../core/names.ts'
import { setNewest } from '../../core/newest.ts'
import { type SiteCode, type SupervisorToControl, siteCodeSchema } from '../../core/supervisor-messages.ts'
import { createPlaceholder } from '../egress/edge-secrets.ts'
import type { EdgeSecret } from '../egress/policy.ts'

/** How the supervisor speaks to control: a {@link Channel}, or what stands for one. */
export interface ControlCalls {
  send(message: SupervisorToControl): void
  call(message: SupervisorToControl, timeoutMs?: number): Promise<unknown>
}

/** The code of one version as it is given to a process. */
export interface LoadedCode extends SiteCode {
  /** With a placeholder each, which is all that the process gets. */
  readonly placeheld: readonly EdgeSecret[]
}

/** A code with its contents. */
export interface CodeContents {
  readonly code: LoadedCode
  readonly bundle: Buffer
  readonly wasm: readonly { readonly name: string; readonly bytes: Buffer }[]
}

/** Gets codes. */
export interface Codes {
  /** The code of a version. Rejects with `ERR_NOT_FOUND` where it has none, and with what control says. */
  get(site: SiteName, version: VersionNumber): Promise<CodeContents>
}

/** Makes what gets codes. */
export function createCodes(control: ControlCalls, layout: Layout): Codes {
  /** Placeholders by site, then by name and value: a secret that stays the same keeps its own. */
  const placeholders = new Map<SiteName, Map<string, string>>()

  function placehold(code: SiteCode): EdgeSecret[] {
    const before = placeholders.get(code.site)
    const now = new Map<string, string>()
    const placeheld = code.secrets.map(({ name, value, hosts }) => {
      const key = `${name}\0${value}`
      const placeholder = before?.get(key) ?? createPlaceholder()
      now.set(key, placeholder)
      return { name, value, hosts, placeholder }
    })
    setNewest(placeholders, code.site, now, limits.sandboxProcess.remembered)
    return placeheld
  }

  /** A content by its hash; one that is not there, or not whole, control is asked for. */
  async function read(site: SiteName, hash: BlobHash, bytes: number): Promise<Buffer> {
    const found = await tryRead(layout, hash)
    if (found) return found
    await control.call({ kind: 'content', site, hash, bytes }, limits.front.contentMs)
    const fetched = await tryRead(layout, hash)
    if (fetched) return fetched
    throw new GroveError('ERR_BLOB_CORRUPT', `the content ${hash} of ${site} is not what it should be`)
  }

  return {
    async get(site, version) {
      const code = siteCodeSchema.parse(await control.call({ kind: 'code', site, version }))
      if (code.site !== site || code.version !== version)
        throw new GroveError('ERR_INTERNAL', `asked for ${site}@${version} and got ${code.site}@${code.version}`)
      const bundle = await read(site, code.bundle.hash, code.bundle.bytes)
      const wasm: { name: string; bytes: Buffer }[] = []
      for (const { name, hash, bytes } of code.wasm) wasm.push({ name, bytes: await read(site, hash, bytes) })
      return { code: { ...code, placeheld: placehold(code) }, bundle, wasm }
    },
  }
}

/** A content if it is there and whole: what is run is checked each time, it is small. */
async function tryRead(layout: Layout, hash: BlobHash): Promise<Buffer | undefined> {
  try {
    const content = await readFile(blobFile(layout, hash))
    return createHash('sha256').update(content).digest('hex') === hash ? content : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
