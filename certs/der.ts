/**
 * The little of DER (X.690) that is written and read here by hand, for values that have no class of their own in the
 * library for certificates.
 */

/** Tags that are used here. */
export const derTags = { octetString: 0x04, sequence: 0x30 } as const

/** One value: its tag, and the bytes of its content. */
export interface DerValue {
  readonly tag: number
  readonly content: Buffer
}

/** A value from its tag and the parts of its content. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content])
}

/**
 * The values that stand one behind the other in some bytes, or undefined when these are anything else. Lengths of up to
 * 65,535 and tags of one byte, which is all that certificates of ours have.
 */
export function readDer(bytes: Buffer): DerValue[] | undefined {
  const values: DerValue[] = []
  let at = 0
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0
    const head = readLength(bytes, at + 1)
    if (!head || head.end > bytes.length) return undefined
    values.push({ tag, content: bytes.subarray(head.start, head.end) })
    at = head.end
  }
  return values
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  if (length < 0x100) return Buffer.from([0x81, length])
  return Buffer.from([0x82, length >> 8, length & 0xff])
}

function readLength(bytes: Buffer, at: number): { start: number; end: number } | undefined {
  const first = bytes[at]
  if (first === undefined) return undefined
  if (first < 0x80) return { start: at + 1, end: at + 1 + first }
  const count = first & 0x7f
  if ((count !== 1 && count !== 2) || at + count >= bytes.length) return undefined
  const start = at + 1 + count
  return { start, end: start + bytes.readUIntBE(at + 1, count) }
}
