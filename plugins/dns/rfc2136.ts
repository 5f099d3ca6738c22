/**
 * Records at a name server of one's own, by dynamic update (RFC 2136) signed with TSIG: BIND, Knot, PowerDNS, Windows.
 *
 * An update adds or removes one value and touches no other, so any number of writers can be at work.
 */

import { randomInt } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { z } from 'zod'
import {
  checkRecord,
  type DnsProvider,
  type DnsReason,
  type DnsRecord,
  dnsError,
  isDnsName,
} from '../../core/dns-provider.ts'
import { lazyOptions } from '../../core/plugin-options.ts'
import { exchange, type ServerPlace } from './dns-exchange.ts'
import {
  classes,
  type ReadMessage,
  readMessage,
  types,
  writeHead,
  writeQuestion,
  writeRecord,
  writeText,
} from './dns-message.ts'
import { callOptions, secretSchema, takeSecret, zoneSchema } from './options.ts'
import { algorithms, signMessage, type TsigKey, tsigErrors, verifyAnswer } from './tsig.ts'

const optionsSchema = z.strictObject({
  /** The primary server of the zone: an address or a name, maybe with a port, `192.0.2.53:5353`, `[2001:db8::53]:53`. */
  server: z.string().refine((text) => toPlace(text) !== undefined, 'an address or a name, maybe with a port'),
  /** The key, as `tsig-keygen` writes it. */
  key: z.strictObject({
    name: z.string().refine((text) => isDnsName(toKeyName(text)), 'the name of a key'),
    /** Base64. */
    secret: secretSchema,
    algorithm: z.enum(Object.keys(algorithms) as [keyof typeof algorithms]).default('hmac-sha256'),
  }),
  /** The zone that is changed. Default: asked of the server. */
  zone: zoneSchema.optional(),
  timeoutMs: callOptions.timeoutMs,
})

/** What {@link rfc2136Dns} takes. */
export type Rfc2136DnsOptions = z.input<typeof optionsSchema>

const opcodes = { query: 0, update: 5 } as const

/** Codes of answers: RFC 2136 section 2.2, RFC 8945 section 3. */
const codes: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  9: 'NOTAUTH',
  10: 'NOTZONE',
}

/** A provider `rfc2136`, for `certs.dns`. Its options are checked when the config is read. */
export function rfc2136Dns(options: Rfc2136DnsOptions): DnsProvider {
  const parsed = lazyOptions(optionsSchema, options)

  async function change(
    record: DnsRecord,
    signal: AbortSignal,
    update: Omit<Parameters<typeof writeRecord>[0], 'name' | 'type'>,
  ): Promise<void> {
    checkRecord(record)
    const { server, key, zone: known, timeoutMs } = parsed()
    const link: Link = {
      server: toPlace(server) as ServerPlace, // The schema has looked at it.
      key: await toKey(key),
      timeoutMs,
      signal,
    }
    const zone = known ?? (await findZone(record.name, link))
    const message = [
      writeHead(randomInt(65_536), opcodes.update, 1),
      writeQuestion(zone, types.soa),
      writeRecord({ name: record.name, type: types.txt, ...update }),
    ]
    const { code } = await ask(Buffer.concat(message), link)
    if (code !== 0) throw refused(`an update of ${zone}`, code, link)
  }

  return {
    name: 'rfc2136',
    schema: optionsSchema,
    options,
    present: (record, signal) =>
      change(record, signal, { class: classes.in, ttlSeconds: record.ttlSeconds, data: writeText(record.value) }),
    // Class NONE: this one record of the set, RFC 2136 section 2.5.4.
    remove: (record, signal) =>
      change(record, signal, { class: classes.none, ttlSeconds: 0, data: writeText(record.value) }),
  }
}

