/**
 * Grove's own certificate authority: a root for ten years, an intermediate for three, and leaves for a week.
 *
 * The root is for the people of one machine or one network, who trust it by hand (`grove trust`). Its key can sign for
 * any name, so whoever reads `<folder>/root-key.pem` can stand in for any server towards those people: the file is 0600
 * in a folder of 0700, it never leaves control, and an operator may take it away altogether; it is needed again when the
 * intermediate is renewed or limited to other names. The intermediate's key, `<folder>/intermediate-key.pem`, signs for
 * the names of {@link toConstraints} only, and fronts get leaves only. Nothing here defends against root.
 *
 * A root of an earlier Grove allows no intermediate (pathLenConstraint 0). People trust it, so it stays until it ends:
 * it signs leaves by itself, and {@link OwnCa.notices} says what that means and how to get a new one.
 */

import { join } from 'node:path'
import { GroveError } from '../core/errors.ts'
import type { Leaf } from '../core/messages.ts'
import { isAuthority } from '../core/names.ts'
import { makePrivateFolder, removeLeftovers } from '../core/private-file.ts'
import { toAddress } from './addresses.ts'
import { type Constraints, permits, toConstraints } from './name-constraints.ts'
import { makeLeaf, makeLeafKeys, renewalOf, type SignedLeaf, type Signer } from './own-certificates.ts'
import {
  hasIntermediateOf,
  type Intermediate,
  isLimitedTo,
  readIntermediate,
  renewIntermediate,
} from './own-intermediate.ts'
import { type OwnRoot, openRoot } from './own-root.ts'

/** A certificate authority that signs in this process. */
export interface OwnCa {
  /** The root's certificate, PEM. */
  readonly rootPem: string
  /** Where {@link rootPem} lies: `<folder>/root.pem`. */
  readonly rootFile: string
  /** SHA-256 of the root's DER, 64 lower-case hex digits. */
  readonly fingerprint: string
  /** What the operator should know of the root and the intermediate, sentences for people. Often none. */
  readonly notices: readonly string[]
  /** Whether it signs for a name, a wildcard or an address. */
  permits(name: string): boolean
  /**
   * Signs for these names from now on, and those of one's own network; see {@link toConstraints}. Makes a new intermediate
   * if that changes anything. Leaves from before stay valid.
   */
  constrain(names: readonly string[]): Promise<void>
  /**
   * A new certificate with a new key, valid for a week or until the root ends; `name` is the leaf's name, `others` are in
   * it too. Each is a host name, a wildcard of at least two labels after the `*.`, or an address. Asks nobody whether a
   * name is ours. Throws `ERR_CERT_NAME` for what is none of these, or is not permitted.
   */
  issue(name: string, others?: readonly string[]): Promise<Leaf>
  /** A certificate for somebody else's public key, SPKI in DER, which the caller has found good. Otherwise as {@link issue}. */
  sign(names: readonly string[], spki: Uint8Array<ArrayBuffer>): Promise<SignedChain>
}

/** A certificate with those above it, without its key. */
export interface SignedChain extends SignedLeaf {
  /** PEM: the certificate, and the intermediate. */
  readonly chain: string
}

/** How a CA is opened. */
export interface OwnCaOptions {
  readonly now?: () => number
  /** What it signs for besides the names of one's own network; see {@link toConstraints}. @default none */
  readonly names?: readonly string[]
}

/** Who signs leaves: the intermediate, or a root of an earlier Grove. */
interface LeafSigner {
  readonly signer: Signer
  /** What stands behind each leaf in a chain, PEM. */
  readonly above: string
  readonly constraints: Constraints
  readonly renewAtMs: number
}

/**
 * Opens the CA in a folder; makes the folder, the root and the intermediate the first time, and a new root when the old
 * one has no full leaf's life left. Throws `ERR_CERT` when the root's file is damaged, and `ERR_CERT_NAME` for names that
 * are none.
 */
