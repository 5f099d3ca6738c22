/** `package.json` of packages in an upload, as far as imports follow it. Untrusted: of a wrong type is as good as absent. */

import type { SourceReader } from './source-reader.ts'

/** A package. */
export interface PackageFile {
  /** Where it lies, without `/` at the end; `''` for the root of the upload. */
  readonly folder: string
  readonly name: string | undefined
  /** As it stands there; undefined if absent or null. */
  readonly exports: unknown
  readonly imports: unknown
  /** Where a package without `exports` begins, most wanted first. */
  readonly mains: readonly string[]
  /** What stands in the place of others outside of Node: a path or name, or false for nothing. Keyed by path or name. */
  readonly browser: ReadonlyMap<string, string | false>
  /** Whether importing it for nothing but its effects does nothing. */
  readonly isPure: boolean
}

/** The package in a folder, or undefined if it has no `package.json` that is an object. */
export async function readPackage(reader: SourceReader, folder: string): Promise<PackageFile | undefined> {
  const text = await reader.readText(joinPath(folder, 'package.json'))
  if (text === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch {
    return undefined
  }
  if (!isRecord(parsed)) return undefined
  const { name, exports, imports, main, module, browser, sideEffects } = parsed as Record<string, unknown>
  const replaced = isRecord(browser) ? Object.entries(browser) : []
  return {
    folder,
    name: typeof name === 'string' ? name : undefined,
    exports: exports ?? undefined,
    imports: imports ?? undefined,
    mains: [browser, module, main].filter((each): each is string => typeof each === 'string' && each !== ''),
    browser: new Map(
      replaced.filter((entry): entry is [string, string | false] => typeof entry[1] === 'string' || entry[1] === false),
    ),
    isPure: sideEffects === false,
  }
}

/** The nearest package around a file, or undefined. A package ends where `node_modules` begins. */
export async function packageAround(reader: SourceReader, path: string): Promise<PackageFile | undefined> {
  for (let folder = folderOf(path); ; folder = folderOf(folder)) {
    const found = await readPackage(reader, folder)
    if (found) return found
    if (folder === '' || folder.endsWith('node_modules')) return undefined
  }
}

/** Whether a value is an object with keys, and not a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The folder of a path; `''` for the root. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** A path in a folder. */
export function joinPath(folder: string, rest: string): string {
  return folder === '' ? rest : `${folder}/${rest}`
}

/** A path with `.` and `..` followed, or undefined where it leads above the root. */
export function followPath(folder: string, relative: string): string | undefined {
  const segments = folder === '' ? [] : folder.split('/')
  for (const segment of relative.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment !== '..') segments.push(segment)
    else if (segments.pop() === undefined) return undefined
  }
  return segments.join('/')
}
