/** The one error of whoever is not allowed something: it says which of the reasons it is, and what would have been. */

import { GroveError } from '../../core/errors.ts'
import type { DenialReason } from '../store.ts'

/** An `ERR_DENIED` with its reason, and further facts for machines. Holds no handle. */
export function denied(
  reason: DenialReason,
  message: string,
  facts: Readonly<Record<string, unknown>> = {},
): GroveError {
  return new GroveError('ERR_DENIED', message, { details: { reason, ...facts } })
}
