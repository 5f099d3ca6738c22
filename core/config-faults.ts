/** Faults in a config as people read them: the path to the value, what was expected there, what was found. */

import type { z } from 'zod'

/** One fault in a config. */
export interface ConfigFault {
  /** Path to the value: `sites.shop.upstreams[0]`; empty for the whole. */
  readonly path: string
  readonly expected: string
  readonly found: string
}

type Issue = z.core.$ZodIssue

/** Below these may be secrets: a provider's token, the credentials of a bucket, the password of a key, a key by mistake. */
const secretKeys: ReadonlySet<PropertyKey | undefined> = new Set(['plugins', 'store', 'encryption', 'certs'])

/** The faults that an issue of zod stands for. The issue must know its input (`reportInput`). */
export function toFaults(issue: Issue): ConfigFault[] {
  const show = secretKeys.has(issue.path[0]) ? kindOf : quote
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: formatPath([...issue.path, key]),
      expected: 'no such key',
      found: show((issue.input as Record<string, unknown> | undefined)?.[key]),
    }))
  }
  return [{ path: formatPath(issue.path), expected: describeExpected(issue), found: show(issue.input) }]
}

/** What an issue of zod expected, in words. */
export function describeExpected(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`
    case 'invalid_value':
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'too_small':
      return `at least ${issue.minimum}${issue.origin === 'array' ? ' items' : ''}`
    case 'too_big':
      return `at most ${issue.maximum}${issue.origin === 'array' ? ' items' : ''}`
    case 'invalid_format':
      return `a valid ${issue.format}`
    case 'invalid_union':
      if (issue.message !== 'Invalid input') return issue.message
      return issue.errors.flatMap((option) => option.map(describeExpected)).join(' or ') || issue.message
    case 'invalid_key':
      return issue.issues.map((inner) => inner.message).join(', ')
    default:
      return issue.message
  }
}

/** A path as it would be written in the config: `plugins[0].options.urls[1]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else text += text === '' ? String(key) : `.${String(key)}`
  }
  return text
}

/** A value in at most 80 characters. For values that cannot be secrets; {@link kindOf} is for the others. */
export function quote(value: unknown): string {
  if (value === undefined || typeof value === 'function' || typeof value === 'bigint') return kindOf(value)
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** What kind of value it is, without a word of it. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null || typeof value === 'boolean') return String(value)
  if (value === '') return 'an empty text'
  if (typeof value === 'string') return 'a text'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'an object'
  return typeof value === 'bigint' ? 'a number' : `a ${typeof value}`
}
