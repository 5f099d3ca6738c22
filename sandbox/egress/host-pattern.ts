/**
 * Hosts as a site's allow-list and its secrets name them: `api.example.com`, `*.example.com` for all names below one
 * (not itself), an address, each with a port if it is not the scheme's own.
 */

import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { GroveError } from '../../core/errors.ts'
import { canonicalAddress } from './addresses.ts'

/** A host that is allowed. */
export interface HostPattern {
  /** Lower case, A-labels, no dot at the end, no brackets; for `*.example.com` it is `example.com`. */
  readonly name: string
  /** Whether it stands for the names below {@link name}, and not for it. */
  readonly isBelow: boolean
  /** Undefined: the ports that every site may reach. */
  readonly port: number | undefined
}

/** A place that a pattern may stand for. */
export interface HostPlace {
  /** As in {@link HostPattern.name}. */
  readonly hostname: string
  readonly port: number
}

/** The ports that every site may reach. */
export const standardPorts: readonly number[] = [80, 443]

const labelsPattern = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/
const partsPattern = /^(\*\.)?(\[[0-9a-fA-F:.]+\]|[^\s:[\]/@*?#\\%]+)(?::(\d{1,5}))?$/

/** A pattern, or undefined for a text that is none. */
export function toHostPattern(text: string): HostPattern | undefined {
  const parts = partsPattern.exec(text)
  if (!parts) return undefined
  const [, below, host = '', portText] = parts
  const port = portText === undefined ? undefined : Number(portText)
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  const address = canonicalAddress(host)
  if (address !== undefined) return below === undefined ? { name: address, isBelow: false, port } : undefined
  const name = domainToASCII(host).toLowerCase()
  if (!isHostName(name)) return undefined
  return { name, isBelow: below !== undefined, port }
}

/** Whether a text is a name of a host: labels of letters, digits, `-` and `_`, at most 253 characters, not a number. */
export function isHostName(name: string): boolean {
  // A last label of digits is an address to every parser of URLs, or a fault.
  return name.length <= 253 && labelsPattern.test(name) && !/(?:^|\.)\d+$/.test(name)
}

/** Whether one of the patterns stands for a place. */
export function isAmong(patterns: readonly HostPattern[], { hostname, port }: HostPlace): boolean {
  return patterns.some(({ name, isBelow, port: only }) => {
    if (only === undefined ? !standardPorts.includes(port) : only !== port) return false
    return isBelow ? hostname.endsWith(`.${name}`) : hostname === name
  })
}

/** The schema of a host pattern; its value is the text. */
export const hostPatternSchema: z.ZodType<string> = z
  .string()
  .max(300)
  .refine((text) => toHostPattern(text) !== undefined, {
    error: 'expected a host such as api.example.com or *.example.com, with a port if it is not 80 or 443',
  })

/** Host patterns from their texts. Throws `ERR_CONFIG_INVALID` naming the first that is none. */
export function compilePatterns(texts: readonly string[]): HostPattern[] {
  return texts.map((text) => {
    const pattern = toHostPattern(text)
    if (pattern === undefined) throw new GroveError('ERR_CONFIG_INVALID', `"${text}" is not a host`)
    return pattern
  })
}
