/**
 * The operator's config: one schema from which types, defaults, checks, the reference page and the JSON Schema for
 * editors come.
 *
 * Strict: an unknown key is an error, all faults are told at once, each with its path, what was expected and what was
 * found. Checking has no side effects.
 */

import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { certsSchema } from './certs-config.ts'
import { type ConfigFault, quote, toFaults } from './config-faults.ts'
import { isDnsProvider } from './dns-provider.ts'
import { GroveError } from './errors.ts'
import { isAuthority, isSiteName } from './names.ts'
import type { Plugin } from './plugin.ts'
import { checkOptions } from './plugin-options.ts'
import { sandboxSchema, siteTierSchema, tierFaults } from './sandbox-config.ts'
import { isStandardSchema } from './standard-schema.ts'
import { cacheSchema, encryptionSchema, keepSchema, keyFaults, storeSchema } from './store-config.ts'
import { clientCertificatesSchema, hstsFaults, hstsSchema } from './tls-config.ts'

const port = z.int().min(0).max(65_535)

const authority = z
  .string()
  .transform((text) => text.toLowerCase())
  .refine(isAuthority, 'a host name in lower case (punycode for other scripts) without a port')

const address = z.union([z.ipv4(), z.ipv6()])

const upstreamUrl = z.string().refine((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return (
    url !== undefined &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === ''
  )
}, 'an http:// or https:// URL of a server, without a path, such as http://127.0.0.1:3000')

const siteSchema = z
  .strictObject({
    authorities: z
      .array(authority)
      .max(100)
      .default([])
      .describe('Further names of the site, beside `<name>.<domain>`.'),
    upstreams: z
      .array(upstreamUrl)
      .max(16)
      .default([])
      .describe(
        'Servers that answer what is dynamic: personal pages of signed-in visitors, unknown paths, other methods. They take turns; one that refuses the connection is passed over.',
      ),
    timeoutMs: z
      .int()
      .min(10)
      .max(600_000)
      .default(60_000)
      .describe("Time until an upstream's answer begins, in milliseconds; then the visitor gets 504."),
    bodyBytes: z
      .int()
      .min(0)
      .max(1_073_741_824)
      .default(1_048_576)
      .describe('Largest request body, in bytes; a larger one gets 413.'),
    clientCertificates: clientCertificatesSchema,
    provesNames: z
      .boolean()
      .default(false)
      .describe(
        "Whether the site answers paths where CAs look whether a name is somebody's (`/.well-known/acme-challenge/`, `/.well-known/pki-validation/`). Then whoever publishes to it, or runs its upstream, can have certificates for its names. false: they are 404.",
      ),
    tier: siteTierSchema,
  })
  .describe('One site.')

const mostPlugins = 100
const pluginShape = z.custom<Plugin>(
  isPlugin,
  'a plugin: an object with a name (a-z, 0-9, -), hooks, and perhaps options with a Standard Schema for them',
)

const listenSchema = z
  .strictObject({
    https: port.default(8443).describe('Port for TLS (HTTP/1.1 and HTTP/2). 0 takes a free one.'),
    http: z
      .union([port, z.literal(false)])
      .default(8080)
      .describe('Port that redirects to https with 308; false for none.'),
    plain: z
      .union([port, z.literal(false)])
      .default(false)
      .describe(
        'Port for plain HTTP from a CDN or proxy in front of Grove that speaks TLS with visitors; only on loopback. false for none.',
      ),
    addresses: z
      .array(address)
      .min(1)
      .max(16)
      .optional()
      .describe('Addresses to listen on. Default: loopback only when `domain` is `localhost`, else all.'),
  })
  .describe('Where Grove listens.')

/** The schema of the config file. Input is what an operator writes, output has every default filled in. */
export const configSchema = z.strictObject({
  $schema: z
    .string()
    .optional()
    .describe('For editors, in a `.json` file: where the JSON Schema of the config lies. Grove reads nothing of it.'),
  domain: authority
    .prefault('localhost')
    .describe('Sites are served at `<name>.<domain>`. `localhost` needs no DNS: browsers resolve it by themselves.'),
  email: z
    .email()
    .max(254)
    .optional()
    .describe('Where CAs may write to when something is wrong with a certificate. Strangers do not get to see it.'),
  data: z
    .string()
    .min(1)
    .default('./data')
    .describe("Folder for everything Grove keeps, relative to the config's folder."),
  store: storeSchema,
  cache: cacheSchema,
  encryption: encryptionSchema,
  keep: keepSchema,
  listen: listenSchema.prefault({}),
  certs: certsSchema,
  fronts: z
    .int()
    .min(1)
    .max(256)
    .default(() => availableParallelism())
    .describe('Processes that serve visitors. Default: one per core.'),
  plugins: z
    .array(pluginShape)
    .max(mostPlugins)
    .default([])
    .describe('Plugins, in the order in which their hooks run.'),
  sites: z
    .record(z.string().refine(isSiteName, 'a site name: 1 to 63 of a-z, 0-9 and - between them'), siteSchema)
    .default({})
    .describe('Sites by name. Sites made with `grove site create` or `grove publish` need no entry.'),
  sessions: z
    .strictObject({
      maxAgeSeconds: z
        .int()
        .min(60)
        .max(31_536_000)
        .default(604_800)
        .describe('How long a sign-in lasts, in seconds. Default: a week.'),
    })
    .prefault({})
    .describe('Sessions of signed-in visitors.'),
  sandbox: sandboxSchema,
  hsts: hstsSchema,
  trustedProxies: z
    .array(z.union([address, z.cidrv4(), z.cidrv6()]))
    .max(1_000)
    .default([])
    .describe('Addresses and networks whose X-Forwarded-For is believed, read from right to left.'),
  log: z
    .strictObject({
      level: z
        .enum(['silent', 'error', 'warn', 'info', 'debug'])
        .default('info')
        .describe('The least important level that is logged.'),
      access: z.boolean().default(true).describe('One line for each request.'),
    })
    .prefault({})
    .describe('Logs.'),
})