export async function openOwnCa(folder: string, options: OwnCaOptions = {}): Promise<OwnCa> {
  const now = options.now ?? Date.now
  let wanted = toConstraints(options.names ?? [])
  await makePrivateFolder(folder)
  await removeLeftovers(folder)
  const file = join(folder, 'intermediate-key.pem')
  const root = await openRoot(folder, now(), (certificate) => hasIntermediateOf(file, certificate))
  let current: LeafSigner | undefined
  let notices: readonly string[] = []
  let renewing: Promise<void> | undefined

  async function renew(): Promise<void> {
    const found = root.allowsIntermediate ? await findIntermediate(root, file, wanted, now()) : undefined
    notices = noticesOf(root, found, wanted, now())
    if (!root.allowsIntermediate) current = rootAsSigner(root, wanted)
    else current = found && { ...found, above: found.pem }
  }

  /** Who signs now. One renewal at a time; who comes meanwhile waits for it. */
  async function signer(): Promise<LeafSigner> {
    const isDue = !current || (root.signer !== undefined && now() >= current.renewAtMs)
    if (isDue && root.notAfterMs > now()) {
      renewing ??= renew().finally(() => {
        renewing = undefined
      })
      await renewing
    }
    if (current && current.signer.notAfterMs > now()) return current
    throw ended(root, now())
  }

  async function sign(names: readonly string[], spki: Uint8Array<ArrayBuffer>): Promise<SignedChain> {
    const by = await signer()
    for (const name of names) refuseName(by.constraints, name)
    const leaf = await makeLeaf(by.signer, names, spki, now())
    return { ...leaf, chain: `${leaf.certificate}${by.above}` }
  }

  await renew()
  return {
    rootPem: root.pem,
    rootFile: root.file,
    fingerprint: root.fingerprint,
    get notices() {
      return notices
    },
    permits: (name) => permits(current?.constraints ?? wanted, name),
    async constrain(names) {
      wanted = toConstraints(names)
      await renewing
      await renew()
    },
    sign,
    async issue(name, others = []) {
      const { key, spki } = await makeLeafKeys()
      const names = [...new Set([name, ...others].map((each) => toAddress(each) ?? each))]
      const { chain, notBeforeMs, notAfterMs } = await sign(names, spki)
      return {
        name: names[0] ?? name,
        chain,
        key,
        notBeforeMs,
        notAfterMs,
        renewAtMs: renewalOf(notBeforeMs, notAfterMs),
      }
    },
  }
}

/** The intermediate to sign with: the one on disk, or a new one if need be and the root's key is there. */
async function findIntermediate(
  root: OwnRoot,
  file: string,
  constraints: Constraints,
  nowMs: number,
): Promise<Intermediate | undefined> {
  const kept = await readIntermediate(file, root.certificate, nowMs)
  const isGood = kept !== undefined && nowMs < kept.renewAtMs && isLimitedTo(kept, constraints)
  if (isGood || !root.signer || root.notAfterMs <= nowMs) return kept
  return renewIntermediate(file, { root: root.certificate, by: root.signer, constraints, nowMs })
}

function rootAsSigner({ signer, notAfterMs }: OwnRoot, constraints: Constraints): LeafSigner | undefined {
  return signer && { signer, above: '', constraints, renewAtMs: notAfterMs }
}

/** What an operator should know. */
function noticesOf(root: OwnRoot, found: Intermediate | undefined, wanted: Constraints, nowMs: number): string[] {
  if (!root.allowsIntermediate)
    return [
      `The root ${root.file} is of an earlier Grove and allows no intermediate: it signs by itself, and nothing limits its key to your names. To have a new one, which everybody has to trust anew: stop grove, remove root-key.pem and root.pem beside it, start grove, and run grove trust.`,
    ]
  if (root.signer) return []
  const bringBack = 'put root-key.pem back beside it, restart grove, and take it away again.'
  if (!found)
    return [`The intermediate under ${root.file} has ended or is missing, so nothing can be signed: ${bringBack}`]
  return [
    ...(isLimitedTo(found, wanted)
      ? []
      : [`The intermediate under ${root.file} is for other names than the configuration has: ${bringBack}`]),
    ...(nowMs < found.renewAtMs
      ? []
      : [`The intermediate under ${root.file} ends on ${toDay(found.signer.notAfterMs)}: ${bringBack}`]),
  ]
}

function refuseName(constraints: Constraints, name: string): void {
  if (!isName(name))
    throw new GroveError(
      'ERR_CERT_NAME',
      `cannot issue a certificate for "${name}": expected a host name in lower case, or an address`,
    )
  if (!permits(constraints, name))
    throw new GroveError('ERR_CERT_NAME', `the own CA does not sign for "${name}"`, {
      hint: 'it signs for names of one’s own network, and for those of the configuration',
    })
}

/** A wildcard for a whole top-level name would be one for everybody in the network; browsers refuse it too. */
function isName(name: string): boolean {
  if (toAddress(name) !== undefined) return toAddress(name) === name
  if (name.startsWith('*.')) return name.indexOf('.', 2) !== -1 && !name.startsWith('*.*') && isName(name.slice(2))
  // A host name never ends with a number (RFC 1123 section 2.1): clients would take it for an address.
  return isAuthority(name) && !name.startsWith('[') && !/(?:^|\.)\d+$/.test(name)
}

function ended(root: OwnRoot, nowMs: number): GroveError {
  const isRoot = root.notAfterMs <= nowMs
  return new GroveError('ERR_CERT', `the ${isRoot ? 'root' : 'intermediate'} of the own CA has ended`, {
    hint: isRoot
      ? 'restart grove: it makes a new root'
      : 'put root-key.pem back beside root.pem and restart grove: it makes a new intermediate',
  })
}

function toDay(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10)
}
