/** Chance that a number decides: the same seed gives the same numbers, on every machine. Not for secrets. */

/** A stream of chance. */
export interface Random {
  /** 0 to 2^32 - 1. */
  next(): number
  /** 0 up to, but not including, 1. */
  fraction(): number
  /** A whole number from 0 up to, but not including, `end`. */
  below(end: number): number
  /** A whole number from `first` to `last`, both included. */
  between(first: number, last: number): number
  /** Whether something happens that happens with this probability. */
  chance(probability: number): boolean
  /** One of some things; throws when there are none. */
  pick<T>(some: readonly T[]): T
  bytes(count: number): Buffer
  /** Another stream that depends on this seed and a word alone, not on what was taken from this one. */
  fork(word: string): Random
}

/** The stream of a seed: sfc32 (Chris Doty-Humphrey's small fast counter), which passes PractRand. */
export function createRandom(seed: number, word = ''): Random {
  let [a, b, c] = [0, seed | 0, (seed / 2 ** 32) | 0]
  for (const letter of word) a = (Math.imul(a, 31) + letter.charCodeAt(0)) | 0
  let counter = 1

  function next(): number {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  // The first numbers still look like the seed.
  for (let round = 0; round < 12; round += 1) next()

  const below = (end: number) => Math.floor((next() / 2 ** 32) * end)
  return {
    next,
    fraction: () => next() / 2 ** 32,
    below,
    between: (first, last) => first + below(last - first + 1),
    chance: (probability) => next() / 2 ** 32 < probability,
    pick(some) {
      const index = below(some.length)
      if (index >= some.length) throw new RangeError('nothing to pick from')
      return some[index] as (typeof some)[number]
    },
    bytes(count) {
      const bytes = Buffer.alloc(count)
      for (let offset = 0; offset < count; offset += 1) bytes[offset] = next() & 0xff
      return bytes
    },
    fork: (more) => createRandom(seed, `${word}/${more}`),
  }
}
