/**
 * The JSON of frames, read by hand. The supervisor and the fronts are Grove's own and have checked what they send; so this
 * only holds the shapes that the code here relies on, and a schema library need not be loaded into each process.
 */

import { limits } from '../../core/limits.ts'
import type { CloseSocket, LoadHead, OpFailed, RequestHead, Unload } from '../../core/sandbox-messages.ts'

/** A load has the variables of its site in it. */
const loadBytes = limits.sandboxLink.payloadBytes

/** The JSON object of a frame; undefined if there is none in it, or it has more than `most` bytes. */
export function readObject(
  payload: Buffer,
  most: number = limits.sandboxLink.headBytes,
): Record<string, unknown> | undefined {
  if (payload.length > most) return undefined
  return parseObject(payload.toString('utf8'))
}

/** The JSON object in a text; undefined if there is none in it. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is a flat list of headers. */
export function isFlatHeaders(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length % 2 !== 0) return false
  for (const text of value) if (typeof text !== 'string') return false
  return true
}

/** `request` of a front. */
export function readRequestHead(payload: Buffer): RequestHead | undefined {
  const value = readObject(payload)
  if (!value) return undefined
  const { id, version, method, url, headers, hasBody, isUpgrade } = value
  if (typeof id !== 'string' || typeof version !== 'number' || typeof method !== 'string' || typeof url !== 'string')
    return undefined
  if (typeof hasBody !== 'boolean' || typeof isUpgrade !== 'boolean' || !isFlatHeaders(headers)) return undefined
  return { id, version, method, url, headers, hasBody, isUpgrade }
}

/** `closeSocket` of a front. */
export function readCloseSocket(payload: Buffer): CloseSocket | undefined {
  const { code, reason } = readObject(payload) ?? {}
  return typeof code === 'number' && typeof reason === 'string' ? { code, reason } : undefined
}

/** `load` of the supervisor. */
export function readLoadHead(payload: Buffer): LoadHead | undefined {
  const value = readObject(payload, loadBytes)
  if (!value) return undefined
  const { site, version, limits, env, bundleBytes, wasm, assets, data } = value
  if (typeof site !== 'string' || typeof version !== 'number' || !isObject(limits) || !isObject(env)) return undefined
  if (
    typeof bundleBytes !== 'number' ||
    !Array.isArray(wasm) ||
    typeof assets !== 'boolean' ||
    typeof data !== 'boolean'
  )
    return undefined
  for (const part of wasm)
    if (!isObject(part) || typeof part['name'] !== 'string' || typeof part['bytes'] !== 'number') return undefined
  return value as unknown as LoadHead
}

/** `unload` of the supervisor. */
export function readUnload(payload: Buffer): Unload | undefined {
  const { version, graceMs } = readObject(payload) ?? {}
  return typeof version === 'number' && typeof graceMs === 'number' ? { version, graceMs } : undefined
}

/** `failed` of an operation. */
export function readOpFailed(payload: Buffer): OpFailed | undefined {
  const { name, message } = readObject(payload) ?? {}
  return typeof name === 'string' && typeof message === 'string' ? { name, message } : undefined
}
