/**
 * What a TLS client says first, read before any TLS library gets it (RFC 8446 sections 4.1.2, 4.2 and 5.1; RFC 5246 is
 * alike in this). Pure.
 *
 * It is for one question: does this client offer `acme-tls/1` and nothing else? So everything that is not plainly a whole
 * ClientHello is `undefined`, and whoever does the handshakes says what is wrong with it.
 */

/** What a ClientHello names. */
export interface ClientHello {
  /** The SNI, lower case; undefined when there is none. */
  readonly serverName: string | undefined
  /** The protocols of ALPN, in the client's order; none when it names none. */
  readonly protocols: readonly string[]
}

const handshakeRecord = 22
const clientHello = 1
const recordHeaderBytes = 5
/** RFC 8446 section 5.1. */
const recordBytes = 16_384
/** Clients send one or two, and each look at a hello goes through all of them. */
const mostRecords = 16
const serverNameExtension = 0
const alpnExtension = 16

/**
 * The ClientHello that a connection begins with; `more` when it may be one and is not whole yet, undefined when it is
 * none or is not well-formed. It may be split over records at any place. Never throws.
 */
export function readClientHello(bytes: Buffer): ClientHello | 'more' | undefined {
  const message = joinRecords(bytes)
  if (message === undefined) return undefined
  if (message.length > 0 && message[0] !== clientHello) return undefined
  if (message.length < 4) return 'more'
  const length = message.readUIntBE(1, 3)
  if (length > recordBytes) return undefined
  return message.length < 4 + length ? 'more' : parseBody(message.subarray(4, 4 + length))
}

/** What is there of the handshake messages of the first records; undefined when they are none. */
function joinRecords(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== handshakeRecord || (at + 1 < bytes.length && bytes[at + 1] !== 3)) return undefined
    if (bytes.length < at + recordHeaderBytes) break
    const length = bytes.readUInt16BE(at + 3)
    // Empty ones are not allowed for handshakes.
    if (length === 0 || length > recordBytes || parts.length === mostRecords) return undefined
    parts.push(bytes.subarray(at + recordHeaderBytes, at + recordHeaderBytes + length))
    at += recordHeaderBytes + length
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}

function parseBody(body: Buffer): ClientHello | undefined {
  const reader = new Reader(body)
  reader.skip(2 + 32) // legacy_version, random
  reader.vector(1) // legacy_session_id
  reader.vector(2) // cipher_suites
  reader.vector(1) // legacy_compression_methods
  const extensions = new Reader(reader.isAtEnd ? Buffer.alloc(0) : reader.vector(2))
  let serverName: string | undefined
  let protocols: readonly string[] = []
  const seen = new Set<number>()
  while (!extensions.isAtEnd && !extensions.isShort) {
    const type = extensions.number(2)
    const content = new Reader(extensions.vector(2))
    // RFC 8446 section 4.2: no two of one kind.
    if (seen.has(type)) return undefined
    seen.add(type)
    if (type === serverNameExtension) serverName = readServerName(content)
    else if (type === alpnExtension) protocols = readProtocols(content)
    if (content.isShort) return undefined
  }
  if (reader.isShort || extensions.isShort || !reader.isAtEnd) return undefined
  return { serverName, protocols }
}

/** RFC 6066 section 3: a list of one name of one kind. */
function readServerName(content: Reader): string | undefined {
  const list = new Reader(content.vector(2))
  const kind = list.number(1)
  const name = list.vector(2).toString('latin1')
  if (list.isShort || !list.isAtEnd || kind !== 0) return undefined
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** RFC 7301 section 3.1. */
function readProtocols(content: Reader): string[] {
  const list = new Reader(content.vector(2))
  const protocols: string[] = []
  while (!list.isAtEnd && !list.isShort) protocols.push(list.vector(1).toString('latin1'))
  return list.isShort ? [] : protocols
}

/** Reads along bytes. What goes beyond their end reads as nothing, and is noted. */
class Reader {
  readonly #bytes: Buffer
  #at = 0
  /** Whether more was read than there is. */
  isShort = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  skip(count: number): void {
    this.#take(count)
  }

  number(count: 1 | 2): number {
    const part = this.#take(count)
    return part.length < count ? 0 : part.readUIntBE(0, count)
  }

  /** Bytes with their length before them, in so many bytes. */
  vector(lengthBytes: 1 | 2): Buffer {
    return this.#take(this.number(lengthBytes))
  }

  #take(count: number): Buffer {
    const part = this.#bytes.subarray(this.#at, this.#at + count)
    if (part.length < count) this.isShort = true
    this.#at += count
    return part
  }
}
