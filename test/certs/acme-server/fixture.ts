/** An ACME server over a real vault, and a client that can also do everything wrong. */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { AcmeAnswer } from '../../../certs/acme-server/exchange.ts'
import { type AcmeServer, type AcmeServerOptions, createAcmeServer } from '../../../certs/acme-server/server.ts'
import { toAddress } from '../../../certs/addresses.ts'
import { openVault } from '../../../certs/open-vault.ts'
import { type OwnCa, openOwnCa } from '../../../certs/own-ca.ts'
import type { Vault } from '../../../certs/vault.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'

/** What URLs begin with in tests without a socket. */
export const origin = 'https://acme.internal:9443'

/** A server under test. */
export interface ServerUnderTest {
  readonly server: AcmeServer
  readonly ca: OwnCa
  readonly vault: Vault
  readonly environment: Environment
  /** Added to the wall clock, and to the clock that only goes on. */
  readonly clock: { aheadMs: number }
  /** The base folder of the test. */
  readonly folder: string
  /** Another server over the same vault, as after a restart or on another machine. */
  readonly open: (options?: Partial<AcmeServerOptions>) => AcmeServer
}

/** Makes one that ends with the test. */
export async function setUp(t: Test, options: Partial<AcmeServerOptions> = {}): Promise<ServerUnderTest> {
  const clock = { aheadMs: 0 }
  const environment: Environment = {
    ...nodeEnvironment,
    now: () => nodeEnvironment.now() + clock.aheadMs,
    monotonic: () => nodeEnvironment.monotonic() + clock.aheadMs,
  }
  /** Waits between looks at a proof are short; the vault's own times are what they are. */
  const hurried = { ...environment, sleep: (ms: number, signal?: AbortSignal) => environment.sleep(ms / 100, signal) }
  const folder = t.testdir({})
  const log = pino({ level: 'silent' })
  const ca = await openOwnCa(join(folder, 'certs'), { now: environment.now, names: ['shop.example'] })
  const vault = await openVault({ env: environment, folder: join(folder, 'vault'), log })
  const servers: AcmeServer[] = []
  const open = (more: Partial<AcmeServerOptions> = {}) => {
    const server = createAcmeServer({ ca, vault, environment: hurried, log, ...options, ...more })
    servers.push(server)
    return server
  }
  t.teardown(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]()
    await vault[Symbol.asyncDispose]()
  })
  return { server: open(), ca, vault, environment, clock, folder, open }
}

/** A parsed answer. */
export interface Told extends Omit<AcmeAnswer, 'body'> {
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what a test says of it, it checks itself.
  readonly body: any
}

/** What of a message is to be other than right. A header of undefined is left out. */
export interface Wrong {
  readonly header?: Readonly<Record<string, unknown>>
  readonly signedBy?: KeyObject
  /** Changes the finished message. */
  readonly message?: (message: { protected: string; payload: string; signature: string }) => unknown
  readonly contentType?: string
  readonly method?: string
  readonly rawPayload?: string
  /** The address that it comes from. */
  readonly address?: string
}

/** A client with a key. */
export interface Client {
  readonly key: KeyObject
  /** Of the account, once it has one. */
  kid: string | undefined
  /** Asks by POST with a signature, by the account if there is one. `undefined`: POST-as-GET. */
  post(url: string, payload?: unknown, wrong?: Wrong): Promise<Told>
  /** Asks without a signature. */
  get(url: string, method?: string): Promise<Told>
  /** A fresh nonce. */
  nonce(): Promise<string>
  /** Makes the account. */
  register(payload?: object, wrong?: Wrong): Promise<Told>
  /** The key authorization for a token. */
  keyAuthorization(token: string): string
}

