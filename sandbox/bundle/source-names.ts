/** Names of source files as authors see them: never where they lie on a machine. Pure. */

/** Namespaces of esbuild that are put before paths. */
const namespacePattern = /^(?:tree|wasm|entry):/

/**
 * A path as esbuild tells it, from the root of the site: without a namespace, and of what lies above the root (a
 * `node_modules` that several projects share) only the part from `node_modules` on.
 */
export function toSourceName(path: string): string {
  const plain = path.replace(namespacePattern, '').replaceAll('\\', '/')
  if (!/^(?:\.\.?\/|\/|[A-Za-z]:\/)/.test(plain)) return plain
  const at = plain.lastIndexOf('/node_modules/')
  if (at !== -1) return plain.slice(at + 1)
  return plain.slice(plain.lastIndexOf('/') + 1)
}

/** A source map with {@link toSourceName} on its sources. */
export function withSourceNames(map: string): string {
  const parsed = JSON.parse(map) as { sources: (string | null)[] }
  parsed.sources = parsed.sources.map((source) => toSourceName(source ?? ''))
  return JSON.stringify(parsed)
}
