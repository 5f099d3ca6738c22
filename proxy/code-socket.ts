/**
 * WebSockets between visitors and a site's code. The front speaks the protocol (RFC 6455), with `ws`; the code sees whole
 * messages. Nothing is compressed: a message is at most 1 MiB, and a bomb cannot become more.
 */

import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Exchange } from '../core/exchange.ts'
import { getHeader, type HeaderList, joinHeader } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import { networkOf } from '../core/network.ts'
import type { CodeSocket, VisitorSocket } from './code-socket-ends.ts'
import type { CodeUpstream } from './code-upstream.ts'
import { answerError, describeFailure, headersOfFailure, statusOfFailure } from './error-page.ts'
import { cleanAnswerHeaders, forwardAnswerHeaders } from './forward-headers.ts'
import type { UpgradeConnection } from './transport.ts'

/** A handshake that goes to a site's code. */
export interface CodeHandshake {
  readonly exchange: Exchange
  readonly connection: UpgradeConnection
  readonly upstream: Pick<CodeUpstream, 'send'>
  /** As the code gets them, without those of the upgrade itself. */
  readonly headers: HeaderList
  readonly timeoutMs: number
}

/** The close code of a server that cannot go on (RFC 6455 section 7.4.1). */
const serverFailed = 1011

/** Asks the code, and opens the visitor's end when it says 101. Never rejects. */
export async function shakeWithCode(handshake: CodeHandshake, ended: AbortSignal): Promise<void> {
  const { exchange, upstream, headers, timeoutMs } = handshake
  const { id, method, authority, target, clientAddress } = exchange
  try {
    const answer = await upstream.send(
      {
        id,
        method,
        authority,
        target,
        headers: [...headers, 'upgrade', 'websocket'],
        body: undefined,
        signal: ended,
        timeoutMs,
        visitor: networkOf(clientAddress),
      },
      (answered, socket) => openVisitorSocket(handshake, answered, socket),
    )
    if (answer.status !== 101) exchange.respond(answer.status, forwardAnswerHeaders(answer.headers, true), answer.body)
  } catch (error) {
    if (ended.aborted) return
    const status = statusOfFailure(error)
    answerError(exchange, status, { headers: headersOfFailure(error), error: describeFailure(error) })
  }
}

/** Answers 101 and joins the two ends. Called once, in the step in which the code's answer came: no message is missed. */
function openVisitorSocket(
  { exchange, connection }: CodeHandshake,
  headers: HeaderList,
  code: CodeSocket,
): VisitorSocket {
  const chosen = getHeader(headers, 'sec-websocket-protocol')
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.sandboxLink.payloadBytes,
    handleProtocols: (offered) => (chosen !== undefined && offered.has(chosen) ? chosen : false),
  })
  server.on('headers', (lines) => lines.push(...ownLines(headers)))
  const { request, socket, head } = connection
  request.headers['upgrade'] = 'websocket'
  request.headers['sec-websocket-protocol'] = joinHeader(exchange.headers, 'sec-websocket-protocol')
  let visitor: WebSocket | undefined
  server.handleUpgrade(request, socket, head, (opened) => {
    visitor = opened
    listen(opened, code)
  })
  // A handshake that it does not take it has answered itself.
  if (!visitor) code.close(1006, '')
  return visitor ? ends(visitor) : { message() {}, close() {}, lost() {} }
}

function listen(visitor: WebSocket, code: CodeSocket): void {
  visitor.on('message', (data: RawData, isBinary: boolean) => {
    const bytes = data as Buffer // `binaryType` is nodebuffer.
    if (code.message(isBinary ? bytes : bytes.toString('utf8'))) return
    visitor.pause()
    void code.whenDrained().then(() => visitor.resume())
  })
  visitor.on('close', (status: number, reason: Buffer) => code.close(status, reason.toString('utf8')))
  visitor.on('error', () => {}) // What the visitor did wrong; it is closed, and its close is what counts.
}

function ends(visitor: WebSocket): VisitorSocket {
  return {
    message(message, isText) {
      visitor.send(message, { binary: !isText })
      // Who does not take what is sent is cut off: the code cannot know, and nobody keeps it for them.
      if (visitor.bufferedAmount > limits.frontCode.socketQueuedBytes) visitor.terminate()
    },
    close: (code, reason) => visitor.close(code === 0 ? undefined : sendable(code), reason),
    lost: () => visitor.close(serverFailed),
  }
}

/** Codes that may stand in a close frame (RFC 6455 section 7.4.2); any other would be a fault of ours. */
function sendable(code: number): number {
  const isOfApplications = code >= 3_000 && code <= 4_999
  const isOfProtocol = code >= 1_000 && code <= 1_014 && ![1_004, 1_005, 1_006].includes(code)
  return isOfApplications || isOfProtocol ? code : serverFailed
}

/** What the code says in its 101, but for what is of the handshake. */
function ownLines(headers: HeaderList): string[] {
  const lines: string[] = []
  const clean = cleanAnswerHeaders(headers)
  for (let i = 0; i < clean.length; i += 2) {
    const name = clean[i] as string
    if (!name.startsWith('sec-websocket-') && !name.startsWith('content-')) lines.push(`${name}: ${clean[i + 1]}`)
  }
  return lines
}
