/**
 * SubtleCrypto for site code: Node's own, outside the isolate and its clock. So what it may cost is bounded here: rounds of
 * PBKDF2, sizes of RSA keys; and what takes long runs one at a time, on a thread of the pool.
 */

import { type SandboxLimits, tenantLimits } from '../../core/sandbox-limits.ts'
import { type BridgeError, forgottenKeyName, type SubtleArguments } from '../bridge-shapes.ts'
import { createKeyTable, reviveValue, UnknownKey, writeValue } from './subtle-values.ts'

/** What an operation has come to: an error, or a text and bytes for the guest. */
export interface SubtleOutcome {
  readonly error?: BridgeError
  readonly text?: string
  readonly bytes?: Uint8Array
}

/** SubtleCrypto of one process. */
export interface Subtle {
  /**
   * Does `operations.subtle`. Never rejects. `isWanted` is asked when its turn comes: what waits for a request that is over
   * is not done any more.
   */
  run(args: string, bytes: Uint8Array | undefined, isWanted?: () => boolean): Promise<SubtleOutcome>
}

const methods = new Set<string>([
  'decrypt',
  'deriveBits',
  'deriveKey',
  'digest',
  'encrypt',
  'exportKey',
  'generateKey',
  'importKey',
  'sign',
  'unwrapKey',
  'verify',
  'wrapKey',
])
/** Methods that can take long. */
const slowMethods = new Set<string>(['deriveBits', 'deriveKey', 'generateKey'])
/** The public exponents that are in use; a large one makes each use of the key slow. */
const exponents = new Set([3, 65_537])
/** Arguments and byte strings of one call; the standard knows at most seven. */
const mostArguments = 16
/** Bits that one derivation gives at most. */
const derivedBits = 8_388_608

/** Makes it. */
export function createSubtle(limits: SandboxLimits): Subtle {
  const keys = createKeyTable(limits.cryptoKeys)
  const slow = createPlaces(tenantLimits.slowCrypto)
  const all = createPlaces(tenantLimits.crypto)

  async function call(method: string, args: readonly unknown[], isWanted: () => boolean): Promise<unknown> {
    const { subtle } = globalThis.crypto
    const target = subtle[method as keyof SubtleCrypto] as (...args: unknown[]) => Promise<unknown>
    const act = async () => {
      if (!isWanted()) throw new DOMException('nobody waits for it', 'AbortError')
      return target.apply(subtle, [...args])
    }
    return slowMethods.has(method) ? slow.hold(() => all.hold(act)) : all.hold(act)
  }

  return {
    async run(text, bytes, isWanted = () => true) {
      try {
        const { method, args, parts } = JSON.parse(text) as Partial<SubtleArguments>
        if (typeof method !== 'string' || !methods.has(method) || !Array.isArray(args) || !Array.isArray(parts))
          return failed('NotSupportedError', 'there is no such operation')
        if (args.length > mostArguments || parts.length > mostArguments)
          return failed('TypeError', 'too many arguments')
        const cutParts = cut(bytes ?? new Uint8Array(0), parts)
        const revived = args.map((arg) => reviveValue(arg, cutParts, keys))
        const fault = tooCostly(method, revived, limits)
        if (fault) return failed('OperationError', fault)
        const result = await call(method, revived, isWanted)
        const resultParts: Uint8Array[] = []
        const written = writeValue(result, resultParts, keys, method === 'importKey')
        const lengths = resultParts.map((part) => part.byteLength)
        const outcome = { result: written, parts: lengths }
        return { text: JSON.stringify(outcome), ...(lengths.length > 0 && { bytes: joined(resultParts) }) }
      } catch (thrown) {
        return errorOf(thrown)
      }
    },
  }
}

/** Places that are held while something runs; who finds none waits in line. The line is as long as operations are allowed. */
function createPlaces(count: number): { hold<T>(act: () => Promise<T>): Promise<T> } {
  let free = count
  const line: (() => void)[] = []
  return {
    async hold(act) {
      if (free > 0) free--
      else await new Promise<void>((resolve) => line.push(resolve))
      try {
        return await act()
      } finally {
        const next = line.shift()
        if (next) next()
        else free++
      }
    },
  }
}

/** The parts of what was sent along. Throws `TypeError` when the lengths do not fit. */
function cut(bytes: Uint8Array, lengths: readonly unknown[]): Uint8Array[] {
  let at = 0
  return lengths.map((length) => {
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 0 || at + length > bytes.byteLength)
      throw new TypeError('parts that do not fit')
    at += length
    return bytes.slice(at - length, at)
  })
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

/** Why an operation is refused for what it would cost. Every algorithm that stands in the arguments is looked at. */
function tooCostly(method: string, args: readonly unknown[], limits: SandboxLimits): string | undefined {
  for (const arg of args) {
    if (typeof arg !== 'object' || arg === null) continue
    const { iterations, modulusLength, publicExponent } = arg as Record<string, unknown>
    if (iterations !== undefined && !(Number(iterations) <= limits.pbkdf2Iterations))
      return `at most ${limits.pbkdf2Iterations} iterations are allowed (pbkdf2Iterations)`
    if (modulusLength !== undefined && !(Number(modulusLength) <= limits.rsaBits))
      return `at most ${limits.rsaBits} bits are allowed (rsaBits)`
    if (publicExponent instanceof Uint8Array && !exponents.has(numberOf(publicExponent)))
      return 'the public exponent has to be 3 or 65537'
  }
  if (method === 'deriveBits' && !(Number(args[2] ?? 0) <= derivedBits))
    return `at most ${derivedBits} bits are derived`
  return undefined
}

function numberOf(bytes: Uint8Array): number {
  let value = 0
  for (const byte of bytes) value = Math.min(Number.MAX_SAFE_INTEGER, value * 256 + byte)
  return value
}

function failed(name: string, message: string): SubtleOutcome {
  return { error: { name, message } }
}

/** An error of Node's as the guest gets it: its name where the standard knows it, its message without any path. */
function errorOf(thrown: unknown): SubtleOutcome {
  if (thrown instanceof UnknownKey) return failed(forgottenKeyName, thrown.message)
  if (thrown instanceof DOMException) return failed(thrown.name, thrown.message)
  if (thrown instanceof TypeError || thrown instanceof SyntaxError) return failed('TypeError', thrown.message)
  return failed('OperationError', 'the operation failed')
}
