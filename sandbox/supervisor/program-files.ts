/** What a tenant's program consists of: the only files that its process may read. */

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Packages that a tenant loads, and those that they load. */
const packages = ['isolated-vm', 'node-gyp-build']

/** Files of a program. */
export interface ProgramFiles {
  /** Files and folders that it may read. */
  readonly readable: readonly string[]
  /** Modules that must load for it to run, as absolute paths. */
  readonly modules: readonly string[]
}

/** The files of Grove's own tenant program, wherever Grove is installed. Throws when a package is not there. */
export function tenantFiles(): ProgramFiles {
  const root = join(import.meta.dirname, '..', '..')
  const { resolve } = createRequire(import.meta.url)
  const folders = packages.map((name) => dirname(resolve(`${name}/package.json`)))
  return {
    readable: [
      join(root, 'sandbox'),
      join(root, 'core'),
      join(root, 'package.json'),
      ...folders,
      // What node-gyp-build looks for to tell musl from glibc.
      '/etc/alpine-release',
    ],
    modules: [resolve('isolated-vm')],
  }
}
