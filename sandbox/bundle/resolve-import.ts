/**
 * Imports of site code, resolved within the upload and nowhere else: no file of this machine, no other server, nothing
 * of Node's.
 */

import { isBuiltin } from 'node:module'
import { limits } from '../../core/limits.ts'
import { conditionsOf, exportedPath, importedTarget } from './package-exports.ts'
import { folderOf, followPath, joinPath, type PackageFile, packageAround, readPackage } from './package-file.ts'
import type { SourceReader } from './source-reader.ts'

/** Where an import leads. */
export type Resolved =
  /** To a file. `isPure`: importing it for its effects alone does nothing. */
  | { readonly path: string; readonly isPure: boolean }
  /** To nothing, on purpose: its package says so for code outside of Node. */
  | { readonly empty: true }
  /** Nowhere. Code that guards the import (`try`, `catch`) may do without it. */
  | { readonly missing: string }
  /** Nowhere, and never. */
  | { readonly refused: string }

/** An import. */
export interface ImportQuestion {
  readonly specifier: string
  /** The file that it stands in. */
  readonly importer: string
  /** Whether it is CommonJS's `require`. */
  readonly isRequire: boolean
}

const extensions = ['.tsx', '.ts', '.mts', '.jsx', '.js', '.mjs', '.cjs', '.json']

/** Extensions that sources have in the place of those that their imports name (TypeScript's own rule). */
const sourceExtensions: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.jsx': ['.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
}

/** Packages that lead to packages: `imports` of one can name another. */
const mostHops = 5

/** Resolves an import. Reasons begin with the import and are for the site's author. */
export async function resolveImport(question: ImportQuestion, reader: SourceReader): Promise<Resolved> {
  const { specifier, importer } = question
  if (specifier.length > limits.bundle.specifierChars)
    return { refused: `an import of more than ${limits.bundle.specifierChars} characters` }
  const reason = foreignReason(specifier)
  if (reason) return reason
  const around = await packageAround(reader, importer)
  return resolveIn(question, around, reader, 0)
}

/**
 * Why an import can lead nowhere, whatever the upload holds: `node:fs`, `https://…`, `/etc/passwd`. Undefined for one that
 * may lead somewhere.
 */
export function foreignReason(specifier: string): Resolved | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(specifier)?.[1]?.toLowerCase()
  if (scheme === 'node') return { missing: nodeReason(specifier) }
  if (scheme === 'cloudflare' || scheme === 'workerd')
    return { missing: `cannot import "${shorten(specifier)}": only Cloudflare has it` }
  if (scheme !== undefined)
    return { refused: `cannot import "${shorten(specifier)}": only files of the site can be imported` }
  if (specifier.startsWith('/') || specifier.startsWith('\\'))
    return { refused: `cannot import "${shorten(specifier)}": write the path relative to the file, "./…"` }
  return undefined
}

/** Why a module of Node's cannot be imported. */
export function nodeReason(specifier: string): string {
  return `cannot import "${shorten(specifier)}": it is part of Node, and site code runs outside of Node`
}

/** Why a package cannot be imported. */
export function packageReason(specifier: string): string {
  return isBuiltin(specifier)
    ? nodeReason(specifier)
    : `cannot import "${shorten(specifier)}": there is no such package in node_modules`
}

async function resolveIn(
  question: ImportQuestion,
  around: PackageFile | undefined,
  reader: SourceReader,
  hops: number,
): Promise<Resolved> {
  const { specifier, importer, isRequire } = question
  if (/^\.\.?(?:\/|$)/.test(specifier)) return resolveRelative(question, around, reader)
  if (specifier.startsWith('#')) {
    const target = importedTarget(around?.imports, specifier, conditionsOf(isRequire))
    if (target === undefined || !around || hops > mostHops)
      return { missing: `cannot import "${shorten(specifier)}": the "imports" of its package have nothing for it` }
    const from = joinPath(around.folder, 'package.json')
    const next = foreignReason(target)
    return next ?? resolveIn({ specifier: target, importer: from, isRequire }, around, reader, hops + 1)
  }
  const replaced = around?.browser.get(specifier)
  if (replaced === false) return { empty: true }
  if (replaced !== undefined && hops <= mostHops && !foreignReason(replaced)) {
    const from = joinPath(around?.folder ?? '', 'package.json')
    return resolveIn({ specifier: replaced, importer: from, isRequire }, undefined, reader, hops + 1)
  }
  return resolvePackage(specifier, importer, isRequire, around, reader)
}

