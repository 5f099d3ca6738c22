/** Files with certificates, made for a test. */

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Made } from '../fixtures/certificates.ts'

/** Runs openssl in a folder. */
export async function openssl(folder: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)('openssl', args, { cwd: folder })
}

/** A PKCS#12 container of a certificate, its key and others, as openssl makes it with more flags. */
export async function toPkcs12(
  folder: string,
  { pem, key }: Pick<Made, 'pem' | 'key'>,
  chain: readonly Made[],
  password: string,
  ...flags: readonly string[]
): Promise<Buffer> {
  await writeFile(join(folder, 'in-cert.pem'), pem)
  await writeFile(join(folder, 'in-key.pem'), key)
  await writeFile(join(folder, 'in-chain.pem'), chain.map((one) => one.pem).join(''))
  const certfile = chain.length > 0 ? ['-certfile', 'in-chain.pem'] : []
  const files = ['-in', 'in-cert.pem', '-inkey', 'in-key.pem', ...certfile, '-out', 'out.p12']
  await openssl(folder, 'pkcs12', '-export', ...files, '-passout', `pass:${password}`, ...flags)
  return readFile(join(folder, 'out.p12'))
}

/** A key locked with a password; flags of `openssl pkcs8 -topk8`. */
export async function lock(
  folder: string,
  key: string,
  password: string,
  ...flags: readonly string[]
): Promise<string> {
  await writeFile(join(folder, 'in-key.pem'), key)
  await openssl(
    folder,
    'pkcs8',
    '-topk8',
    '-in',
    'in-key.pem',
    '-out',
    'out-key.pem',
    '-passout',
    `pass:${password}`,
    ...flags,
  )
  return readFile(join(folder, 'out-key.pem'), 'utf8')
}
