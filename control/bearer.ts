/** The token of a request over the control socket. */

import { denied } from '../store/grants/denial.ts'
import type { Handle } from '../store/store.ts'

/** The token in an `Authorization` field (RFC 6750 section 2.1), unchecked, if there is one. Throws `ERR_DENIED` for any other scheme. */
export function tokenOf(authorization: string | undefined): Handle | undefined {
  if (authorization === undefined) return undefined
  // The scheme's name is compared without case (RFC 9110 section 11.1).
  const [, token] = /^bearer +([^ ]+) *$/i.exec(authorization) ?? []
  if (token !== undefined) return token as Handle
  throw denied('handle', 'the control socket takes "Authorization: Bearer <token>" and no other scheme')
}
