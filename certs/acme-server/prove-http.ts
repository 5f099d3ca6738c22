/** The proof by a file on a web server: http-01 (RFC 8555 section 8.3). */

import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { limits } from '../../core/limits.ts'
import { toAddress } from '../addresses.ts'
import { problem } from './problem.ts'
import { addressesOf, firstOf, type ResolveOptions } from './resolve.ts'
import type { Proof } from './validations.ts'

/** How web servers are asked. */
export interface HttpProofOptions extends ResolveOptions {
  /** The port that is asked first. @default 80 */
  readonly httpPort?: number | undefined
  /** The port of https, to which a server may redirect. @default 443 */
  readonly tlsPort?: number | undefined
}

/** Looks at the file, over redirects too. Rejects with the problem that the proof has. */
export async function proveByHttp(proof: Proof, options: HttpProofOptions, signal: AbortSignal): Promise<void> {
  const { httpPort = 80, tlsPort = 443 } = options
  const authority = proof.value.includes(':') ? `[${proof.value}]` : proof.value
  let url = new URL(`http://${authority}:${httpPort}/.well-known/acme-challenge/${proof.token}`)
  for (let redirects = 0; ; redirects += 1) {
    const answer = await ask(url, options, signal)
    if (answer.location === undefined) return check(answer, proof)
    if (redirects >= limits.acmeServer.redirects) throw problem('connection', 'the server redirects too often')
    url = follow(url, answer.location, { httpPort, tlsPort })
  }
}

interface Answer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

function check({ status, body }: Answer, { keyAuthorization }: Proof): void {
  // What stands there is not told: it could be a page of the network that is not for whoever asks.
  if (status !== 200) throw problem('incorrectResponse', `the server answered ${status} for the file of the challenge`)
  if (body.trimEnd() !== keyAuthorization)
    throw problem('incorrectResponse', 'the file of the challenge has another content than the key authorization')
}

/** Where a redirect leads. Only the two ports of web servers, so that this server cannot be made to try others. */
function follow(from: URL, location: string, ports: { httpPort: number; tlsPort: number }): URL {
  const to = URL.canParse(location, from) ? new URL(location, from) : undefined
  if (!to || (to.protocol !== 'http:' && to.protocol !== 'https:'))
    throw problem('connection', 'the server redirects to something that is not on the web')
  const port = Number(to.port || (to.protocol === 'http:' ? 80 : 443))
  if (port !== 80 && port !== 443 && port !== ports.httpPort && port !== ports.tlsPort)
    throw problem('connection', `the server redirects to port ${port}`)
  return to
}

async function ask(url: URL, options: HttpProofOptions, signal: AbortSignal): Promise<Answer> {
  const value = url.hostname.startsWith('[') ? (toAddress(url.hostname) ?? '') : url.hostname
  return firstOf(await addressesOf(value, options, signal), signal, (address) => askAt(address, url, signal))
}

function askAt(address: string, url: URL, signal: AbortSignal): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const sent = request({
      host: address,
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, 'user-agent': 'Grove ACME server', accept: '*/*', connection: 'close' },
      agent: false,
      signal,
      maxHeaderSize: 16_384,
      // The certificate that this is about may be the one that the server has not got yet.
      rejectUnauthorized: false,
      ...(url.protocol === 'https:' && toAddress(url.hostname) === undefined && { servername: url.hostname }),
    })
    sent.once('error', reject)
    sent.once('response', (response) => {
      readBody(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, location: locationOf(response), body }),
        reject,
      )
    })
    sent.end()
  })
}

function locationOf({ statusCode = 0, headers }: IncomingMessage): string | undefined {
  return [301, 302, 303, 307, 308].includes(statusCode) ? headers.location : undefined
}

async function readBody(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > limits.acmeServer.proofBytes) break // Longer than any proof; leaving the loop ends the connection.
    parts.push(part)
  }
  return Buffer.concat(parts).toString('latin1')
}
