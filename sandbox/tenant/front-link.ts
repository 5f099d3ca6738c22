/** The link with one front: requests and their bodies come in, answers go out. */

import type { Socket } from 'node:net'
import { HeldMap } from '../../core/held-map.ts'
import { frameTypes, readCredit } from '../../core/sandbox-frames.ts'
import { createFrameLink, type FrameLink } from '../../core/sandbox-link.ts'
import { splitWhole } from '../../core/sandbox-whole.ts'
import { deliveries } from '../bridge.ts'
import type { Exchange, FrontLink } from './exchange.ts'
import { failureOf } from './failures.ts'
import { readCloseSocket, readRequestHead } from './frame-json.ts'
import type { SiteCode } from './site-code.ts'

/** Where requests go. */
export interface Codes {
  /** The code of a version, if it is loaded. */
  get(version: number): SiteCode | undefined
  /** A request has come. */
  asked(): void
}

/** Begins to serve a front. Its requests are cancelled when it goes. */
export function serveFront(socket: Socket, codes: Codes): FrameLink {
  const exchanges = new HeldMap<number, Exchange>()
  const link = createFrameLink({ socket, onFrame, onEnd: () => cancelAll() })
  const front: FrontLink = { link, exchanges }

  function onFrame(type: number, stream: number, payload: Buffer): void {
    if (type === frameTypes.request) begin(stream, payload)
    else if (type === frameTypes.wholeRequest) {
      const parts = splitWhole(payload)
      begin(stream, parts?.head ?? payload.subarray(0, 0), parts?.body)
    } else {
      const exchange = exchanges.get(stream)
      // It is over here, and the front did not know yet.
      if (exchange) take(exchange, type, payload)
    }
  }

  function begin(stream: number, headBytes: Buffer, body?: Buffer): void {
    const head = readRequestHead(headBytes)
    if (!head || exchanges.has(stream)) {
      link.fail('a request that is none')
      return
    }
    codes.asked()
    const code = codes.get(head.version)
    if (code) code.accept(front, stream, head, body)
    else link.write(frameTypes.failed, stream, JSON.stringify(failureOf('not-loaded', `version ${head.version}`)))
  }

  function take(exchange: Exchange, type: number, payload: Buffer): void {
    switch (type) {
      case frameTypes.body:
        if (exchange.incoming?.arrive(payload) === false) link.fail('more of a body than there was credit for')
        return
      case frameTypes.end:
        exchange.incoming?.finish()
        return
      case frameTypes.credit: {
        const bytes = readCredit(payload)
        if (bytes === undefined || exchange.outgoing?.give(bytes) === false) link.fail('credit that cannot be')
        return
      }
      case frameTypes.cancel:
        exchange.keeper.cancel(exchange)
        return
      case frameTypes.textMessage:
      case frameTypes.bytesMessage:
        takeMessage(exchange, type, payload)
        return
      case frameTypes.closeSocket:
        closeSocket(exchange, payload)
        return
      default:
        link.fail(`a frame of type ${type}`)
    }
  }

  function takeMessage(exchange: Exchange, type: number, payload: Buffer): void {
    if (!exchange.isUpgraded) return
    const message = type === frameTypes.textMessage ? payload.toString('utf8') : new Uint8Array(payload)
    exchange.renew()
    exchange.isolate?.deliver(exchange.id, exchange.id, deliveries.message, message)
  }

  function closeSocket(exchange: Exchange, payload: Buffer): void {
    const close = readCloseSocket(payload)
    if (!close) {
      link.fail('the end of a WebSocket that is none')
      return
    }
    if (!exchange.isUpgraded) return
    exchange.close()
    const text = JSON.stringify({ ...close, wasClean: close.code !== 1006 })
    exchange.isolate?.deliver(exchange.id, exchange.id, deliveries.socketClosed, text)
    exchange.keeper.closed(exchange)
  }

  function cancelAll(): void {
    for (const exchange of exchanges.values()) exchange.keeper.cancel(exchange)
    exchanges.clear()
  }

  return link
}
