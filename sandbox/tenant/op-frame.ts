/**
 * Operations as the guest writes them, made into frames for the supervisor. Its schema is exact, and a frame that does not
 * fit it ends the process; so what site code got wrong is found here, and costs it an error.
 */

import { limits } from '../../core/limits.ts'
import type { DataCall, Op } from '../../core/sandbox-messages.ts'
import { operations } from '../bridge.ts'
import { isFlatHeaders, parseObject } from './frame-json.ts'

/** For whom an operation is. */
export interface OpOwner {
  /** The request's id, as visitors see it. */
  readonly request: string
  readonly version: number
}

const code = limits.sandboxCode

/**
 * The frame of an operation that the supervisor does; undefined where its arguments make no sense. `hops`: how often the
 * request has passed through sites before, which the guest cannot say. @default 0
 */
export function readOp(kind: number, args: string, hasBytes: boolean, owner: OpOwner, hops = 0): Op | undefined {
  const value = parseObject(args)
  if (!value) return undefined
  switch (kind) {
    case operations.fetch:
      return readFetch(value, hasBytes, owner, hops)
    case operations.asset:
      return readAsset(value, owner)
    case operations.data: {
      const call = readDataCall(value)
      return call && { kind: 'data', ...owner, call, hasBody: call.method === 'put' }
    }
    default:
      return undefined
  }
}

function readFetch(value: Record<string, unknown>, hasBytes: boolean, owner: OpOwner, hops: number): Op | undefined {
  const { method, url, headers, redirect, hasBody } = value
  if (!isText(method, 1, limits.http.methodBytes) || !isText(url, 0, code.urlChars) || !isHeaders(headers))
    return undefined
  if (redirect !== 'follow' && redirect !== 'error' && redirect !== 'manual') return undefined
  return {
    kind: 'fetch',
    ...owner,
    method,
    url,
    headers,
    redirect,
    ...(hops > 0 && { hops }),
    hasBody: hasBytes || hasBody === true,
  }
}

function readAsset({ method, url, headers }: Record<string, unknown>, owner: OpOwner): Op | undefined {
  if ((method !== 'GET' && method !== 'HEAD') || !isText(url, 0, code.urlChars) || !isHeaders(headers)) return undefined
  return { kind: 'asset', ...owner, method, url, headers, hasBody: false }
}

function readDataCall(value: Record<string, unknown>): DataCall | undefined {
  const { method, key, prefix, after, limit, ifTag } = value
  if (method === 'list') {
    if (!isText(prefix, 0, code.keyChars) || !isOptional(after, code.keyChars)) return undefined
    if (!Number.isInteger(limit) || (limit as number) < 1 || (limit as number) > code.listed) return undefined
    return { method, prefix, limit: limit as number, ...(after !== undefined && { after }) }
  }
  if (!isText(key, 1, code.keyChars)) return undefined
  if (method === 'get') return { method, key }
  if (method === 'put') return readPut(key, value)
  if (method !== 'delete' || !isOptional(ifTag, tagChars)) return undefined
  return { method, key, ...(ifTag !== undefined && { ifTag }) }
}

function readPut(key: string, { ifTag, metadata, expiresAtMs }: Record<string, unknown>): DataCall | undefined {
  if (ifTag !== null && !isOptional(ifTag, tagChars)) return undefined
  if (!isOptional(metadata, metadataChars)) return undefined
  if (expiresAtMs !== undefined && !Number.isFinite(expiresAtMs)) return undefined
  return {
    method: 'put',
    key,
    ...(ifTag !== undefined && { ifTag }),
    ...(metadata !== undefined && { metadata }),
    ...(expiresAtMs !== undefined && { expiresAtMs: expiresAtMs as number }),
  }
}

/** As `opSchema` has them. */
const tagChars = 64
const metadataChars = 2_048

function isText(value: unknown, least: number, most: number): value is string {
  return typeof value === 'string' && value.length >= least && value.length <= most
}

function isOptional(value: unknown, most: number): value is string | undefined {
  return value === undefined || isText(value, 0, most)
}

function isHeaders(value: unknown): value is string[] {
  if (!isFlatHeaders(value) || value.length > code.headers * 2) return false
  let chars = 0
  for (const text of value) chars += text.length
  return chars <= code.headerChars
}
