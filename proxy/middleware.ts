/**
 * Plugins' `request` middleware before a site's upstream, folded into one function when the config is loaded. Where no
 * plugin has any, nothing is folded and no request is ever converted.
 */

import { GroveError } from '../core/errors.ts'
import type { MiddlewareContext, Plugin } from '../core/plugin.ts'
import type { StreamedAnswer, Upstream, UpstreamAnswer, UpstreamRequest } from '../core/upstream.ts'
import { disposeBody } from './body-writer.ts'
import { fromWebRequest, fromWebResponse, toWebRequest, toWebResponse } from './web-conversion.ts'

type Send = (request: Request) => Promise<Response>

/** All middleware as one: answers a request, with `send` behind the last. Rejects with `ERR_PLUGIN` that names a culprit. */
export type FoldedMiddleware = (request: Request, context: MiddlewareContext, send: Send) => Promise<Response>

/** The middleware of plugins as one function, the first plugin outermost; undefined when none has any. */
export function foldMiddleware(plugins: readonly Plugin[]): FoldedMiddleware | undefined {
  return plugins
    .map(toFolded)
    .filter((folded) => folded !== undefined)
    .reduceRight<FoldedMiddleware | undefined>(
      (inner, outer) =>
        inner ? (request, context, send) => outer(request, context, (next) => inner(next, context, send)) : outer,
      undefined,
    )
}

function toFolded(plugin: Plugin): FoldedMiddleware | undefined {
  if (!plugin.request) return undefined
  const failure = (reason: string, cause?: unknown) =>
    new GroveError('ERR_PLUGIN', `middleware of plugin ${plugin.name} ${reason}`, { cause })
  return async (request, context, send) => {
    let called = false
    const next: Send = async (forwarded) => {
      if (called) throw failure('called next twice')
      called = true
      if (!(forwarded instanceof Request)) throw failure('called next without a Request')
      return send(forwarded)
    }
    try {
      const response: unknown = await plugin.request?.(request, next, context)
      if (response instanceof Response && response.status !== 0) return response
    } catch (error) {
      // What the upstream or a plugin further in failed with keeps its own code.
      if (error instanceof GroveError) throw error
      throw failure(`threw: ${error instanceof Error ? error.message : String(error)}`, error)
    }
    throw failure('answered without a Response')
  }
}

/**
 * Sends a request to an upstream through middleware. What passes untouched keeps its target, its length and its body
 * as they were; what a plugin replaced goes with a length of its own.
 */
export async function sendThrough(
  middleware: FoldedMiddleware,
  upstream: Pick<Upstream, 'send'>,
  request: UpstreamRequest,
  visited: { readonly origin: string; readonly context: MiddlewareContext },
): Promise<StreamedAnswer> {
  const asked = toWebRequest(request, visited.origin)
  let answered: { readonly answer: UpstreamAnswer; readonly response: Response } | undefined
  try {
    const response = await middleware(asked, visited.context, async (forwarded) => {
      const answer = await upstream.send(fromWebRequest(forwarded, asked, request))
      answered = { answer, response: toWebResponse(answer) }
      return answered.response
    })
    return fromWebResponse(response, answered)
  } catch (error) {
    // An answer that nobody passed on must not hold its connection.
    disposeBody(answered?.answer.body)
    throw error
  }
}
