/** Errors of the disk, as everybody above the disk knows them. */

import { diskHint } from '../core/disk-hint.ts'
import { GroveError } from '../core/errors.ts'

/** An error of the disk as `ERR_DATA_IO`, naming what could not be done; a {@link GroveError} stays as it is. */
export function toDiskError(what: string, thrown: unknown): GroveError {
  if (thrown instanceof GroveError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const hint = diskHint(thrown)
  return new GroveError('ERR_DATA_IO', `cannot ${what}: ${message}`, { cause: thrown, ...(hint && { hint }) })
}

/** Whether the disk says that there is no such file. */
export function isMissingFile(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException).code === 'ENOENT'
}
