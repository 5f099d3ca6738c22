/** What an isolate calls: the numbers of its requests and operations become frames of the right streams, or faults. */

import { frameTypes } from '../../core/sandbox-frames.ts'
import { wholeBytes } from '../../core/sandbox-whole.ts'
import { deliveries, failures, faults } from '../bridge.ts'
import type { AnswerHead, GuestError } from '../bridge-shapes.ts'
import type { EngineHost } from '../engine.ts'
import type { Exchange } from './exchange.ts'
import { describeError, failureOf } from './failures.ts'
import type { HostedCode, Seat } from './hosted-code.ts'
import { OutgoingBody } from './outgoing-body.ts'

/** Messages of a WebSocket wait for a link that has more than this to send. */
const fullLinkBytes = 1_048_576

/** Makes the host of one isolate of a code. */
export function createCodeHost(code: HostedCode, seat: Seat): EngineHost {
  const { log } = code

  /** A request of this isolate: a number of another one is not known here. */
  const own = (id: number): Exchange | undefined => seat.exchanges.get(id)

  /** The bodies behind a number, that of a request or of an operation. */
  function bodiesOf(id: number): Pick<Exchange, 'incoming' | 'outgoing'> | undefined {
    const operation = code.operations.get(id)
    if (operation) return own(operation.exchange.id) ? operation : undefined
    return own(id)
  }

  /** A request without its answer fails; one that has begun is cut. */
  function failWith(exchange: Exchange, failure: 'exception' | 'bad-answer', reason: string): void {
    if (exchange.isOpen) exchange.fail(failureOf(failure, reason))
    code.closed(exchange)
  }

  function outgoingOf(exchange: Exchange): OutgoingBody {
    return new OutgoingBody({
      write: (piece) => exchange.write(piece),
      finish() {
        exchange.end()
        code.closed(exchange)
      },
      writable: (bytes) => exchange.isolate?.deliver(exchange.id, exchange.id, deliveries.writable, bytes),
    })
  }

  return {
    respond(id, head, headText, body, more) {
      const exchange = own(id)
      if (!exchange?.isOpen) return faults.closed
      if (exchange.isAnswered) return faults.again
      if (head.status === 101) return upgrade(exchange, headText)
      return answer(exchange, head, headText, body, more)
    },
    refuse(id, reason) {
      const exchange = own(id)
      if (!exchange || exchange.isAnswered) return
      log.error(exchange, `the answer cannot be sent: ${reason}`)
      failWith(exchange, 'bad-answer', reason)
    },
    send: (id, chunk) => bodiesOf(id)?.outgoing?.send(chunk) ?? faults.closed,
    end: (id) => bodiesOf(id)?.outgoing?.end() ?? faults.closed,
    abort(id, error) {
      const exchange = own(id)
      if (!exchange) return code.operations.stop(id)
      if (!exchange.isOpen) return faults.closed
      log.error(exchange, describeError(error))
      failWith(exchange, 'exception', `${error.name}: ${error.message}`)
      return 0
    },
    pull: (id) => bodiesOf(id)?.incoming?.pull() ?? faults.closed,
    pullText: (id, mostBytes) => bodiesOf(id)?.incoming?.pullText(mostBytes) ?? faults.closed,
    cancelBody(id) {
      const { incoming } = bodiesOf(id) ?? {}
      incoming?.cancel()
      return incoming ? 0 : faults.closed
    },
    fail(id, kind, error, pass) {
      const exchange = own(id)
      return exchange ? fail(exchange, kind, error, pass) : faults.closed
    },
    done(id) {
      const exchange = own(id)
      if (!exchange) return faults.closed
      exchange.isDone = true
      if (exchange.isOpen && !exchange.isAnswered) failWith(exchange, 'bad-answer', 'the handler gave no answer')
      if (!exchange.isOpen) code.finish(exchange)
      return 0
    },
    start(owner, kind, args, bytes) {
      const exchange = own(owner)
      return exchange ? code.operations.start(exchange, kind, args, bytes) : faults.closed
    },
    stop: (id) => code.operations.stop(id),
    log: (owner, level, text) => log.line(own(owner), level, text),
    report(owner, error) {
      log.error(own(owner), `not caught: ${describeError(error)}`)
      return 0
    },
    message: (id, message) => sendMessage(own(id), message),
    closeSocket(id, socketCode, reason) {
      const exchange = own(id)
      if (!exchange?.isUpgraded || !exchange.isOpen) return faults.closed
      exchange.writeSocket(frameTypes.closeSocket, JSON.stringify({ code: socketCode, reason }))
      exchange.close()
      code.closed(exchange)
      return 0
    },
    breach(id, breach) {
      const exchange = own(id)
      if (exchange) code.stop(exchange, breach)
    },
    unfit: () => code.retire(seat),
    lost: (breach) => code.lose(seat, breach),
  }

  function answer(
    exchange: Exchange,
    head: AnswerHead,
    headText: string,
    body: string | Uint8Array | undefined,
    more: boolean,
  ): number {
    if (head.hasBody && !more && body !== undefined && isSmall(body)) {
      exchange.answerWhole(head.status, headText, body)
      code.closed(exchange)
      return 0
    }
    exchange.answer(head.status, headText)
    if (!head.hasBody) {
      exchange.close()
      code.closed(exchange)
      return 0
    }
    const outgoing = outgoingOf(exchange)
    exchange.outgoing = outgoing
    const room = body === undefined ? outgoing.room : outgoing.send(body)
    if (!more) outgoing.end()
    return room
  }

  function upgrade(exchange: Exchange, headText: string): number {
    if (!exchange.head.isUpgrade) {
      log.error(exchange, 'the answer cannot be sent: status 101, but no WebSocket was asked for')
      failWith(exchange, 'bad-answer', 'status 101, but no WebSocket was asked for')
      return faults.invalid
    }
    exchange.isUpgraded = true
    exchange.answer(101, headText)
    return 0
  }

  function fail(exchange: Exchange, kind: number, error: GuestError, pass: boolean): number {
    if (kind === failures.unhandled) {
      exchange.pass()
      code.answered(exchange)
      return 0
    }
    log.error(exchange, describeError(error))
    if (pass && !exchange.isAnswered) exchange.pass()
    failWith(exchange, kind === failures.invalid ? 'bad-answer' : 'exception', `${error.name}: ${error.message}`)
    return 0
  }
}

/** Whether a body can go along with its head. */
function isSmall(body: string | Uint8Array): boolean {
  if (typeof body !== 'string') return body.byteLength <= wholeBytes
  // A character is at most three bytes.
  return body.length <= wholeBytes / 3 || Buffer.byteLength(body) <= wholeBytes
}

function sendMessage(exchange: Exchange | undefined, message: string | Uint8Array): number {
  if (!exchange?.isUpgraded || !exchange.isOpen) return faults.closed
  const isText = typeof message === 'string'
  if (exchange.queuedBytes > fullLinkBytes) return faults.tooMany
  exchange.writeSocket(isText ? frameTypes.textMessage : frameTypes.bytesMessage, message)
  return Math.max(0, fullLinkBytes - exchange.queuedBytes)
}
