/** deSEC's API, as much of it as DNS records need: desec.readthedocs.io (domains, RRsets, bulk operations). */

import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { type ApiReply, type ApiRequest, type ApiServer, startApi } from './api-server.ts'

interface RecordSet {
  readonly subname: string
  readonly type: string
  readonly ttl: number
  readonly records: string[]
}

/** A running server with one account. */
export interface DesecServer extends ApiServer {
  readonly token: string
  /** Sets of each domain, keyed by `subname type`. Keyed by the domain. */
  readonly domains: ReadonlyMap<string, Map<string, RecordSet>>
}

const leastTtl = 3_600

/** Starts it with these domains. */
export async function startDesec(t: Pick<Test, 'teardown'>, names: readonly string[]): Promise<DesecServer> {
  const token = randomBytes(21).toString('base64url')
  const domains = new Map(names.map((name) => [name, new Map<string, RecordSet>()]))
  const server = await startApi(t, (request) => answer(request))

  function answer(request: ApiRequest): ApiReply {
    const { authorization } = request.headers
    if (authorization !== `Token ${token}`) return { status: 401, body: { detail: `Invalid token: ${authorization}` } }
    if (request.path === '/domains/') {
      const owned = request.query.get('owns_qname') ?? ''
      const found = [...domains.keys()]
        .filter((name) => owned === name || owned.endsWith(`.${name}`))
        .sort((a, b) => b.length - a.length)
      return { status: 200, body: found.slice(0, 1).map((name) => ({ name, minimum_ttl: leastTtl, published: null })) }
    }
    const sets = domains.get(/^\/domains\/([^/]+)\/rrsets\/$/.exec(request.path)?.[1] ?? '')
    if (!sets) return { status: 404, body: { detail: 'Not found.' } }
    if (request.method === 'GET') {
      const [type, subname] = [request.query.get('type'), request.query.get('subname')]
      return { status: 200, body: [...sets.values()].filter((set) => set.type === type && set.subname === subname) }
    }
    return request.method === 'PUT' ? replace(sets, JSON.parse(request.body) as RecordSet[]) : { status: 405 }
  }

  return Object.assign(server, { token, domains })
}

function replace(sets: Map<string, RecordSet>, changes: readonly RecordSet[]): ApiReply {
  const faults = changes.map(({ ttl, records }) => ({
    ...(ttl < leastTtl && { ttl: [`Ensure this value is greater than or equal to ${leastTtl}.`] }),
    ...(records.some((record) => !/^"[^"]*"$/.test(record)) && {
      records: ['Data for TXT records must be given using quotation marks.'],
    }),
    ...(new Set(records).size < records.length && { records: ['RRset must not contain duplicate records.'] }),
  }))
  if (faults.some((fault) => Object.keys(fault).length > 0)) return { status: 400, body: faults }
  for (const set of changes) {
    const key = `${set.subname} ${set.type}`
    if (set.records.length === 0) sets.delete(key)
    else sets.set(key, set)
  }
  return { status: 200, body: changes.filter(({ records }) => records.length > 0) }
}