/** A new P-256 key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/** A client of a server without a socket between. */
export function clientOf(server: Pick<AcmeServer, 'handle'>, key: KeyObject = newKey()): Client {
  const ask = async (
    url: string,
    method: string,
    body = '',
    contentType = 'application/jose+json',
    address = '192.0.2.1',
  ) => {
    const answer = await server.handle({
      method,
      path: url.replace(origin, ''),
      origin,
      contentType,
      body: Buffer.from(body),
      address,
    })
    const isJson = /json/.test(answer.headers['content-type'] ?? '')
    return {
      status: answer.status,
      headers: answer.headers,
      text: answer.body,
      body: isJson ? JSON.parse(answer.body) : undefined,
    }
  }
  const client: Client = {
    key,
    kid: undefined,
    async post(url, payload, wrong = {}) {
      const { kid } = client
      const header = {
        alg: algorithmOf(key),
        nonce: await client.nonce(),
        url,
        ...(kid === undefined ? { jwk: jwkOf(key) } : { kid }),
        ...wrong.header,
      }
      const text = wrong.rawPayload ?? (payload === undefined ? '' : JSON.stringify(payload))
      const message = signMessage(header, text, wrong.signedBy ?? key)
      const body = JSON.stringify(wrong.message ? wrong.message(message) : message) ?? ''
      return ask(url, wrong.method ?? 'POST', body, wrong.contentType, wrong.address)
    },
    get: (url, method = 'GET') => ask(url, method),
    async nonce() {
      return (await ask(`${origin}/acme/new-nonce`, 'HEAD')).headers['replay-nonce'] ?? ''
    },
    async register(payload = {}, wrong = {}) {
      const told = await client.post(`${origin}/acme/new-account`, payload, wrong)
      if (told.status < 300) client.kid = told.headers['location']
      return told
    },
    keyAuthorization: (token) => `${token}.${thumbprintOf(key)}`,
  }
  return client
}

/** A client with an account. */
export async function register(server: Pick<AcmeServer, 'handle'>, key?: KeyObject): Promise<Client> {
  const client = clientOf(server, key)
  const { status, text } = await client.register()
  if (status !== 201) throw new Error(text)
  return client
}

/** An order for names or addresses. */
export async function order(client: Client, ...names: readonly string[]): Promise<Told & { readonly url: string }> {
  const identifiers = names.map((value) => ({ type: toAddress(value) === undefined ? 'dns' : 'ip', value }))
  const told = await client.post(`${origin}/acme/new-order`, { identifiers })
  return { ...told, url: told.headers['location'] ?? '' }
}

