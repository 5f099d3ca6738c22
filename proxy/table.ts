/**
 * The table of a site's live version: from a path to what is served there. One look-up per request, no rules.
 *
 * What an answer says about a file is put together at the first request for it in a coding and kept: it follows from
 * the compiled version alone, so doing it for all files ahead would only cost memory (some 2 KB a file) and delay.
 */

import type { Coding, CompiledFile, CompiledVersion } from '../core/compiled.ts'
import type { HeaderList } from '../core/headers.ts'
import { type SiteName, type VersionNumber, versionLabel } from '../core/names.ts'
import { type CodingPreference, selectCoding } from './accept-encoding.ts'
import { contentKey, type StoredContent } from './blob-cache.ts'

/** A file in one coding, with ready header lists. */
export interface Representation extends StoredContent {
  /** `blog@42`, the value of Grove-Version. */
  readonly label: string
  /** Strong, one per coding (RFC 9110 section 8.8.3.3), with its quotes. */
  readonly etag: string
  /** All headers of a 200. */
  readonly headers: HeaderList
  /** Those that a 304 has as well (RFC 9110 section 15.4.5); a 206 begins with the same. */
  readonly validatorHeaders: HeaderList
  /** Those that tell what the content is and are the same in a 200 and a 206: type and coding. */
  readonly contentHeaders: HeaderList
}

/** A file of the live version. */
export interface StaticFile {
  readonly kind: 'file'
  /** A signed-in visitor must not get it from here. */
  readonly personal: boolean
  /** The representation for a client's preference; undefined when it refuses every one that exists. */
  select(preference: CodingPreference): Representation | undefined
  /** The file as it is; undefined when the client refuses that. */
  plain(preference: CodingPreference): Representation | undefined
}

/** A folder with an index page, asked for without the slash at its end. */
export interface StaticRedirect {
  readonly kind: 'redirect'
  readonly personal: false
  /** Where to: the folder's path with the slash, decoded. */
  readonly folder: string
}

/** What is served at a path. */
export type StaticEntry = StaticFile | StaticRedirect

/** Everything that one version of a site serves. Never changes. */
export interface StaticTable {
  readonly site: SiteName
  readonly version: VersionNumber
  /** `blog@42`, the value of Grove-Version. */
  readonly label: string
  /** What is served at a decoded path that starts with `/`. */
  get(path: string): StaticEntry | undefined
  /** The page for a path where nothing is: the nearest `404.html`, from the path's folder upwards. */
  notFound(path: string): StaticFile | undefined
}

const indexName = 'index.html'
const notFoundName = '404.html'

/** The table of a compiled version. */
export function buildTable(compiled: CompiledVersion): StaticTable {
  const { site, version } = compiled
  const label = versionLabel(site, version)
  /** Keyed by path; an index page also by its folder's, which ends with a slash as no file's does. */
  const entries = new Map<string, StaticFile>()
  /** Keyed by folder. */
  const notFoundPages = new Map<string, StaticFile>()
  let deepest = 0
  for (const file of compiled.files) {
    const path = `/${file.path}`
    const entry = new CompiledEntry(file, site, label)
    entries.set(path, entry)
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (name !== indexName && name !== notFoundName) continue
    const folder = path.slice(0, -name.length)
    if (name === indexName) {
      entries.set(folder, entry)
    } else {
      notFoundPages.set(folder, entry)
      deepest = Math.max(deepest, folder.length)
    }
  }
  return {
    site,
    version,
    label,
    get: (path) => entries.get(path) ?? redirectAt(entries, path),
    notFound: (path) => nearest(notFoundPages, path, deepest),
  }
}

/** `/a` leads to `/a/` where that has an index page and no file is called `/a`. */
function redirectAt(entries: ReadonlyMap<string, StaticFile>, path: string): StaticRedirect | undefined {
  const folder = `${path}/`
  return entries.has(folder) ? { kind: 'redirect', personal: false, folder } : undefined
}

/**
 * The page of the deepest folder that has one. It goes from the root down and no deeper than any such page lies, so
 * that a long path of a stranger costs no more than the site's own depth.
 */
function nearest(pages: ReadonlyMap<string, StaticFile>, path: string, deepest: number): StaticFile | undefined {
  let found: StaticFile | undefined
  for (let end = path.indexOf('/') + 1; end > 0 && end <= deepest; end = path.indexOf('/', end) + 1)
    found = pages.get(path.slice(0, end)) ?? found
  return found
}

/** A file, and the representations of it that somebody has asked for. */
class CompiledEntry implements StaticFile {
  readonly kind = 'file'
  readonly personal: boolean
  readonly #file: CompiledFile
  readonly #site: SiteName
  readonly #label: string
  #made: { [coding in Coding | 'identity']?: Representation } | undefined

  constructor(file: CompiledFile, site: SiteName, label: string) {
    this.personal = file.personal
    this.#file = file
    this.#site = site
    this.#label = label
  }

  select(preference: CodingPreference): Representation | undefined {
    const coding = selectCoding(preference, this.#file.variants)
    return coding === undefined ? undefined : this.#in(coding)
  }

  plain(preference: CodingPreference): Representation | undefined {
    return preference.identity > 0 ? this.#in('identity') : undefined
  }

  #in(coding: Coding | 'identity'): Representation {
    this.#made ??= {}
    const made = this.#made[coding]
    if (made !== undefined) return made
    const representation = represent(this.#file, coding, { site: this.#site, label: this.#label })
    this.#made[coding] = representation
    return representation
  }
}

function represent(
  file: CompiledFile,
  coding: Coding | 'identity',
  { site, label }: Pick<Representation, 'site' | 'label'>,
): Representation {
  const { hash, type } = file
  const bytes = file.variants.find((variant) => variant.coding === coding)?.bytes ?? file.bytes
  const etag = etagOf(hash, coding)
  const validatorHeaders = ['etag', etag, 'grove-version', label, ...file.headers]
  const contentHeaders = ['content-type', type]
  if (coding !== 'identity') contentHeaders.push('content-encoding', coding)
  return {
    key: contentKey(hash, coding),
    site,
    hash,
    label,
    coding,
    bytes,
    type,
    etag,
    validatorHeaders,
    contentHeaders,
    headers: [...validatorHeaders, ...contentHeaders, 'accept-ranges', 'bytes', 'content-length', String(bytes)],
  }
}

/** A strong entity tag: the content's hash, and the coding of a copy, since copies differ byte for byte. */
function etagOf(hash: string, coding: Coding | 'identity'): string {
  const name = Buffer.from(hash, 'hex').toString('base64url')
  return coding === 'identity' ? `"${name}"` : `"${name}-${coding}"`
}
