/**
 * Checking the options of a plugin with the schema that it brings, whatever library that is from.
 *
 * Options hold secrets, and messages of schema libraries often quote the value that they refuse. So a fault tells the
 * kind of what was found, never the value, and the library's words only when nothing of the value is in them. What it
 * cannot do: notice a secret that a schema's own message tells in another form, such as a hash or the first half.
 */

import type { z } from 'zod'
import { type ConfigFault, describeExpected, formatPath, kindOf } from './config-faults.ts'
import { GroveError } from './errors.ts'
import { limits } from './limits.ts'
import type { StandardIssue, StandardSchemaV1 } from './standard-schema.ts'

/** What a check found: the options as the schema gives them out, or what is wrong with them. */
export type CheckedOptions<Output> =
  | { readonly value: Output; readonly faults?: undefined }
  | { readonly faults: readonly ConfigFault[] }

/** Checks options. `base` is where they stand: `['plugins', 0, 'options']`. Never throws, whatever the schema does. */
export function checkOptions<Output>(
  schema: StandardSchemaV1<unknown, Output>,
  options: unknown,
  base: readonly PropertyKey[],
): CheckedOptions<Output> {
  const wrong = (expected: string, found: string) => ({ faults: [{ path: formatPath(base), expected, found }] })
  try {
    const result: unknown = schema['~standard'].validate(options)
    if (result instanceof Promise) {
      result.catch(() => undefined) // Nobody waits for it.
      return wrong('a schema that answers at once', 'one that answers with a promise')
    }
    const { issues, value } = result as { issues?: readonly StandardIssue[]; value: Output }
    if (issues === undefined) return { value }
    const faults = issues.slice(0, limits.plugin.optionFaults).flatMap((issue) => faultsOf(issue, options, base))
    return faults.length > 0 ? { faults } : wrong('what its schema takes', kindOf(options))
  } catch {
    // Its message may tell what it was given.
    return wrong('a schema that does not throw', 'one that does')
  }
}

/**
 * A plugin's own options when it needs them: checked at the first call, from then on at hand. Config faults are told
 * when the config is read, so hooks that Grove calls never see it throw; elsewhere it throws `ERR_CONFIG_INVALID` with
 * all faults (`details.faults`).
 */
export function lazyOptions<Output>(schema: StandardSchemaV1<unknown, Output>, options: unknown): () => Output {
  let checked: CheckedOptions<Output> | undefined
  return () => {
    checked ??= checkOptions(schema, options, ['options'])
    if (checked.faults === undefined) return checked.value
    const lines = checked.faults.map(({ path, expected, found }) => `${path}: expected ${expected}, found ${found}`)
    throw new GroveError('ERR_CONFIG_INVALID', lines.join('; '), { details: { faults: checked.faults } })
  }
}

/** Issues of zod say more than the standard asks for. */
type ZodIssue = z.core.$ZodIssue

/** Codes of zod whose descriptions are made of the schema alone. */
const schemaOnly: ReadonlySet<unknown> = new Set([
  'invalid_type',
  'invalid_value',
  'too_small',
  'too_big',
  'invalid_format',
] satisfies ZodIssue['code'][])

function faultsOf(issue: StandardIssue, options: unknown, base: readonly PropertyKey[]): ConfigFault[] {
  const path = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part))
  const at = path.slice(0, limits.plugin.optionPath)
  const value = valueAt(options, at)
  const { code, keys } = issue as { code?: unknown; keys?: unknown }
  if (code === 'unrecognized_keys' && Array.isArray(keys)) {
    return keys.slice(0, limits.plugin.optionFaults).map((key: PropertyKey) => ({
      path: formatPath([...base, ...at, key]),
      expected: 'no such key',
      found: kindOf(valueAt(value, [key])),
    }))
  }
  const isZod = typeof code === 'string'
  const said = isZod ? describeExpected(issue as ZodIssue) : issue.message
  const expected = isZod && schemaOnly.has(code) ? said : withoutValue(phrase(said), value)
  const text = expected.slice(0, limits.plugin.faultChars)
  return [{ path: formatPath([...base, ...at]), expected: text, found: kindOf(value) }]
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  )
}

const anything = 'what its schema takes'

/** What a message says was expected: without a beginning such as `Invalid type:`, and without what was received. */
function phrase(message: string): string {
  const [, after] = /\bexpected:? (.*)$/is.exec(message) ?? []
  const [said = ''] = (after ?? message).split(/[,;]?\s(?:(?:but )?(?:received|found|got)|\(was|instead of)\b/i)
  const text = said.replace(/\s+/g, ' ').replace(/[.\s]+$/, '')
  return after === undefined && !/^(?:an?|the|one|at|no|all|every) /.test(text) ? `${anything} (${text})` : text
}

/** A phrase, unless it tells something of the value. */
function withoutValue(text: string, value: unknown): string {
  const leaves: string[] = []
  const isWhole = collect(value, leaves, 0)
  return isWhole && !leaves.some((leaf) => text.includes(leaf)) ? text : anything
}

/** Gathers the texts and numbers in a value that are long enough to tell something. False when there are too many. */
function collect(value: unknown, leaves: string[], depth: number): boolean {
  if (typeof value === 'object' && value !== null) {
    if (depth >= limits.plugin.optionPath) return false
    return Object.entries(value).every(
      ([key, inner]) => collect(key, leaves, depth) && collect(inner, leaves, depth + 1),
    )
  }
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return true
  const text = String(value)
  if (text.length >= 3) leaves.push(text, JSON.stringify(text).slice(1, -1))
  return leaves.length <= limits.plugin.optionLeaves
}
