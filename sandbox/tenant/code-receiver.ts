/** Codes as the supervisor gives them: a head, then the bundle and the modules in pieces. */

import { frameTypes } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import type { LoadHead } from '../../core/sandbox-messages.ts'
import { createReceiveWindow, type ReceiveWindow } from '../../core/sandbox-window.ts'
import type { CodeSource } from '../engine.ts'
import { readLoadHead } from './frame-json.ts'

interface Receiving {
  readonly head: LoadHead
  readonly bytes: Buffer
  readonly window: ReceiveWindow
  received: number
}

/** Puts codes together. */
export interface CodeReceiver {
  /** Takes a frame of a load. Answers false if it is none that could come. */
  take(type: number, stream: number, payload: Buffer): boolean
}

/** Makes a receiver. `whole` is called with each code that is there. */
export function createCodeReceiver(link: FrameLink, whole: (stream: number, source: CodeSource) => void): CodeReceiver {
  const byStream = new Map<number, Receiving>()

  function begin(stream: number, payload: Buffer): boolean {
    const head = readLoadHead(payload)
    if (!head || byStream.has(stream)) return false
    const bytes = head.wasm.reduce((sum, module) => sum + module.bytes, head.bundleBytes)
    byStream.set(stream, { head, bytes: Buffer.alloc(bytes), window: createReceiveWindow(), received: 0 })
    return true
  }

  function add(stream: number, receiving: Receiving, payload: Buffer): boolean {
    const { bytes, window, received } = receiving
    if (received + payload.length > bytes.length || !window.arrive(payload.length)) return false
    payload.copy(bytes, received)
    receiving.received += payload.length
    const given = window.consume(payload.length)
    if (given > 0) link.credit(stream, given)
    return true
  }

  function end(stream: number, { head, bytes, received }: Receiving): boolean {
    byStream.delete(stream)
    if (received !== bytes.length) return false
    let at = head.bundleBytes
    const wasm = head.wasm.map(({ name, bytes: length }) => {
      at += length
      return { name, bytes: new Uint8Array(bytes.subarray(at - length, at)) }
    })
    const { site, version, limits, env, assets, data } = head
    const bundle = bytes.toString('utf8', 0, head.bundleBytes)
    whole(stream, { site, version, limits, vars: env, assets, data, bundle, wasm })
    return true
  }

  return {
    take(type, stream, payload) {
      if (type === frameTypes.load) return begin(stream, payload)
      const receiving = byStream.get(stream)
      if (!receiving) return false
      if (type === frameTypes.body) return add(stream, receiving, payload)
      return type === frameTypes.end && end(stream, receiving)
    },
  }
}
