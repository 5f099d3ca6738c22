/** The store's file as a file: which one it is, and copies of it. */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { GroveError } from '../../core/errors.ts'
import { toDiskError } from '../disk-error.ts'

/** What tells a file from another one that stands at the same path later; undefined when there is none. Opens nothing. */
export function identityOf(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false })
}

/** Throws the system's error when the file may not be written to: SQLite would call that a failing disk. Opens nothing. */
export function requireWritable(file: string): void {
  accessSync(file, constants.W_OK)
}

/**
 * Writes a copy with `VACUUM INTO` and gives it its name when it is whole and on the disk. Throws `ERR_EXISTS`,
 * `ERR_DATA_IO`.
 */
export function copyDatabase(vacuumInto: StatementSync, target: string): void {
  if (existsSync(target)) throw existing(target)
  const partial = `${target}.part`
  rmSync(partial, { force: true })
  try {
    // SQLite takes an empty file as a new one; this one is nobody else's to read.
    closeSync(openSync(partial, 'wx', 0o600))
    vacuumInto.run(partial)
    sync(partial)
    linkSync(partial, target)
    sync(dirname(target))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw existing(target)
    throw toDiskError(`copy the store to ${target}`, error)
  } finally {
    rmSync(partial, { force: true })
  }
}

function existing(target: string): GroveError {
  return new GroveError('ERR_EXISTS', `${target} exists`, { hint: 'choose a new name for the copy' })
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
