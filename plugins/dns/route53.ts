/**
 * Records at Amazon Route 53: docs.aws.amazon.com/Route53/latest/APIReference, version 2013-04-01.
 *
 * The API changes whole sets of records. A set is replaced by one batch that deletes exactly what was read and creates
 * the new one: when somebody else has changed it meanwhile, the batch as a whole is refused and is made anew.
 */

import { z } from 'zod'
import { checkRecord, type DnsProvider, type DnsRecord, dnsError, withParents } from '../../core/dns-provider.ts'
import { lazyOptions } from '../../core/plugin-options.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { type Api, type ApiAnswer, type ApiCall, openApi } from './api.ts'
import { type AwsCredentials, signAws } from './aws-signature.ts'
import { apiUrlSchema, callOptions, secretSchema, takeSecret } from './options.ts'
import { fromXml, partsOf, toXml } from './xml.ts'

const optionsSchema = z.strictObject({
  /** Access key. Default: environment variable AWS_ACCESS_KEY_ID. */
  accessKeyId: secretSchema.default({ env: 'AWS_ACCESS_KEY_ID' }),
  /** Its secret. Default: environment variable AWS_SECRET_ACCESS_KEY. */
  secretAccessKey: secretSchema.default({ env: 'AWS_SECRET_ACCESS_KEY' }),
  /** Token of temporary credentials. */
  sessionToken: secretSchema.optional(),
  /** The hosted zone's id, for a key that must not list zones. Default: found by the name. */
  hostedZoneId: z
    .string()
    .regex(/^[A-Z0-9]{1,32}$/)
    .optional(),
  url: apiUrlSchema.default('https://route53.amazonaws.com'),
  ...callOptions,
})

/** What {@link route53Dns} takes. */
export type Route53DnsOptions = z.input<typeof optionsSchema>

const provider = 'route53'
const version = '/2013-04-01'
/** Hosted zones are looked for so far up; changes that raced are made anew so often; changes that wait for one another. */
const levels = 12
const races = 5
const mostChanges = 1_000

const deniedCodes =
  /^(?:AccessDenied|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|MissingAuthenticationToken|IncompleteSignature)/
const passingCodes = /^(?:Throttling|PriorRequestNotComplete)/

/** A provider `route53`, for `certs.dns`. Its options are checked when the config is read. */
export function route53Dns(options: Route53DnsOptions): DnsProvider {
  const parsed = lazyOptions(optionsSchema, options)
  const turns = createTurnstile({ most: mostChanges, what: 'changes of records at Route 53' })

  async function change(record: DnsRecord, signal: AbortSignal, edit: (values: string[]) => string[]): Promise<void> {
    checkRecord(record)
    const { hostedZoneId, url, timeoutMs, wait } = parsed()
    const credentials = await takeCredentials(parsed())
    await using api = openApi({
      provider,
      url,
      timeoutMs,
      wait,
      secrets: [credentials.secretAccessKey, credentials.sessionToken ?? ''],
      deniedHint:
        'the key needs route53:ListHostedZonesByName, ListResourceRecordSets and ChangeResourceRecordSets; is the clock right?',
      said: (answer) => `${codeOf(answer)} ${fromXml(partsOf(answer.text, 'Message')[0] ?? '')}`,
      isDenied: (answer) => answer.status === 400 && deniedCodes.test(codeOf(answer)),
      isPassing: (answer) => answer.status === 400 && passingCodes.test(codeOf(answer)),
    })
    const ask: Ask = async (method, path, body = '') => {
      const asked = { method, url: new URL(`${url}${version}${path}`), body, region: 'us-east-1', service: 'route53' }
      const call: ApiCall = {
        method,
        path: `${version}${path}`,
        ...(body !== '' && { body }),
        headers: () => ({
          ...signAws({ ...asked, timeMs: Date.now() }, credentials),
          ...(body !== '' && { 'content-type': 'application/xml' }),
        }),
      }
      return { answer: await api.call(call, signal), call }
    }
    const place = `/hostedzone/${hostedZoneId ?? (await findZoneId(record.name, api, ask))}/rrset`
    for (let count = 1; ; count += 1) {
      const set = await readSet(record.name, place, api, ask)
      const values = edit(set?.values ?? [])
      if (values.length === (set?.values.length ?? 0)) return
      const { answer, call } = await ask('POST', place, toBatch(record, set, values))
      if (answer.status === 200) return
      if (codeOf(answer) !== 'InvalidChangeBatch' || count === races) throw api.refusal(call, answer)
    }
  }

  return {
    name: provider,
    schema: optionsSchema,
    options,
    present: (record, signal) =>
      turns.run(() => change(record, signal, (values) => [...new Set([...values, quoted(record)])]), signal),
    remove: (record, signal) =>
      turns.run(() => change(record, signal, (values) => values.filter((value) => value !== quoted(record))), signal),
  }
}

