/** The inside of a throw-away process. */

import { fromPlainError, type PlainError, toPlainError } from '../../core/errors.ts'
import type { FromThrowaway, ToThrowaway } from './throwaway-messages.ts'

/** Asks whoever started the process. Rejects with the error that they answered. */
export type Ask = (question: unknown) => Promise<unknown>

/** Takes the one piece of work, does it, tells the result and ends the process. It ends, too, when nobody waits any more. */
export function serveThrowaway(work: (input: unknown, ask: Ask) => Promise<unknown>): void {
  const asked = new Map<number, PromiseWithResolvers<unknown>>()
  let lastId = 0
  const ask: Ask = (question) => {
    lastId += 1
    const pending = Promise.withResolvers<unknown>()
    asked.set(lastId, pending)
    process.send?.({ id: lastId, question } satisfies FromThrowaway)
    return pending.promise
  }
  const tell = (message: FromThrowaway) => process.send?.(message, undefined, {}, () => process.exit())
  process.on('message', (message: ToThrowaway) => {
    if ('input' in message) {
      work(message.input, ask).then(
        (result) => tell({ result }),
        (error: unknown) => tell({ error: withoutHoles(toPlainError(error)) }),
      )
      return
    }
    const pending = asked.get(message.re)
    asked.delete(message.re)
    if ('error' in message) pending?.reject(fromPlainError(message.error))
    else pending?.resolve(message.answer)
  })
  process.once('disconnect', () => process.exit())
}

/** An error's details are for JSON; what JSON cannot carry would not cross here either. */
function withoutHoles(error: PlainError): PlainError {
  return JSON.parse(JSON.stringify(error)) as PlainError
}
