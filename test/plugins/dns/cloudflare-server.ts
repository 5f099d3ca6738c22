/** Cloudflare's API, as much of it as DNS records need: developers.cloudflare.com/api (zones, DNS records). */

import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { type ApiReply, type ApiRequest, type ApiServer, startApi } from './api-server.ts'

interface Entry {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly content: string
  readonly ttl: number
}

/** A running server with one account. */
export interface CloudflareServer extends ApiServer {
  readonly token: string
  /** Records of each zone. Keyed by the zone's name. */
  readonly zones: ReadonlyMap<string, { readonly id: string; readonly records: Entry[] }>
}

/** Starts it with zones of these names, and others that the token may not see. */
export async function startCloudflare(t: Pick<Test, 'teardown'>, names: readonly string[]): Promise<CloudflareServer> {
  const token = randomBytes(20).toString('hex')
  const zones = new Map(names.map((name) => [name, { id: randomBytes(16).toString('hex'), records: [] as Entry[] }]))
  const server = await startApi(t, (request) => answer(request))

  function answer(request: ApiRequest): ApiReply {
    const { authorization = '' } = request.headers
    if (!/^Bearer [A-Za-z0-9_-]{40}$/.test(authorization))
      return failure(400, 6003, `Invalid request headers: ${authorization}`)
    if (authorization !== `Bearer ${token}`) return failure(403, 9109, `Invalid access token ${authorization}`)
    const [, resource, zoneId, kind, recordId] = request.path.split('/')
    if (resource !== 'zones') return failure(404, 7003, 'Could not route')
    if (zoneId === undefined) {
      const name = request.query.get('name')
      const found = [...zones].filter(([zone]) => name === null || zone === name)
      return success(found.map(([zone, { id }]) => ({ id, name: zone, status: 'active' })))
    }
    const zone = [...zones].find(([, { id }]) => id === zoneId)
    if (!zone || kind !== 'dns_records') return failure(404, 1001, 'Invalid zone identifier')
    return answerRecords(request, zone[0], zone[1].records, recordId)
  }

  return Object.assign(server, { token, zones })
}

function answerRecords(request: ApiRequest, zone: string, records: Entry[], id: string | undefined): ApiReply {
  const { method, query, body, headers } = request
  if (method === 'GET') {
    const perPage = Number(query.get('per_page') ?? 100)
    const page = Number(query.get('page') ?? 1)
    const found = records.filter(({ type, name }) => type === query.get('type') && name === query.get('name'))
    return success(found.slice((page - 1) * perPage, page * perPage))
  }
  if (method === 'POST' && id === undefined) {
    if (headers['content-type'] !== 'application/json') return failure(400, 6003, 'Invalid request headers')
    const { type, name, content, ttl } = JSON.parse(body) as Omit<Entry, 'id'>
    if (!name.endsWith(zone)) return failure(400, 9000, 'DNS name is invalid.')
    if (ttl !== 1 && (ttl < 60 || ttl > 86_400))
      return failure(400, 9021, 'Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.')
    if (records.some((one) => one.name === name && one.type === type && one.content === content))
      return failure(400, 81058, 'An identical record already exists.')
    const record = { id: randomBytes(16).toString('hex'), type, name, content, ttl }
    records.push(record)
    return success(record)
  }
  if (method === 'DELETE') {
    const index = records.findIndex((one) => one.id === id)
    if (index === -1) return failure(404, 81044, 'Record does not exist.')
    records.splice(index, 1)
    return success({ id })
  }
  return failure(405, 10405, 'Method not allowed')
}

function success(result: unknown): ApiReply {
  return { status: 200, body: { success: true, errors: [], messages: [], result } }
}

function failure(status: number, code: number, message: string): ApiReply {
  return { status, body: { success: false, errors: [{ code, message }], messages: [], result: null } }
}
