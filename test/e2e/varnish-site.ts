/** A whole Grove with a real Varnish before it, and a site of about 30 files of which each says which it is. */

import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { type Answer, get } from '../plugins/cdn-varnish/origin.ts'
import { groveVcl, startVarnish, type Varnish } from '../services/varnish.ts'
import { type Harness, type PublishAnswer, startGrove } from './harness.ts'

/** Contents of a site, keyed by path. */
export type Tree = Readonly<Record<string, string>>

/** The names that lead to the site, also as visitors write them. */
export const siteNames: readonly string[] = ['blog.localhost', 'BLOG.localhost:8443', 'blog.example.org']

/** Files that say their path and a version: `index.html, version 2`. */
export function treeOf(paths: readonly string[], version = 1): Tree {
  return Object.fromEntries(paths.map((path) => [path, `${path}, version ${version}`]))
}

/** The site at first. */
export const firstTree: Tree = treeOf([
  ...Array.from({ length: 24 }, (_, i) => `page${i}/index.html`),
  'index.html',
  'about.html',
  'style.css',
  'über uns/index.html',
  'docs/a b.html',
  "docs/c@d:e,f!'(1).txt",
  '404.html',
])

/** What `grove publish` says, and `grove site show` of a version, when Varnish was purged. */
export const purged = {
  receipts: [{ plugin: 'cdn-varnish', action: 'purged', details: { varnishes: 1 } }],
  pending: [],
}

/** Ways to ask for a file that do not redirect. */
export function spellingsOf(path: string): string[] {
  const target = `/${path.split('/').map(encodeURIComponent).join('/')}`
  const all = path.endsWith('index.html') ? [target.slice(0, -'index.html'.length), target] : [target]
  // A letter need not be written as itself, nor a percent-encoding in capitals (RFC 3986 section 6.2.2).
  const odd = target.replace(/[a-z](?=[^/]*$)/, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
  const small = target.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())
  return [...new Set([...all, odd, small, ...all.map((one) => `${one}?q=1&r`)])]
}

/** The request that filled the cache with an answer: the second number of X-Varnish. Undefined for a miss. */
export function fillOf({ headers }: Answer): string | undefined {
  return String(headers['x-varnish']).split(' ')[1]
}

/** A Grove with a Varnish before it. */
export interface CachedSite {
  readonly grove: Harness
  readonly varnish: Varnish
  /** What Varnish was started with. */
  readonly vcl: string
  /** Publishes a tree as a site, by default `blog`. */
  readonly publish: (tree: Tree, site?: string, ...options: string[]) => Promise<PublishAnswer>
  /** Asks Varnish as a visitor who comes over TLS, by default for `blog.localhost`. */
  readonly ask: (target: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  /** Resolves when nothing waits in the outbox. */
  readonly delivered: () => Promise<void>
}

/** Starts both. Purges go to the URL that `purgeUrl` answers, by default Varnish's own. */
export async function startCachedSite(t: Test, purgeUrl = (varnish: Varnish) => varnish.url): Promise<CachedSite> {
  const plain = await freePort()
  const vcl = await groveVcl(plain)
  const varnish = await startVarnish({ folder: join(t.testdir(), 'varnish'), vcl })
  t.teardown(() => varnish[Symbol.asyncDispose]())
  const grove = await startGrove(t, {
    config: {
      fronts: 2,
      listen: { plain },
      trustedProxies: ['127.0.0.1'],
      certs: { acme: false },
      sites: { blog: { authorities: ['blog.example.org'] } },
      log: { level: 'warn', access: false },
    },
    plugins: `grove.cdnVarnish({ urls: [${JSON.stringify(purgeUrl(varnish))}] })`,
  })
  return {
    grove,
    varnish,
    vcl,
    publish: (tree, site = 'blog', ...options) => grove.publish(site, writeTree(grove.folder, tree), ...options),
    ask: (target, headers = {}) => get(varnish.port, target, { 'x-forwarded-proto': 'https', ...headers }),
    async delivered() {
      await grove.until(async () => (await grove.status()).outbox.length === 0)
    },
  }
}

let folders = 0

/** Writes a tree into a new folder. */
function writeTree(parent: string, tree: Tree): string {
  folders += 1
  const folder = join(parent, `site ${folders}`)
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

/** A port that nobody has: Grove's own is to stay the same when it starts again. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
