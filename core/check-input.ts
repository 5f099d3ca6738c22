/** Checking plain data from outside against a schema, with all faults told at once and none of the values. */

import type { z } from 'zod'
import { type ErrorCode, GroveError } from './errors.ts'

/** What a fault is called. */
export interface CheckInputOptions {
  /** The code of the error that is thrown. */
  readonly code: ErrorCode
  /** What was checked, the first words of the message: `loginPassword options`. */
  readonly what: string
}

/**
 * The input as the schema's output. Throws an error of `options.code` that lists every fault with its path. Values
 * are never quoted, so that a password in the wrong place does not end up in a log.
 */
export function checkInput<T>(schema: z.ZodType<T>, input: unknown, options: CheckInputOptions): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(({ path, message }) => {
    const sentence = message.charAt(0).toLowerCase() + message.slice(1)
    return path.length === 0 ? sentence : `${path.map(String).join('.')}: ${sentence}`
  })
  throw new GroveError(options.code, `${options.what}: ${faults.join('; ')}`, { details: { faults } })
}
