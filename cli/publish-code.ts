/**
 * Site code that is made of packages is bundled where it is published, on its author's machine, which has them: one module
 * goes in place of the sources and all that they import. Code that needs nothing but files of its folder is sent as it is,
 * and Grove bundles that.
 */

import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { mostSandboxLimits, type SandboxLimits } from '../core/sandbox-limits.ts'
import { bundleModule } from '../sandbox/bundle/bundle-folder.ts'
import { defaultEntry, siteFileName } from '../sandbox/site-file.ts'
import { findEntry, readSiteFileOf, sourcesOf } from './compile-code.ts'
import { formatCount } from './human-text.ts'
import { type Scan, type ScannedFile, scanFolder } from './scan.ts'

/** What is published of a folder. */
export interface PublishedFiles extends Scan, AsyncDisposable {
  /** What the author should know, a sentence each. */
  readonly notes: readonly string[]
}

/** Where modules of WebAssembly lie that the bundle imports. */
const wasmFolder = '_worker.wasm'

/** The server of the site decides what its code may have; here only what no server takes is refused. */
const limits: SandboxLimits = mostSandboxLimits

/**
 * The files of a folder, with code that is made of packages bundled. What is made lies in a folder that goes when this is
 * disposed. Throws what {@link scanFolder} throws, and `ERR_CODE` with the places of faults in the code.
 */
export async function readPublishedFiles(folder: string): Promise<PublishedFiles> {
  const has = (path: string) => isFile(join(folder, path))
  const read = async (path: string) => ((await has(path)) ? readFile(join(folder, path)) : undefined)
  const hasCode = (await has(siteFileName)) || (await has(defaultEntry)) || (await has('_worker.ts'))
  if (!hasCode) return asTheyAre(await scanFolder(folder))
  const siteFile = await readSiteFileOf({ read }, limits)
  const entry = await findEntry({ has }, siteFile)
  if (entry === undefined) return asTheyAre(await scanFolder(folder))
  const scan = await scanFolder(folder, { withoutPackages: true })
  const { bundleBytes } = limits
  const places = new Map<string, string>()
  const made = await bundleModule(folder, { entry, bundleBytes }, (name) => {
    const place = places.get(name) ?? `${wasmFolder}/${places.size}.wasm`
    places.set(name, place)
    return `./${place}`
  })
  const paths = new Set(scan.files.map(({ path }) => path))
  const isWhole = made.inputs.every((path) => paths.has(path)) && made.wasm.every(({ name }) => paths.has(name))
  if (isWhole) return asTheyAre(scan)
  const written = new Map<string, Uint8Array>([[defaultEntry, Buffer.from(made.code)]])
  for (const { name, bytes } of made.wasm) written.set(places.get(name) ?? name, bytes)
  written.set(siteFileName, siteFileFor(await read(siteFileName)))
  const gone = new Set([entry, ...sourcesOf(siteFile.code, made.inputs)])
  const kept = scan.files.filter(({ path }) => !gone.has(path) && !written.has(path))
  const notes = [`code: ${formatCount(made.inputs.length, 'file')} bundled here, with the packages of this project`]
  return { ...(await withWritten(kept, written)), skipped: scan.skipped, notes: [...notes, ...made.warnings] }
}

function asTheyAre(scan: Scan): PublishedFiles {
  return { ...scan, notes: [], [Symbol.asyncDispose]: async () => {} }
}

/** What the site says itself, with the bundle as its code. */
function siteFileFor(said: Uint8Array | undefined): Uint8Array {
  const before = said
    ? (JSON.parse(
        Buffer.from(said)
          .toString('utf8')
          .replace(/^\ufeff/, ''),
      ) as object)
    : {}
  return Buffer.from(`${JSON.stringify({ ...before, code: defaultEntry }, undefined, 2)}\n`)
}

async function withWritten(
  kept: readonly ScannedFile[],
  written: ReadonlyMap<string, Uint8Array>,
): Promise<Pick<PublishedFiles, 'files' | typeof Symbol.asyncDispose>> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-publish-'))
  const files = [...kept]
  for (const [path, bytes] of written) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, bytes)
    files.push({ path, file, bytes: bytes.length })
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { files, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
