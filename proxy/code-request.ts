/** The head of a request, as a site's code is told it. */

import type { Readable } from 'node:stream'
import { getHeader } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import type { UpstreamRequest } from '../core/upstream.ts'

/** A request to a site's code. */
export interface CodeRequest extends Omit<UpstreamRequest, 'body'> {
  /** Whole where it is small, or as it comes. */
  readonly body: Readable | Buffer | undefined
}

const { headBytes } = limits.sandboxLink

/**
 * The JSON of a request's head, for one version of the code. Its URL is the one that the visitor asked for, with the port
 * where that is none of the scheme's own. Undefined when it is larger than a process takes: it would think that the front
 * is at fault, and end its link.
 */
export function encodeCodeRequest(request: CodeRequest, version: number, isUpgrade: boolean): string | undefined {
  const { id, method, scheme = 'https', authority, target, headers, body } = request
  const url = `${scheme}://${getHeader(headers, 'host') ?? authority}${target}`
  const text = JSON.stringify({ id, version, method, url, headers, hasBody: body !== undefined, isUpgrade })
  // A character is at most three bytes.
  return text.length > headBytes / 3 && Buffer.byteLength(text) > headBytes ? undefined : text
}
