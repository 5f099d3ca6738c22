/**
 * A look at the first bytes of a connection before a parser gets them.
 *
 * It is for HTTP/0.9: `GET /` with no version. node:http waits for headers that will never come; the client has to hear
 * at once that it is not understood.
 */

import type { Socket } from 'node:net'
import { limits } from '../core/limits.ts'

/** How a connection begins. */
export type Beginning = 'http' | 'http/0.9' | 'nothing'

/**
 * Calls back once with how the connection begins. For `http` the bytes are in the socket again. The caller bounds the
 * time and may destroy the socket meanwhile.
 */
export function onFirstBytes(socket: Socket, begun: (beginning: Beginning) => void): void {
  const look = () => {
    const bytes: Buffer | null = socket.read()
    if (bytes === null) {
      // Readable with nothing to read is the end, unless the bytes are still to come.
      if (!socket.readableEnded && !socket.destroyed && socket.readable) return
      stop()
      begun('nothing')
      return
    }
    stop()
    if (isSimpleRequest(bytes)) {
      begun('http/0.9')
      return
    }
    socket.unshift(bytes)
    begun('http')
  }
  const gone = () => {
    stop()
    begun('nothing')
  }
  const stop = () => {
    socket.off('readable', look)
    socket.off('end', gone)
    socket.off('close', gone)
  }
  socket.on('readable', look)
  socket.on('end', gone)
  socket.on('close', gone)
}

/** Whether the first line is a method and a target and no more (RFC 1945 section 4.1, Simple-Request). */
function isSimpleRequest(bytes: Buffer): boolean {
  const end = bytes.indexOf(10)
  if (end === -1 || end > limits.http.firstLineBytes) return false
  return /^[A-Z]+ +[^\s]+ *\r?$/.test(bytes.toString('latin1', 0, end))
}
