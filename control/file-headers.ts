/**
 * The headers of a static file: Grove's defaults, and what plugins want over them. Decided once per file, when a
 * version is built; checked here, so that nothing a plugin says can break the framing of an answer, make a cache lie,
 * or fail only when the first visitor asks.
 */

import { GroveError } from '../core/errors.ts'
import { type HeaderList, hopByHopHeaders, isValidHeader } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import type { FileInfo, Plugin, SiteInfo } from '../core/plugin.ts'

/** What the default headers depend on. */
export interface FileTraits {
  readonly personal: boolean
  readonly compressible: boolean
}

/** Headers that only the host sends, with the reason. Keyed by name. */
const refusedNames: ReadonlyMap<string, string> = new Map([
  ...[...hopByHopHeaders].map((name) => [name, 'it is about one connection'] as const),
  ...['content-length', 'content-encoding', 'content-range', 'accept-ranges'].map(
    (name) => [name, 'it follows from the content that is sent'] as const,
  ),
  ...['age', 'date', 'etag', 'last-modified', 'grove-version'].map(
    (name) => [name, 'it is how caches tell versions apart'] as const,
  ),
  ...[
    'access-control-request-method',
    'authorization',
    'cookie',
    'dnt',
    'from',
    'host',
    'if-match',
    'if-modified-since',
    'if-none-match',
    'if-range',
    'if-unmodified-since',
    'max-forwards',
    'range',
    'referer',
    'upgrade-insecure-requests',
    'user-agent',
  ].map((name) => [name, 'it belongs to requests'] as const),
  ['set-cookie', 'one cookie for every visitor would be kept by shared caches'],
])

/** Names that may come once only: recipients disagree about a second (RFC 9110 section 5.3), and HTTP/2 refuses it. */
const singleNames: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'access-control-allow-origin',
  'access-control-max-age',
  'content-disposition',
  'content-language',
  'content-location',
  'content-md5',
  'content-type',
  'cross-origin-embedder-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'expires',
  'location',
  'origin-agent-cluster',
  'referrer-policy',
  'retry-after',
  'strict-transport-security',
  'tk',
  'x-content-type-options',
  'x-frame-options',
])

/**
 * What the `headers` hook of one plugin says of a file: names in lower case, values without spaces at their ends.
 * Throws `ERR_PLUGIN` that names plugin, path and header when the hook throws or says something that it may not.
 */
export function pluginHeaders(plugin: Plugin, file: FileInfo, site: SiteInfo): HeaderList {
  if (!plugin.headers) return []
  const fail = (reason: string, cause?: unknown): GroveError => {
    const message = `headers of plugin "${plugin.name}" for ${file.path}: ${reason}`
    return new GroveError('ERR_PLUGIN', message, { details: { plugin: plugin.name, path: file.path }, cause })
  }
  let given: unknown
  try {
    given = plugin.headers(file, site)
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error)
  }
  if (!Array.isArray(given) || given.length % 2 !== 0 || !given.every((text) => typeof text === 'string'))
    throw fail('expected a flat list of names and values')
  const list: string[] = []
  let bytes = 0
  for (let i = 0; i < given.length; i += 2) {
    const name = (given[i] as string).toLowerCase()
    const value = (given[i + 1] as string).trim()
    const reason = refusalOf(name, value, list)
    if (reason !== undefined) throw fail(`${JSON.stringify(given[i])} cannot be set: ${reason}`)
    bytes += name.length + value.length
    list.push(name, value)
  }
  if (bytes > limits.plugin.fileHeaderBytes) throw fail(`more than ${limits.plugin.fileHeaderBytes} bytes`)
  return list
}

/**
 * All headers of a file but those that follow from its content, flat, in lower case: the defaults, then each plugin's
 * in order. What is said later of a name replaces what was said before; several values of one name from one plugin
 * stay together. Vary only grows: taking a member away would let a cache mix up answers.
 */
export function mergeHeaders(traits: FileTraits, given: readonly HeaderList[]): HeaderList {
  const vary = new Map<string, string>()
  if (traits.compressible) vary.set('accept-encoding', 'Accept-Encoding')
  if (traits.personal) vary.set('cookie', 'Cookie')
  const merged = new Map<string, string[]>([
    ['cache-control', ['public, max-age=0, must-revalidate']],
    ['x-content-type-options', ['nosniff']],
  ])
  for (const list of given) {
    const own = new Map<string, string[]>()
    for (let i = 0; i < list.length; i += 2) {
      const [name, value] = [list[i] as string, list[i + 1] as string]
      if (name === 'vary') for (const field of value.split(',')) addVary(vary, field.trim())
      else own.set(name, [...(own.get(name) ?? []), value])
    }
    for (const [name, values] of own) merged.set(name, values)
  }
  if (vary.size > 0) merged.set('vary', [vary.has('*') ? '*' : [...vary.values()].join(', ')])
  return [...merged].flatMap(([name, values]) => values.flatMap((value) => [name, value]))
}

function addVary(vary: Map<string, string>, field: string): void {
  const key = field.toLowerCase()
  if (field !== '' && !vary.has(key)) vary.set(key, field)
}

function refusalOf(name: string, value: string, before: HeaderList): string | undefined {
  if (!isValidHeader(name, value)) return 'a header is a token and a value without control characters'
  const refused = refusedNames.get(name)
  if (refused !== undefined) return refused
  return singleNames.has(name) && before.includes(name) ? 'it may be there once only' : undefined
}
