/** What tests of ACME have in common: a vault, an issuer, and small servers that answer challenges. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls'
import { pino } from 'pino'
import type { Test } from 'tap'
import { createAlpnCertificate } from '../../../certs/acme/alpn-certificate.ts'
import { createIssuer, type Issuer, type IssuerOptions } from '../../../certs/acme/issuer.ts'
import type { OrderRequest } from '../../../certs/acme/order-request.ts'
import type { Challenge, Solver } from '../../../certs/acme/solver.ts'
import type { Certificate } from '../../../certs/certificate.ts'
import { openVault } from '../../../certs/open-vault.ts'
import type { Vault } from '../../../certs/vault.ts'
import { acmeTlsProtocol } from '../../../core/challenge-set.ts'
import { createTurnstile } from '../../../core/turnstile.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import type { Pebble } from '../../services/pebble.ts'

/** A log that nobody reads. */
export const silent = pino({ level: 'silent' })

/** A solver that notes what was asked of it. */
export interface NotingSolver extends Solver {
  /** All challenges that were presented. */
  readonly presented: readonly Challenge[]
  /** Those that are answered now. */
  readonly open: ReadonlySet<string>
}

/** Opens a vault in a folder; in a new one by default. It ends with the test. */
export async function makeVault(t: Test, folder = t.testdir({})): Promise<Vault> {
  const vault = await openVault({ env: nodeEnvironment, folder, log: silent })
  t.teardown(() => vault[Symbol.asyncDispose]())
  return vault
}

/** An issuer for a CA, with a vault of its own unless one is given. It ends with the test. */
export async function makeIssuer(
  t: Test,
  ca: { readonly directory: string; readonly roots: string },
  options: Partial<IssuerOptions> = {},
): Promise<Issuer & { readonly vault: Vault }> {
  const vault = options.vault ?? (await makeVault(t))
  const { directory, roots } = ca
  const issuer = createIssuer({ environment: nodeEnvironment, log: silent, ...options, directory, roots, vault })
  t.teardown(() => issuer.close())
  return { ...issuer, vault }
}

/** Orders under a lease that is taken for it. */
export async function orderNow(
  issuer: Issuer & { readonly vault: Vault },
  names: readonly string[],
  solvers: readonly Solver[],
  more: Partial<OrderRequest> = {},
): Promise<Certificate> {
  const lease = await issuer.vault.lease('order')
  if (!lease) throw new Error('another one has the lease')
  await using held = lease
  const { signal } = new AbortController()
  return await issuer.order({ names, solvers, keyKind: 'ecdsa', lease: held, signal, ...more })
}

/** A web server that answers http-01. */
export async function httpSolver(t: Test, port: number): Promise<NotingSolver> {
  const prefix = '/.well-known/acme-challenge/'
  const answers = new Map<string, string>()
  const server = createServer(({ url = '' }, answer) => {
    const found = url.startsWith(prefix) ? answers.get(url.slice(prefix.length)) : undefined
    answer.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/octet-stream' })
    answer.end(found)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return noting('http-01', {
    present: async ({ token, keyAuthorization }) => void answers.set(token, keyAuthorization),
    remove: async ({ token }) => void answers.delete(token),
  })
}

/** A TLS server that answers tls-alpn-01. */
export async function alpnSolver(t: Test, port: number): Promise<NotingSolver> {
  const contexts = new Map<string, SecureContext>()
  const server = createTlsServer({
    ALPNProtocols: [acmeTlsProtocol],
    SNICallback: (name, done) => done(null, contexts.get(name)),
  })
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', (socket) => socket.on('error', () => undefined).end())
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  return noting('tls-alpn-01', {
    async present(challenge) {
      contexts.set(challenge.name, createSecureContext(await createAlpnCertificate(challenge, Date.now())))
    },
    remove: async ({ name }) => void contexts.delete(name),
  })
}

/** Answers dns-01 in Pebble's DNS server. */
export function dnsSolver(pebble: Pebble): NotingSolver {
  const hostOf = ({ name }: Challenge) => `_acme-challenge.${name}.`
  const values = new Set<Challenge>()
  // What is taken away must not overtake what is put there meanwhile.
  const turns = createTurnstile({ most: 1_000, what: 'changes of records' })
  return noting('dns-01', {
    present: (challenge) =>
      turns.run(async () => {
        values.add(challenge)
        await pebble.tellDns('set-txt', { host: hostOf(challenge), value: challenge.dnsValue })
      }),
    remove: (challenge) =>
      turns.run(async () => {
        values.delete(challenge)
        const host = hostOf(challenge)
        // It only knows how to take away all values of a name, and another one may still be asked for.
        if ([...values].every((other) => hostOf(other) !== host)) await pebble.tellDns('clear-txt', { host })
      }),
  })
}

/** A solver that does nothing, for a CA that believes everything. */
export function idleSolver(kind: Solver['kind'] = 'http-01'): NotingSolver {
  return noting(kind, { present: async () => undefined, remove: async () => undefined })
}

function noting(kind: Solver['kind'], solver: Omit<Solver, 'kind'>): NotingSolver {
  const presented: Challenge[] = []
  const open = new Set<string>()
  return {
    kind,
    presented,
    open,
    async present(challenge) {
      presented.push(challenge)
      open.add(challenge.token)
      await solver.present(challenge)
    },
    async remove(challenge) {
      open.delete(challenge.token)
      await solver.remove(challenge)
    },
  }
}
