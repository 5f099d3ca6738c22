/**
 * Route 53's API, as much of it as DNS records need: docs.aws.amazon.com/Route53/latest/APIReference. Signatures are
 * checked with AWS's own signer.
 */

import { createHash, createHmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import type { Test } from 'tap'
import { type ApiReply, type ApiRequest, type ApiServer, startApi } from './api-server.ts'

/** TXT records, keyed by the name with its last dot. */
type RecordSets = Map<string, { readonly ttl: string; readonly values: readonly string[] }>

interface HostedZone {
  readonly id: string
  /** With its last dot. */
  readonly name: string
  readonly isPrivate: boolean
  readonly sets: RecordSets
}

/** A running server with one account. */
export interface Route53Server extends ApiServer {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly zones: readonly HostedZone[]
}

const space = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"'
const account = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: 'AQoDYXdzEPT//////////wEXAMPLE==',
}

/** Starts it with hosted zones of these names, each behind a private one of the same name. */
export async function startRoute53(t: Pick<Test, 'teardown'>, names: readonly string[]): Promise<Route53Server> {
  const zones = names.flatMap((name, index): HostedZone[] => [
    { id: `ZPRIVATE${index}`, name: `${name}.`, isPrivate: true, sets: new Map() },
    { id: `ZPUBLIC${index}`, name: `${name}.`, isPrivate: false, sets: new Map() },
  ])

  async function answer(request: ApiRequest): Promise<ApiReply> {
    const refused = await checkSignature(request)
    if (refused) return refused
    const [, version, resource, zoneId = '', kind] = request.path.split('/')
    if (version !== '2013-04-01') return failure(404, 'NoSuchOperation', 'no such version')
    if (resource === 'hostedzonesbyname') return listZones(zones, request.query)
    const zone = zones.find(({ id }) => id === zoneId)
    if (!zone || kind !== 'rrset') return failure(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${zoneId}`)
    return request.method === 'GET' ? listSets(zone.sets, request.query) : change(zone, request.body)
  }
  return Object.assign(await startApi(t, answer), { ...account, zones })
}

async function checkSignature({ method, path, query, headers, body }: ApiRequest): Promise<ApiReply | undefined> {
  const { authorization = '', host = '' } = headers
  const [, keyId, , names = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\S+), SignedHeaders=([a-z0-9;-]+), /.exec(authorization) ?? []
  if (keyId !== account.accessKeyId)
    return failure(403, 'InvalidClientTokenId', `The security token ${keyId} is invalid`)
  if (!names.split(';').includes('host')) return failure(403, 'SignatureDoesNotMatch', 'host is not signed')
  const time = String(headers['x-amz-date'])
  const date = new Date(time.replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:'))
  if (Math.abs(date.getTime() - Date.now()) > 300_000) return failure(403, 'SignatureDoesNotMatch', 'Signature expired')
  const signer = new SignatureV4({
    credentials: account,
    region: 'us-east-1',
    service: 'route53',
    sha256: Sha256,
    applyChecksum: false,
  })
  const { host: _host, authorization: _old, 'x-amz-date': _date, 'x-amz-security-token': _token, ...rest } = headers
  const signable = Object.fromEntries(Object.entries(rest).filter(([name]) => names.split(';').includes(name)))
  const request = {
    method,
    protocol: 'http:',
    hostname: host,
    path,
    query: Object.fromEntries(query),
    headers: { host, ...signable } as Record<string, string>,
    body,
  }
  const expected = (await signer.sign(request, { signingDate: date })).headers['authorization']
  if (expected === authorization) return undefined
  return failure(
    403,
    'SignatureDoesNotMatch',
    `The signature does not match: ${authorization} ${headers['x-amz-security-token']}`,
  )
}

/** Node's hashes in the form that the signer wants. */
class Sha256 {
  readonly #hash
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = typeof secret === 'string' || secret === undefined ? secret : Buffer.from(secret as Uint8Array)
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', key)
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === 'string' ? data : Buffer.from(data as Uint8Array))
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }
  reset(): void {}
}

/** From the name on, in the order of the labels from the right. */
function listZones(zones: readonly HostedZone[], query: URLSearchParams): ApiReply {
  const key = (name: string) => name.replace(/\.$/, '').split('.').reverse().join('.')
  const from = key(query.get('dnsname') ?? '')
  const found = [...zones].sort((a, b) => (key(a.name) < key(b.name) ? -1 : 1)).filter(({ name }) => key(name) >= from)
  const items = found
    .slice(0, Number(query.get('maxitems') ?? 100))
    .map(
      ({ id, name, isPrivate }) =>
        `<HostedZone><Id>/hostedzone/${id}</Id><Name>${name}</Name><CallerReference>x</CallerReference><Config><Comment>a &amp; b</Comment><PrivateZone>${isPrivate}</PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount></HostedZone>`,
    )
  return xml(
    200,
    `<ListHostedZonesByNameResponse ${space}><HostedZones>${items.join('')}</HostedZones><IsTruncated>false</IsTruncated></ListHostedZonesByNameResponse>`,
  )
}

function listSets(sets: RecordSets, query: URLSearchParams): ApiReply {
  const found = [...sets].sort(([a], [b]) => (a < b ? -1 : 1)).filter(([name]) => name >= `${query.get('name')}.`)
  const items = found
    .slice(0, Number(query.get('maxitems')))
    .map(([name, { ttl, values }]) => setXml(name, ttl, values))
  return xml(
    200,
    `<ListResourceRecordSetsResponse ${space}><ResourceRecordSets>${items.join('')}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>`,
  )
}

function setXml(name: string, ttl: string, values: readonly string[]): string {
  const records = values.map((value) => `<ResourceRecord><Value>${escaped(value)}</Value></ResourceRecord>`)
  return `<ResourceRecordSet><Name>${name}</Name><Type>TXT</Type><TTL>${ttl}</TTL><ResourceRecords>${records.join('')}</ResourceRecords></ResourceRecordSet>`
}

/** One batch: all of it or nothing. DELETE has to name exactly what is there, CREATE needs that nothing is. */
function change({ name: zone, sets }: HostedZone, body: string): ApiReply {
  const next: RecordSets = new Map(sets)
  for (const [, action = '', name = '', ttl = '', records = ''] of body.matchAll(
    /<Change><Action>(\w+)<\/Action><ResourceRecordSet><Name>([^<]+)<\/Name><Type>TXT<\/Type><TTL>(\d+)<\/TTL><ResourceRecords>(.*?)<\/ResourceRecords><\/ResourceRecordSet><\/Change>/g,
  )) {
    const values = [...records.matchAll(/<Value>(.*?)<\/Value>/g)].map(([, value = '']) => unescaped(value))
    const old = next.get(name)
    const isSame = old?.ttl === ttl && old.values.join() === values.join()
    if (!name.endsWith(zone)) return invalid(`RRSet with DNS name ${name} is not permitted in zone ${zone}`)
    if (action === 'DELETE' && !isSame)
      return invalid(
        `Tried to delete resource record set ${name} but the values provided do not match the current values`,
      )
    if (action === 'CREATE' && old) return invalid(`Tried to create resource record set ${name} but it already exists`)
    if (action === 'DELETE') next.delete(name)
    else next.set(name, { ttl, values })
  }
  sets.clear()
  for (const [name, set] of next) sets.set(name, set)
  return xml(
    200,
    `<ChangeResourceRecordSetsResponse ${space}><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status></ChangeInfo></ChangeResourceRecordSetsResponse>`,
  )
}

const signs = [
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
] as const

function escaped(text: string): string {
  return signs.reduce((all, [sign, entity]) => all.replaceAll(sign, entity), text)
}

function unescaped(text: string): string {
  return signs.reduceRight<string>((all, [sign, entity]) => all.replaceAll(entity, sign), text)
}

function invalid(message: string): ApiReply {
  return xml(
    400,
    `<ErrorResponse ${space}><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>[${message}]</Message></Error></ErrorResponse>`,
  )
}

function failure(status: number, code: string, message: string): ApiReply {
  return xml(
    status,
    `<ErrorResponse ${space}><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
  )
}

function xml(status: number, body: string): ApiReply {
  return { status, body: `<?xml version="1.0"?>\n${body}`, headers: { 'content-type': 'text/xml' } }
}
