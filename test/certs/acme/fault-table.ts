/** What a CA can answer, and what is to come of it. */

import { X509Certificate } from 'node:crypto'
import type { AcmeReason } from '../../../certs/acme/acme-error.ts'
import { limits } from '../../../core/limits.ts'
import type { CaFault, Endpoint, FaultyCa, Passing } from '../../services/faulty-ca.ts'
import {
  makeServerCertificate,
  makeTestCa,
  publicKeyOf,
  publicKeyOfRequest,
  type Rogue,
} from '../../services/test-certificates.ts'

/** One fault of a CA. */
export interface FaultCase {
  readonly name: string
  readonly at: Endpoint
  readonly fault: CaFault
  readonly reason: AcmeReason
  /** The problem type and the status of the error. */
  readonly type?: string
  readonly status?: number
  readonly message?: RegExp
  /** Requests to the place of the fault. @default 1 */
  readonly requests?: number
  /** Whether the next try goes on with the same order. @default false */
  readonly goesOn?: boolean
}

/** What problem types of ACME begin with. */
export const urn = 'urn:ietf:params:acme:error:'

const dayMs = 86_400_000
const testCa = await makeTestCa()
/** The certificate request of the order under way, which rogue certificates are made for. */
let csr = ''

/** Lets the table see the certificate requests that go to a CA. */
export function watchRequests(ca: FaultyCa): void {
  const take = ({ asked }: Passing) => {
    csr = String((asked as { csr?: string } | undefined)?.csr)
  }
  ca.rule({ at: 'finalize', fault: edit(take) })
}

function of(
  name: string,
  at: Endpoint,
  fault: CaFault,
  reason: AcmeReason,
  more: Omit<Partial<FaultCase>, 'name' | 'at' | 'fault' | 'reason'> = {},
): FaultCase {
  return { name, at, fault, reason, ...more }
}

/** An answer in the CA's stead. */
export function answer(status: number, more: Omit<Extract<CaFault, { do: 'answer' }>, 'do' | 'status'> = {}): CaFault {
  return { do: 'answer', status, ...more }
}

function edit(change: (passing: Passing) => void | Promise<void>): CaFault {
  return { do: 'edit', edit: change }
}

/** Changes what the JSON of an answer says. */
function say(change: Readonly<Record<string, unknown>>): CaFault {
  return swap((body) => JSON.stringify({ ...(JSON.parse(body) as object), ...change }))
}

/** Puts another text in place of the answer's. */
function swap(text: (body: string) => string | Promise<string>): CaFault {
  return edit(async (passing) => {
    passing.body = await text(passing.body)
  })
}

function setHeader(name: string, value: string | undefined): CaFault {
  return edit(({ headers }) => {
    if (value === undefined) delete headers[name]
    else headers[name] = value
  })
}

function rogue(like: Rogue, isWhole = true): CaFault {
  return swap(async () => (await testCa.issue(publicKeyOfRequest(csr), like)) + (isWhole ? testCa.cert : ''))
}

async function otherKey(): Promise<string> {
  const { cert } = await makeServerCertificate()
  return (await testCa.issue(publicKeyOf(cert), { names: ['fault.example.com'] })) + testCa.cert
}

function addName(body: string): string {
  const order = JSON.parse(body) as { identifiers: object[] }
  order.identifiers.push({ type: 'dns', value: 'more.example.com' })
  return JSON.stringify(order)
}

function firstOf(chain: string): string {
  return new X509Certificate(chain).toString()
}