/** A web server that shows proofs, for names that lead to this machine: those of `.localhost`, and 127.0.0.1. */
export interface Responder {
  readonly port: number
  /** Key authorizations, by token. */
  readonly proofs: Map<string, string>
  /** What was asked: authority and path. */
  readonly asked: string[]
  /** Answers instead of showing a proof, when it is set. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
}

/** Starts one that ends with the test. */
export async function startResponder(t: Test): Promise<Responder> {
  const proofs = new Map<string, string>()
  const asked: string[] = []
  const web = createServer((request, response) => {
    asked.push(`${request.headers.host}${request.url}`)
    if (responder.answer) return responder.answer(request, response)
    const proof = proofs.get(request.url?.split('/').at(-1) ?? '')
    response.writeHead(proof === undefined ? 404 : 200).end(proof)
  })
  web.listen(0, '127.0.0.1')
  await once(web, 'listening')
  t.teardown(() => {
    web.closeAllConnections()
    web.close()
  })
  const responder: Responder = { port: (web.address() as AddressInfo).port, proofs, asked, answer: undefined }
  return responder
}

/** An order of which everything is proven over HTTP. */
export async function readyOrder(
  client: Client,
  { proofs }: Pick<Responder, 'proofs'>,
  ...names: readonly string[]
): Promise<Told & { readonly url: string }> {
  const ordered = await order(client, ...names)
  if (ordered.status !== 201) throw new Error(ordered.text)
  for (const url of ordered.body.authorizations) {
    const { body } = await client.post(url)
    const [challenge] = body.challenges
    proofs.set(challenge.token, client.keyAuthorization(challenge.token))
    await client.post(challenge.url, {})
    await until(async () => (await client.post(url)).body.status === 'valid')
  }
  return ordered
}

/** An order that is proven and finalized: the certificate's chain, PEM. */
export async function obtain(
  client: Client,
  responder: Pick<Responder, 'proofs'>,
  ...names: readonly string[]
): Promise<string> {
  const { body } = await readyOrder(client, responder, ...names)
  const done = await client.post(body.finalize, { csr: await csrFor(names) })
  if (done.status !== 200) throw new Error(done.text)
  return (await client.post(done.body.certificate)).text
}

/** Asks until something is so. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it did not come to be')
}

/** The public half as JWK. */
export function jwkOf(key: KeyObject): Record<string, unknown> {
  const { d, p, q, dp, dq, qi, ...jwk } = key.export({ format: 'jwk' })
  return jwk as Record<string, unknown>
}

/** What a key signs with. */
export function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA'
  return { secp384r1: 'ES384', secp521r1: 'ES512' }[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'ES256'
}

/** RFC 7638, for the kinds of keys that tests have. */
export function thumbprintOf(key: KeyObject): string {
  const { crv, e, kty, n, x, y } = jwkOf(key)
  const members = kty === 'RSA' ? { e, kty, n } : kty === 'OKP' ? { crv, kty, x } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

/** A message with a signature by a key. */
export function signMessage(
  header: object,
  payload: string,
  key: KeyObject,
): { protected: string; payload: string; signature: string } {
  const head = Buffer.from(JSON.stringify(header)).toString('base64url')
  const text = Buffer.from(payload).toString('base64url')
  const signed = Buffer.from(`${head}.${text}`)
  const hash = { ec: 'sha256', rsa: 'sha256', ed25519: null }[key.asymmetricKeyType as 'ec' | 'rsa' | 'ed25519']
  const { namedCurve } = key.asymmetricKeyDetails ?? {}
  const own = namedCurve === 'secp384r1' ? 'sha384' : namedCurve === 'secp521r1' ? 'sha512' : hash
  const signature = sign(own, signed, { key, dsaEncoding: 'ieee-p1363' })
  return { protected: head, payload: text, signature: signature.toString('base64url') }
}

/** A binding to an external account. */
export function bindingOf(kid: string, secret: string, key: KeyObject, more: object = {}): object {
  const header = { alg: 'HS256', kid, url: `${origin}/acme/new-account`, ...more }
  const head = Buffer.from(JSON.stringify(header)).toString('base64url')
  const payload = Buffer.from(JSON.stringify(jwkOf(key))).toString('base64url')
  const signature = createHmac('sha256', Buffer.from(secret, 'base64url'))
    .update(`${head}.${payload}`)
    .digest('base64url')
  return { protected: head, payload, signature }
}

/** A signing request, base64url, with a new key unless one is given. */
export async function csrFor(
  names: readonly string[],
  options: { key?: KeyObject; commonName?: string; email?: string } = {},
): Promise<string> {
  const key = options.key ?? newKey()
  const isRsa = key.asymmetricKeyType === 'rsa'
  const { namedCurve } = key.asymmetricKeyDetails ?? {}
  const algorithm = isRsa
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    : key.asymmetricKeyType === 'ed25519'
      ? { name: 'Ed25519' }
      : { name: 'ECDSA', namedCurve: namedCurve === 'secp384r1' ? 'P-384' : 'P-256', hash: 'SHA-256' }
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  const privateKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), algorithm, true, ['sign'])
  const spki = publicOf(key)
  const publicKey = await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify'])
  const request = await Pkcs10CertificateRequestGenerator.create({
    ...(options.commonName !== undefined && { name: `CN=${options.commonName}` }),
    keys: { privateKey, publicKey },
    signingAlgorithm: algorithm,
    extensions: [
      new SubjectAlternativeNameExtension([
        ...names.map((value) => ({ type: toAddress(value) === undefined ? ('dns' as const) : ('ip' as const), value })),
        ...(options.email === undefined ? [] : [{ type: 'email' as const, value: options.email }]),
      ]),
    ],
  })
  return Buffer.from(request.rawData).toString('base64url')
}

/** The last part of a problem's type. */
export function problemOf({ body }: Told): string {
  return String(body?.type).replace('urn:ietf:params:acme:error:', '')
}

/** A certificate as revoking wants it. */
export function derOf(pem: string): string {
  return new X509Certificate(pem).raw.toString('base64url')
}

/** A name that no other test has. */
export function freshName(): string {
  return `n${randomBytes(6).toString('hex')}.localhost`
}

function publicOf(key: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }))
}
