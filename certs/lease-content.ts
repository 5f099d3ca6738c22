/** What the record of a lease says. */

import { z } from 'zod'

const contentSchema = z.strictObject({
  /** What the lease is on, for people. */
  name: z.string(),
  /** The process that took it. */
  holder: z.string(),
  /** It was given back. */
  isFree: z.boolean(),
})

/** Who has a lease. */
export type LeaseContent = z.output<typeof contentSchema>

/** The text of the record. */
export function encodeLease(content: LeaseContent): string {
  return JSON.stringify(content)
}

/** What a text says; undefined when it is none of a lease. */
export function decodeLease(text: string | undefined): LeaseContent | undefined {
  if (text === undefined) return undefined
  try {
    return contentSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // Then nobody known has the lease, and it is watched like any other.
  }
}
