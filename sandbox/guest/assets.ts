/** `env.ASSETS`: the files of the site's own version, fetched as a visitor would, without what needs the site's code. */

import { operations } from '../bridge.ts'
import type { AssetArguments } from '../bridge-shapes.ts'
import { requireArguments } from './convert.ts'
import { exchange } from './exchange.ts'
import { createBox, listOf } from './header-list.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { promises } from './primordials.ts'
import { buildState } from './request.ts'
import { createResponse, type Response } from './response.ts'

/** Something that answers requests. */
export class Fetcher {
  readonly #brand = true

  constructor(key: unknown = undefined) {
    requireInternal(key)
  }

  /** The answer of the file at a URL's path. The URL is absolute; its authority does not matter. GET and HEAD only. */
  fetch(input: unknown, init: unknown = undefined): Promise<Response> {
    try {
      void this.#brand
      requireArguments(arguments.length, 1, 'ASSETS.fetch')
      return fetchAsset(input, init)
    } catch (error) {
      return promises.reject(error)
    }
  }
}
defineInterface(Fetcher)

/** `env.ASSETS`. */
export function createAssets(): Fetcher {
  return new Fetcher(internal)
}

function fetchAsset(input: unknown, init: unknown): Promise<Response> {
  const state = buildState(input, init)
  const { method } = state
  if (method !== 'GET' && method !== 'HEAD') return promises.of(notAllowed(state.url))
  const args = (): AssetArguments => ({ method, url: state.url, headers: listOf(state.box) })
  return exchange({ kind: operations.asset, args, state, toRejection: (error) => error })
}

function notAllowed(url: string): Response {
  return createResponse({
    type: 'basic',
    status: 405,
    statusText: 'Method Not Allowed',
    url,
    redirected: false,
    box: createBox(['allow', 'GET, HEAD'], true),
    headers: undefined,
    body: null,
    webSocket: null,
  })
}
