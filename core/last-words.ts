/** What a tenant process says of itself before it dies, on standard error: a line that its supervisor reads. */

import { z } from 'zod'

/** What a process's own watchdog says on standard error before it kills the process, after {@link lastWordsPrefix}. */
export const lastWordsSchema = z.object({
  reason: z.enum(['cpu', 'memory', 'wall']),
  /** What was found and what was allowed, in milliseconds or bytes. */
  value: z.number().nonnegative(),
  limit: z.number().nonnegative(),
})
/** What a process's own watchdog says before it kills the process. */
export type LastWords = z.output<typeof lastWordsSchema>

/** How the line of {@link lastWordsSchema} begins. */
export const lastWordsPrefix = 'grove-end '