/** How one server is talked with. */
interface Link {
  readonly server: ServerPlace
  readonly key: TsigKey
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Sends a message and reads its answer, which has to be signed as well. */
async function ask(
  message: Buffer,
  { server, key, timeoutMs, signal }: Link,
): Promise<ReadMessage & { bytes: Buffer }> {
  const { signed, mac } = signMessage(message, key, Date.now())
  const bytes = await exchange(server, signed, timeoutMs, signal)
  const place = `the name server ${server.host}:${server.port}`
  let answer: ReadMessage
  let found: ReturnType<typeof verifyAnswer>
  try {
    answer = readMessage(bytes)
    found = verifyAnswer(bytes, answer, key, mac, Date.now())
  } catch (cause) {
    throw dnsError('answer', `${place} answered what cannot be read`, { cause })
  }
  const isOurs =
    answer.isAnswer && answer.id === message.readUInt16BE(0) && answer.opcode === ((message.readUInt16BE(2) >> 11) & 15)
  if (!isOurs) throw dnsError('answer', `${place} answered something else than was asked`)
  const denied = (why: string, hint: string) =>
    dnsError('denied', `${place} does not take the key ${key.name}: ${why}`, { hint })
  if (found.error === tsigErrors.key)
    throw denied(
      'it does not know it (BADKEY)',
      'the name and the algorithm of the key must be those in the server’s config',
    )
  if (found.error === tsigErrors.signature)
    throw denied('the signature is wrong (BADSIG)', 'the secret is another one than in the server’s config')
  if (found.error === tsigErrors.time || found.verdict === 'late')
    throw denied('the clocks differ (BADTIME)', 'set the clocks of both machines')
  if (found.verdict === 'wrong' || (found.verdict === 'unsigned' && answer.code === 0))
    throw dnsError('answer', `${place} answered without a good signature`, { hint: 'is somebody in between?' })
  return { ...answer, bytes }
}

/** The zone of a name: its SOA record comes as the answer, or beside one that says no (RFC 2308 section 3). */
async function findZone(name: string, link: Link): Promise<string> {
  const question = [writeHead(randomInt(65_536), opcodes.query, 0), writeQuestion(name, types.soa)]
  const { code, records } = await ask(Buffer.concat(question), link)
  const zone = records.find(({ type }) => type === types.soa)?.name
  if (zone !== undefined && isDnsName(zone) && (name === zone || name.endsWith(`.${zone}`))) return zone
  if (code !== 0 && code !== 3) throw refused(`a question for the zone of ${name}`, code, link)
  throw dnsError('zone', `the name server ${link.server.host}:${link.server.port} has no zone for ${name}`, {
    hint: 'is it the primary server? If it hides zones from us, name the zone: zone',
  })
}

function refused(what: string, code: number, { server, key }: Link): Error {
  const kinds: Readonly<Record<number, [DnsReason, string]>> = {
    2: ['unavailable', 'its log tells why: often the folder of the zone cannot be written'],
    4: ['refused', 'it takes no dynamic updates'],
    5: ['denied', `allow the key in its config, for BIND: update-policy { grant ${key.name} zonesub TXT; }`],
    9: ['zone', 'it is not the primary server of that zone'],
    10: ['zone', 'the record lies in no zone of that name'],
  }
  const [reason, hint] = kinds[code] ?? ['refused', undefined]
  return dnsError(reason, `the name server ${server.host}:${server.port} answered ${codes[code] ?? code} to ${what}`, {
    hint,
  })
}

async function toKey({ name, secret, algorithm }: z.output<typeof optionsSchema>['key']): Promise<TsigKey> {
  const text = await takeSecret(secret, 'rfc2136: key.secret')
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, ''))
    throw dnsError('denied', 'rfc2136: key.secret is not base64', { hint: 'take it as tsig-keygen writes it' })
  return { name: toKeyName(name), algorithm, secret: bytes }
}

function toKeyName(text: string): string {
  return text.toLowerCase().replace(/\.$/, '')
}

function toPlace(text: string): ServerPlace | undefined {
  if (isIPv6(text)) return { host: text, port: 53 }
  const [, host6, host4, port = '53'] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z_.-]{1,253}))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = host6 ?? host4
  if (host === undefined || (host6 !== undefined && !isIPv6(host6)) || Number(port) < 1 || Number(port) > 65_535)
    return undefined
  return { host, port: Number(port) }
}
