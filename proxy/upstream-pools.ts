/** Connections to the upstreams of sites. They live as long as a site's list of upstreams, whether it is loaded or not. */

import type { SiteName } from '../core/names.ts'
import type { RemoteUpstream } from './remote-upstream.ts'

/** What pools are made with. */
export interface UpstreamPoolsOptions {
  readonly create: (urls: readonly string[]) => RemoteUpstream
  /** A site is gone, or its upstreams are others: its WebSockets end. */
  readonly gone: (name: SiteName) => void
}

interface Pool {
  readonly urls: readonly string[]
  readonly upstream: RemoteUpstream
}

/** One pool for each site that has upstreams and was loaded. */
export class UpstreamPools {
  readonly #options: UpstreamPoolsOptions
  readonly #pools = new Map<SiteName, Pool>()

  constructor(options: UpstreamPoolsOptions) {
    this.#options = options
  }

  /** The upstream of a site with these URLs; undefined for none. A pool with others is closed once its requests end. */
  take(name: SiteName, urls: readonly string[]): RemoteUpstream | undefined {
    this.keep(name, urls)
    const known = this.#pools.get(name)
    if (known || urls.length === 0) return known?.upstream
    const upstream = this.#options.create(urls)
    this.#pools.set(name, { urls, upstream })
    return upstream
  }

  /** Closes the pool of a site unless it has these URLs. */
  keep(name: SiteName, urls: readonly string[]): void {
    const pool = this.#pools.get(name)
    if (pool && !isSameList(pool.urls, urls)) this.remove(name)
  }

  /** Closes the pool of a site. */
  remove(name: SiteName): void {
    const pool = this.#pools.get(name)
    if (!pool) return
    this.#pools.delete(name)
    this.#options.gone(name)
    void pool.upstream.close()
  }

  /** Closes the pools of all sites but some. */
  retain(isKept: (name: SiteName) => boolean): void {
    for (const name of [...this.#pools.keys()]) if (!isKept(name)) this.remove(name)
  }

  /** Lets all requests finish and closes all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map(({ upstream }) => upstream.close()))
  }
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}
