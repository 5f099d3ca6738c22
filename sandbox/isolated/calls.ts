/**
 * The host's one function, as the prelude calls it. Every argument is looked at before it is used: whatever has happened
 * inside the isolate, here come only strings, numbers, booleans, bytes and things that are refused.
 *
 * It never throws: an error of the host would show its paths to site code. What it defends is the host; that one number of a
 * request is not confused with another is kept by the tables behind it, which know only what this isolate was given.
 */

import { createHash, randomFillSync } from 'node:crypto'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import { type BridgeValue, bridgeLimits, faults, type HostCall, ops, rests } from '../bridge.ts'
import type { EngineHost } from '../engine.ts'
import { readAnswerHead } from './answer-head.ts'
import { readGuestError } from './guest-error.ts'
import { type Decoders, decodeText, encodeText, encodingOf, parseUrl, setUrl } from './text-calls.ts'

/** What the calls need of the isolate that they come from. */
export interface CallScope {
  readonly limits: SandboxLimits
  readonly host: EngineHost
  readonly decoders: Decoders
  /** Whether a number is that of a request that is charged. */
  isOwner(id: number): boolean
  setTimer(owner: number, dueMs: number): void
  loaded(handlers: string): void
  loadFailed(error: BridgeValue): void
}

const digests: Readonly<Record<string, string>> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
  MD5: 'md5',
}

/** Makes the function. Answers are those of `ops` in bridge.ts. */
export function createHostCall(scope: CallScope): HostCall {
  return (op, a, b, c, d) => {
    try {
      return typeof op === 'number' ? route(scope, op, a, b, c, d) : faults.argument
    } catch {
      // Nothing of the host's may be thrown into the guest; what was wrong shows in what does not happen.
      return faults.argument
    }
  }
}

function route(
  scope: CallScope,
  op: number,
  a: BridgeValue,
  b: BridgeValue,
  c: BridgeValue,
  d: BridgeValue,
): BridgeValue {
  switch (op) {
    case ops.random:
      return random(a)
    case ops.parseUrl:
      return parseUrl(a, b)
    case ops.setUrl:
      return setUrl(a, b, c)
    case ops.decode:
      return decodeText(a, b, c)
    case ops.decodePiece:
      return scope.decoders.decode(a, b, c)
    case ops.encode:
      return encodeText(a)
    case ops.digest:
      return digest(a, b)
    case ops.encodingOf:
      return encodingOf(a)
    case ops.loaded:
      if (typeof a !== 'string') return faults.argument
      scope.loaded(a)
      return 0
    default:
      return Number.isInteger(a) ? routeNumbered(scope, op, a as number, b, c, d) : faults.argument
  }
}

/** Calls whose first argument is the number of a request or an operation. */
function routeNumbered(
  scope: CallScope,
  op: number,
  id: number,
  b: BridgeValue,
  c: BridgeValue,
  d: BridgeValue,
): BridgeValue {
  const { host } = scope
  switch (op) {
    case ops.respond:
      return respond(scope, id, b, c, d)
    case ops.send:
      return isChunk(b, bridgeLimits.chunkBytes) ? host.send(id, b) : refusal(b)
    case ops.end:
      return host.end(id)
    case ops.abort:
      return host.abort(id, readGuestError(b))
    case ops.pull:
      return host.pull(id)
    case ops.pullText:
      return typeof b === 'number' ? host.pullText(id, Math.min(b, bridgeLimits.wholeBytes)) : faults.argument
    case ops.cancelBody:
      return host.cancelBody(id)
    case ops.fail:
      if (id === 0) {
        scope.loadFailed(c)
        return 0
      }
      return typeof b === 'number' ? host.fail(id, b, readGuestError(c), d === true) : faults.argument
    case ops.done:
      return host.done(id)
    case ops.stop:
      return host.stop(id)
    case ops.message:
      return isChunk(b, bridgeLimits.messageBytes) ? host.message(id, b) : refusal(b)
    case ops.closeSocket:
      if (!Number.isInteger(b) || typeof c !== 'string' || c.length > 123) return faults.argument
      if ((b as number) < 0 || (b as number) > 4_999) return faults.argument
      return host.closeSocket(id, b as number, c)
    default:
      return routeOwned(scope, op, id, b, c, d)
  }
}

/** Calls that something is charged for, to a request. */
function routeOwned(
  scope: CallScope,
  op: number,
  owner: number,
  b: BridgeValue,
  c: BridgeValue,
  d: BridgeValue,
): BridgeValue {
  const { host } = scope
  if (op === ops.log) {
    if (typeof b !== 'number' || typeof c !== 'string') return faults.argument
    return host.log(owner, b, c.slice(0, bridgeLimits.logChars))
  }
  if (op === ops.report) return host.report(owner, readGuestError(b))
  if (!scope.isOwner(owner)) return owner === 0 ? faults.denied : faults.closed
  switch (op) {
    case ops.start:
      if (typeof b !== 'number' || typeof c !== 'string') return faults.argument
      if (c.length > bridgeLimits.argumentChars) return faults.tooLarge
      if (d !== undefined && !isChunk(d, bridgeLimits.operationBytes)) return refusal(d)
      return host.start(owner, b, c, d)
    case ops.timer:
      if (typeof b !== 'number' || Number.isNaN(b)) return faults.argument
      scope.setTimer(owner, b)
      return 0
    case ops.openDecoder:
      return scope.decoders.open(owner, b, c)
    default:
      return faults.argument
  }
}

function respond(scope: CallScope, id: number, head: BridgeValue, body: BridgeValue, rest: BridgeValue): number {
  if (typeof head !== 'string' || typeof rest !== 'number') return faults.argument
  if (body !== undefined && !isChunk(body, bridgeLimits.wholeBytes)) return refusal(body)
  const read =
    head.length > bridgeLimits.headChars ? 'the head of the answer is too large' : readAnswerHead(head, scope.limits)
  if (typeof read !== 'string') {
    const answer = scope.host.respond(id, read, head, body, rest === rests.body)
    if (rest === rests.nothing && answer >= 0) scope.host.done(id)
    return answer
  }
  scope.host.refuse(id, read)
  return faults.invalid
}

function random(count: BridgeValue): Uint8Array | number {
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1) return faults.argument
  if (count > bridgeLimits.randomBytes) return faults.tooLarge
  return randomFillSync(new Uint8Array(count))
}

function digest(algorithm: BridgeValue, bytes: BridgeValue): Uint8Array | number {
  if (typeof algorithm !== 'string' || !(bytes instanceof Uint8Array)) return faults.argument
  if (bytes.byteLength > bridgeLimits.digestBytes) return faults.tooLarge
  const name = Object.hasOwn(digests, algorithm) ? digests[algorithm] : undefined
  return name === undefined ? faults.invalid : new Uint8Array(createHash(name).update(bytes).digest())
}

/** Whether a value is a text or bytes within a bound. A text counts three bytes for a character, the most that one can be. */
function isChunk(value: BridgeValue, bytes: number): value is string | Uint8Array {
  if (typeof value === 'string') return value.length <= bytes / 3
  return value instanceof Uint8Array && value.byteLength <= bytes
}

function refusal(value: BridgeValue): number {
  return typeof value === 'string' || value instanceof Uint8Array ? faults.tooLarge : faults.argument
}
