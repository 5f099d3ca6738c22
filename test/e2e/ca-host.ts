/** A Grove for tests that gets its certificates from a real CA, which finds every name at this machine. */

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import type { CertificateRow } from '../../core/cert-api.ts'
import { freePort } from '../services/free-port.ts'
import { type Pebble, type PebbleOptions, startPebble } from '../services/pebble.ts'
import { folderOf } from './bucket.ts'
import { type Harness, type HarnessOptions, startGrove } from './harness.ts'

/** A Grove with its CA. */
export interface CaHost {
  readonly grove: Harness
  readonly pebble: Pebble
  /** Its second CA, when it has one. */
  readonly second: Pebble | undefined
  /** What visitors have to trust: what the first CA signs. */
  readonly root: string
}

/** What a {@link CaHost} is started with. */
export interface CaHostOptions {
  readonly pebble?: PebbleOptions
  /** A second CA, asked after the first. */
  readonly second?: PebbleOptions
  /** More of the CA in the config, beside `directory` and `roots`. */
  readonly acme?: object
  /** More of `certs` in the config. */
  readonly certs?: object
  /** More of the config. */
  readonly config?: { readonly listen?: object; readonly [key: string]: unknown }
  /** Members of `certs` that are no JSON, or depend on the Pebble. See {@link HarnessOptions.code}. */
  readonly code?: (pebble: Pebble) => string
  readonly env?: HarnessOptions['env']
}

/** Starts a Pebble, and a Grove whose ports it asks. */
export async function startCaHost(t: Test, options: CaHostOptions = {}): Promise<CaHost> {
  const [http, https] = [await freePort(), await freePort()]
  const pebble = await startPebble(t, { httpPort: http, tlsPort: https, ...options.pebble })
  const second = options.second && (await startPebble(t, { httpPort: http, tlsPort: https, ...options.second }))
  const { listen, ...config } = options.config ?? {}
  const acme = [{ ...acmeOf(t, pebble), ...options.acme }, ...(second ? [acmeOf(t, second)] : [])]
  const certs = { acme, ...options.certs }
  const all = { domain: 'grove.test', email: 'ops@grove.test', fronts: 2, ...config }
  const env = options.env && { env: options.env }
  const harness: HarnessOptions = options.code
    ? {
        config: { ...all, listen: { http, https, ...listen } },
        code: `certs: { ...${JSON.stringify(certs)}, ${options.code(pebble)} }`,
        ...env,
      }
    : { config: { ...all, listen: { http, https, ...listen }, certs }, ...env }
  return { grove: await startGrove(t, harness), pebble, second, root: await pebble.manage('/roots/0') }
}

/** A CA of the config. */
export function acmeOf(t: Test, { directory, roots }: Pebble): { directory: string; roots: string } {
  const folder = mkdtempSync(join(tmpdir(), 'grove-ca-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'pebble.pem'), roots)
  return { directory, roots: join(folder, 'pebble.pem') }
}

/** What `grove cert list` shows. */
export async function rows(grove: Harness): Promise<CertificateRow[]> {
  return (await grove.json<{ certificates: CertificateRow[] }>(['cert', 'list'])).certificates
}

/** The row of a name, once it is as it should be. */
export function rowOf(
  grove: Harness,
  name: string,
  isAsWanted: (row: CertificateRow) => boolean = ({ state }) => state === 'valid',
): Promise<CertificateRow> {
  return grove.until(async () => (await rows(grove)).find((row) => row.names.includes(name) && isAsWanted(row)))
}

/** The certificate that is served for a name. Rejects with what TLS says; without a root every certificate will do. */
export async function served(grove: Harness, servername: string, ca?: string): Promise<X509Certificate> {
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca }
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: grove.httpsPort, servername, ...trust })
  try {
    await once(socket, 'secureConnect')
    return new X509Certificate(socket.getPeerCertificate().raw)
  } finally {
    socket.destroy()
  }
}

/** Publishes a site of one page. */
export async function publishPage(grove: Harness, site: string, text = site): Promise<void> {
  await grove.json(['publish', folderOf(grove, site, { 'index.html': text }), '--site', site])
}

/** How many certificates a Pebble has issued since it was started first. */
export function issued({ said }: Pebble): number {
  return said.match(/Issued certificate/g)?.length ?? 0
}
