/**
 * `fetch` (Fetch Standard, section 5.6). The host sends what is asked for, and decides whether it may be; here it is checked,
 * written down and given to it. `redirect: 'manual'` answers the redirect as it came, as servers have use for it.
 */

import { operations } from '../bridge.ts'
import type { FetchArguments } from '../bridge-shapes.ts'
import { requireArguments } from './convert.ts'
import { isDOMException } from './dom-exception.ts'
import { exchange } from './exchange.ts'
import { listOf } from './header-list.ts'
import { promises, strings } from './primordials.ts'
import { buildState, type RequestState } from './request.ts'
import type { Response } from './response.ts'

/** Sends a request to another server. Every failure is a TypeError, but for that of an aborted signal, which is its reason. */
export function fetch(input: unknown, init: unknown = undefined): Promise<Response> {
  try {
    requireArguments(arguments.length, 1, 'fetch')
    return send(buildState(input, init))
  } catch (error) {
    return promises.reject(error)
  }
}

function send(state: RequestState): Promise<Response> {
  const args = (hasBody: boolean): FetchArguments => ({
    method: state.method,
    url: withoutFragment(state.url),
    headers: listOf(state.box),
    redirect: state.redirect,
    hasBody,
  })
  return exchange({ kind: operations.fetch, args, state, toRejection })
}

/** Network errors are TypeErrors ("fetch method", step 12.3); the cause stays with them. */
function toRejection(error: unknown): unknown {
  if (!isDOMException(error)) return error
  return new TypeError(`fetch failed: ${error.message}`, { cause: error })
}

function withoutFragment(url: string): string {
  const at = strings.indexOf(url, '#')
  return at === -1 ? url : strings.slice(url, 0, at)
}
