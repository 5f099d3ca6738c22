/**
 * The operations of one tenant process: streams of its link that it began. Everything in a frame may be a lie; what is
 * not possible in the protocol ends the link, by the fault that `take` answers. What comes for a stream that is over is
 * ignored, because the tenant may have sent it before it knew.
 */

import type { Readable } from 'node:stream'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { frameTypes, readCredit } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import { type Op, type OpFailed, type OpKind, opSchema, readJson } from '../../core/sandbox-messages.ts'
import { createSendWindow, type SendWindow } from '../../core/sandbox-window.ts'
import type { LoadedCode } from './codes.ts'
import { createIncomingBody, type IncomingBody } from './incoming-body.ts'
import type { Operations } from './operations.ts'

/** What the operations of a process are made with. */
export interface TenantOperationsOptions {
  readonly process: string
  readonly link: FrameLink
  readonly operations: Operations
  /** The code of a version that is loaded in the process, if it is. */
  readonly codeOf: (version: number) => LoadedCode | undefined
  /** Counts an operation that begins, and bytes of bodies: out of the process, and into it. */
  readonly count: (kind: OpKind, begun: number, outBytes: number, inBytes: number) => void
  /** Told of failures of the host itself. */
  readonly failed: (error: unknown, op: Op) => void
}

/** The operations of one process. */
export interface TenantOperations {
  /** Takes a frame of a stream that the tenant began. Answers what is wrong with it, undefined if nothing is. */
  take(type: number, stream: number, payload: Buffer): string | undefined
  /** Operations under way. */
  readonly size: number
  /** Ends all. */
  close(): void
}

/** An operation under way. */
interface Running {
  readonly kind: OpKind
  readonly abort: AbortController
  /** The body of its request, if it has one. */
  readonly body: IncomingBody | undefined
  /** What may be sent of its answer's body. */
  readonly window: SendWindow
  /** Called when there is more credit, or it is aborted. */
  wake: () => void
}

/** Makes the operations of a process. */
export function createTenantOperations(options: TenantOperationsOptions): TenantOperations {
  const { link, operations, codeOf, count } = options
  const running = new Map<number, Running>()

  function begin(stream: number, payload: Buffer): string | undefined {
    if (running.has(stream)) return 'an operation on a stream that is in use'
    const op = readJson(opSchema, payload)
    if (!op) return 'an operation that is none'
    const code = codeOf(op.version)
    const refusal = refusalOf(op, code)
    if (refusal === undefined && code) void run(stream, op, code)
    else tell(stream, { name: 'QuotaExceededError', message: refusal ?? '' })
    return undefined
  }

  function refusalOf(op: Op, code: LoadedCode | undefined): string | undefined {
    const { operations: most, operationBodies } = limits.sandboxTenant
    if (running.size >= most) return `more than ${most} operations are under way`
    if (!code) return `version ${op.version} is not loaded`
    if (!op.hasBody) return undefined
    const bodies = [...running.values()].filter(({ body }) => body && !body.stream.readableEnded).length
    return bodies < operationBodies ? undefined : `more than ${operationBodies} bodies are being sent`
  }

  async function run(stream: number, op: Op, code: LoadedCode): Promise<void> {
    const { kind } = op
    const abort = new AbortController()
    const { signal } = abort
    const body = op.hasBody ? createIncomingBody((bytes) => link.credit(stream, bytes)) : undefined
    const self: Running = { kind, abort, body, window: createSendWindow(), wake: () => {} }
    running.set(stream, self)
    count(kind, 1, 0, 0)
    try {
      const answer = await operations.run({ process: options.process, op, code, body: body?.stream, signal })
      if (answer.body) endWith(answer.body, signal)
      if (signal.aborted) return
      link.write(frameTypes.answer, stream, JSON.stringify({ ...answer.head, hasBody: answer.body !== undefined }))
      if (answer.body) await send(stream, self, answer.body)
    } catch (error) {
      if (!signal.aborted) tell(stream, failureOf(error, op))
    } finally {
      if (running.get(stream) === self) running.delete(stream)
      body?.stream.destroy()
      abort.abort()
    }
  }

  async function send(stream: number, self: Running, body: Readable): Promise<void> {
    const { signal } = self.abort
    for await (const piece of body as AsyncIterable<Buffer>) {
      for (let at = 0; at < piece.length && !signal.aborted; ) {
        const bytes = self.window.take(Math.min(piece.length - at, limits.sandboxLink.chunkBytes))
        if (bytes === 0) {
          await new Promise<void>((resolve) => {
            self.wake = resolve
          })
          continue
        }
        count(self.kind, 0, 0, bytes)
        const isTaken = link.write(frameTypes.body, stream, piece.subarray(at, at + bytes))
        at += bytes
        if (!isTaken) await link.whenDrained()
      }
    }
    if (!signal.aborted) link.write(frameTypes.end, stream)
  }

  function failureOf(error: unknown, op: Op): OpFailed {
    const isTold = error instanceof GroveError && error.code !== 'ERR_INTERNAL'
    if (!isTold) options.failed(error, op)
    return {
      name:
        isTold && error.code === 'ERR_TOO_MANY'
          ? 'QuotaExceededError'
          : op.kind === 'data'
            ? 'OperationError'
            : 'TypeError',
      message: isTold ? error.message.slice(0, 1_000) : 'the host could not do it',
    }
  }

  function tell(stream: number, failure: OpFailed): void {
    link.write(frameTypes.failed, stream, JSON.stringify(failure))
  }

  function takeBody(stream: number, payload: Buffer): string | undefined {
    if (payload.length === 0 || payload.length > limits.sandboxLink.chunkBytes)
      return 'a piece of a body of a wrong size'
    const self = running.get(stream)
    if (!self) return undefined
    if (!self.body) return 'a body that was not announced'
    if (!self.body.arrive(payload)) return 'more of a body than there was credit for'
    count(self.kind, 0, payload.length, 0)
    return undefined
  }

  function takeCredit(stream: number, payload: Buffer): string | undefined {
    const bytes = readCredit(payload)
    if (bytes === undefined) return 'credit that is none'
    const self = running.get(stream)
    if (!self) return undefined
    const fits = self.window.give(bytes)
    self.wake()
    return fits ? undefined : 'more credit than there can be'
  }

  function cancel(stream: number, self: Running | undefined): void {
    running.delete(stream)
    self?.abort.abort()
    self?.body?.stream.destroy(new GroveError('ERR_CLOSED', 'the site has broken it off'))
    self?.wake()
  }

  return {
    take(type, stream, payload) {
      switch (type) {
        case frameTypes.op:
          return begin(stream, payload)
        case frameTypes.body:
          return takeBody(stream, payload)
        case frameTypes.credit:
          return takeCredit(stream, payload)
        case frameTypes.end:
          running.get(stream)?.body?.finish()
          return payload.length > 0 ? 'an end with a payload' : undefined
        case frameTypes.cancel:
          cancel(stream, running.get(stream))
          return payload.length > 0 ? 'a cancel with a payload' : undefined
        default:
          return `a frame of type ${type}`
      }
    },
    get size() {
      return running.size
    },
    close() {
      for (const [stream, self] of running) cancel(stream, self)
    },
  }
}

/** Sees to it that a body ends when nobody wants it, whatever state it is in. */
function endWith(body: Readable, signal: AbortSignal): void {
  body.on('error', () => {})
  if (signal.aborted) body.destroy()
  else signal.addEventListener('abort', () => body.destroy(), { once: true })
}
