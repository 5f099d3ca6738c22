/**
 * Secrets that never come into a sandbox: the site's code holds a placeholder, and what it stands for is put in here, at
 * the edge, in headers of requests to the hosts that the secret is for.
 *
 * So code that was taken over can use a secret as the site does, and cannot carry it away. It does not defend against
 * one of those hosts: a server that sends back what it was sent, in a body, gives the secret to the site. The list of
 * hosts is the defence; name only servers that are trusted with the secret, and that do not echo.
 */

import { randomBytes } from 'node:crypto'
import { type HeaderList, isValidHeader } from '../../core/headers.ts'
import { limits } from '../../core/limits.ts'
import { compilePatterns, isAmong } from './host-pattern.ts'
import type { EdgeSecret } from './policy.ts'
import { refused } from './refusal.ts'
import type { Target } from './targets.ts'

/** Puts secrets in. */
export interface EdgeSecrets {
  /**
   * Headers with secrets in place of placeholders. Throws `ERR_FETCH_REFUSED` when one of them may not go to the target:
   * it is no host of the secret, or not reached by https.
   */
  fill(headers: HeaderList, target: Target): string[]
  /** Headers without those that have a placeholder in them: what goes along when a redirect leads to another origin. */
  drop(headers: HeaderList): string[]
  /** The name of a secret whose placeholder is in a text, or undefined. */
  find(text: string): string | undefined
}

const placeholderPattern = /grove-secret-[0-9a-f]{32}/g
const basicPattern = /^basic +([A-Za-z0-9+/]+={0,2})$/i

/** A placeholder that nobody can guess. */
export function createPlaceholder(): string {
  return `grove-secret-${randomBytes(16).toString('hex')}`
}

/** The secrets of one site. Throws `ERR_CONFIG_INVALID` for a host pattern that is none. */
export function createEdgeSecrets(secrets: readonly EdgeSecret[]): EdgeSecrets {
  /** Keyed by placeholder. */
  const known = new Map(
    secrets.map((secret) => [secret.placeholder, { ...secret, patterns: compilePatterns(secret.hosts) }]),
  )

  const find = (text: string): string | undefined => {
    if (!text.includes('grove-secret-')) return undefined
    for (const [placeholder] of text.matchAll(placeholderPattern)) {
      const secret = known.get(placeholder)
      if (secret) return secret.name
    }
    return undefined
  }

  const put = (text: string, target: Target): string =>
    text.replace(placeholderPattern, (placeholder) => {
      const secret = known.get(placeholder)
      if (!secret) return placeholder // Another site's, or made up: it stands for nothing here.
      if (!isAmong(secret.patterns, target))
        throw refused(`the secret ${secret.name} may not go to ${target.url.host}: it is not one of its hosts`)
      if (target.url.protocol !== 'https:')
        throw refused(`the secret ${secret.name} may go to ${target.url.host} by https only`)
      return secret.value
    })

  return {
    find,
    fill(headers, target) {
      const filled: string[] = []
      let bytes = 0
      for (let i = 0; i < headers.length; i += 2) {
        const name = headers[i] as string
        const value = fillValue(headers[i + 1] as string, (text) => (find(text) ? put(text, target) : text))
        if (!isValidHeader(name, value))
          throw refused(`the secret in the header "${name}" has a character that cannot stand in a header`)
        filled.push(name, value)
        // A placeholder is short, and can come often.
        bytes += name.length + value.length
      }
      if (bytes > limits.egress.headerBytes * 2) throw refused('the secrets make the headers too long')
      return filled
    },
    drop(headers) {
      const kept: string[] = []
      for (let i = 0; i < headers.length; i += 2) {
        let holds = false
        fillValue(headers[i + 1] as string, (text) => {
          holds ||= find(text) !== undefined
          return text
        })
        if (!holds) kept.push(headers[i] as string, headers[i + 1] as string)
      }
      return kept
    },
  }
}

/** A header's value with secrets put in, and so the user and password in it if it is one of RFC 7617. */
function fillValue(value: string, put: (text: string) => string): string {
  const coded = basicPattern.exec(value)?.[1]
  if (coded === undefined) return put(value)
  const text = Buffer.from(coded, 'base64').toString('utf8')
  const filled = put(text)
  return filled === text ? value : `Basic ${Buffer.from(filled, 'utf8').toString('base64')}`
}
