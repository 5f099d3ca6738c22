/**
 * Finds many texts in one, in time that grows with the one and not with the many. What is looked for and what it is
 * looked for in both come from site code's author, so neither may make the search slow: the supervisor, where it runs,
 * works for all sites.
 *
 * The first {@link windowChars} characters of each needle stand in a table by their hash, and the hash of what is looked
 * at rolls along the text. What has the same hash is compared; of comparisons there is a budget, and a text that uses it
 * up is taken to be full of needles from there on.
 */

/** A text that is looked for. */
export interface Needle {
  /** At least {@link windowChars} characters. */
  readonly text: string
  readonly label: string
}

/** A part of a text that is a needle, or was given up at. */
export interface Found {
  readonly start: number
  readonly end: number
  readonly label: string
}

/** Looks for needles. */
export interface NeedleSearch {
  /** Characters of the longest needle. */
  readonly longest: number
  /** All parts that are needles, in order; those that overlap are one. */
  find(text: string): Found[]
}

/** The least characters of a needle. */
export const windowChars = 8

/** What stands for the rest of a text that looks like needles throughout. */
export const givenUpLabel = '[left out: too much of it looks like secrets]'

const base = 0x01000193
/** `base` to the power of what the first character of a window has been multiplied by. */
const outFactor = Array.from({ length: windowChars - 1 }).reduce<number>((power) => Math.imul(power, base), 1)
const filterBits = 16
/** Comparisons that a text may cost beside one for each of its characters. */
const freeUnits = 20_000
/** Characters that count as one comparison. */
const unitChars = 32

/** Makes a search for some needles. */
export function createNeedleSearch(needles: readonly Needle[]): NeedleSearch {
  /** Whether any needle's hash begins with these bits: most of a text ends here. */
  const filter = new Uint8Array(2 ** filterBits)
  /** Keyed by hash; the longest needle first. */
  const byHash = new Map<number, Needle[]>()
  let longest = 0
  for (const needle of needles) {
    const hash = hashOf(needle.text)
    filter[hash >>> (32 - filterBits)] = 1
    const same = byHash.get(hash)
    if (same) same.push(needle)
    else byHash.set(hash, [needle])
    longest = Math.max(longest, needle.text.length)
  }
  for (const same of byHash.values()) same.sort((a, b) => b.text.length - a.text.length)

  function find(text: string): Found[] {
    const found: Found[] = []
    if (needles.length === 0 || text.length < windowChars) return found
    let units = freeUnits + text.length
    let hash = hashOf(text)
    for (let start = 0; ; start += 1) {
      if (filter[hash >>> (32 - filterBits)] === 1) {
        for (const { text: needle, label } of byHash.get(hash) ?? []) {
          units -= 1 + needle.length / unitChars
          if (units < 0) {
            add(found, { start, end: text.length, label: givenUpLabel })
            return found
          }
          if (!text.startsWith(needle, start)) continue
          add(found, { start, end: start + needle.length, label })
          break
        }
      }
      const next = start + windowChars
      if (next >= text.length) return found
      const kept = (hash - Math.imul(text.charCodeAt(start), outFactor)) | 0
      hash = (Math.imul(kept, base) + text.charCodeAt(next)) >>> 0
    }
  }

  return { longest, find }
}

/** Adds a part; one that overlaps the last makes that longer. */
function add(found: Found[], part: Found): void {
  const last = found.at(-1)
  if (last && part.start < last.end) found[found.length - 1] = { ...last, end: Math.max(last.end, part.end) }
  else found.push(part)
}

/** The hash of the first characters of a text. */
function hashOf(text: string): number {
  let hash = 0
  for (let index = 0; index < windowChars; index += 1) hash = Math.imul(hash, base) + text.charCodeAt(index)
  return hash >>> 0
}
