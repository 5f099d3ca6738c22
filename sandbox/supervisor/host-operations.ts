/**
 * Does the operations of all tenants: `fetch` by whoever was given for it, data and files by control, which has the store.
 * Each is done for the site whose process asked, whatever else it said.
 */

import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { GroveError } from '../../core/errors.ts'
import { blobFile, type Layout } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { dataAnswerSchema, type Op, type OpKind } from '../../core/sandbox-messages.ts'
import { assetReplySchema, dataReplySchema } from '../../core/supervisor-messages.ts'
import type { ControlCalls } from './codes.ts'
import type { OperationAnswer, OperationRequest, Operations } from './operations.ts'

/** An operation of one kind. */
export type OperationOf<K extends OpKind> = OperationRequest & { readonly op: Extract<Op, { kind: K }> }

/** What does `fetch`. */
export interface FetchOperations {
  run(request: OperationOf<'fetch'>): Promise<OperationAnswer>
  /** A process has ended: what is kept for its requests can go. */
  ended?(process: string): void
}

/** What operations are made with. */
export interface HostOperationsOptions {
  readonly fetch: FetchOperations
  readonly control: Pick<ControlCalls, 'call'>
  readonly layout: Layout
}

/** Makes what does operations. */
export function createHostOperations({ fetch, control, layout }: HostOperationsOptions): Operations {
  async function data({ op, code, body }: OperationOf<'data'>): Promise<OperationAnswer> {
    if (!code.data) throw new GroveError('ERR_DENIED', 'this site has no data')
    if ((op.call.method === 'put') !== op.hasBody)
      throw new GroveError('ERR_BAD_REQUEST', 'a value comes with put, and with nothing else')
    const value = body && (await readValue(body)).toString('base64')
    const message = { kind: 'data', site: code.site, call: op.call, ...(value !== undefined && { value }) } as const
    const reply = dataReplySchema.parse(await control.call(message, limits.sandboxData.answerMs))
    const answer = dataAnswerSchema.parse(reply.answer)
    if (reply.value === undefined) return { head: answer }
    return { head: answer, body: Readable.from([Buffer.from(reply.value, 'base64')]) }
  }

  async function asset({ op, code }: OperationOf<'asset'>): Promise<OperationAnswer> {
    if (!code.assets) throw new GroveError('ERR_DENIED', 'this site has no files for its code')
    const { method, url, headers } = op
    const message = { kind: 'asset', site: code.site, version: code.version, method, url, headers } as const
    const { status, headers: given, content } = assetReplySchema.parse(await control.call(message))
    const head = { status, statusText: '', headers: given, url, redirected: false }
    if (!content || method === 'HEAD') return { head }
    if (content.bytes === 0) return { head }
    return {
      head,
      body: createReadStream(blobFile(layout, content.hash), { highWaterMark: limits.sandboxLink.chunkBytes }),
    }
  }

  return {
    run(request) {
      const { op } = request
      if (op.kind === 'fetch') return fetch.run({ ...request, op })
      return op.kind === 'data' ? data({ ...request, op }) : asset({ ...request, op })
    },
    ended: (process) => fetch.ended?.(process),
  }
}

/** A value as a whole. Throws `ERR_TOO_LARGE`. */
async function readValue(body: Readable): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > limits.sandboxData.valueBytes)
      throw new GroveError('ERR_TOO_LARGE', `a value has at most ${limits.sandboxData.valueBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces, bytes)
}
