/** One request of a front, from its frame to its last one. */

import type { HeldMap } from '../../core/held-map.ts'
import { frameTypes } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import type { FailureCode, RequestFailed, RequestHead } from '../../core/sandbox-messages.ts'
import type { EngineIsolate } from '../engine.ts'
import type { IncomingBody } from './incoming-body.ts'
import type { OutgoingBody } from './outgoing-body.ts'

/** The link of a front, and the requests that it has under way. */
export interface FrontLink {
  readonly link: FrameLink
  /** Keyed by stream. */
  readonly exchanges: HeldMap<number, Exchange>
}

/** How a request goes. */
export type ExchangePhase =
  /** It waits for its turn. */
  | 'queued'
  /** The site's code has it. */
  | 'running'
  /** Its answer is whole, or failed; what was given to `waitUntil` goes on. */
  | 'background'
  /** Nothing of it is left. */
  | 'over'

/** What a request belongs to. */
export interface ExchangeKeeper {
  /** The visitor of a request is gone, or the link of its front. */
  cancel(exchange: Exchange): void
  /** Nothing goes out for it any more. */
  closed(exchange: Exchange): void
}

/** A request. */
export class Exchange {
  phase: ExchangePhase = 'queued'
  /** The isolate that has it. */
  isolate: EngineIsolate | undefined
  incoming: IncomingBody | undefined
  outgoing: OutgoingBody | undefined
  /** The status that went out, also that of a failure. */
  status: number | undefined
  failure: FailureCode | undefined
  isUpgraded = false
  /** Whether the guest is done with it. */
  isDone = false
  /** When the answer was whole. */
  answeredAtMs = 0
  subrequests = 0
  dataOperations = 0
  logLines = 0
  logBytes = 0
  /** Operations under way. */
  readonly operations = new Set<number>()
  readonly id: number
  readonly keeper: ExchangeKeeper
  readonly head: RequestHead
  readonly startedAtMs: number
  readonly #front: FrontLink
  readonly #stream: number

  constructor(
    id: number,
    keeper: ExchangeKeeper,
    front: FrontLink,
    stream: number,
    head: RequestHead,
    startedAtMs: number,
  ) {
    this.id = id
    this.keeper = keeper
    this.head = head
    this.startedAtMs = startedAtMs
    this.#front = front
    this.#stream = stream
  }

  /** A message of its WebSocket has come, which is as good as a request: what is counted is counted anew. */
  renew(): void {
    this.subrequests = 0
    this.dataOperations = 0
    this.logLines = 0
    this.logBytes = 0
    this.isolate?.renew(this.id)
  }

  /** Whether the front still waits for something of it. */
  get isOpen(): boolean {
    return this.#front.exchanges.get(this.#stream) === this
  }

  /** Whether its head has gone out. */
  get isAnswered(): boolean {
    return this.status !== undefined
  }

  answer(status: number, headText: string): void {
    this.status = status
    if (this.isOpen) this.#front.link.write(frameTypes.answer, this.#stream, headText)
  }

  /** Its head and all of its body, at most `wholeBytes`. */
  answerWhole(status: number, headText: string, body: string | Uint8Array): void {
    this.status = status
    if (this.isOpen) this.#front.link.writeWhole(frameTypes.wholeAnswer, this.#stream, headText, body)
    this.close()
  }

  write(piece: Uint8Array): void {
    if (this.isOpen) this.#front.link.write(frameTypes.body, this.#stream, piece)
  }

  credit(bytes: number): void {
    if (this.isOpen) this.#front.link.credit(this.#stream, bytes)
  }

  /** The answer is whole. */
  end(): void {
    if (this.isOpen) this.#front.link.write(frameTypes.end, this.#stream)
    this.close()
  }

  /** It gets a status of the front's, or is cut if it has had its head. */
  fail(failed: RequestFailed): void {
    this.failure = failed.code
    this.status ??= failed.status
    if (this.isOpen) this.#front.link.write(frameTypes.failed, this.#stream, JSON.stringify(failed))
    this.close()
  }

  /** The front answers as if there were no code. */
  pass(): void {
    if (this.isOpen) this.#front.link.write(frameTypes.pass, this.#stream)
    this.close()
  }

  /** Bytes that its link has still to send. */
  get queuedBytes(): number {
    return this.#front.link.queuedBytes
  }

  /** A frame of its WebSocket. */
  writeSocket(
    type: typeof frameTypes.textMessage | typeof frameTypes.bytesMessage | typeof frameTypes.closeSocket,
    payload: string | Uint8Array,
  ): boolean {
    return this.isOpen && this.#front.link.write(type, this.#stream, payload)
  }

  /** The front is told nothing more. */
  close(): void {
    if (this.isOpen) this.#front.exchanges.delete(this.#stream)
    this.outgoing?.close()
  }
}
