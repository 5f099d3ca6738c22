/** What fronts ask control for. */

import type { Logger } from 'pino'
import type { FrontToControl, Leaf } from '../core/messages.ts'
import type { Usage } from '../core/usage.ts'
import type { FrontAsk } from './fronts.ts'

/** A message of a front, by its kind. */
export type AskOf<K extends FrontToControl['kind']> = Extract<FrontToControl, { kind: K }>

/** Who does what fronts ask for. */
export interface FrontAsksOptions {
  /** The certificate for a name that a client asked for. Rejects with `ERR_CERT_NAME` for a name that no site has. */
  readonly certificate: (wanted: AskOf<'certificate'>) => Promise<Leaf>
  /** Puts a content on the local disk. Rejects with `ERR_BLOB_MISSING`, `ERR_OBJECTS`. */
  readonly content: (wanted: AskOf<'content'>) => Promise<void>
  /** Makes a copy in another coding that is not there any more. */
  readonly copy: (copy: AskOf<'copy'>) => Promise<void>
  /** Keeps what a front that ends has counted. */
  readonly usage: (usage: readonly Usage[]) => Promise<void>
  readonly log: Logger
}

/** Answers what fronts ask. */
export function createFrontAsks(options: FrontAsksOptions): (message: FrontAsk) => Promise<unknown> {
  const { log } = options
  return async (message) => {
    switch (message.kind) {
      case 'certificate':
        return options.certificate(message)
      case 'content':
        await options.content(message)
        return {}
      case 'copy':
        // The front waits for nothing, so only the log can be told.
        await options.copy(message).catch((error: unknown) => {
          log.warn({ err: error, hash: message.hash, coding: message.coding }, 'a copy that is gone is not made again')
        })
        return {}
      case 'usage':
        await options.usage(message.usage)
        return {}
    }
  }
}
