/**
 * The program of tenant processes: the only files that such a process may read.
 *
 * In a package these are JavaScript, and run as they lie. In a clone they are TypeScript, which each process would have
 * to translate for itself, with a compiler that takes more memory than the rest of it; so they are put together once,
 * into a folder that is named by what is in it.
 */

import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { build, type OutputFile } from 'esbuild'

/** Files of a program. */
export interface ProgramFiles {
  /** Files and folders that it may read. */
  readonly readable: readonly string[]
  /** Modules that must load for it to run, as absolute paths. */
  readonly modules: readonly string[]
}

/** A program for tenant processes. */
export interface TenantProgram extends ProgramFiles {
  /** What is run, an absolute path. */
  readonly entry: string
}

/** Packages that a tenant loads, and those that they load. */
const packages = ['isolated-vm', 'node-gyp-build']

/** What node-gyp-build looks for to tell musl from glibc. */
const muslMark = '/etc/alpine-release'

const { resolve } = createRequire(import.meta.url)

const root = join(import.meta.dirname, '..', '..')

function sharedFiles(): string[] {
  return [...packages.map((name) => dirname(resolve(`${name}/package.json`))), muslMark]
}

/** The files of Grove's own program for tenants as it lies in its folder. Throws when a package is not there. */
export function tenantFiles(): ProgramFiles {
  const own = ['sandbox', 'core', 'package.json', '../package.json'].map((path) => join(root, path))
  return { readable: [...own, ...sharedFiles()], modules: [resolve('isolated-vm')] }
}

/** Grove's own program for tenants, wherever Grove is installed. Rejects when a package is not there. */
export async function openTenantProgram(): Promise<TenantProgram> {
  if (import.meta.filename.endsWith('.ts')) return bundleProgram()
  return { entry: join(root, 'sandbox/tenant/main.js'), ...tenantFiles() }
}

/** Puts the sources together in a folder that every account can read, since tenants have accounts of their own. */
async function bundleProgram(): Promise<TenantProgram> {
  const { outputFiles } = await build({
    entryPoints: ['main', 'watchdog'].map((name) => join(root, `sandbox/tenant/${name}.ts`)),
    outdir: root,
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    legalComments: 'none',
    logLevel: 'silent',
    plugins: [{ name: 'packages', setup: ({ onResolve }) => onResolve({ filter: /^isolated-vm$/ }, external) }],
  })
  const folder = keep(outputFiles)
  return { entry: join(folder, 'main.js'), readable: [folder, ...sharedFiles()], modules: tenantFiles().modules }
}

/** A package with machine code stays where it is, and is named by its path: the folder has no packages beside it. */
const external = () => ({ path: resolve('isolated-vm'), external: true })

/** Writes files into a folder that is named by them, all or none. One that is there is whole. */
function keep(files: readonly OutputFile[]): string {
  const hash = createHash('sha256')
  for (const { contents } of files) hash.update(contents)
  const parent = join(root, 'node_modules/.cache/grove-tenant')
  const folder = join(parent, hash.digest('hex').slice(0, 32))
  if (existsSync(folder)) return folder
  mkdirSync(parent, { recursive: true })
  const making = mkdtempSync(`${folder}-`)
  try {
    writeReadable(join(making, 'package.json'), '{"type":"module"}')
    for (const { path, contents } of files) writeReadable(join(making, basename(path)), contents)
    // Whatever the umask is.
    for (const made of [dirname(parent), parent, making]) chmodSync(made, 0o755)
    renameSync(making, folder)
  } catch (error) {
    rmSync(making, { recursive: true, force: true })
    // Another supervisor may have been quicker.
    if (!existsSync(folder)) throw error
  }
  return folder
}

function writeReadable(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content)
  chmodSync(path, 0o644)
}
