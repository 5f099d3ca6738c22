/** Gives a memory of a module an end. */

/**
 * A copy of a module whose one memory has a maximum. `section`: where the section of memories begins, its id included,
 * and ends. Nothing else in a module refers to offsets, so the rest stays as it is.
 */
export function withMemoryMaximum(
  module: Uint8Array,
  section: { readonly start: number; readonly end: number },
  initialPages: number,
  maximumPages: number,
): Uint8Array {
  // One memory, with a maximum, not shared.
  const content = [1, 1, ...toLeb(initialPages), ...toLeb(maximumPages)]
  return Buffer.concat([
    module.subarray(0, section.start),
    Uint8Array.of(5, ...toLeb(content.length), ...content),
    module.subarray(section.end),
  ])
}

/** LEB128 of an unsigned number of 32 bits, as short as can be. */
function toLeb(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}
