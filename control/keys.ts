/**
 * The keys that control makes and fronts hold: those of session cookies and the one that signs `Grove-Identity`, kept in
 * one file of mode 0600, and those of TLS session tickets, which machines share (certs/tickets.ts).
 *
 * Rotation bounds what a leaked key is worth: a session key 30 days plus the longest session, an identity key 7 days plus
 * as long again, a ticket key 12 hours (with it, TLS sessions of that time can be resumed or, in TLS 1.2, read). Whoever
 * can read the file now can sign in as anybody now; nothing here defends against that.
 */

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { Tickets } from '../certs/tickets.ts'
import { GroveError } from '../core/errors.ts'
import { activeKey, type RingTimes, turnRing } from '../core/key-ring.ts'
import type { FrontKeys } from '../core/messages.ts'
import { readIfThere, removeLeftovers, replaceFile } from '../core/private-file.ts'

const dayMs = 86_400_000

/** A day ahead, so that a front that is cut off from control for hours still opens cookies made with the new key. */
const sessionTimes: RingTimes = { useMs: 30 * dayMs, announceMs: dayMs }
/** A day ahead, because upstreams cache `/.grove/jwks.json`. */
const identityTimes: RingTimes = { useMs: 7 * dayMs, announceMs: dayMs }
/** Statements of identity live a minute; a front that control cannot reach may go on signing with an old key. */
const identityKeepMs = 7 * dayMs

const turn = { activeFromMs: z.number(), keepMs: z.number() }
const jwkSchema = z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() })
const sessionKeySchema = z.strictObject({ kid: z.string().regex(/^[0-9a-z]{1,16}$/), secret: bytes(32), ...turn })
const identityKeySchema = z.strictObject({ kid: z.string(), jwk: jwkSchema, ...turn })
const fileSchema = z.strictObject({
  format: z.literal('grove-keys-1'),
  session: z.array(sessionKeySchema),
  identity: z.array(identityKeySchema),
  /** Of an earlier Grove; left out at the next write. */
  ticket: z.unknown().optional(),
})
type KeyFile = z.output<typeof fileSchema>
type SessionKeyTurn = z.output<typeof sessionKeySchema>
type IdentityKeyTurn = z.output<typeof identityKeySchema>

/** What keys are opened with. */
export interface KeysOptions {
  /** The longest that a session made now can last, in milliseconds: how long an old session key has to be kept. */
  readonly maxSessionMs: number
  /** The keys of TLS session tickets, turned with the others. */
  readonly tickets: Tickets
  readonly now?: () => number
}

/** The keys of one host. */
export interface Keys {
  /** The keys as fronts are to have them: `session[0]` and `ticket` seal, all open. */
  current(): FrontKeys
  /**
   * Makes keys whose time has come, durable when it resolves, and answers whether {@link current} changed; then fronts
   * are to be told. Call it every few minutes. `maxSessionMs`, if given, counts from now on.
   */
  rotateIfDue(maxSessionMs?: number): Promise<boolean>
}

/**
 * Opens the keys in a file, or makes them; the file's folder is there already. Throws `ERR_DATA_FORMAT` when the file is
 * damaged: keys made in its place would sign everybody out.
 */
export async function openKeys(file: string, options: KeysOptions): Promise<Keys> {
  const { tickets, now = Date.now } = options
  await removeLeftovers(dirname(file))
  let { maxSessionMs } = options
  let kept = await readKeys(file)
  let front: FrontKeys | undefined
  let rotation: Promise<unknown>

  async function rotate(): Promise<boolean> {
    const turned = turnAll(kept, maxSessionMs, now())
    if (turned !== kept) await replaceFile(file, `${JSON.stringify(turned, undefined, 2)}\n`)
    kept = turned
    await tickets.rotateIfDue()
    const before = front
    front = toFrontKeys(kept, tickets, now())
    return JSON.stringify(before) !== JSON.stringify(front)
  }

  rotation = rotate()
  await rotation
  return {
    current: () => front ?? toFrontKeys(kept, tickets, now()),
    rotateIfDue(longest) {
      if (longest !== undefined) maxSessionMs = longest
      // One after the other: two at once would each make a key, and one of them would be lost.
      const next = rotation.then(rotate, rotate)
      rotation = next
      return next
    },
  }
}

async function readKeys(file: string): Promise<KeyFile> {
  const text = await readIfThere(file)
  if (text === undefined) return { format: 'grove-keys-1', session: [], identity: [] }
  await chmod(file, 0o600)
  try {
    return fileSchema.parse(JSON.parse(text))
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `the keys in ${file} are damaged`, {
      cause: error,
      hint: 'restore the file from a backup, or remove it: new keys are made, and every visitor has to sign in again',
    })
  }
}

/** All keys as they are to be at a moment; the same object when nothing changes. */
function turnAll(keys: KeyFile, maxSessionMs: number, nowMs: number): KeyFile {
  const session = turnRing(lengthen(keys.session, maxSessionMs, nowMs), sessionTimes, nowMs, (activeFromMs) =>
    makeSessionKey(activeFromMs, maxSessionMs),
  )
  const identity = turnRing(keys.identity, identityTimes, nowMs, makeIdentityKey)
  if (session === keys.session && identity === keys.identity) return keys
  return { format: 'grove-keys-1', session: [...session], identity: [...identity] }
}

/**
 * Sessions may have become longer by a new config: keys that seal from now on have to be kept as long. They never become
 * shorter, because a cookie of before may still be out there. The same array when nothing changes.
 */
function lengthen(ring: SessionKeyTurn[], maxSessionMs: number, nowMs: number): SessionKeyTurn[] {
  if (ring.length === 0) return ring
  const from = ring.indexOf(activeKey(ring, nowMs))
  if (ring.slice(from).every(({ keepMs }) => keepMs >= maxSessionMs)) return ring
  return ring.map((key, index) => (index < from ? key : { ...key, keepMs: Math.max(key.keepMs, maxSessionMs) }))
}

function makeSessionKey(activeFromMs: number, keepMs: number): SessionKeyTurn {
  const kid = randomBytes(8).toString('hex')
  return { kid, secret: randomBytes(32).toString('base64url'), activeFromMs, keepMs }
}

function makeIdentityKey(activeFromMs: number): IdentityKeyTurn {
  const jwk = jwkSchema.parse(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }))
  return { kid: thumbprint(jwk.x), jwk, activeFromMs, keepMs: identityKeepMs }
}

/** The key's id: its JWK thumbprint (RFC 7638, for Ed25519 RFC 8037 appendix A.3). */
function thumbprint(x: string): string {
  return createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url')
}

function toFrontKeys(keys: KeyFile, tickets: Tickets, nowMs: number): FrontKeys {
  const sealing = activeKey(keys.session, nowMs)
  const signing = activeKey(keys.identity, nowMs)
  const session = [sealing, ...keys.session.filter((key) => key !== sealing)]
  const { current, previous } = tickets.ticketKeys()
  return {
    session: session.map(({ kid, secret }) => ({ kid, secret })),
    ticket: current.toString('base64'),
    otherTickets: previous.map((key) => key.toString('base64')),
    identity: { kid: signing.kid, jwk: { ...signing.jwk } },
    identityPublic: keys.identity.map(({ kid, jwk: { kty, crv, x } }) => ({
      kty,
      crv,
      x,
      kid,
      use: 'sig',
      alg: 'EdDSA',
    })),
  }
}

/** A text that is `count` bytes in base64 or base64url. */
function bytes(count: number) {
  return z.string().refine((text) => Buffer.from(text, 'base64').length === count, `${count} bytes in base64`)
}
