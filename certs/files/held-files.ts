/** What was loaded from files, and what is wrong with them. */

import type { Logger } from 'pino'
import { toGroveError } from '../../core/errors.ts'
import type { Environment } from '../../store/environment.ts'
import type { Certificate } from '../certificate.ts'
import type { CertificateSource } from './file-specs.ts'
import type { Found } from './find-sources.ts'
import { loadSource } from './load-source.ts'

/** How it stands with one file. */
export interface FileState {
  readonly file: string
  /** Of the certificate in use; none when there is none. */
  readonly names: readonly string[]
  /** The end of the certificate in use, in milliseconds since the epoch; undefined when there is none. */
  readonly notAfterMs: number | undefined
  /** What is wrong with the file, although an older content of it may be in use. */
  readonly fault: FileFault | undefined
}

/** What is wrong with a file. */
export interface FileFault {
  /** A `CertificateReason`. */
  readonly reason: string
  /** Names the file. */
  readonly message: string
  readonly hint?: string | undefined
}

/** What was loaded. */
export interface HeldFiles {
  /** What was found last. */
  readonly found: Found
  /** Loads what is other than before. Answers whether that changed what is in use, or what is wrong. */
  take(found: Found, signal: AbortSignal): Promise<boolean>
  find(name: string): Certificate[]
  list(): FileState[]
}

/** What is known of one source. */
interface Held {
  readonly signature: string
  /** In use. */
  readonly certificate: Certificate | undefined
  readonly fault: FileFault | undefined
}

/** Reasons that may go away although no file changes. */
const passing = new Set(['future', 'file'])

/** Nothing was loaded yet. */
export function createHeldFiles(environment: Pick<Environment, 'now'>, log: Logger | undefined): HeldFiles {
  /** Keyed as the sources are. */
  const held = new Map<string, Held>()
  let found: Found = { sources: new Map(), signatures: new Map(), faults: [], folders: new Set() }
  /** Keyed by name, maybe `*.example.com`; those that last longest first. */
  let index = new Map<string, Certificate[]>()

  async function load(file: string, source: CertificateSource, signature: string): Promise<boolean> {
    const old = held.get(file)
    if (old?.signature === signature && !passing.has(old.fault?.reason ?? '')) return false
    try {
      const certificate = await loadSource(source, environment.now())
      held.set(file, { signature, certificate, fault: undefined })
      if (certificate.id === old?.certificate?.id) return old.fault !== undefined
      log?.info({ file, names: certificate.names.slice(0, 10) }, 'a certificate was loaded from a file')
      return true
    } catch (thrown) {
      const fault = toFault(thrown)
      held.set(file, { signature, certificate: old?.certificate, fault })
      if (fault.message === old?.fault?.message) return false
      const inUse = old?.certificate?.names.slice(0, 10)
      log?.warn({ file, ...fault, inUse }, 'a certificate in a file cannot be used')
      return true
    }
  }

  return {
    get found() {
      return found
    },
    async take(next, signal) {
      let isChanged = placesOf(next) !== placesOf(found)
      for (const [file, source] of next.sources) {
        signal.throwIfAborted()
        if (await load(file, source, next.signatures.get(file) ?? '')) isChanged = true
      }
      for (const file of held.keys()) if (!next.sources.has(file)) held.delete(file)
      found = next
      index = toIndex(held.values())
      return isChanged
    },
    find(name) {
      const nowMs = environment.now()
      const dot = name.indexOf('.')
      const wild = dot === -1 ? [] : (index.get(`*${name.slice(dot)}`) ?? [])
      const all = [...(index.get(name) ?? []), ...wild].filter(({ notAfterMs }) => notAfterMs > nowMs)
      return [...new Map(all.map((one) => [one.id, one])).values()]
    },
    list() {
      const nowMs = environment.now()
      const places = found.faults.map(({ file, error }) => stateOf(file, { fault: toFault(error) }, nowMs))
      return [...[...found.sources.keys()].map((file) => stateOf(file, held.get(file) ?? {}, nowMs)), ...places]
    },
  }
}

/** What there is, as far as people are told. */
function placesOf({ sources, faults }: Found): string {
  return JSON.stringify([...sources.keys(), ...faults.map(({ error }) => error.message)])
}

function stateOf(file: string, { certificate, fault }: Partial<Held>, nowMs: number): FileState {
  const names = certificate?.names ?? []
  const notAfterMs = certificate?.notAfterMs
  if (fault !== undefined || notAfterMs === undefined || notAfterMs > nowMs) return { file, names, notAfterMs, fault }
  const message = `${file}: the certificate ended at ${new Date(notAfterMs).toISOString()}`
  return { file, names, notAfterMs, fault: { reason: 'expired', message } }
}

function toFault(thrown: unknown): FileFault {
  const { code, message, details, hint } = toGroveError(thrown)
  const reason = details?.['reason']
  return { reason: typeof reason === 'string' ? reason : code, message, ...(hint !== undefined && { hint }) }
}

function toIndex(all: Iterable<Held>): Map<string, Certificate[]> {
  const index = new Map<string, Certificate[]>()
  for (const { certificate } of all)
    for (const name of certificate?.names ?? [])
      if (certificate) index.set(name, [...(index.get(name) ?? []), certificate])
  for (const list of index.values()) list.sort((a, b) => b.notAfterMs - a.notAfterMs)
  return index
}
