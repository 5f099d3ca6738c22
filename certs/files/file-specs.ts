/** What the config says of certificates that the operator brings. */

import type { SecretSource } from '../../core/secrets.ts'

/** A password, or where it lies. Read anew whenever the files are. */
export type Password = string | SecretSource

/** Certificates that the operator brings. Paths are absolute. */
export type CertificateFileSpec =
  /** PEM: the certificate with its chain, and its key, maybe in one file. */
  | { readonly cert: string; readonly key: string; readonly password?: Password | undefined }
  /** Every pair in a folder and in the folders in it, by their names. */
  | { readonly folder: string; readonly password?: Password | undefined }
  /** A PKCS#12 container (`.p12`, `.pfx`) with both. */
  | { readonly pkcs12: string; readonly password?: Password | undefined }

/** One certificate in files. */
export type CertificateSource =
  | { readonly kind: 'pair'; readonly cert: string; readonly key: string; readonly password?: Password | undefined }
  | { readonly kind: 'pkcs12'; readonly file: string; readonly password?: Password | undefined }

/** The files of a source, that of its password included. */
export function filesOf(source: CertificateSource): string[] {
  const { password } = source
  const secret = typeof password === 'object' && 'file' in password ? [password.file] : []
  const files = source.kind === 'pair' ? [source.cert, source.key] : [source.file]
  return [...new Set([...files, ...secret])]
}

/** The file by which people know a source. */
export function mainFileOf(source: CertificateSource): string {
  return source.kind === 'pair' ? source.cert : source.file
}