/** A checked config with every default filled in. */
export type Config = z.output<typeof configSchema>

/** What an operator writes. */
export type ConfigInput = z.input<typeof configSchema>

/** A site's part of the config. */
export type SiteConfig = Config['sites'][string]

/** The config as written, with types for the editor. Checks nothing: that happens when Grove reads the file. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config
}

/** Checks a config. Throws `ERR_CONFIG_INVALID` that lists all faults (`details.faults`). `source` is named in the message. */
export function parseConfig(input: unknown, source: string): Config {
  const parsed = configSchema.safeParse(input, { reportInput: true })
  const own = parsed.success ? crossFaults(parsed.data) : parsed.error.issues.flatMap(toFaults)
  const faults = [...own, ...optionFaults(input)]
  if (parsed.success && faults.length === 0) return parsed.data
  const lines = faults.map(
    ({ path, expected, found }) => `  ${path || '(config)'}: expected ${expected}, found ${found}`,
  )
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`
  throw new GroveError('ERR_CONFIG_INVALID', `${source} has ${count}:\n${lines.join('\n')}`, { details: { faults } })
}

/** Faults in options of plugins and of the provider of DNS. From the input, so that all are told together. */
function optionFaults(input: unknown): ConfigFault[] {
  const { plugins, certs } = Object(input) as { plugins?: unknown; certs?: { dns?: unknown } }
  const dns = certs?.dns
  const ofDns =
    isDnsProvider(dns) && dns.schema ? (checkOptions(dns.schema, dns.options, ['certs', 'dns']).faults ?? []) : []
  if (!Array.isArray(plugins)) return [...ofDns]
  const ofPlugins = plugins.slice(0, mostPlugins).flatMap((plugin, index) => {
    if (!isPlugin(plugin) || plugin.schema === undefined) return []
    return checkOptions(plugin.schema, plugin.options, ['plugins', index, 'options']).faults ?? []
  })
  return [...ofDns, ...ofPlugins]
}

/** Faults that lie between values: names given twice, plugins of one name, keys named twice. */
function crossFaults(config: Config): ConfigFault[] {
  const faults = [
    ...keyFaults(config.encryption.keys),
    ...hstsFaults(config.hsts),
    ...tierFaults(config.sandbox, config.sites),
  ]
  const pluginNames = new Set<string>()
  for (const [index, { name }] of config.plugins.entries()) {
    if (pluginNames.has(name))
      faults.push({ path: `plugins[${index}].name`, expected: 'a name that no other plugin has', found: quote(name) })
    pluginNames.add(name)
  }
  const owners = new Map<string, string>(Object.keys(config.sites).map((site) => [`${site}.${config.domain}`, site]))
  for (const [site, { authorities }] of Object.entries(config.sites)) {
    for (const [index, name] of authorities.entries()) {
      const owner = owners.get(name)
      if (owner !== undefined && owner !== site) {
        const path = `sites.${site}.authorities[${index}]`
        faults.push({ path, expected: `a name that site "${owner}" does not have`, found: quote(name) })
      }
      owners.set(name, site)
    }
  }
  return faults
}

const hooks = ['start', 'headers', 'request', 'published', 'metered', 'certificate'] as const

function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== 'object' || value === null) return false
  const plugin = value as Partial<Record<keyof Plugin, unknown>>
  const optionalFunction = (hook: unknown) => hook === undefined || typeof hook === 'function'
  return (
    typeof plugin.name === 'string' &&
    isSiteName(plugin.name) &&
    hooks.every((hook) => optionalFunction(plugin[hook])) &&
    (plugin.schema === undefined || isStandardSchema(plugin.schema)) &&
    (plugin.routes === undefined || (typeof plugin.routes === 'object' && plugin.routes !== null))
  )
}
