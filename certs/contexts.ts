/**
 * A front's certificates, ready for handshakes: one TLS context per name that clients ask for by SNI.
 *
 * Names come from strangers. What is not a host name is refused without asking anybody; a name that nobody serves is
 * asked for at most once a second; the number of names being asked for, remembered as unknown, and kept is bounded. So a
 * flood of made-up names costs a look-up each and at most {@link limits}.cert.asking questions at a time.
 */

import { isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Logger } from 'pino'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Leaf } from '../core/messages.ts'
import { isAuthority } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'
import { type ContextChoice, SharedContexts } from './shared-contexts.ts'

/** Whoever begins a handshake. */
export interface Asker {
  /** Its address, for budgets of those who ask; undefined when it is not known. */
  readonly address?: string | undefined
  /** Signatures that both ends can do; see {@link ContextChoice}. */
  readonly signatures: () => readonly string[]
}

/** What contexts are made with. */
export interface ContextsOptions {
  /** Asks for the certificate of a name, for the first who needs it. A rejection refuses the handshakes that wait for it. */
  readonly request: (name: string, address: string | undefined) => Promise<Leaf>
  /** CAs, PEM, whose certificates the clients of a name may show. @default none are asked for any */
  readonly clientRoots?: (name: string) => string | undefined
  readonly log: Logger
  readonly now?: () => number
}

/** The TLS contexts of one front. */
export interface Contexts extends Disposable {
  /**
   * The context for a name as a client sent it, any case. Undefined refuses the handshake; never rejects. One that is
   * due for renewal is still answered while the next is asked for in the background, until its very end. Names with one
   * certificate share its context.
   */
  get(name: string, asker?: Asker): Promise<SecureContext | undefined>
  /** Drops what is known of these names, certificates and refusals alike; the next handshake asks anew. */
  forget(names: readonly string[]): void
  /** Contexts that are kept. */
  readonly size: number
}

interface Entry {
  readonly choice: ContextChoice
  readonly clientRoots: string | undefined
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** When to ask for the next one; pushed on when asking fails. */
  renewAtMs: number
}

const nobody: Asker = { signatures: () => [] }

/** Makes an empty cache of contexts. Nothing is asked for until a client does. */
export function createContexts(options: ContextsOptions): Contexts {
  const now = options.now ?? Date.now
  /** Keyed by name, least recently used first. */
  const entries = new Map<string, Entry>()
  /** Names that were refused, with the moment; oldest first. */
  const refusedAtMs = new Map<string, number>()
  const keep = (name: string, entry: Entry) => setNewest(entries, name, entry, limits.front.certificates)
  const shared = new SharedContexts()
  const { ask, forget } = createQuestions(
    options.request,
    (name, leaf) => toEntry(leaf, shared, options.clientRoots?.(name), now()),
    keep,
  )

  function refuse(name: string, error: unknown): undefined {
    const code = error instanceof GroveError ? error.code : undefined
    // A name of nobody is a client's matter and may come by the thousand; anything else is ours.
    if (code !== 'ERR_CERT_NAME' && code !== 'ERR_TOO_MANY')
      options.log.warn({ err: error, name }, 'no certificate: the handshake is refused')
    if (code === 'ERR_TOO_MANY') return
    setNewest(refusedAtMs, name, now(), limits.cert.unknownNames)
  }

  function isRefused(name: string): boolean {
    const sinceMs = now() - (refusedAtMs.get(name) ?? Number.NEGATIVE_INFINITY)
    // A clock that was set back must not make a second of refusal last for a year.
    return 0 <= sinceMs && sinceMs < limits.cert.unknownNameMs
  }

  /** Asks for the next certificate if it is time to, and answers it; undefined when there is none. Never rejects. */
  async function renewIfDue(name: string, entry: Entry, address: string | undefined): Promise<Entry | undefined> {
    const soonMs = now() + limits.cert.retryMs
    const isSetBack = now() < entry.notBeforeMs && entry.renewAtMs > soonMs
    if (now() < entry.renewAtMs && !isSetBack) return undefined
    entry.renewAtMs = soonMs
    try {
      return await ask(name, address)
    } catch (error) {
      options.log.warn({ err: error, name }, 'certificate cannot be renewed yet; the old one is still used')
      return undefined
    }
  }

  return {
    async get(sent, { address, signatures } = nobody) {
      const name = toName(sent)
      if (name === undefined) return undefined
      const entry = entries.get(name)
      if (entry && now() < entry.notAfterMs && entry.clientRoots === options.clientRoots?.(name)) {
        keep(name, entry)
        const next = renewIfDue(name, entry, address)
        // The clock was set back: this one is of the future, and no visitor takes it.
        if (now() < entry.notBeforeMs) return ((await next) ?? entry).choice.for(signatures)
        return entry.choice.for(signatures)
      }
      if (isRefused(name)) return undefined
      try {
        return (await ask(name, address)).choice.for(signatures)
      } catch (error) {
        return refuse(name, error)
      }
    },
    forget(names) {
      for (const name of names) {
        entries.delete(name)
        refusedAtMs.delete(name)
        forget(name)
      }
    },
    get size() {
      return entries.size
    },
    [Symbol.dispose]() {
      entries.clear()
      refusedAtMs.clear()
    },
  }
}

