/**
 * The system's store of trusted roots. On Linux a folder for local roots and a tool that builds the bundles from it; on
 * macOS the system keychain.
 */

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { readIfThere, replaceFile } from '../core/private-file.ts'
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

type Command = readonly [command: string, ...args: string[]]

/** Where a family of systems keeps local roots, and what makes it take notice of a change. */
interface SystemStore {
  readonly folder: string
  readonly extension: string
  /** What else the system has if it is of this family. */
  readonly mark?: string
  readonly afterAdding: Command
  /** Without it, roots are taken away as Debian does ({@link deselect}). */
  readonly afterRemoving?: Command
}

/** The first one that the system has is its own. */
const stores: readonly SystemStore[] = [
  {
    // Debian, Ubuntu.
    folder: '/usr/local/share/ca-certificates',
    extension: 'crt',
    mark: '/etc/debian_version',
    afterAdding: ['update-ca-certificates'],
  },
  {
    // Alpine: links to a file that is gone go only with --fresh.
    folder: '/usr/local/share/ca-certificates',
    extension: 'crt',
    afterAdding: ['update-ca-certificates'],
    afterRemoving: ['update-ca-certificates', '--fresh'],
  },
  {
    // Fedora, RHEL: p11-kit.
    folder: '/etc/pki/ca-trust/source/anchors',
    extension: 'pem',
    afterAdding: ['update-ca-trust', 'extract'],
    afterRemoving: ['update-ca-trust', 'extract'],
  },
  {
    // Arch: p11-kit in another place.
    folder: '/etc/ca-certificates/trust-source/anchors',
    extension: 'crt',
    afterAdding: ['update-ca-trust'],
    afterRemoving: ['update-ca-trust'],
  },
  {
    // openSUSE.
    folder: '/etc/pki/trust/anchors',
    extension: 'pem',
    afterAdding: ['update-ca-certificates'],
    afterRemoving: ['update-ca-certificates', '--fresh'],
  },
]

const keychain = '/Library/Keychains/System.keychain'

/** Puts a root into the system's store. `pem` is the certificate alone. */
export async function installInSystem(
  root: TrustRoot,
  pem: string,
  environment: TrustEnvironment,
): Promise<TrustChange> {
  if (environment.platform === 'darwin') return installInKeychain(root, environment)
  const place = findPlace(root, environment)
  if (!place) return unknownSystem(root, environment)
  const { store, file, shown } = place
  const isThere = (await readIfThere(file)) === pem
  if (!environment.isRoot) {
    if (isThere) return unchanged(`The system's store has it already, as ${shown}.`)
    const commands = [commandLine('sudo', 'install', '-m', '644', root.file, shown), sudo(store.afterAdding)]
    return skipped(`The system's store was left alone: only root may change it. To add it: ${commands.join(' && ')}`)
  }
  if (!isThere) await replaceFile(file, pem, 0o644)
  // Also when the file was there: a run before may have ended between the two steps.
  const failure = await notify(store.afterAdding, environment)
  if (failure) return failed(`The root lies at ${shown}, but the system did not take notice: ${failure}`)
  if (isThere) return unchanged(`The system's store has it already, as ${shown}.`)
  return changed(`Added to the system's store, as ${shown}.`)
}

/** Takes a root out of the system's store. */
export async function removeFromSystem(root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange> {
  if (environment.platform === 'darwin') return removeFromKeychain(root, environment)
  const place = findPlace(root, environment)
  if (!place) return unknownSystem(root, environment)
  const { store, file, shown } = place
  const isThere = (await readIfThere(file)) !== undefined
  if (!environment.isRoot) {
    if (!isThere) return unchanged("The system's store does not have it.")
    return skipped(`The system's store still has it, as ${shown}. Only root may remove it: run this command with sudo.`)
  }
  await rm(file, { force: true })
  const failure = store.afterRemoving
    ? await notify(store.afterRemoving, environment)
    : await deselect(basename(shown), environment)
  if (failure) return failed(`${shown} is gone, but the system did not take notice: ${failure}`)
  if (!isThere) return unchanged("The system's store does not have it.")
  return changed(`Removed from the system's store: ${shown}.`)
}

interface Place {
  readonly store: SystemStore
  readonly file: string
  /** The file as seen from inside the system. */
  readonly shown: string
}

function findPlace(root: TrustRoot, environment: TrustEnvironment): Place | undefined {
  if (environment.platform !== 'linux') return undefined
  const inSystem = (path: string) => join(environment.systemRoot ?? '/', path)
  for (const store of stores) {
    if (!existsSync(inSystem(store.folder)) || !existsSync(inSystem(store.mark ?? '/'))) continue
    const shown = join(store.folder, `grove-${root.fingerprint.slice(0, 16)}.${store.extension}`)
    return { store, shown, file: inSystem(shown) }
  }
  return undefined
}

/**
 * Makes Debian build its bundles anew without a root whose file is gone. Only of a root that the configuration deselects,
 * with a line that begins with `!`, does update-ca-certificates tell its hooks; Java's keystore, which one of them fills,
 * would go on trusting it otherwise. So the tool gets a copy of the configuration with that line.
 */
async function deselect(name: string, environment: TrustEnvironment): Promise<string | undefined> {
  const configuration = (await readIfThere(join(environment.systemRoot ?? '/', 'etc/ca-certificates.conf'))) ?? ''
  const folder = await mkdtemp(join(tmpdir(), 'grove-trust-'))
  try {
    const copy = join(folder, 'ca-certificates.conf')
    await writeFile(copy, `${configuration}\n!${name}\n`)
    return await notify(['update-ca-certificates', '--certsconf', copy], environment)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Makes the system build its bundles anew. Answers why that failed, or undefined. */
async function notify([command, ...args]: Command, { run }: TrustEnvironment): Promise<string | undefined> {
  const result = await run(command, args)
  return result.code === 0 ? undefined : describeFailure(command, result)
}

function sudo(command: Command): string {
  return commandLine('sudo', ...command)
}

async function installInKeychain(root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange> {
  if (await isInKeychain(root, environment)) return unchanged('The system keychain has it already.')
  const args: Command = ['security', 'add-trusted-cert', '-d', '-r', 'trustRoot', '-k', keychain, root.file]
  const failure = await notify(args, environment)
  return failure ? failed(`${failure} As root it may work: ${sudo(args)}`) : changed('Added to the system keychain.')
}

async function removeFromKeychain(root: TrustRoot, environment: TrustEnvironment): Promise<TrustChange> {
  if (!(await isInKeychain(root, environment))) return unchanged('The system keychain does not have it.')
  const args: Command = ['security', 'delete-certificate', '-Z', root.fingerprint.toUpperCase(), '-t', keychain]
  const failure = await notify(args, environment)
  return failure
    ? failed(`${failure} As root it may work: ${sudo(args)}`)
    : changed('Removed from the system keychain.')
}

async function isInKeychain({ fingerprint }: TrustRoot, { run }: TrustEnvironment): Promise<boolean> {
  const { output } = await run('security', ['find-certificate', '-a', '-Z', keychain])
  return output.includes(`SHA-256 hash: ${fingerprint.toUpperCase()}`)
}

function unknownSystem({ file }: TrustRoot, { platform }: TrustEnvironment): TrustChange {
  if (platform !== 'linux')
    return skipped(`The system's store was left alone: Grove does not know that of ${platform}. The root is ${file}.`)
  const folders = stores.map(({ folder }) => folder).join(', ')
  return skipped(
    `The system's store was left alone: none of ${folders} exists. On Debian and Ubuntu the package ca-certificates makes one.`,
  )
}
