/** Ids that are cheap to make and unique without asking anybody. */

import { randomBytes } from 'node:crypto'

const prefix = randomBytes(6).toString('hex')
let count = 0

/**
 * A request id, unique across processes and restarts: 48 random bits of the process, then a counter. `0-9a-z-`.
 * Not a secret: two ids of one process are visibly neighbours.
 */
export function nextRequestId(): string {
  count += 1
  return `${prefix}-${count.toString(36)}`
}

/** 128 random bits as base64url: unguessable, for session ids and operation ids. */
export function randomId(): string {
  return randomBytes(16).toString('base64url')
}
