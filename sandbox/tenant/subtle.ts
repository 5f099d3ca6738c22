/**
 * SubtleCrypto for site code: Node's own, outside the isolate and its clock. So what it may cost is bounded here: rounds of
 * PBKDF2, sizes of RSA keys; and what takes long runs one at a time, on a thread of the pool.
 */

import { type SandboxLimits, tenantLimits } from '../../core/sandbox-limits.ts'
import { type BridgeError, forgottenKeyName, type SubtleArguments } from '../bridge.ts'
import { createKeyTable, reviveValue, UnknownKey, writeValue } from './subtle-values.ts'

/** What an operation has come to: an error, or a text and bytes for the guest. */
export interface SubtleOutcome {
  readonly error?: BridgeError
  readonly text?: string
  readonly bytes?: Uint8Array
}

/** SubtleCrypto of one process. */
export interface Subtle {
  /** Does `operations.subtle`. Never rejects. */
  run(args: string, bytes: Uint8Array | undefined): Promise<SubtleOutcome>
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
/** Bits that one derivation gives at most. */
const derivedBits = 8_388_608

/** Makes it. */
export function createSubtle(limits: SandboxLimits): Subtle {
  const keys = createKeyTable(limits.cryptoKeys)
  let slowRunning = 0
  const slowWaiting: (() => void)[] = []

  async function enterSlow(): Promise<void> {
    if (slowRunning >= tenantLimits.slowCrypto) await new Promise<void>((resolve) => slowWaiting.push(resolve))
    else slowRunning++
  }

  function leaveSlow(): void {
    const next = slowWaiting.shift()
    if (next) next()
    else slowRunning--
  }

  async function call(method: string, args: readonly unknown[]): Promise<unknown> {
    const isSlow = slowMethods.has(method)
    if (isSlow) await enterSlow()
    try {
      const { subtle } = globalThis.crypto
      const target = subtle[method as keyof SubtleCrypto] as (...args: unknown[]) => Promise<unknown>
      return await target.apply(subtle, [...args])
    } finally {
      if (isSlow) leaveSlow()
    }
  }

  return {
    async run(text, bytes) {
      try {
        const { method, args, parts } = JSON.parse(text) as Partial<SubtleArguments>
        if (typeof method !== 'string' || !methods.has(method) || !Array.isArray(args) || !Array.isArray(parts))
          return failed('NotSupportedError', 'there is no such operation')
        const revived = args.map((arg) => reviveValue(arg, cut(bytes ?? new Uint8Array(0), parts), keys))
        const fault = tooCostly(method, revived, limits)
        if (fault) return failed('OperationError', fault)
        const result = await call(method, revived)
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