async function resolveRelative(
  { specifier, importer }: ImportQuestion,
  around: PackageFile | undefined,
  reader: SourceReader,
): Promise<Resolved> {
  // What bundlers for Workers take for "as a module of WebAssembly".
  const plain = specifier.replace(/\.wasm\?module$/, '.wasm')
  const path = followPath(folderOf(importer), plain)
  if (path === undefined) return { refused: `cannot import "${shorten(specifier)}": it leads out of the site` }
  const file = await findFile(path, reader, !plain.endsWith('/'))
  if (file === undefined) return { missing: `cannot import "${shorten(specifier)}": there is no such file` }
  return replaceFile(file, around, reader)
}

/** A file of a package, or what the package has in its place outside of Node. */
async function replaceFile(path: string, around: PackageFile | undefined, reader: SourceReader): Promise<Resolved> {
  const isPure = around?.isPure ?? false
  if (!around || around.browser.size === 0) return { path, isPure }
  const key = `./${around.folder === '' ? path : path.slice(around.folder.length + 1)}`
  for (const each of [key, key.replace(/\.[^./]+$/, ''), key.replace(/\/index\.[^./]+$/, '')]) {
    const replaced = around.browser.get(each) ?? around.browser.get(each.slice(2))
    if (replaced === false) return { empty: true }
    const target = replaced === undefined ? undefined : followPath(around.folder, replaced)
    const file = target === undefined ? undefined : await findFile(target, reader, true)
    if (file !== undefined) return { path: file, isPure }
  }
  return { path, isPure }
}

async function resolvePackage(
  specifier: string,
  importer: string,
  isRequire: boolean,
  around: PackageFile | undefined,
  reader: SourceReader,
): Promise<Resolved> {
  const [, name = '', rest = ''] = /^((?:@[^/]+\/)?[^/]+)(.*)$/s.exec(specifier) ?? []
  if (name === '' || name.startsWith('.') || /[\\%]/.test(name)) return { missing: packageReason(specifier) }
  // A package may import itself by its name (PACKAGE_SELF_RESOLVE).
  if (around?.name === name && around.exports !== undefined)
    return resolveInPackage(specifier, rest, around, isRequire, reader)
  for (let folder = folderOf(importer); ; folder = folderOf(folder)) {
    if (!folder.endsWith('node_modules')) {
      const place = joinPath(folder, `node_modules/${name}`)
      const found = await readPackage(reader, place)
      if (found) return resolveInPackage(specifier, rest, found, isRequire, reader)
      const file = await findFile(place + rest, reader, true)
      if (file !== undefined) return { path: file, isPure: false }
    }
    if (folder === '') return { missing: packageReason(specifier) }
  }
}

async function resolveInPackage(
  specifier: string,
  rest: string,
  found: PackageFile,
  isRequire: boolean,
  reader: SourceReader,
): Promise<Resolved> {
  const plain = rest.replace(/\.wasm\?module$/, '.wasm')
  if (found.exports !== undefined) {
    const target = exportedPath(found.exports, `.${plain}`, conditionsOf(isRequire))
    const path = target === undefined ? undefined : followPath(found.folder, target)
    if (path !== undefined && (await reader.read(path)) !== undefined) return replaceFile(path, found, reader)
    return { missing: `cannot import "${shorten(specifier)}": the "exports" of its package have nothing for it` }
  }
  const wanted = plain === '' || plain === '/' ? found.mains : [`.${plain}`]
  for (const each of [...wanted, ...(plain === '' ? ['.'] : [])]) {
    const path = followPath(found.folder, each)
    const file = path === undefined ? undefined : await findFile(path, reader, each !== '.')
    if (file !== undefined) return replaceFile(file, found, reader)
  }
  return { missing: `cannot import "${shorten(specifier)}": its package has no such file` }
}

/** The file that a path means: itself, with an extension, or the main file of a folder. */
async function findFile(path: string, reader: SourceReader, mayBeFile: boolean): Promise<string | undefined> {
  if (mayBeFile) {
    const extension = /\.[^./]+$/.exec(path)?.[0] ?? ''
    const sources = (sourceExtensions[extension] ?? []).map((each) => path.slice(0, -extension.length) + each)
    for (const each of [path, ...sources, ...extensions.map((end) => path + end)])
      if ((await reader.read(each)) !== undefined) return each
  }
  const inside = await readPackage(reader, path)
  for (const main of inside?.exports === undefined ? (inside?.mains ?? []) : []) {
    const target = followPath(path, main)
    if (target === undefined || target === path) continue
    for (const each of [target, ...extensions.map((end) => target + end), ...indexesOf(target)])
      if ((await reader.read(each)) !== undefined) return each
  }
  for (const each of indexesOf(path)) if ((await reader.read(each)) !== undefined) return each
  return undefined
}

function indexesOf(folder: string): string[] {
  return extensions.map((end) => joinPath(folder, `index${end}`))
}

function shorten(specifier: string): string {
  return specifier.length > 100 ? `${specifier.slice(0, 100)}…` : specifier
}
