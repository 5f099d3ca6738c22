/** The proof by a file on a web server: http-01 (RFC 8555 section 8.3). */

import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { limits } from '../../core/limits.ts'
import { isLoopback, toAddress } from '../addresses.ts'
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
  const authority = proof.value.includes(':') ? `[${proof.value}]` : proof.value
  const url = new URL(`http://${authority}:${options.httpPort ?? 80}${challengePath}${proof.token}`)
  let answer = await ask({ url, addresses: await addressesOf(proof.value, options, signal) }, signal)
  for (let redirects = 1; answer.location !== undefined; redirects += 1) {
    if (redirects > limits.acmeServer.redirects) throw problem('connection', 'the server redirects too often')
    const to = targetOf(answer.url, answer.location, options)
    try {
      answer = await ask(await follow(answer, to, { proof, options, signal }), signal)
    } catch (cause) {
      signal.throwIfAborted()
      // One sentence for all that can be in the way, so that nobody learns what is there by having it asked.
      throw problem('connection', 'the server redirects to where this CA gets no answer', { cause })
    }
  }
  check(answer, proof)
}

const challengePath = '/.well-known/acme-challenge/'

/** What is asked, and where. */
interface Target {
  readonly url: URL
  readonly addresses: readonly string[]
}

interface Answer {
  readonly url: URL
  /** The one that has answered. */
  readonly address: string
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

function check({ status, body }: Answer, { keyAuthorization }: Proof): void {
  if (status === 200 && body.trimEnd() === keyAuthorization) return
  // What stands there is not told: it could be a page of the network that is not for whoever asks.
  throw problem('incorrectResponse', 'the server does not show the key authorization as the file of the challenge', {
    cause: new Error(`it answered ${status} with ${body.length} characters`),
  })
}

/** What a redirect names. Only the two ports of web servers, so that this server cannot be made to try others. */
function targetOf(from: URL, location: string, { httpPort, tlsPort }: HttpProofOptions): URL {
  const to = URL.canParse(location, from) ? new URL(location, from) : undefined
  if (!to || (to.protocol !== 'http:' && to.protocol !== 'https:'))
    throw problem('connection', 'the server redirects to something that is not on the web')
  const port = Number(to.port || (to.protocol === 'http:' ? 80 : 443))
  if (![80, 443, httpPort, tlsPort].includes(port)) throw problem('connection', `the server redirects to port ${port}`)
  // With a path of its choice it could have any page of the network asked for.
  const isOfChallenge = /^\/\.well-known\/acme-challenge\/[\w-]{1,512}$/.test(to.pathname) && to.search === ''
  if (to.hostname !== from.hostname && !isOfChallenge)
    throw problem('connection', 'the server redirects to another name, and not to a file of a challenge there')
  return to
}

/**
 * Where a redirect is asked. By the name that it came from: at the very address that sent it, whatever the name leads to
 * by now. By another one: anywhere that may be asked, but for this machine, where services listen that trust it; its own
 * names are those that may lead there.
 */
async function follow(
  { url, address }: Answer,
  to: URL,
  { proof, options, signal }: { proof: Proof; options: HttpProofOptions; signal: AbortSignal },
): Promise<Target> {
  if (to.hostname === url.hostname) return { url: to, addresses: [address] }
  const value = to.hostname.startsWith('[') ? (toAddress(to.hostname) ?? '') : to.hostname
  const mayAsk = (one: string) => options.mayAsk(one) && (isLoopback(proof.value) || !isLoopback(one))
  return { url: to, addresses: await addressesOf(value, { ...options, mayAsk }, signal) }
}

function ask({ url, addresses }: Target, signal: AbortSignal): Promise<Answer> {
  return firstOf(addresses, signal, (address) => askAt(address, url, signal))
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
        (body) => resolve({ url, address, status: response.statusCode ?? 0, location: locationOf(response), body }),
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
