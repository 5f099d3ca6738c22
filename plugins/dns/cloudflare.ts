/** Records at Cloudflare: developers.cloudflare.com/api, zones and DNS records. */

import { z } from 'zod'
import { checkRecord, type DnsProvider, type DnsRecord, dnsError, withParents } from '../../core/dns-provider.ts'
import { lazyOptions } from '../../core/plugin-options.ts'
import { type Api, type ApiAnswer, type ApiCall, openApi, toJson } from './api.ts'
import { apiUrlSchema, callOptions, secretSchema, takeSecret } from './options.ts'

const optionsSchema = z.strictObject({
  /** An API token (not the global key) with the rights Zone:Read and DNS:Edit for the zone. */
  token: secretSchema,
  /** The zone's id, for a token that must not list zones. Default: found by the name. */
  zoneId: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  url: apiUrlSchema.default('https://api.cloudflare.com/client/v4'),
  ...callOptions,
})

/** What {@link cloudflareDns} takes. */
export type CloudflareDnsOptions = z.input<typeof optionsSchema>

const provider = 'cloudflare'
const leastTtlSeconds = 60
/** Zones are looked for so far up; and so many records of one name are looked through. */
const levels = 12
const recordsPerPage = 100
const pages = 10

/** Codes in answers: about the token, and about records that are there or gone already. */
const deniedCodes = new Set([1000, 6003, 6111, 9103, 9106, 9107, 9109, 10000, 10001])
const thereCodes = new Set([81057, 81058])
const goneCodes = new Set([81044])

const envelopeSchema = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ code: z.number(), message: z.string().catch('') })).catch([]),
  result: z.unknown().optional(),
})
const zonesSchema = z.array(z.object({ id: z.string().regex(/^[0-9a-f]{32}$/), name: z.string() }))
const recordsSchema = z.array(z.object({ id: z.string().regex(/^[0-9A-Za-z]{1,64}$/), content: z.string() }))

/** A provider `cloudflare`, for `certs.dns`. Its options are checked when the config is read. */
export function cloudflareDns(options: CloudflareDnsOptions): DnsProvider {
  const parsed = lazyOptions(optionsSchema, options)

  async function withZone(
    record: DnsRecord,
    signal: AbortSignal,
    work: (zone: ZoneApi) => Promise<void>,
  ): Promise<void> {
    checkRecord(record)
    const { token: source, zoneId, url, timeoutMs, wait } = parsed()
    const token = await takeSecret(source, `${provider}: token`)
    await using api = openApi({
      provider,
      url,
      timeoutMs,
      wait,
      secrets: [token],
      deniedHint: 'the token needs the rights Zone:Read and DNS:Edit for the zone: My Profile, API Tokens',
      said: (answer) =>
        errorsOf(answer)
          .map(({ code, message }) => `${message} (${code})`)
          .join('; '),
      isDenied: (answer) => answer.status === 400 && hasCode(answer, deniedCodes),
    })
    const call: ZoneApi['call'] = async (method, path, body) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      }
      const asked: ApiCall = {
        method,
        path,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        headers: () => headers,
      }
      return { asked, answer: await api.call(asked, signal) }
    }
    const id = zoneId ?? (await findZoneId(record.name, { api, call }))
    await work({ api, call, path: `/zones/${id}/dns_records` })
  }

  return {
    name: provider,
    schema: optionsSchema,
    options,
    present: (record, signal) =>
      withZone(record, signal, async ({ api, call, path }) => {
        const { name, type, value, ttlSeconds } = record
        const body = { type, name, content: `"${value}"`, ttl: Math.max(ttlSeconds, leastTtlSeconds) }
        const { asked, answer } = await call('POST', path, body)
        if (answer.status !== 200 && !hasCode(answer, thereCodes)) throw api.refusal(asked, answer)
      }),
    remove: (record, signal) =>
      withZone(record, signal, async ({ api, call, path }) => {
        for (const { id, content } of await listRecords(record.name, { api, call, path })) {
          if (content.replace(/^"(.*)"$/, '$1') !== record.value) continue
          const { asked, answer } = await call('DELETE', `${path}/${id}`)
          if (answer.status !== 200 && answer.status !== 404 && !hasCode(answer, goneCodes))
            throw api.refusal(asked, answer)
        }
      }),
  }
}

interface ZoneApi {
  readonly api: Api
  /** Where the records of the zone are. */
  readonly path: string
  call(method: ApiCall['method'], path: string, body?: unknown): Promise<{ asked: ApiCall; answer: ApiAnswer }>
}

async function findZoneId(name: string, { api, call }: Omit<ZoneApi, 'path'>): Promise<string> {
  // No zone is a top-level domain.
  for (const zone of withParents(name, levels).filter((candidate) => candidate.includes('.'))) {
    const { asked, answer } = await call('GET', `/zones?name=${zone}`)
    const found = zonesSchema.safeParse(resultOf(api, asked, answer))
    if (!found.success) throw dnsError('answer', `${provider} answered a list of zones that cannot be read`)
    const id = found.data.find((one) => one.name === zone)?.id
    if (id !== undefined) return id
  }
  throw dnsError('zone', `${provider} has no zone for ${name} that the token may see`, {
    hint: 'the token needs Zone:Read for the zone, or name its id: zoneId',
  })
}

async function listRecords(name: string, { api, call, path }: ZoneApi): Promise<z.output<typeof recordsSchema>> {
  const records: z.output<typeof recordsSchema> = []
  for (let page = 1; page <= pages; page += 1) {
    const { asked, answer } = await call('GET', `${path}?type=TXT&name=${name}&per_page=${recordsPerPage}&page=${page}`)
    const found = recordsSchema.safeParse(resultOf(api, asked, answer))
    if (!found.success) throw dnsError('answer', `${provider} answered a list of records that cannot be read`)
    records.push(...found.data)
    if (found.data.length < recordsPerPage) break
  }
  return records
}

function resultOf(api: Api, asked: ApiCall, answer: ApiAnswer): unknown {
  if (answer.status !== 200) throw api.refusal(asked, answer)
  const envelope = envelopeSchema.safeParse(toJson(answer, provider))
  if (envelope.success && envelope.data.success) return envelope.data.result
  throw api.refusal(asked, answer, 'answer')
}

function errorsOf({ text }: ApiAnswer): { code: number; message: string }[] {
  try {
    return envelopeSchema.safeParse(JSON.parse(text)).data?.errors ?? []
  } catch {
    return [] // An error page of something between us and the API.
  }
}

function hasCode(answer: ApiAnswer, codes: ReadonlySet<number>): boolean {
  return errorsOf(answer).some(({ code }) => codes.has(code))
}
