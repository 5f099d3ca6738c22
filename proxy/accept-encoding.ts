/**
 * Accept-Encoding (RFC 9110 section 12.5.3): which codings a client takes, and how gladly.
 *
 * What does not fit the grammar counts as not written, element by element: a damaged element can then only cost a
 * client some compression, never bring it something that it cannot read.
 */

import type { Coding } from '../core/compiled.ts'
import { limits } from '../core/limits.ts'

/** How gladly a client takes each coding: q-values from 0 (refused) to 1. Keyed by coding. */
export interface CodingPreference {
  readonly br: number
  readonly zstd: number
  readonly gzip: number
  readonly identity: number
}

/**
 * The weight of content without a coding where the client does not speak of it: acceptable, and less than everything
 * that it asks for (0.001 is the smallest weight above 0 that can be written).
 */
const unmentionedIdentity = 0.0005

/** Without the header any coding is acceptable; content as it is is the one that surely can be read. */
const withoutHeader: CodingPreference = { br: 0, zstd: 0, gzip: 0, identity: 1 }

const qualityPattern = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/

const remembered = new Map<string, CodingPreference>()

/**
 * What a client prefers, from the value of its Accept-Encoding (all lines joined), or undefined if it sent none.
 *
 * Browsers send very few values, so parsed ones are remembered: at most `limits.front.acceptEncodings`, and all are
 * forgotten when that many are there, so a client that sends ever new ones costs the others one parse now and then.
 */
export function preferenceOf(value: string | undefined): CodingPreference {
  if (value === undefined) return withoutHeader
  const known = remembered.get(value)
  if (known !== undefined) return known
  const preference = parseAcceptEncoding(value)
  if (value.length <= limits.front.acceptEncodingChars) {
    if (remembered.size >= limits.front.acceptEncodings) remembered.clear()
    remembered.set(value, preference)
  }
  return preference
}

/** What a value of Accept-Encoding says. Where a coding is named more than once, the last one counts. Never throws. */
export function parseAcceptEncoding(value: string): CodingPreference {
  const named: { br?: number; zstd?: number; gzip?: number; identity?: number } = {}
  let others: number | undefined
  for (const element of value.split(',')) {
    const [name = '', weight, ...rest] = element.split(';')
    const quality = weight === undefined ? 1 : qualityOf(weight)
    if (quality === undefined || rest.length > 0) continue
    switch (name.trim().toLowerCase()) {
      case 'br':
        named.br = quality
        break
      case 'zstd':
        named.zstd = quality
        break
      case 'gzip':
      case 'x-gzip': // RFC 9110 section 8.4.1.3: the same coding by its old name.
        named.gzip = quality
        break
      case 'identity':
        named.identity = quality
        break
      case '*':
        others = quality
        break
    }
  }
  return {
    br: named.br ?? others ?? 0,
    zstd: named.zstd ?? others ?? 0,
    gzip: named.gzip ?? others ?? 0,
    identity: named.identity ?? others ?? unmentionedIdentity,
  }
}

/**
 * The coding that suits a client best, of those in which a copy exists and `identity`; undefined when every one is
 * refused (`identity;q=0` and no copy that it takes). Copies are in the order in which equal weights are settled; at
 * equal weights a copy is better than the content as it is, since it is smaller. Allocates nothing.
 */
export function selectCoding(
  preference: CodingPreference,
  copies: readonly { readonly coding: Coding }[],
): Coding | 'identity' | undefined {
  let best: Coding | undefined
  let bestWeight = 0
  for (let i = 0; i < copies.length; i += 1) {
    const { coding } = copies[i] as { readonly coding: Coding }
    const weight = preference[coding]
    if (weight <= bestWeight) continue
    best = coding
    bestWeight = weight
  }
  return preference.identity > bestWeight ? 'identity' : best
}

/** The number in `q=0.5`, or undefined when the text is something else. */
function qualityOf(weight: string): number | undefined {
  const text = weight.trim().toLowerCase()
  if (!text.startsWith('q=')) return undefined
  const digits = text.slice(2)
  return qualityPattern.test(digits) ? Number(digits) : undefined
}
