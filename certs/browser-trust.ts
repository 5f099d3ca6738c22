/**
 * Browsers on Linux that do not read the system's store: Chromium and Firefox keep roots in NSS databases in the home
 * folder. Changed with NSS's own `certutil`.
 */

import { X509Certificate } from 'node:crypto'
import { access, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { limits } from '../core/limits.ts'
import { fingerprintOf } from './pem.ts'
import { commandLine, describeFailure } from './run-tool.ts'
import {
  changed,
  failed,
  skipped,
  type TrustChange,
  type TrustEnvironment,
  type TrustRoot,
  unchanged,
} from './trust-change.ts'

/** Chromium's databases, relative to the home folder. The first is made when there is none. */
const chromium = ['.pki/nssdb', '.local/share/pki/nssdb', 'snap/chromium/current/.pki/nssdb'] as const
/** Folders of Firefox profiles, relative to the home folder. */
const firefox = [
  '.mozilla/firefox',
  'snap/firefox/common/.mozilla/firefox',
  '.var/app/org.mozilla.firefox/.mozilla/firefox',
]

/** An empty file of passwords: certutil uses the empty one, and never asks on the terminal. */
const noPassword = ['-f', '/dev/null']
/** Trusted to vouch for servers, and for nothing else. */
const trustFlags = 'C,,'

/** Puts a root into the databases of the person's browsers, and makes Chromium's when it has none. */
export async function installInBrowsers(root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange[]> {
  const reason = await reasonToLeave(environment)
  if (reason) return reason
  const changes: TrustChange[] = []
  let databases = await findDatabases(environment.home)
  if (!databases.some((folder) => chromium.some((name) => folder === join(environment.home, name)))) {
    const folder = join(environment.home, chromium[0])
    changes.push(await makeDatabase(folder, environment))
    databases = await findDatabases(environment.home)
  }
  for (const folder of databases) changes.push(await installIn(folder, root, environment))
  return changes
}

/** Takes a root out of the databases of the person's browsers. The databases stay. */
export async function removeFromBrowsers(root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange[]> {
  const reason = await reasonToLeave(environment)
  if (reason) return reason
  const databases = await findDatabases(environment.home)
  if (databases.length === 0) return [unchanged('No browser has it: there is no database of one.')]
  return Promise.all(databases.map((folder) => removeFrom(folder, root, environment)))
}

/** Why browsers are left alone, as changes to tell; undefined when they are not. */
async function reasonToLeave({ platform, sudoUser, run }: TrustEnvironment): Promise<TrustChange[] | undefined> {
  // Elsewhere browsers read the system's store.
  if (platform !== 'linux') return []
  if (sudoUser)
    return [
      skipped(`Browsers were left alone: ${sudoUser} can run the same command without sudo, for their own browsers.`),
    ]
  const { isMissing } = await run('certutil', ['-H'])
  if (!isMissing) return undefined
  return [
    skipped(
      'Chromium and Firefox were left alone: certutil is not installed. The package is libnss3-tools on Debian and Ubuntu, nss-tools on Fedora and Alpine, nss on Arch; then run the same command again.',
    ),
  ]
}

async function findDatabases(home: string): Promise<string[]> {
  const folders = chromium.map((name) => join(home, name))
  for (const name of firefox) {
    const profiles = await readdir(join(home, name)).catch(() => [])
    for (const profile of profiles.sort().slice(0, limits.trust.profiles)) folders.push(join(home, name, profile))
  }
  const found: string[] = []
  for (const folder of folders) if (await exists(join(folder, 'cert9.db'))) found.push(folder)
  return found
}

async function makeDatabase(folder: string, { run }: TrustEnvironment): Promise<TrustChange> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const result = await run('certutil', ['-N', '-d', `sql:${folder}`, '--empty-password'])
  if (result.code !== 0)
    return failed(`The browser database ${folder} could not be made: ${describeFailure('certutil', result)}`)
  return changed(`Made the browser database ${folder}.`)
}

async function installIn(folder: string, root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange> {
  const name = nickname(root)
  const database = ['-d', `sql:${folder}`]
  if (await isTrusted(folder, root, environment))
    return unchanged(`The browser database ${folder} has it already, as "${name}".`)
  const add = ['-A', ...database, '-t', trustFlags, '-n', name, '-i', root.file]
  const result = await environment.run('certutil', [...add, ...noPassword])
  if (result.code === 0 && (await isTrusted(folder, root, environment)))
    return changed(`Added to the browser database ${folder}, as "${name}".`)
  // With a password on the database, certutil adds the certificate and then fails to trust it.
  await environment.run('certutil', ['-D', ...database, '-n', name, ...noPassword])
  const byHand = commandLine('certutil', ...add)
  return failed(
    `The browser database ${folder} was left alone: ${describeFailure('certutil', result)} By hand: ${byHand}`,
  )
}

async function removeFrom(folder: string, root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange> {
  const name = nickname(root)
  if (!(await has(folder, root, environment))) return unchanged(`The browser database ${folder} does not have it.`)
  const remove = ['-D', '-d', `sql:${folder}`, '-n', name]
  const result = await environment.run('certutil', [...remove, ...noPassword])
  if (result.code === 0 && !(await has(folder, root, environment)))
    return changed(`Removed from the browser database ${folder}: "${name}".`)
  const byHand = commandLine('certutil', ...remove)
  return failed(
    `The browser database ${folder} still has it: ${describeFailure('certutil', result)} By hand: ${byHand}`,
  )
}

/** Found again by the fingerprint in it, also by a Grove of a later version. */
function nickname({ fingerprint }: TrustRoot): string {
  return `Grove Local CA ${fingerprint.slice(0, 16)}`
}

/** Whether the certificate under the root's nickname is the root. */
async function has(folder: string, root: TrustRoot, { run }: TrustEnvironment): Promise<boolean> {
  const { code, output } = await run('certutil', ['-L', '-d', `sql:${folder}`, '-n', nickname(root), '-a'])
  if (code !== 0) return false
  try {
    return fingerprintOf(new X509Certificate(output)) === root.fingerprint
  } catch {
    return false // Not a certificate: then it is not the root.
  }
}

async function isTrusted(folder: string, root: TrustRoot, environment: TrustEnvironment): Promise<boolean> {
  if (!(await has(folder, root, environment))) return false
  const { output } = await environment.run('certutil', ['-L', '-d', `sql:${folder}`])
  return output.split('\n').some((line) => line.startsWith(nickname(root)) && line.trimEnd().endsWith(trustFlags))
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