type Ask = (method: ApiCall['method'], path: string, body?: string) => Promise<{ answer: ApiAnswer; call: ApiCall }>

async function takeCredentials(options: z.output<typeof optionsSchema>): Promise<AwsCredentials> {
  const { accessKeyId, secretAccessKey, sessionToken } = options
  return {
    accessKeyId: await takeSecret(accessKeyId, `${provider}: accessKeyId`),
    secretAccessKey: await takeSecret(secretAccessKey, `${provider}: secretAccessKey`),
    sessionToken: sessionToken && (await takeSecret(sessionToken, `${provider}: sessionToken`)),
  }
}

async function findZoneId(name: string, api: Api, ask: Ask): Promise<string> {
  for (const zone of withParents(name, levels).filter((candidate) => candidate.includes('.'))) {
    const { answer, call } = await ask('GET', `/hostedzonesbyname?dnsname=${zone}&maxitems=10`)
    if (answer.status !== 200) throw api.refusal(call, answer)
    const found = partsOf(answer.text, 'HostedZone').find(
      (one) => partsOf(one, 'Name')[0] === `${zone}.` && partsOf(one, 'PrivateZone')[0] !== 'true',
    )
    const id = /^\/hostedzone\/([A-Z0-9]{1,32})$/.exec(partsOf(found ?? '', 'Id')[0] ?? '')?.[1]
    if (id !== undefined) return id
    if (found !== undefined) throw dnsError('answer', `${provider} answered a hosted zone without an id`)
  }
  throw dnsError('zone', `${provider} has no public hosted zone for ${name} that the key may see`, {
    hint: 'the key needs route53:ListHostedZonesByName, or name the zone: hostedZoneId',
  })
}

/** A set of TXT records as it stands. */
interface RecordSet {
  readonly ttlSeconds: string
  /** As they are written in zone files: in quotes. */
  readonly values: string[]
}

async function readSet(name: string, place: string, api: Api, ask: Ask): Promise<RecordSet | undefined> {
  const { answer, call } = await ask('GET', `${place}?maxitems=1&name=${name}&type=TXT`)
  if (answer.status !== 200) throw api.refusal(call, answer)
  // The list begins at the name, or at what comes after it.
  const [set = ''] = partsOf(answer.text, 'ResourceRecordSet')
  if (partsOf(set, 'Name')[0] !== `${name}.` || partsOf(set, 'Type')[0] !== 'TXT') return undefined
  if (partsOf(set, 'SetIdentifier').length > 0)
    throw dnsError('refused', `${provider} has records with a routing policy at ${name}`, {
      hint: 'remove them by hand',
    })
  return { ttlSeconds: partsOf(set, 'TTL')[0] ?? '', values: partsOf(set, 'Value').map(fromXml) }
}

function toBatch({ name, ttlSeconds }: DnsRecord, old: RecordSet | undefined, values: readonly string[]): string {
  const change = (action: string, ttl: string, records: readonly string[]) =>
    records.length === 0
      ? ''
      : `<Change><Action>${action}</Action><ResourceRecordSet><Name>${name}.</Name><Type>TXT</Type><TTL>${toXml(ttl)}</TTL><ResourceRecords>${records
          .map((value) => `<ResourceRecord><Value>${toXml(value)}</Value></ResourceRecord>`)
          .join('')}</ResourceRecords></ResourceRecordSet></Change>`
  const ttl = old?.ttlSeconds ?? String(ttlSeconds)
  const changes = `${change('DELETE', ttl, old?.values ?? [])}${change('CREATE', ttl, values)}`
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes>${changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
}

function quoted({ value }: DnsRecord): string {
  return `"${value}"`
}

/** The code of an error; a batch that was refused has no `Error` around it. */
function codeOf({ text }: ApiAnswer): string {
  return partsOf(text, 'Code')[0] ?? /<(InvalidChangeBatch)[ >]/.exec(text)?.[1] ?? ''
}
