/**
 * The program of tenant processes: the only files that such a process may read.
 *
 * In a package these are JavaScript, and run as they lie. In a clone they are TypeScript, which each process would have
 * to translate for itself, with a compiler that takes more memory than the rest of it; so they are put together once,
 * into a folder of their own.
 */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

/** Files of a program. */
export interface ProgramFiles {
  /** Files and folders that it may read. */
  readonly readable: readonly string[]
  /** Modules that must load for it to run, as absolute paths. */
  readonly modules: readonly string[]
}

/** A program for tenant processes. */
export interface TenantProgram extends ProgramFiles, Disposable {
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
  return { entry: join(root, 'sandbox/tenant/main.js'), ...tenantFiles(), [Symbol.dispose]() {} }
}

/** Puts the sources together in a folder that every account can read, since tenants have accounts of their own. */
async function bundleProgram(): Promise<TenantProgram> {
  const folder = mkdtempSync(join(tmpdir(), 'grove-tenant-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    chmodSync(folder, 0o755)
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    await build({
      entryPoints: ['main', 'watchdog'].map((name) => join(root, `sandbox/tenant/${name}.ts`)),
      outdir: folder,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      legalComments: 'none',
      logLevel: 'silent',
      plugins: [{ name: 'packages', setup: ({ onResolve }) => onResolve({ filter: /^isolated-vm$/ }, external) }],
    })
  } catch (error) {
    remove()
    throw error
  }
  const { modules } = tenantFiles()
  return { entry: join(folder, 'main.js'), readable: [folder, ...sharedFiles()], modules, [Symbol.dispose]: remove }
}

/** A package with machine code stays where it is, and is named by its path: the folder has no packages beside it. */
const external = () => ({ path: resolve('isolated-vm'), external: true })
