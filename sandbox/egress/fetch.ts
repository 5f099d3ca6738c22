/**
 * `fetch` of site code, outside of its sandbox: every request that a site makes leaves here, and nowhere else.
 *
 * One egress is one site's: its connections, the names it has looked up and its places are no other site's, so that
 * nothing of them can be told by the time that something takes.
 *
 * It defends networks and machines that only Grove can reach, the secrets of a site from its own code, and Grove itself
 * from servers that never end. It does not decide whether a public server may be spoken to: that is the site's
 * allow-list, and the operator's.
 */

import type { Readable } from 'node:stream'
import type { HeaderList } from '../../core/headers.ts'
import { limits } from '../../core/limits.ts'
import type { AddressCheck } from './addresses.ts'
import type { RawAnswer } from './answer-receiver.ts'
import type { Budget } from './budget.ts'
import { decodeBody } from './decode.ts'
import { createEdgeSecrets, type EdgeSecrets } from './edge-secrets.ts'
import { createGate } from './gate.ts'
import { afterRedirect, toOutgoingHeaders } from './outgoing-headers.ts'
import { type CompiledPolicy, compilePolicy, type EgressPolicy } from './policy.ts'
import { redirectOf } from './redirect.ts'
import { refused } from './refusal.ts'
import { createOutgoingBody, type OutgoingBody } from './request-body.ts'
import { createNameResolver } from './resolve.ts'
import { createSender, type Sender } from './sender.ts'
import { type Target, toTarget } from './targets.ts'

/** A request of site code. */
export interface EgressRequest {
  readonly method: string
  readonly url: string
  readonly headers: HeaderList
  readonly redirect: 'follow' | 'error' | 'manual'
  /** Taken as fast as the server takes it, and destroyed when it is not wanted any more. */
  readonly body: Readable | Uint8Array | undefined
  /** Of the visitor's request that the site answers. */
  readonly budget: Budget
  /** How often that request has passed through sites of Grove before, see core/hops.ts. */
  readonly hops: number
}

/** What a server answered. */
export interface EgressAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderList
  /** After redirects. */
  readonly url: string
  readonly isRedirected: boolean
  /** Decoded. Errors with a `GroveError` when the server or a limit cuts it. */
  readonly body: Readable | undefined
}

/** What a site's egress has done. */
export interface EgressUsage {
  readonly subrequests: number
  /** Bytes of bodies as they went over the network. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** The one way out for one site's code. */
export interface Egress {
  /**
   * Makes a request and resolves when the answer's head is there. Rejects with `ERR_FETCH_REFUSED`, `ERR_TOO_MANY`,
   * `ERR_TOO_LARGE`, `ERR_UPSTREAM_DOWN`, `ERR_UPSTREAM_SLOW`, each with a message for the site's author, and with the
   * signal's reason when it aborts; it ends the answer's body, too.
   */
  fetch(request: EgressRequest, signal: AbortSignal): Promise<EgressAnswer>
  readonly usage: EgressUsage
  /** Ends all connections, and what is under way with them. */
  close(): Promise<void>
}

/** What an egress is made with. */
export interface EgressOptions {
  readonly policy: EgressPolicy
  readonly check: AddressCheck
  /** Takes secrets out of headers that come back, see secrets.ts. @default they stay as they are */
  readonly redact?: ((text: string) => string) | undefined
  /** Name servers, `address` or `address:port`. @default those of the machine */
  readonly servers?: readonly string[] | undefined
  /** Certificates (PEM) that are trusted beside the usual ones. */
  readonly ca?: string | undefined
}

const methodPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const refusedMethods: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])

/** The egress of one site. Opens no connection yet. Throws `ERR_CONFIG_INVALID` for a host pattern that is none. */
export function createEgress(options: EgressOptions): Egress {
  return new SiteEgress(options)
}

/** One request on its way through redirects. */
interface Trip {
  readonly request: EgressRequest
  readonly signal: AbortSignal
  target: Target
  method: string
  /** As the site gave them, placeholders and all. */
  headers: HeaderList
  body: OutgoingBody | undefined
  redirects: number
}

class SiteEgress implements Egress {
  readonly #policy: CompiledPolicy
  readonly #options: EgressOptions
  readonly #secrets: EdgeSecrets
  readonly #sender: Sender
  readonly #places = createGate(limits.egress.underWay, limits.egress.waiting, 'fetches of one site')
  #subrequests = 0
  #sentBytes = 0
  #receivedBytes = 0

