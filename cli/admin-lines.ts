/** Answers of control that come line by line, and the failures that it tells. */

import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { fromPlainError, GroveError, plainErrorSchema } from '../core/errors.ts'
import { limits } from '../core/limits.ts'

const errorSchema = z.object({ error: plainErrorSchema })
const endSchema = z.strictObject({ end: z.literal(true) })
const newline = 0x0a

/** The failure that an answer of control tells. */
export function failureIn(value: unknown, status: number | undefined): GroveError {
  const failure = errorSchema.safeParse(value)
  if (failure.success) return fromPlainError(failure.data.error)
  return new GroveError('ERR_CHANNEL', `control answered ${status} without saying why`)
}

/**
 * The values of an answer of lines, until the line that says that it is whole. Rejects with what the last line says,
 * or with `ERR_CHANNEL` when there is none: control went away midway.
 */
export async function* valuesOf(response: IncomingMessage): AsyncGenerator<unknown> {
  for await (const line of linesOf(response)) {
    const value = parse(line)
    if (endSchema.safeParse(value).success) return
    if (errorSchema.safeParse(value).success) throw failureIn(value, response.statusCode)
    yield value
  }
  throw brokenOff()
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let start = 0
      for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
        yield bytes.toString('utf8', start, end)
        start = end + 1
      }
      rest = bytes.subarray(start)
      if (rest.length > limits.admin.lineBytes) throw new RangeError('a line is too long')
    }
  } catch (error) {
    throw brokenOff(error)
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new GroveError('ERR_CHANNEL', 'control answered something else than JSON', { cause: error })
  }
}

function brokenOff(cause?: unknown): GroveError {
  return new GroveError('ERR_CHANNEL', 'control broke off in the middle of its answer', {
    cause,
    hint: 'look at grove status and the log, then try again',
  })
}
