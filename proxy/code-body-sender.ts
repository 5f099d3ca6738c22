/** A request's body on its way to a tenant process: as far as the process gives credit, and no faster than the link takes it. */

import type { Readable } from 'node:stream'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { frameTypes } from '../core/sandbox-frames.ts'
import type { FrameLink } from '../core/sandbox-link.ts'
import { createSendWindow } from '../core/sandbox-window.ts'

const { chunkBytes } = limits.sandboxLink

/** What a sender is made with. */
export interface CodeBodySenderOptions {
  readonly link: FrameLink
  readonly stream: number
  readonly body: Readable
  /** Called when the body fails before its end. */
  readonly failed: (error: unknown) => void
}

/** Sends one body. By events, since an iterator's promises cost more than all the rest of a small body. */
export class CodeBodySender {
  sentBytes = 0
  readonly #options: CodeBodySenderOptions
  readonly #window = createSendWindow()
  /** Read, and not sent yet; the body rests until it is. */
  #rest: Buffer | undefined
  #isWanted = true
  /** The body has ended or failed. */
  #isOver = false

  constructor(options: CodeBodySenderOptions) {
    this.#options = options
  }

  /** Begins to read. */
  begin(): void {
    const { link, stream, body, failed } = this.#options
    const fail = (error: unknown) => {
      this.#isOver = true
      failed(error)
    }
    // One that was over before it was given to us tells nothing any more: refused while its process was being started.
    if (body.readableEnded) {
      this.#isOver = true
      link.write(frameTypes.end, stream)
      return
    }
    if (body.destroyed) {
      fail(body.errored ?? cutOff())
      return
    }
    body.on('error', (error) => {
      if (!this.#isOver) fail(error)
    })
    body.on('close', () => {
      if (!this.#isOver) fail(cutOff())
    })
    body.on('end', () => {
      this.#isOver = true
      // A stream that is paused may end all the same once nothing more of it is to be read.
      if (this.#isWanted && !this.#rest) link.write(frameTypes.end, stream)
    })
    body.on('data', (chunk: Buffer) => {
      if (!this.#isWanted) return
      this.#rest = chunk
      this.#send()
    })
  }

  /** The process takes so much more. Answers false if that is more than it can have taken. */
  give(bytes: number): boolean {
    if (!this.#window.give(bytes)) return false
    if (this.#rest) this.#send()
    return true
  }

  /** Nobody wants more of it. The rest is read to its end all the same: the visitor's connection goes on. */
  stop(): void {
    if (!this.#isWanted) return
    this.#isWanted = false
    this.#rest = undefined
    this.#options.body.resume()
  }

  #send(): void {
    const { link, stream, body } = this.#options
    while (this.#rest) {
      const taken = this.#window.take(Math.min(this.#rest.length, chunkBytes))
      if (taken === 0) {
        body.pause()
        return
      }
      this.sentBytes += taken
      const takesMore = link.write(frameTypes.body, stream, this.#rest.subarray(0, taken))
      this.#rest = taken < this.#rest.length ? this.#rest.subarray(taken) : undefined
      if (!takesMore) {
        body.pause()
        void link.whenDrained().then(() => this.#send())
        return
      }
    }
    if (this.#isOver) {
      if (this.#isWanted) link.write(frameTypes.end, stream)
    } else if (body.isPaused()) body.resume()
  }
}

function cutOff(): GroveError {
  return new GroveError('ERR_CLOSED', 'the body ended before its end')
}
