/**
 * The public API, `import { … } from 'grove'`: what a config and a plugin need. What is not here is not for others and
 * may change at any time.
 */

export type { Config, ConfigInput, SiteConfig } from '../core/config.ts'
export { defineConfig } from '../core/config.ts'
export type { DnsProvider, DnsReason, DnsRecord } from '../core/dns-provider.ts'
export { dnsError } from '../core/dns-provider.ts'
export type { ErrorCode, ErrorDetails, GroveErrorOptions } from '../core/errors.ts'
export { GroveError } from '../core/errors.ts'
export type { HeaderList } from '../core/headers.ts'
export type { Authority, BlobHash, SiteName, VersionNumber } from '../core/names.ts'
export type {
  Awaitable,
  CertificateEvent,
  Command,
  FileInfo,
  Handler,
  Middleware,
  MiddlewareContext,
  Plugin,
  PluginHost,
  PluginLog,
  PublishEvent,
  Receipt,
  RouteContext,
  SiteInfo,
} from '../core/plugin.ts'
export { lazyOptions } from '../core/plugin-options.ts'
export type { Session } from '../core/session.ts'
export type { StandardIssue, StandardResult, StandardSchemaV1 } from '../core/standard-schema.ts'
export { local, type S3StoreInput, s3 } from '../core/store-config.ts'
export type { Usage } from '../core/usage.ts'
export { type CdnVarnishOptions, cdnVarnish } from '../plugins/cdn-varnish/cdn-varnish.ts'
export { type CloudflareDnsOptions, cloudflareDns } from '../plugins/dns/cloudflare.ts'
export { type DesecDnsOptions, desecDns } from '../plugins/dns/desec.ts'
export { type ExecDnsOptions, execDns } from '../plugins/dns/exec.ts'
export { type Rfc2136DnsOptions, rfc2136Dns } from '../plugins/dns/rfc2136.ts'
export { type Route53DnsOptions, route53Dns } from '../plugins/dns/route53.ts'
export { type LoginPasswordOptions, loginPassword } from '../plugins/login-password/login-password.ts'
