/**
 * Host calls about text and URLs that answer at once: the platform's own parsers and decoders, which are right by
 * construction and faster than anything a prelude could carry.
 */

import { tenantLimits } from '../../core/sandbox-limits.ts'
import { type BridgeValue, bridgeLimits, decodeFlags, faults, urlParts } from '../bridge.ts'

/** Parses a URL. Answers its eleven parts, or a fault. */
export function parseUrl(url: BridgeValue, base: BridgeValue): string | number {
  if (typeof url !== 'string' || (base !== undefined && typeof base !== 'string')) return faults.argument
  if (url.length > bridgeLimits.urlChars || (base?.length ?? 0) > bridgeLimits.urlChars) return faults.tooLarge
  const parsed = URL.parse(url, base)
  return parsed === null ? faults.invalid : partsOf(parsed)
}

/** A URL with one part set. Answers its eleven parts, or a fault. */
export function setUrl(href: BridgeValue, part: BridgeValue, value: BridgeValue): string | number {
  if (typeof href !== 'string' || typeof part !== 'number' || typeof value !== 'string') return faults.argument
  if (href.length + value.length > 2 * bridgeLimits.urlChars) return faults.tooLarge
  const url = URL.parse(href)
  if (url === null) return faults.invalid
  switch (part) {
    case urlParts.href: {
      const other = URL.parse(value)
      return other === null ? faults.invalid : partsOf(other)
    }
    case urlParts.protocol:
      url.protocol = value
      break
    case urlParts.username:
      url.username = value
      break
    case urlParts.password:
      url.password = value
      break
    case urlParts.host:
      url.host = value
      break
    case urlParts.hostname:
      url.hostname = value
      break
    case urlParts.port:
      url.port = value
      break
    case urlParts.pathname:
      url.pathname = value
      break
    case urlParts.search:
      url.search = value
      break
    case urlParts.hash:
      url.hash = value
      break
    default:
      return faults.argument
  }
  return partsOf(url)
}

/** The order of `ops.parseUrl`. None of them has a line break: the parser takes them out or encodes them. */
function partsOf(url: URL): string {
  const { href, origin, protocol, username, password, host, hostname, port, pathname, search, hash } = url
  return `${href}\n${origin}\n${protocol}\n${username}\n${password}\n${host}\n${hostname}\n${port}\n${pathname}\n${search}\n${hash}`
}

/** The name of the encoding that a label stands for, or a fault. */
export function encodingOf(label: BridgeValue): string | number {
  if (typeof label !== 'string' || label.length > 64) return faults.argument
  return makeDecoder(label, 0)?.encoding ?? faults.invalid
}

/** Decodes a text in one go. */
export function decodeText(label: BridgeValue, bytes: BridgeValue, flags: BridgeValue): string | number {
  if (typeof label !== 'string' || !(bytes instanceof Uint8Array) || typeof flags !== 'number') return faults.argument
  if (bytes.byteLength > bridgeLimits.textBytes || label.length > 64) return faults.tooLarge
  const decoder = makeDecoder(label, flags)
  return decoder ? decodeWith(decoder, bytes, false) : faults.invalid
}

/** UTF-8 of a text, in a buffer of its own. */
export function encodeText(text: BridgeValue): Uint8Array | number {
  if (typeof text !== 'string') return faults.argument
  if (text.length > bridgeLimits.textBytes / 3) return faults.tooLarge
  return new TextEncoder().encode(text)
}

function makeDecoder(label: string, flags: number): TextDecoder | undefined {
  try {
    return new TextDecoder(label, {
      fatal: (flags & decodeFlags.fatal) !== 0,
      ignoreBOM: (flags & decodeFlags.ignoreBom) !== 0,
    })
  } catch {
    return undefined
  }
}

function decodeWith(decoder: TextDecoder, bytes: Uint8Array, stream: boolean): string | number {
  try {
    return decoder.decode(bytes, { stream })
  } catch {
    return faults.invalid
  }
}

/** Decoders that keep their state between pieces. */
export interface Decoders {
  /** Answers a handle, or a fault. */
  open(owner: number, label: BridgeValue, flags: BridgeValue): number
  decode(handle: BridgeValue, bytes: BridgeValue, last: BridgeValue): string | number
  /** The decoders of a request end with it. */
  forget(owner: number): void
}

/** Makes the table of decoders of one isolate. */
export function createDecoders(): Decoders {
  const byHandle = new Map<number, { readonly owner: number; readonly decoder: TextDecoder }>()
  let lastHandle = 0
  return {
    open(owner, label, flags) {
      if (typeof label !== 'string' || typeof flags !== 'number' || label.length > 64) return faults.argument
      if (byHandle.size >= tenantLimits.decoders) return faults.tooMany
      const decoder = makeDecoder(label, flags)
      if (!decoder) return faults.invalid
      lastHandle++
      byHandle.set(lastHandle, { owner, decoder })
      return lastHandle
    },
    decode(handle, bytes, last) {
      if (typeof handle !== 'number' || !(bytes instanceof Uint8Array)) return faults.argument
      if (bytes.byteLength > bridgeLimits.textBytes) return faults.tooLarge
      const entry = byHandle.get(handle)
      if (!entry) return faults.closed
      const text = decodeWith(entry.decoder, bytes, last !== true)
      if (last === true || typeof text === 'number') byHandle.delete(handle)
      return text
    },
    forget(owner) {
      for (const [handle, entry] of byHandle) if (entry.owner === owner) byHandle.delete(handle)
    },
  }
}
