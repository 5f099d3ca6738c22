/** What can be wrong with an object, in the words that every kind of place uses. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { ByteRange, ObjectsReason } from './objects.ts'

/** What an `ERR_OBJECTS` is about. */
export interface ObjectsTrouble {
  readonly reason: ObjectsReason
  readonly hint?: string
  readonly cause?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

/** An `ERR_OBJECTS` with its reason. */
export function objectsError(message: string, { reason, hint, cause, details }: ObjectsTrouble): GroveError {
  return new GroveError('ERR_OBJECTS', message, {
    details: { ...details, reason },
    ...(hint !== undefined && { hint }),
    ...(cause !== undefined && { cause }),
  })
}

/** Whether something thrown is an `ERR_OBJECTS` for a reason. */
export function isObjectsError(thrown: unknown, reason: ObjectsReason): thrown is GroveError {
  return thrown instanceof GroveError && thrown.code === 'ERR_OBJECTS' && thrown.details?.['reason'] === reason
}

/** There is no object of that key. `place`: {@link Objects.name}. */
export function noObject(place: string, key: string): GroveError {
  return new GroveError('ERR_NOT_FOUND', `there is no object ${key} in ${place}`, { details: { key } })
}

/** The key has other bytes than those that were to be created. */
export function takenObject(place: string, key: string): GroveError {
  const hint = 'two stores write to the same place, or somebody put an object there: give each its own prefix'
  return objectsError(`${place} has an object ${key} with other bytes`, { reason: 'taken', hint, details: { key } })
}

/** An object is shorter than what was asked of it. */
export function shortObject(place: string, key: string, range: ByteRange, found: number | undefined): GroveError {
  const has = found === undefined ? 'is shorter than that' : `has ${found} bytes`
  const message = `object ${key} in ${place}: bytes ${range.offset} to ${range.offset + range.length} were asked for, it ${has}`
  return objectsError(message, { reason: 'short', details: { key } })
}

/** The range, whose numbers have to be whole and not negative. Throws `ERR_BAD_REQUEST`. */
export function checkRange(range: ByteRange): ByteRange {
  const { offset, length } = range
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length + offset) && offset >= 0 && length >= 0) return range
  throw new GroveError('ERR_BAD_REQUEST', `${offset}, ${length} is not a range of bytes`)
}

/** Throws `ERR_TOO_LARGE` for what is too much for the memory. */
export function checkReadBytes(place: string, key: string, bytes: number): void {
  if (bytes <= limits.objects.readBytes) return
  const message = `object ${key} in ${place}: ${bytes} bytes are too many to read at once, ${limits.objects.readBytes} are the most`
  throw new GroveError('ERR_TOO_LARGE', message)
}
