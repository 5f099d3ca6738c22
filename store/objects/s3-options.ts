/** What has to be known of a bucket to use it. */

import type { limits } from '../../core/limits.ts'

/** A bucket, and how to get at it. Holds a secret: never log it. */
export interface S3Options {
  /** `https://…` without a path. */
  readonly endpoint: string
  readonly bucket: string
  /** @default us-east-1 */
  readonly region?: string | undefined
  /** What all keys begin with, without a slash at its end. @default none */
  readonly prefix?: string | undefined
  /** The bucket stands in the path, not in the host name. @default true */
  readonly pathStyle?: boolean | undefined
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Certificates in PEM of issuers that are trusted beside the system's: for a server with a private CA. */
  readonly roots?: string | undefined
}

/** The bounds of requests; tests have shorter times. */
export type ObjectsBounds = { readonly [Name in keyof typeof limits.objects]: number }

/** For people: `s3://bucket/prefix`. */
export function placeOf({ bucket, prefix }: Pick<S3Options, 'bucket' | 'prefix'>): string {
  return prefix ? `s3://${bucket}/${prefix}` : `s3://${bucket}`
}

/** The key as the server knows it. */
export function fullKey({ prefix }: Pick<S3Options, 'prefix'>, key: string): string {
  return prefix ? `${prefix}/${key}` : key
}