  constructor(options: EgressOptions) {
    const { check, servers, ca } = options
    this.#options = options
    this.#policy = compilePolicy(options.policy)
    this.#secrets = createEdgeSecrets(options.policy.secrets ?? [])
    this.#sender = createSender({
      check,
      names: createNameResolver({ check, servers }),
      own: options.policy.own,
      ca,
      sent: (bytes) => {
        this.#sentBytes += bytes
      },
      received: (bytes) => {
        this.#receivedBytes += bytes
      },
    })
  }

  get usage(): EgressUsage {
    return { subrequests: this.#subrequests, sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes }
  }

  async fetch(request: EgressRequest, signal: AbortSignal): Promise<EgressAnswer> {
    const { body, budget } = request
    const source = body instanceof Uint8Array ? undefined : body
    source?.on('error', () => undefined) // It may fail before anybody reads it; the request then fails with it.
    try {
      const method = toMethod(request)
      if (request.hops >= limits.egress.hops)
        throw refused(
          `the request has passed through ${limits.egress.hops} sites before: they fetch each other in a circle`,
        )
      const target = this.#toTarget(request.url)
      budget.take()
      const release = await budget.enter(signal)
      try {
        const leave = await this.#places.enter(signal)
        const outgoing = body && createOutgoingBody(body, this.#policy.limits.streamedBodyBytes)
        const { headers } = request
        return await this.#follow({ request, signal, target, method, headers, body: outgoing, redirects: 0 }, leave)
      } finally {
        release()
      }
    } catch (error) {
      const reason = source?.errored ?? error
      source?.destroy()
      throw reason
    }
  }

  async close(): Promise<void> {
    await this.#sender.close()
  }

  /** Sends a request, and those that its redirects lead to. `leave` is called when nothing is under way any more. */
  async #follow(trip: Trip, leave: () => void): Promise<EgressAnswer> {
    try {
      for (;;) {
        const ended = Promise.withResolvers<void>()
        const answer = await this.#send(trip, ended.resolve)
        const isLast = trip.request.redirect === 'manual' || !this.#turn(trip, answer)
        if (isLast) {
          void ended.promise.then(leave)
          return this.#finish(trip, answer)
        }
        this.#sender.discard(answer.body)
      }
    } catch (error) {
      leave()
      throw error
    }
  }

  #send({ target, method, headers, body, signal, request }: Trip, ended: () => void): Promise<RawAnswer> {
    this.#subrequests += 1
    const facts = { site: this.#policy.site, hops: request.hops, isOwn: target.own !== undefined }
    const outgoing = toOutgoingHeaders(headers, facts)
    const filled = this.#secrets.fill(outgoing, target)
    return this.#sender.send({ target, method, headers: filled, body: body?.stream, signal }, ended)
  }

  /** Turns a trip to where a redirect leads, and answers whether there is one. */
  #turn(trip: Trip, { status, headers, body }: RawAnswer): boolean {
    const { request, target } = trip
    const redirect = redirectOf(status, headers, trip.method)
    if (!redirect) return false
    try {
      if (request.redirect === 'error') throw refused(`${target.url.host} redirects, and redirects are an error here`)
      trip.redirects += 1
      if (trip.redirects > limits.egress.redirects)
        throw refused(`more than ${limits.egress.redirects} redirects, the last one by ${target.url.host}`)
      const next = this.#toTarget(redirect.location, target.url)
      const isElsewhere = next.url.origin !== target.url.origin
      const rest = afterRedirect(trip.headers, { body: !redirect.keepsBody, origin: isElsewhere })
      trip.headers = isElsewhere ? this.#secrets.drop(rest) : rest
      trip.body = redirect.keepsBody ? sendAgain(trip.body, target) : undefined
      trip.method = redirect.method
      trip.target = next
      request.budget.take()
      return true
    } catch (error) {
      body?.destroy()
      throw error
    }
  }

  #finish({ target, redirects }: Trip, answer: RawAnswer): EgressAnswer {
    const { redact = (text) => text } = this.#options
    const { status, statusText } = answer
    const facts = { status, statusText: redact(statusText), url: target.url.href, isRedirected: redirects > 0 }
    const clean = (headers: HeaderList) => headers.map((text, index) => (index % 2 === 0 ? text : redact(text)))
    if (!answer.body) return { ...facts, headers: clean(answer.headers), body: undefined }
    const { headers, body } = decodeBody(answer.headers, answer.body, {
      mostBytes: this.#policy.limits.fetchedBytes,
      authority: target.url.host,
    })
    return { ...facts, headers: clean(headers), body }
  }

  #toTarget(url: string, base?: URL): Target {
    const secret = this.#secrets.find(url)
    if (secret !== undefined) throw refused(`the secret ${secret} cannot stand in a URL: send it in a header`)
    return toTarget(url, this.#policy, this.#options.check, base)
  }
}

function toMethod({ method, body }: EgressRequest): string {
  const isFit = method.length <= limits.egress.methodChars && methodPattern.test(method)
  if (!isFit || refusedMethods.has(method.toUpperCase()))
    throw refused(`the method ${method.slice(0, 32)} cannot be used`)
  if (body && (method === 'GET' || method === 'HEAD')) throw refused(`a ${method} request cannot have a body`)
  return method
}

function sendAgain(body: OutgoingBody | undefined, { url }: Target): OutgoingBody | undefined {
  if (!body) return undefined
  const bytes = body.again()
  if (!bytes)
    throw refused(`${url.host} redirects a request with a body that was a stream, or longer than can be sent again`)
  return { stream: bytes, again: () => bytes }
}
