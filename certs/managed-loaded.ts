/** Certificates in use: read from the vault and parsed when somebody asks for them, and kept as long as many others are not. */

import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { setNewest } from '../core/newest.ts'
import type { Certificate } from './certificate.ts'
import type { Kept } from './managed-care.ts'
import { type CertificateRecord, decodeRecord, openCertificate, recordKey } from './managed-record.ts'
import { readRecord, type TendOptions } from './managed-tend.ts'

/** What reading needs. */
export interface LoadedOptions extends Pick<TendOptions, 'vault' | 'environment' | 'log'> {
  /** Whether a name is still looked after. */
  readonly isKept: (kept: Kept) => boolean
  /** Called when what the vault holds is damaged. */
  readonly damaged: (kept: Kept) => void
}

/** Certificates in use; at most `limits.managed.loaded`, those used longest ago go first. */
export interface Loaded {
  /**
   * The certificate of a name; undefined when there is none. Rejects with what the vault says, and with `ERR_TOO_MANY`
   * when too many are being read. `found`: the record, when it has just been read.
   */
  get(kept: Kept, found?: CertificateRecord): Promise<Certificate | undefined>
  /** Puts a newer one in place of the one in use; one that is not in use is not kept. */
  renew(name: string, certificate: Certificate): void
  /** Answers whether it was in use. */
  drop(name: string): boolean
  /** Names of those in use. */
  names(): Iterable<string>
  /** Resolves when nothing is being read. */
  idle(): Promise<unknown>
}

/** Nothing is in use yet. */
export function createLoaded({ vault, environment, log, isKept, damaged }: LoadedOptions): Loaded {
  /** Keyed by name, least recently used first. */
  const loaded = new Map<string, Certificate>()
  /** Being read, keyed by name. */
  const loading = new Map<string, Promise<Certificate | undefined>>()
  const keep = (name: string, certificate: Certificate) => setNewest(loaded, name, certificate, limits.managed.loaded)

  async function read(kept: Kept, found: CertificateRecord | undefined): Promise<Certificate | undefined> {
    const { name } = kept
    try {
      const near = found ? undefined : await vault.readNear(recordKey(name))
      let record = found ?? (near && decodeRecord(near.text))
      // What lies near may be older than what the last look found.
      if (kept.brief && record?.certificate?.id !== kept.brief.id) record = await readRecord(name, { vault, log })
      if (!record?.certificate) {
        // The last look found one: since then its record was damaged.
        if (kept.brief?.id !== undefined && !record?.revoked) damaged(kept)
        return undefined
      }
      const certificate = openCertificate(record.certificate, environment.now())
      // It was revoked while it was read.
      if (kept.brief?.isRevoked && kept.brief.id === undefined) return undefined
      if (isKept(kept)) keep(name, certificate)
      return certificate
    } catch (error) {
      if (!isGroveError(error, 'ERR_CERT')) throw error
      log.error({ err: error, name }, 'a certificate that was kept is damaged; a new one is ordered')
      damaged(kept)
      return undefined
    }
  }

  return {
    async get(kept, found) {
      const { name, brief } = kept
      const known = loaded.get(name)
      if (known && (!brief || brief.id === known.id)) {
        keep(name, known)
        return known
      }
      if (brief && brief.id === undefined) return undefined
      const running = loading.get(name)
      if (running) return running
      if (loading.size >= limits.managed.loaded)
        throw new GroveError('ERR_TOO_MANY', 'too many certificates are being read')
      const reading = read(kept, found).finally(() => loading.delete(name))
      loading.set(name, reading)
      return reading
    },
    renew(name, certificate) {
      if (loaded.has(name)) keep(name, certificate)
    },
    drop: (name) => loaded.delete(name),
    names: () => loaded.keys(),
    idle: () => Promise.allSettled(loading.values()),
  }
}
