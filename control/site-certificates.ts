/** The certificates of the sites of one host, with its fronts. */

import type { Logger } from 'pino'
import type { Config } from '../core/config.ts'
import { limits } from '../core/limits.ts'
import type { Plugin } from '../core/plugin.ts'
import { certificateEvents } from './certificate-events.ts'
import { type CertificateParts, openCertificateParts } from './certificate-parts.ts'
import { type Certificates, openCertificates } from './certificates.ts'
import type { Challenges } from './challenges.ts'
import type { FrontLinks } from './fronts.ts'
import type { HostParts } from './host-parts.ts'
import { openOwnAcme } from './own-acme.ts'
import { publicCaNotices } from './public-ca-notices.ts'
import { shareChallenges } from './shared-challenges.ts'
import { isOfConfig } from './site-settings.ts'

/** What the certificates of sites need. */
export interface SiteCertificatesOptions {
  readonly host: Pick<HostParts, 'registry' | 'leaves' | 'env' | 'layout' | 'vault' | 'objects' | 'ca'>
  readonly fronts: Pick<FrontLinks, 'push'>
  readonly challenges: Pick<Challenges, 'http' | 'tlsAlpn'>
  /** Which challenges visitors' ports can answer: http-01 and tls-alpn-01 need ports 80 and 443 to lead here. */
  readonly config: () => Config
  /** Plugins that run at the moment: they are told what happens to certificates. */
  readonly plugins: () => readonly Plugin[]
  readonly log: Logger
}

/** The certificates of the sites of one host. */
export interface SiteCertificates extends Certificates {
  readonly parts: CertificateParts
  /** What people are told of them at a start. */
  readonly notices: readonly string[]
  /** Looks at the names of sites from now on, until it is disposed of. */
  start(): void
}

/**
 * Opens them. Nothing is looked at before {@link SiteCertificates.start}. Throws `ERR_CONFIG_INVALID` for files and
 * secrets that cannot be had.
 */
export async function openSiteCertificates(options: SiteCertificatesOptions): Promise<SiteCertificates> {
  const { host, fronts, challenges, config, plugins, log } = options
  const { registry, leaves, env, vault } = host
  await using stack = new AsyncDisposableStack()
  // Until all is open nobody has been told of any certificate.
  let changed = () => {}
  const parts = await openCertificateParts({ ...host, config: config(), filesChanged: () => changed(), log, stack })
  const own = () => [...(config().listen.http === false ? [] : [challenges.http]), challenges.tlsAlpn]
  const shared = parts.isShared
    ? stack.use(shareChallenges({ vault, own, everyMs: lookEveryMs(config()), environment: env, log }))
    : undefined
  let sites: readonly string[] | undefined
  let names: readonly string[] = []
  const allNames = () => {
    // The registry makes another array whenever a site comes or goes, or the config is another one.
    if (registry.names !== sites) {
      sites = registry.names
      names = sites.flatMap((site) => registry.info(site).authorities)
    }
    return names
  }
  const forget = (changed: readonly string[]) =>
    void fronts.push({ kind: 'forget-certificates', names: [...changed] }).catch((error: unknown) => {
      log.warn({ err: error }, 'fronts could not be told of new certificates; they ask when the old ones end')
    })
  /** The names that a certificate of a name is for. */
  const covered = (name: string) => {
    if (!name.startsWith('*.')) return [name]
    return allNames().filter((one) => one.slice(one.indexOf('.') + 1) === name.slice(2))
  }
  const broughtBy = (name: string) => (isOfConfig(config(), name) ? undefined : registry.domains.owner(name))
  const certificates = stack.use(
    openCertificates({
      issuers: parts.issuers,
      vault,
      // A bucket has one Grove at a time.
      isShared: config().certs.folder !== undefined,
      files: parts.files,
      leaves,
      solvers: (name) => {
        // A domain that an author brought is in the author's DNS, where the provider has no say.
        if (parts.dnsSolver && broughtBy(name) === undefined) return [parts.dnsSolver]
        return shared?.solvers() ?? own()
      },
      wildcards: () => parts.wildcards(config().domain),
      serves: (name) => registry.siteAt(name) !== undefined,
      broughtBy,
      names: allNames,
      forget: (changed) => forget(changed.flatMap(covered)),
      events: certificateEvents({ plugins, log }),
      environment: env,
      log,
    }),
  )
  changed = () => {
    forget(allNames())
    certificates.refresh(true)
  }
  const directory = await openOwnAcme({ config, host, names: allNames, variables: process.env, log, stack })
  const timers: NodeJS.Timeout[] = []
  stack.defer(() => {
    for (const timer of timers) clearInterval(timer)
  })
  const opened = stack.move()
  return {
    ...certificates,
    parts,
    notices: [
      ...publicCaNotices(config()),
      ...(directory === undefined ? [] : [`ACME server of the own CA: ${directory}`]),
    ],
    start() {
      certificates.refresh()
      timers.push(
        setInterval(() => certificates.refresh(), limits.control.namesEveryMs).unref(),
        // Files come to their end without a change.
        setInterval(() => certificates.refresh(parts.files.list().length > 0), limits.managed.lookEveryMs).unref(),
      )
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** How often challenges of other machines are looked for, where the vault of a config lies. */
function lookEveryMs({ certs }: Pick<Config, 'certs'>): number {
  const { lookEveryMs, lookInBucketEveryMs } = limits.challenges
  return certs.folder === undefined ? lookInBucketEveryMs : lookEveryMs
}
