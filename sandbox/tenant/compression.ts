/**
 * Compression streams: the guest's pieces go through node:zlib, outside the thread that runs the isolate. What comes out of
 * a decompression is bounded, since a few bytes can become any number.
 */

import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { limits as bounds } from '../../core/limits.ts'
import { type SandboxLimits, tenantLimits } from '../../core/sandbox-limits.ts'
import { deliveries } from '../bridge.ts'
import type { CompressArguments } from '../bridge-shapes.ts'
import { IncomingBody } from './incoming-body.ts'
import { OutgoingBody } from './outgoing-body.ts'

const { chunkBytes, windowBytes } = bounds.sandboxLink
const chunkSize = chunkBytes
/** What brotli does in a reasonable time; its own default is meant for files that are compressed once. */
const brotliQuality = 4

const makers: Readonly<Record<string, () => Transform>> = {
  'compress gzip': () => zlib.createGzip({ chunkSize }),
  'compress deflate': () => zlib.createDeflate({ chunkSize }),
  'compress deflate-raw': () => zlib.createDeflateRaw({ chunkSize }),
  'compress br': () =>
    zlib.createBrotliCompress({ chunkSize, params: { [zlib.constants.BROTLI_PARAM_QUALITY]: brotliQuality } }),
  'decompress gzip': () => zlib.createGunzip({ chunkSize, rejectGarbageAfterEnd: true }),
  'decompress deflate': () => zlib.createInflate({ chunkSize, rejectGarbageAfterEnd: true }),
  'decompress deflate-raw': () => zlib.createInflateRaw({ chunkSize, rejectGarbageAfterEnd: true }),
  'decompress br': () => zlib.createBrotliDecompress({ chunkSize, rejectGarbageAfterEnd: true }),
}

/** What the guest is told through. */
export interface CompressionPort {
  tell(kind: number, payload?: string | number | Uint8Array): void
  over(): void
  /** What it costs whoever asked for it. */
  charge(ms: number): void
}

/** A compression that runs. */
export interface Compression {
  readonly incoming: IncomingBody
  readonly outgoing: OutgoingBody
  stop(): void
}

/** Begins one; undefined where its arguments make no sense. */
export function createCompression(args: string, limits: SandboxLimits, port: CompressionPort): Compression | undefined {
  const made = makeTransform(args)
  if (!made) return undefined
  const { transform, isDecompressing } = made
  /** What has come out and was not taken. */
  let waitingBytes = 0
  const incoming = new IncomingBody({
    mostBytes: limits.decompressedBytes,
    bound: 'decompressedBytes',
    credit(bytes) {
      waitingBytes -= bytes
      transform.resume()
    },
    deliver: (kind, payload) => port.tell(kind, payload),
    over() {
      transform.destroy()
      port.over()
    },
  })
  const outgoing = new OutgoingBody({
    // Credit comes back when a piece was worked on, so that no more than a window waits.
    write(piece) {
      if (!isDecompressing) port.charge((piece.byteLength / 2 ** 20) * tenantLimits.compressMsPerMiB)
      transform.write(piece, () => outgoing.give(piece.byteLength))
    },
    finish: () => transform.end(),
    writable: (bytes) => port.tell(deliveries.writable, bytes),
  })
  transform.on('data', (piece: Buffer) => {
    waitingBytes += piece.byteLength
    if (isDecompressing) port.charge((piece.byteLength / 2 ** 20) * tenantLimits.decompressMsPerMiB)
    if (waitingBytes > windowBytes - chunkBytes) transform.pause()
    incoming.arrive(piece)
  })
  transform.on('end', () => incoming.finish())
  transform.on('error', (error) => {
    outgoing.close()
    incoming.break({ name: 'TypeError', message: error.message })
  })
  return { incoming, outgoing, stop: () => transform.destroy() }
}

function makeTransform(args: string): { transform: Transform; isDecompressing: boolean } | undefined {
  try {
    const { direction, format } = JSON.parse(args) as Partial<CompressArguments>
    const key = `${direction} ${format}`
    const make = Object.hasOwn(makers, key) ? makers[key] : undefined
    return make && { transform: make(), isDecompressing: direction === 'decompress' }
  } catch {
    return undefined
  }
}
