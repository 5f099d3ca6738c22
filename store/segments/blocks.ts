/** A stream of bytes, cut into blocks. */

/**
 * The same bytes in blocks of one length, the last one of what is left: 1 byte at least, or none when there are none at
 * all. The last block comes after the source has ended. In memory are one block and one chunk of the source.
 */
export async function* inBlocks(source: AsyncIterable<Uint8Array>, blockBytes: number): AsyncGenerator<Buffer> {
  let pieces: Uint8Array[] = []
  let gathered = 0
  for await (const chunk of source) {
    pieces.push(chunk)
    gathered += chunk.length
    if (gathered <= blockBytes) continue
    const all = Buffer.concat(pieces)
    let at = 0
    for (; gathered - at > blockBytes; at += blockBytes) yield all.subarray(at, at + blockBytes)
    pieces = [all.subarray(at)]
    gathered -= at
  }
  yield Buffer.concat(pieces)
}
