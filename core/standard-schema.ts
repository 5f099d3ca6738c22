/**
 * The part of Standard Schema v1 (standardschema.dev) that Grove uses: what schemas of zod, Valibot, ArkType and others
 * have in common. Written down here so that a plugin can bring any of them and Grove needs none.
 */

/** A schema: whatever has a `~standard` property of this shape. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    /** Name of the library. */
    readonly vendor: string
    /** Checks a value. Grove takes only answers that come at once, not promises. */
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    /** There for types alone. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** What a check answers: the value as the schema gives it out, or what is wrong. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

/** One thing that is wrong. */
export interface StandardIssue {
  /** In the library's words; it may quote the value. */
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Whether a value is a schema of version 1. Some libraries' schemas are functions. */
export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard: unknown = (value as Partial<StandardSchemaV1>)['~standard']
  if (typeof standard !== 'object' || standard === null) return false
  const { version, validate } = standard as Partial<Record<'version' | 'validate', unknown>>
  return version === 1 && typeof validate === 'function'
}
