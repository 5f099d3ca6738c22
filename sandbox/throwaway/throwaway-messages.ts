/** What a throw-away process and whoever started it say to each other. */

import type { PlainError } from '../../core/errors.ts'

/** To the process: its work, then answers to what it asks. Values are what Node's `advanced` serialization takes. */
export type ToThrowaway =
  | { readonly input: unknown }
  | { readonly re: number; readonly answer: unknown }
  | { readonly re: number; readonly error: PlainError }

/** From the process: questions, and one result. */
export type FromThrowaway =
  | { readonly id: number; readonly question: unknown }
  | { readonly result: unknown }
  | { readonly error: PlainError }
