/**
 * Secrets of sites: in a bag of each site's own, sealed with the key of the store where one is configured. A value leaves
 * here for the supervisor of sandboxes, and for nobody else: no command shows it.
 */

import type { Logger } from 'pino'
import { z } from 'zod'
import { envNamePattern } from '../core/code-manifest.ts'
import { GroveError, isGroveError } from '../core/errors.ts'
import { siteOwner } from '../core/grant-api.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { type SandboxLimits, sandboxBounds } from '../core/sandbox-limits.ts'
import type { SiteSecret } from '../core/supervisor-messages.ts'
import { type Bag, openBag } from '../store/bags/bag.ts'
import type { BagEntry } from '../store/bags/bag-entry.ts'
import type { Environment } from '../store/environment.ts'
import type { Keyring } from '../store/segments/keyring.ts'
import { openBytes, sealBytes } from '../store/segments/sealed-bytes.ts'
import type { Store } from '../store/store.ts'
import { type AuditNote, auditPath } from '../store/versions/site-log.ts'
import { OpenSites } from './open-sites.ts'

/** What secrets are kept with. */
export interface SiteSecretsOptions {
  readonly store: Store
  readonly env: Environment
  /** Seals what is written. Secrets in the clear from before are still read. */
  readonly keyring: Keyring | undefined
  readonly log: Logger
}

/** The limits of a site that hold for secrets too: how many, and how large each is. */
export type SecretLimits = Pick<SandboxLimits, 'vars' | 'varBytes'>

/** What can be told of a secret. */
export interface SecretInfo {
  readonly name: string
  /** Where its value is put in; none: the code itself gets it. */
  readonly hosts: readonly string[]
  readonly setAtMs: number
}

const metadataSchema = z.object({ hosts: z.array(z.string()), setAtMs: z.number(), sealed: z.boolean() })

/** The secrets of one store's sites. */
export class SiteSecrets implements AsyncDisposable {
  readonly #options: SiteSecretsOptions
  readonly #open: OpenSites<Bag>

  constructor(options: SiteSecretsOptions) {
    this.#options = options
    const { store, env, log } = options
    this.#open = new OpenSites({
      open: (site) => {
        const audit = { path: auditPath(siteOwner, site), noteOf }
        return openBag({ store, handle: store.root, path: pathOf(site), now: env.now, audit })
      },
      most: limits.secretBags.open,
      failed: (site, error) => log.warn({ err: error, site }, 'secrets could not be closed'),
    })
  }

  /** Sets a secret of a site with these limits. Throws `ERR_BAD_REQUEST` for a name or value that cannot be, `ERR_TOO_MANY`. */
  async set(site: SiteName, { name, value, hosts }: SiteSecret, siteLimits: SecretLimits): Promise<void> {
    const { env, keyring } = this.#options
    checkName(name)
    checkValue(value, siteLimits.varBytes)
    await this.#use(site, async (bag) => {
      if (!bag.get(name) && bag.size >= siteLimits.vars)
        throw new GroveError('ERR_TOO_MANY', `this site has at most ${siteLimits.vars} secrets (vars)`)
      const plain = Buffer.from(value)
      const metadata = JSON.stringify({ hosts, setAtMs: env.now(), sealed: keyring !== undefined })
      const sealed = keyring ? sealBytes(keyring, env, placeOf(site, name), plain) : plain
      await bag.put(name, { value: sealed, metadata, expiresAtMs: undefined })
    })
  }

  /** Takes a secret away. Answers false when there was none. */
  async remove(site: SiteName, name: string): Promise<boolean> {
    return this.#use(site, async (bag) => {
      const isThere = bag.get(name) !== undefined
      if (isThere) await bag.delete(name)
      return isThere
    })
  }

  /** Names and hosts, sorted by name. */
  async list(site: SiteName): Promise<SecretInfo[]> {
    const secrets = await this.#all(site)
    return secrets.map(({ name, metadata: { hosts, setAtMs } }) => ({ name, hosts, setAtMs }))
  }

  /** All secrets of a site with their values. Throws `ERR_KEY_MISSING`, `ERR_BLOB_CORRUPT`. */
  async read(site: SiteName): Promise<SiteSecret[]> {
    const { keyring } = this.#options
    const secrets = await this.#all(site)
    return secrets.map(({ name, value, metadata: { hosts, sealed } }) => {
      const plain = sealed ? openBytes(keyring, placeOf(site, name), value) : Buffer.from(value)
      return { name, value: plain.toString('utf8'), hosts }
    })
  }

  /** Takes all secrets of a site away. */
  async clear(site: SiteName): Promise<void> {
    if (await this.#isThere(site)) await this.#use(site, (bag) => bag.clear())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]()
  }

  async #all(site: SiteName) {
    if (!(await this.#isThere(site))) return []
    return this.#use(site, async (bag) => {
      const { keys } = bag.list({ prefix: '', limit: sandboxBounds.vars.most })
      return keys.flatMap(({ key: name }) => {
        const item = bag.get(name)
        if (!item) return []
        const metadata = metadataSchema.parse(JSON.parse(item.metadata ?? ''))
        return [{ name, value: item.value, metadata }]
      })
    })
  }

  /** Whether a site ever had a secret: those that had none are not to have a log made by being asked. */
  async #isThere(site: SiteName): Promise<boolean> {
    const { store } = this.#options
    return (await store.list(store.root, pathOf(site))).includes(pathOf(site))
  }

  async #use<T>(site: SiteName, work: (bag: Bag) => Promise<T>): Promise<T> {
    using held = await this.#open.hold(site)
    try {
      return await work(held.value)
    } catch (error) {
      // After anything but a refusal, what is in memory may not be what is on the disk.
      if (!isGroveError(error, 'ERR_TOO_LARGE') && !isGroveError(error, 'ERR_TOO_MANY')) this.#open.forget(site)
      throw error
    }
  }
}

function pathOf(site: SiteName): string {
  return `/sites/${siteOwner}/${site}/secrets`
}

/** What the site's log says of a change: never a value, nor anything that was made of one. */
function noteOf(entry: BagEntry): AuditNote | undefined {
  if (entry.kind === 'put') return { act: 'secret-set', name: entry.key }
  return entry.kind === 'delete' ? { act: 'secret-remove', name: entry.key } : undefined
}

function placeOf(site: SiteName, name: string) {
  return { owner: siteOwner, name: `secret ${site} ${name}` }
}

function checkName(name: string): void {
  if (envNamePattern.test(name)) return
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(name.slice(0, 130))} is not a name of a secret`, {
    hint: 'use letters, digits and underscores, the first no digit; ASSETS, DATA and WASM are taken',
  })
}

/** Says nothing of the value but its length. */
function checkValue(value: string, mostBytes: number): void {
  const bytes = Buffer.byteLength(value)
  const { leastChars } = limits.siteSecret
  if (value.length < leastChars)
    throw new GroveError('ERR_BAD_REQUEST', `the value has ${value.length} characters, and needs ${leastChars}`, {
      hint: 'a shorter one could not be kept out of logs; what is no secret can be in vars of grove.json',
    })
  if (bytes > mostBytes)
    throw new GroveError(
      'ERR_BAD_REQUEST',
      `the value has ${bytes} bytes, and this site may have ${mostBytes} (varBytes)`,
    )
  if (!value.isWellFormed() || value.includes('\0')) throw new GroveError('ERR_BAD_REQUEST', 'the value is not text')
}