/** Damages the signature of the first certificate. */
function flip(chain: string): string {
  const der = Buffer.from(new X509Certificate(chain).raw)
  const at = der.length - 5
  der.writeUInt8(der.readUInt8(at) ^ 1, at)
  const [, ...others] = chain.split(/(?<=-----END CERTIFICATE-----\n)/)
  const body = der.toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n${others.join('')}`
}

const json = { 'content-type': 'application/json' }
const html = { 'content-type': 'text/html' }
const pem = { 'content-type': 'application/pem-certificate-chain' }

/** Every fault is there for as long as nobody takes it away. The name that is ordered is `fault.example.com`. */
export const faultCases: readonly FaultCase[] = [
  // The directory.
  of('a directory that is a web page', 'directory', answer(200, { body: '<html>', headers: html }), 'answer'),
  of('a directory that is broken JSON', 'directory', answer(200, { body: '{"newNonce":', headers: json }), 'answer', {
    message: /JSON/,
  }),
  of('an empty directory', 'directory', answer(200, { body: '', headers: json }), 'answer'),
  of('a directory that is a list', 'directory', answer(200, { body: '[]', headers: json }), 'answer'),
  of('a directory without orders', 'directory', say({ newOrder: undefined }), 'answer', { message: /newOrder/ }),
  of('a directory that leads to plain http', 'directory', say({ newOrder: 'http://127.0.0.1/order' }), 'answer', {
    message: /https/,
  }),
  of('a directory that leads to a file', 'directory', say({ newNonce: 'file:///etc/passwd' }), 'answer'),
  of(
    'a directory that has moved',
    'directory',
    answer(302, { headers: { location: 'https://127.0.0.1:1/' } }),
    'answer',
    { status: 302 },
  ),
  of('a directory that is gone', 'directory', answer(404), 'refused', { status: 404 }),
  of(
    'a directory that is too long',
    'directory',
    answer(200, { body: `"${'x'.repeat(200_000)}"`, headers: json }),
    'answer',
    { message: /bytes/ },
  ),
  of('a directory that never comes', 'directory', { do: 'hang' }, 'timeout'),
  of('a directory that comes without an end', 'directory', { do: 'drip' }, 'timeout'),
  of('a directory that is cut off', 'directory', { do: 'cut', when: 'before' }, 'network'),
  // Nonces.
  of('no nonce', 'newNonce', setHeader('replay-nonce', undefined), 'answer', { message: /nonce/ }),
  of('a nonce of odd characters', 'newNonce', setHeader('replay-nonce', 'a b"c'), 'answer'),
  of('a fault when a nonce is asked for', 'newNonce', answer(500), 'unavailable', { status: 500 }),
  of(
    'nonces that are never good',
    'newAccount',
    answer(400, { type: `${urn}badNonce`, headers: { 'replay-nonce': 'abc' } }),
    'refused',
    { type: `${urn}badNonce`, requests: limits.acme.badNonces + 1 },
  ),
  of('nonces that are never good, and no new ones', 'newOrder', answer(400, { type: `${urn}badNonce` }), 'refused', {
    type: `${urn}badNonce`,
    requests: limits.acme.badNonces + 1,
  }),
  // The account.
  of(
    'an account that is refused',
    'newAccount',
    answer(403, { type: `${urn}unauthorized`, detail: 'not you' }),
    'refused',
    { type: `${urn}unauthorized`, message: /not you/ },
  ),
  of('an account without an address', 'newAccount', setHeader('location', undefined), 'answer'),
  of('an account at a strange address', 'newAccount', setHeader('location', 'javascript:1'), 'answer'),
  of(
    'too many accounts',
    'newAccount',
    answer(429, { type: `${urn}rateLimited`, headers: { 'retry-after': '3600' } }),
    'limited',
    { type: `${urn}rateLimited`, status: 429 },
  ),
  // The order.
  of('an order that meets a fault', 'newOrder', answer(500, { type: `${urn}serverInternal` }), 'unavailable', {
    type: `${urn}serverInternal`,
  }),
  of(
    'an order that meets a page of a proxy',
    'newOrder',
    answer(502, { body: '<html>Bad gateway', headers: html }),
    'unavailable',
    { status: 502 },
  ),
  of(
    'too many orders',
    'newOrder',
    answer(429, { type: `${urn}rateLimited`, detail: 'too many', headers: { 'retry-after': '3600' } }),
    'limited',
    { type: `${urn}rateLimited` },
  ),
  of('a CA that is closed for now', 'newOrder', answer(503, { headers: { 'retry-after': '60' } }), 'limited', {
    status: 503,
  }),
  of(
    'a name that the CA does not sign',
    'newOrder',
    answer(400, { type: `${urn}rejectedIdentifier`, detail: 'policy' }),
    'refused',
    { type: `${urn}rejectedIdentifier`, message: /policy/ },
  ),
  of(
    'a problem whose type is no text',
    'newOrder',
    answer(403, { body: '{"type":7,"detail":{}}', headers: json }),
    'refused',
    { status: 403 },
  ),
  of(
    'a problem of very many words, some of them escapes',
    'newOrder',
    answer(403, { detail: `\u001b[31m\n${'word '.repeat(10_000)}` }),
    'refused',
    { message: /^[\x20-\x7e]{1,600}$/ },
  ),
  of(
    'an order of other names',
    'newOrder',
    say({ identifiers: [{ type: 'dns', value: 'other.example.com' }] }),
    'answer',
    { message: /other names/ },
  ),
  of('an order of more names', 'newOrder', swap(addName), 'answer'),
  of('an order without an address', 'newOrder', setHeader('location', undefined), 'answer'),
  of('an order in no known state', 'newOrder', say({ status: 'maybe' }), 'answer', { message: /status/ }),
  of(
    'an order of a thousand proofs',
    'newOrder',
    say({ authorizations: Array.from({ length: 1_000 }, () => 'https://127.0.0.1/a') }),
    'answer',
  ),
  of('an order that is cut off after the CA has it', 'newOrder', { do: 'cut', when: 'after' }, 'network'),
  // Proofs.
  of(
    'a proof of another name',
    'authorization',
    say({ identifier: { type: 'dns', value: 'victim.example.com' } }),
    'answer',
    { message: /not ordered/ },
  ),
  of('a proof of an address', 'authorization', say({ identifier: { type: 'ip', value: '192.0.2.1' } }), 'answer'),
  of('a proof of a wildcard nobody wanted', 'authorization', say({ wildcard: true }), 'answer'),
  of('no challenge that we can answer', 'authorization', say({ challenges: [] }), 'challenge', {
    message: /does not offer http-01/,
    requests: 2,
  }),
  of(
    'a token that leads out of its folder',
    'authorization',
    say({ challenges: [{ type: 'http-01', url: 'https://127.0.0.1/c', token: '../../../../etc/passwd/aaaaaaaa' }] }),
    'answer',
    { message: /token/ },
  ),
  of(
    'a token that is too short',
    'authorization',
    say({ challenges: [{ type: 'http-01', url: 'https://127.0.0.1/c', token: 'abc' }] }),
    'answer',
  ),
  of(
    'a token that is missing',
    'authorization',
    say({ challenges: [{ type: 'http-01', url: 'https://127.0.0.1/c' }] }),
    'answer',
  ),
  of('a proof that has expired', 'authorization', say({ status: 'expired' }), 'challenge', { requests: 2 }),
  of('a challenge that is refused', 'challenge', answer(400, { type: `${urn}malformed`, detail: 'no' }), 'refused', {
    type: `${urn}malformed`,
  }),
  of('a challenge that meets silence', 'challenge', { do: 'hang' }, 'timeout', { goesOn: true }),
  // The end.
  of(
    'an order that is given up',
    'order',
    say({ status: 'invalid', error: { type: `${urn}caa`, detail: 'CAA forbids it' } }),
    'refused',
    { type: `${urn}caa`, message: /CAA forbids it/ },
  ),
  of(
    'a request that the CA does not take',
    'finalize',
    answer(400, { type: `${urn}badCSR`, detail: 'weak key' }),
    'refused',
    { type: `${urn}badCSR`, message: /weak key/ },
  ),
  of('a fault at the end', 'finalize', answer(500), 'unavailable', { goesOn: true }),
  of('silence at the end', 'finalize', { do: 'hang' }, 'timeout', { goesOn: true }),
  of('a certificate that is a web page', 'certificate', answer(200, { body: '<html>', headers: html }), 'certificate'),
  of('no certificate', 'certificate', answer(200, { body: '', headers: pem }), 'certificate'),
  of(
    'a certificate as JSON',
    'certificate',
    answer(200, { body: '{"certificate":"…"}', headers: json }),
    'certificate',
  ),
  of(
    'a certificate that is cut off',
    'certificate',
    swap((body) => body.slice(0, 300)),
    'certificate',
  ),
  of('a certificate with a flipped bit', 'certificate', swap(flip), 'certificate'),
  of(
    'a certificate without its chain',
    'certificate',
    rogue({ names: ['fault.example.com'], tellsIssuer: true }, false),
    'certificate',
    { message: /missing/ },
  ),
  of(
    'a certificate with a chain of somebody else',
    'certificate',
    swap((body) => firstOf(body) + testCa.cert),
    'certificate',
  ),
  of('a certificate for other names', 'certificate', rogue({ names: ['victim.example.com'] }), 'certificate', {
    message: /victim\.example\.com instead of fault\.example\.com/,
  }),
  of(
    'a certificate for more names',
    'certificate',
    rogue({ names: ['fault.example.com', 'victim.example.com'] }),
    'certificate',
  ),
  of('a certificate for a wildcard instead', 'certificate', rogue({ names: ['*.example.com'] }), 'certificate'),
  of(
    'a certificate that has ended',
    'certificate',
    rogue({ names: ['fault.example.com'], notAfter: new Date(Date.now() - 1_000) }),
    'certificate',
    { message: /ended/ },
  ),
  of(
    'a certificate of tomorrow',
    'certificate',
    rogue({ names: ['fault.example.com'], notBefore: new Date(Date.now() + dayMs / 2) }),
    'certificate',
    { message: /begins/ },
  ),
  of('a certificate of another key', 'certificate', swap(otherKey), 'certificate', { message: /key/ }),
  of('a certificate that is not to be had', 'certificate', answer(500), 'unavailable', { goesOn: true }),
  of('a certificate that never comes', 'certificate', { do: 'hang' }, 'timeout', { goesOn: true }),
]
