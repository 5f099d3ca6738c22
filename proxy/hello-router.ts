/**
 * Handshakes that are not like those of other visitors, told from them by the ClientHello: it is read before any TLS
 * library gets it, given back, and then the connection goes to who does its handshake. While no such handshake is
 * expected, nobody looks.
 */

import type { Socket } from 'node:net'
import { limits } from '../core/limits.ts'
import { type ClientHello, readClientHello } from './client-hello.ts'
import type { Watch } from './transport.ts'

/** One kind of handshakes. */
export interface Handshakes {
  /** Whether there may be any at this moment. */
  readonly isExpected: boolean
  /** Whether a client that begins so is one of them. */
  takes(hello: ClientHello): boolean
  /** Does the handshake of a connection of which nothing was read. */
  accept(socket: Socket): void
}

/** What a router is made with. */
export interface HelloRouterOptions {
  /** Those that come first are asked first. */
  readonly kinds: readonly Handshakes[]
  /** Gets all other connections. */
  readonly others: (socket: Socket) => void
  readonly watch: Watch
  /** How long a ClientHello may take, in milliseconds; then the connection ends. */
  readonly timeoutMs: number
}

/** Makes a function that takes new connections. Each gets to exactly one of its options, or ends. */
export function createHelloRouter({ kinds, others, watch, timeoutMs }: HelloRouterOptions): (socket: Socket) => void {
  return (socket) => {
    if (!kinds.some(({ isExpected }) => isExpected)) {
      others(socket)
      return
    }
    let leftMs = timeoutMs
    const clock = {
      tick(elapsedMs: number) {
        leftMs -= elapsedMs
        if (leftMs <= 0) socket.destroy()
      },
    }
    const place = watch.add(clock)
    onClientHello(socket, (hello) => {
      place.leave()
      if (socket.destroyed) return
      const kind = hello && kinds.find((one) => one.isExpected && one.takes(hello))
      if (kind) kind.accept(socket)
      else others(socket)
    })
  }
}

/**
 * Calls back once: with the ClientHello, or undefined when the connection begins otherwise or ends. What was read is in
 * the socket again.
 */
function onClientHello(socket: Socket, done: (hello: ClientHello | undefined) => void): void {
  let seen: Buffer = Buffer.alloc(0)
  const look = () => {
    for (let bytes: Buffer | null = socket.read(); bytes !== null; bytes = socket.read())
      seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes])
    const hello = readClientHello(seen)
    if (hello !== 'more') finish(hello)
    else if (seen.length >= limits.http.helloBytes) finish(undefined)
  }
  const finish = (hello: ClientHello | undefined) => {
    for (const event of ['end', 'close', 'error']) socket.off(event, gone)
    socket.off('readable', look)
    if (seen.length > 0 && !socket.destroyed && !socket.readableEnded) socket.unshift(seen)
    done(hello)
  }
  const gone = () => {
    if (!socket.destroyed) socket.destroy()
    finish(undefined)
  }
  socket.on('readable', look)
  for (const event of ['end', 'close', 'error']) socket.on(event, gone)
}
