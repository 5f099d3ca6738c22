/** The two ends of a visitor's WebSocket with a site's code: types only. */

import type { HeaderList } from '../core/headers.ts'

/** A WebSocket as the code has it: what the visitor says goes in. */
export interface CodeSocket {
  /** Answers whether more can go at once; if not, {@link CodeSocket.whenDrained} tells when. */
  message(message: string | Uint8Array): boolean
  whenDrained(): Promise<void>
  /** The visitor's end is closed (RFC 6455 section 7.1.5; 1006 where it broke off). */
  close(code: number, reason: string): void
}

/** What comes out for the visitor. */
export interface VisitorSocket {
  message(message: Buffer, isText: boolean): void
  close(code: number, reason: string): void
  /** The code is gone, and no more comes. */
  lost(): void
}

/** Opens the visitor's end, as the answer that the code gave to a handshake has these headers. */
export type OpenVisitorSocket = (headers: HeaderList, socket: CodeSocket) => VisitorSocket
