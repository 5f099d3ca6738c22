/**
 * Trusting the own CA on this machine, and no longer trusting it: the system's store (curl, git, most servers) and the
 * databases of browsers that do not read it (Chromium and Firefox on Linux).
 *
 * Whoever trusts a root believes everything that its key signs, so this is done only when a person asks, says each thing
 * that it changes, and can be undone. Doing either twice changes nothing the second time. Removing takes away exactly
 * this root, known by its fingerprint, and nothing that a person put beside it.
 */

import { X509Certificate } from 'node:crypto'
import { homedir } from 'node:os'
import { GroveError } from '../core/errors.ts'
import { readIfThere } from '../core/private-file.ts'
import { installInBrowsers, removeFromBrowsers } from './browser-trust.ts'
import { fingerprintOf } from './pem.ts'
import { runTool } from './run-tool.ts'
import { installInSystem, removeFromSystem } from './system-trust.ts'
import type { TrustChange, TrustEnvironment, TrustRoot } from './trust-change.ts'

/** This machine and the person who runs this process. */
export function thisEnvironment(): TrustEnvironment {
  const isRoot = process.getuid?.() === 0
  return { platform: process.platform, home: homedir(), isRoot, sudoUser: process.env['SUDO_USER'], run: runTool }
}

/** Trusts a root everywhere on the machine. Throws `ERR_TRUST` when the file is not the certificate of that root. */
export async function installTrust(root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange[]> {
  const pem = await readRootPem(root)
  return [await installInSystem(root, pem, environment), ...(await installInBrowsers(root, environment))]
}

/** Trusts a root nowhere on the machine any more. */
export async function removeTrust(root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange[]> {
  return [await removeFromSystem(root, environment), ...(await removeFromBrowsers(root, environment))]
}

async function readRootPem({ file, fingerprint }: TrustRoot): Promise<string> {
  const pem = await readIfThere(file)
  if (pem === undefined) throw new GroveError('ERR_TRUST', `there is no root certificate at ${file}`)
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch (error) {
    throw new GroveError('ERR_TRUST', `${file} is not a certificate`, { cause: error })
  }
  const found = fingerprintOf(certificate)
  if (found !== fingerprint)
    throw new GroveError('ERR_TRUST', `${file} is another certificate: expected SHA-256 ${fingerprint}, found ${found}`)
  if (!certificate.ca) throw new GroveError('ERR_TRUST', `${file} is not the certificate of a CA`)
  // What else may stand in the file is not trusted along with it.
  return certificate.toString()
}
