/**
 * Records at deSEC: desec.readthedocs.io, "Retrieving and Creating DNS Records".
 *
 * Its API knows sets of records only, and nothing with which two writers could notice each other. Within one process
 * changes go one after the other; between machines the later one wins, and whoever waits for a record gives it anew.
 */

import { z } from 'zod'
import { checkRecord, type DnsProvider, type DnsRecord, dnsError } from '../../core/dns-provider.ts'
import { lazyOptions } from '../../core/plugin-options.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { type Api, type ApiAnswer, type ApiCall, openApi, toJson } from './api.ts'
import { apiUrlSchema, callOptions, secretSchema, takeSecret } from './options.ts'

const optionsSchema = z.strictObject({
  /** A token of the account. */
  token: secretSchema,
  url: apiUrlSchema.default('https://desec.io/api/v1'),
  ...callOptions,
})

/** What {@link desecDns} takes. */
export type DesecDnsOptions = z.input<typeof optionsSchema>

const provider = 'desec'
/** Changes that wait for one another. */
const mostChanges = 1_000

const domainsSchema = z.array(z.object({ name: z.string(), minimum_ttl: z.int().catch(3_600) }))
const setsSchema = z.array(
  z.object({ subname: z.string(), type: z.string(), ttl: z.int(), records: z.array(z.string()) }),
)

/** A provider `desec`, for `certs.dns`. Its options are checked when the config is read. */
export function desecDns(options: DesecDnsOptions): DnsProvider {
  const parsed = lazyOptions(optionsSchema, options)
  const turns = createTurnstile({ most: mostChanges, what: 'changes of records at deSEC' })

  async function change(record: DnsRecord, signal: AbortSignal, edit: (values: string[]) => string[]): Promise<void> {
    checkRecord(record)
    const { token: source, url, timeoutMs, wait } = parsed()
    const token = await takeSecret(source, `${provider}: token`)
    await using api = openApi({
      provider,
      url,
      timeoutMs,
      wait,
      secrets: [token],
      deniedHint:
        'make a token at desec.io, Token Management; one with policies needs to write TXT records of the domain',
      said: saidBy,
    })
    const ask: Ask = async (method, path, body) => {
      const headers = {
        authorization: `Token ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      }
      const call: ApiCall = {
        method,
        path,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        headers: () => headers,
      }
      const answer = await api.call(call, signal)
      if (answer.status !== 200) throw api.refusal(call, answer)
      return answer
    }
    const domain = await findDomain(record.name, ask)
    const subname = record.name.slice(0, -domain.name.length - 1)
    const path = `/domains/${domain.name}/rrsets/`
    const sets = setsSchema.safeParse(toJson(await ask('GET', `${path}?type=TXT&subname=${subname}`), provider))
    if (!sets.success) throw dnsError('answer', `${provider} answered sets of records that cannot be read`)
    const set = sets.data.find((one) => one.type === 'TXT' && one.subname === subname)
    const before = set?.records ?? []
    const records = edit(before)
    if (records.length === before.length) return
    const ttl = set?.ttl ?? Math.max(record.ttlSeconds, domain.minimum_ttl)
    // PUT of a list makes, replaces, and for an empty set removes.
    await ask('PUT', path, [{ subname, type: 'TXT', ttl, records }])
  }

  return {
    name: provider,
    schema: optionsSchema,
    options,
    present: (record, signal) =>
      turns.run(() => change(record, signal, (values) => [...new Set([...values, `"${record.value}"`])]), signal),
    remove: (record, signal) =>
      turns.run(
        () => change(record, signal, (values) => values.filter((value) => value !== `"${record.value}"`)),
        signal,
      ),
  }
}

type Ask = (method: ApiCall['method'], path: string, body?: unknown) => ReturnType<Api['call']>

async function findDomain(name: string, ask: Ask): Promise<z.output<typeof domainsSchema>[number]> {
  const found = domainsSchema.safeParse(toJson(await ask('GET', `/domains/?owns_qname=${name}`), provider))
  if (!found.success) throw dnsError('answer', `${provider} answered a list of domains that cannot be read`)
  const [domain] = found.data
  if (domain && (name === domain.name || name.endsWith(`.${domain.name}`))) return domain
  throw dnsError('zone', `${provider} has no domain for ${name} in this account`, {
    hint: 'add the domain at desec.io, or check that the token is of its account',
  })
}

/** `{ "detail": … }`, or faults by field. */
function saidBy({ text }: ApiAnswer): string {
  try {
    const said: unknown = JSON.parse(text)
    const { detail } = Object(said) as { detail?: unknown }
    return typeof detail === 'string' ? detail : JSON.stringify(said)
  } catch {
    return ''
  }
}
