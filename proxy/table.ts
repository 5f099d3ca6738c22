/**
 * The table of a site's live version: from a path to what is served there. One look-up for what was asked for before,
 * a few the first time; no rules.
 *
 * What an answer says about a file is put together at the first request for it in a coding and kept: it follows from
 * the compiled version alone, so doing it for all files ahead would only cost memory (some 2 KB a file) and delay.
 */

import type { Coding, CompiledFile, CompiledVersion } from '../core/compiled.ts'
import type { HeaderList } from '../core/headers.ts'
import { type SiteName, type VersionNumber, versionLabel } from '../core/names.ts'
import { type CodingPreference, selectCoding } from './accept-encoding.ts'
import { contentKey, type StoredContent } from './blob-cache.ts'
import { findInPieces, type Piece } from './piece.ts'

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
  /** Sorted by key. */
  readonly pieces: readonly Piece[]
  /** What it takes in memory, about; it grows as files are asked for. Pieces that another table has too count as well. */
  readonly bytes: number
  /** What is served at a decoded path that starts with `/`. */
  get(path: string): StaticEntry | undefined
  /** The page for a path where nothing is: the nearest `404.html`, from the path's folder upwards. */
  notFound(path: string): StaticFile | undefined
}

const indexName = 'index.html'

/** What it takes to have put together a file's answers: header lists in each coding, as strings and lists. */
const answersBytes = 2_000

/** The table of a version from its pieces, sorted by key. `grown` is told when it takes more memory than before. */
export function buildTable(
  { site, version }: Pick<CompiledVersion, 'site' | 'version'>,
  pieces: readonly Piece[],
  grown: (bytes: number) => void = () => {},
): StaticTable {
  const label = versionLabel(site, version)
  /** Files that were asked for, keyed by the paths at which they were. Only what is there is kept, so it is bounded. */
  const entries = new Map<string, CompiledEntry>()
  /** Keyed by folder. */
  const notFoundPages = new Map<string, CompiledFile>()
  for (const piece of pieces) for (const [folder, file] of piece.notFoundPages) notFoundPages.set(folder, file)
  let deepest = 0
  for (const folder of notFoundPages.keys()) deepest = Math.max(deepest, folder.length)
  let bytes = 0
  for (const piece of pieces) bytes += piece.bytes

  const entryOf = (file: CompiledFile): CompiledEntry => {
    const path = `/${file.path}`
    const known = entries.get(path)
    if (known) return known
    const entry = new CompiledEntry(file, site, label)
    entries.set(path, entry)
    grown(answersBytes)
    return entry
  }

  return {
    site,
    version,
    label,
    pieces,
    get bytes() {
      return bytes + entries.size * answersBytes
    },
    get(path) {
      const known = entries.get(path)
      if (known) return known
      // A file's path has no slash at its end; that of a folder leads to the folder's index page.
      const isFolder = path.endsWith('/')
      const file = findInPieces(pieces, isFolder ? `${path.slice(1)}${indexName}` : path.slice(1))
      if (file === undefined) return isFolder ? undefined : redirectAt(pieces, path)
      const entry = entryOf(file)
      if (isFolder) entries.set(path, entry)
      return entry
    },
    notFound(path) {
      const file = nearest(notFoundPages, path, deepest)
      return file && entryOf(file)
    },
  }
}

/** `/a` leads to `/a/` where that has an index page and no file is called `/a`. */
function redirectAt(pieces: readonly Piece[], path: string): StaticRedirect | undefined {
  const folder = `${path}/`
  return findInPieces(pieces, `${folder.slice(1)}${indexName}`) && { kind: 'redirect', personal: false, folder }
}

/**
 * The page of the deepest folder that has one. It goes from the root down and no deeper than any such page lies, so
 * that a long path of a stranger costs no more than the site's own depth.
 */
function nearest(pages: ReadonlyMap<string, CompiledFile>, path: string, deepest: number): CompiledFile | undefined {
  let found: CompiledFile | undefined
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
