/** A certificate from its files: read, opened, and checked as every other. */

import { GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { readSecret } from '../../core/secrets.ts'
import { type Certificate, toCertificate } from '../certificate.ts'
import { certificateFault } from '../certificate-fault.ts'
import { pemBlocks } from '../pem.ts'
import { type CertificateSource, mainFileOf, type Password } from './file-specs.ts'
import { openLocked } from './open-locked.ts'
import { readWhole } from './read-file.ts'

/** Loads a source. Throws `ERR_CERT` with a `CertificateReason`; the message names the file. */
export async function loadSource(source: CertificateSource, nowMs: number): Promise<Certificate> {
  try {
    return source.kind === 'pair' ? await loadPair(source, nowMs) : await loadContainer(source, nowMs)
  } catch (error) {
    throw naming(mainFileOf(source), error)
  }
}

async function loadPair(source: CertificateSource & { kind: 'pair' }, nowMs: number): Promise<Certificate> {
  const { cert, key, password } = source
  const chain = await readPem(cert)
  const keyText = key === cert ? chain : await readPem(key)
  let locked: string | undefined
  try {
    locked = lockedKeyIn(keyText)
  } catch (error) {
    throw naming(key, error)
  }
  if (locked === undefined) return toCertificate(chain, keyText, nowMs)
  if (password === undefined)
    throw certificateFault('password', `the key ${key} is locked with a password, and none is given`)
  const { keys } = await openLocked({ kind: 'key', pem: locked, password: await readPassword(password) })
  return toCertificate(chain, keys, nowMs)
}

async function loadContainer(source: CertificateSource & { kind: 'pkcs12' }, nowMs: number): Promise<Certificate> {
  const bytes = await readWhole(source.file, limits.certFiles.containerBytes)
  const password = source.password === undefined ? undefined : await readPassword(source.password)
  const { keys, certificates } = await openLocked({ kind: 'pkcs12', bytes: new Uint8Array(bytes), password })
  return toCertificate(certificates, keys, nowMs)
}

/** The locked key of a PEM text; undefined when none is locked. Throws `ERR_CERT` (`parse`) for a damaged text. */
function lockedKeyIn(pem: string): string | undefined {
  return pemBlocks(pem).find(
    ({ label, text }) =>
      label === 'ENCRYPTED PRIVATE KEY' || (label.endsWith('PRIVATE KEY') && /^Proc-Type:.*ENCRYPTED/m.test(text)),
  )?.text
}

async function readPem(file: string): Promise<string> {
  const bytes = await readWhole(file, limits.certFiles.fileBytes)
  if (bytes.length === 0) throw certificateFault('parse', `${file} is empty`)
  // A SEQUENCE with a length of two bytes: every certificate and every key, without armour.
  if (bytes[0] === 0x30 && bytes[1] === 0x82)
    throw certificateFault('parse', `${file} is DER, expected PEM`, {
      hint: 'convert it: openssl x509 -inform der (a certificate), openssl pkey -inform der (a key)',
    })
  return bytes.toString('latin1')
}

async function readPassword(password: Password): Promise<string> {
  if (typeof password === 'string') return password
  try {
    return await readSecret(password, 'its password', process.env)
  } catch (cause) {
    if (isGroveError(cause, 'ERR_CONFIG_INVALID')) throw certificateFault('password', cause.message, { cause })
    throw cause
  }
}

/** An error that names the file. */
function naming(file: string, thrown: unknown): unknown {
  if (!(thrown instanceof GroveError) || thrown.message.includes(file)) return thrown
  const { code, message, details, hint } = thrown
  return new GroveError(code, `${file}: ${message}`, {
    cause: thrown,
    ...(details && { details }),
    ...(hint && { hint }),
  })
}