/** Questions for certificates that wait for their answers. */
interface Questions {
  /** Asks, or joins whoever asks for the same name already. Rejects with `ERR_TOO_MANY` over `limits.cert.asking`. */
  ask(name: string, address: string | undefined): Promise<Entry>
  /** The answer to a question under way serves who waits for it, and nobody after. */
  forget(name: string): void
}

/** Nobody asks yet. `keep` takes each answer that may serve others. */
function createQuestions(
  request: ContextsOptions['request'],
  toEntry: (name: string, leaf: Leaf) => Entry,
  keep: (name: string, entry: Entry) => void,
): Questions {
  /** Keyed by name. */
  const pending = new Map<string, Promise<Entry>>()
  return {
    ask(name, address) {
      const running = pending.get(name)
      if (running) return running
      if (pending.size >= limits.cert.asking)
        return Promise.reject(
          new GroveError('ERR_TOO_MANY', `more than ${limits.cert.asking} names are being asked for`),
        )
      const started: Promise<Entry> = Promise.try(request, name, address)
        .then((leaf) => {
          const entry = toEntry(name, leaf)
          // A name that was forgotten meanwhile may have got the old certificate.
          if (pending.get(name) === started) keep(name, entry)
          return entry
        })
        .finally(() => {
          if (pending.get(name) === started) pending.delete(name)
        })
      pending.set(name, started)
      return started
    },
    forget: (name) => void pending.delete(name),
  }
}

/**
 * A name from SNI in our spelling, or undefined for what is none: an address, a trailing dot (both against RFC 6066
 * section 3), NUL, spaces, other scripts, too long. Only ASCII is lower-cased: Unicode has letters, such as the Kelvin
 * sign, whose lower case is ASCII, and they must not turn into another name.
 */
function toName(sent: string): string | undefined {
  if (sent.length > 253) return undefined
  const name = sent.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  return isAuthority(name) && !name.startsWith('[') && isIP(name) === 0 ? name : undefined
}

function toEntry(leaf: Leaf, shared: SharedContexts, clientRoots: string | undefined, nowMs: number): Entry {
  const choice = shared.of([leaf, ...(leaf.others ?? [])], clientRoots)
  // Control may answer a leaf that is due, when it cannot renew: then it is not to be asked at every handshake.
  const renewAtMs = Math.max(leaf.renewAtMs, nowMs + limits.cert.retryMs)
  return { choice, clientRoots, notBeforeMs: leaf.notBeforeMs, notAfterMs: leaf.notAfterMs, renewAtMs }
}
