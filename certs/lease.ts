/**
 * Leases: of several machines one does a thing. A lease is a record of the vault that says who holds it; taking it means
 * writing the next one, and the number of that one is the number of the lease.
 *
 * Nobody's wall clock counts. A holder gives signs of life (heartbeat.ts); who has not seen a new one for
 * `limits.cert.leaseDeadMs` takes the lease over; a holder whose own signs do not come through gives up before that. A
 * process that was stopped for an hour still believes in its lease until it looks: that is why its writes are numbered
 * (vault-record.ts), and lose.
 */

import { hash } from 'node:crypto'
import type { Logger } from 'pino'
import { z } from 'zod'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { setNewest } from '../core/newest.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { Environment } from '../store/environment.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Lease } from './vault.ts'
import { checkRecordKey, mostLeases } from './vault-record.ts'
import type { FencedWrite, FoundRecord, Records } from './vault-records.ts'

/** What leases are made of. */
export interface LeasesOptions {
  readonly env: Environment
  readonly records: Records
  readonly heartbeat: Heartbeat
  readonly log: Logger
}

/** The leases of one process. */
export interface Leases extends AsyncDisposable {
  /** See `Vault.lease`. */
  take(name: string, signal?: AbortSignal): Promise<Lease | undefined>
}

/** First word of the keys of leases; no other record has it. */
export const leasesWord = 'leases'

interface Held {
  readonly name: string
  readonly key: string
  readonly number: number
  readonly lost: AbortController
}

/** A lease of another one as it was seen, and since when it was so. */
interface Sighting {
  readonly number: number
  readonly stamp: string
  readonly sinceMs: number
}

const contentSchema = z.strictObject({ name: z.string(), holder: z.string(), isFree: z.boolean() })

/** Leases of a process that holds none yet. */
export function createLeases({ env, records, heartbeat, log }: LeasesOptions): Leases {
  /** Keyed by key; so are the next three. */
  const held = new Map<string, Held>()
  const taking = new Set<string>()
  /** Those that this process gave up, and that may still be recorded as its own. */
  const left = new Map<string, string>()
  const seen = new Map<string, Sighting>()
  const end = new AbortController()
  let isTending = false

  /** Runs while there is something to keep alive. */
  async function tend(): Promise<void> {
    if (isTending) return
    isTending = true
    let round: Promise<void> | undefined
    while (held.size + left.size > 0 && !end.signal.aborted) {
      await env.sleep(limits.cert.leaseTickMs, end.signal).catch(() => {}) // The end is seen above.
      if (heartbeat.ageMs > limits.cert.leaseLostMs)
        for (const one of held.values()) lose(one, 'no sign of life came through in time')
      if (heartbeat.ageMs >= limits.cert.leaseBeatMs)
        round ??= showLife().finally(() => {
          round = undefined
        })
    }
    isTending = false
    await round
  }

  async function showLife(): Promise<void> {
    try {
      await heartbeat.beat()
      await forEachParallel([...held.values()], limits.objects.parallel, checkHeld)
      for (const [key, name] of [...left]) await freeLeft(key, name)
    } catch (error) {
      log.warn({ err: error }, 'a sign of life for leases did not come through')
    }
  }

  /** The machine may have slept while its clocks did. */
  async function checkHeld(one: Held): Promise<void> {
    if ((await records.newest(one.key)) !== one.number) lose(one, 'another one took it over')
  }

  function lose(one: Held, why: string): void {
    if (held.get(one.key) !== one) return
    held.delete(one.key)
    left.set(one.key, one.name)
    log.warn({ lease: one.name, number: one.number }, `lease lost: ${why}`)
    one.lost.abort(lostLease(one.name, why))
  }

  async function isToBeHad(key: string, { number, text, fault }: FoundRecord): Promise<boolean> {
    // Who wrote a damaged one may live: its number is watched like any other.
    const content = fault === undefined ? toContent(text) : undefined
    if (content?.isFree || content?.holder === heartbeat.self) return true
    const stamp = await heartbeat.stampOf(content?.holder ?? '')
    const before = seen.get(key)
    if (before?.number === number && before.stamp === stamp)
      return env.monotonic() - before.sinceMs >= limits.cert.leaseDeadMs
    setNewest(seen, key, { number, stamp, sinceMs: env.monotonic() }, limits.cert.leases)
    return false
  }

  /** Records that this process holds a lease. Undefined when another one was first. */
  async function claim(key: string, name: string, expect: number): Promise<number | undefined> {
    try {
      return await records.write(key, contentOf(name, heartbeat.self, false), expect)
    } catch (error) {
      if (isGroveError(error, 'ERR_CERT_RACED')) return undefined
      giveBackLater(key, name) // It may be there all the same.
      throw error
    }
  }

  /** Lets others have a lease at once. */
  async function writeFree(key: string, name: string, number: number): Promise<void> {
    try {
      await records.write(key, contentOf(name, heartbeat.self, true), number)
    } catch (error) {
      if (isGroveError(error, 'ERR_CERT_RACED')) return // It is another one's.
      log.warn({ err: error, lease: name }, 'a lease cannot be given back yet')
      giveBackLater(key, name)
    }
  }

  /** The same for one that may be recorded as ours though we do not hold it. */
  async function freeLeft(key: string, name: string): Promise<void> {
    const found = await records.find(key)
    if (held.has(key) || taking.has(key)) return
    left.delete(key)
    const content = found?.fault === undefined ? toContent(found?.text) : undefined
    if (found && content?.holder === heartbeat.self && !content.isFree) await writeFree(key, name, found.number)
  }

  function giveBackLater(key: string, name: string): void {
    left.set(key, name)
    if (left.size <= limits.cert.leases) void tend()
    else left.delete(key) // Others wait until this process ends.
  }

  async function give(one: Held): Promise<void> {
    if (held.get(one.key) !== one) return
    held.delete(one.key)
    one.lost.abort(new GroveError('ERR_CLOSED', `the lease on ${one.name} was given back`))
    await writeFree(one.key, one.name, one.number)
  }

  function toLease(one: Held): Lease {
    const fence: FencedWrite = {
      lease: one.number,
      async check() {
        if (heartbeat.ageMs > limits.cert.leaseLostMs) lose(one, 'no sign of life came through in time')
        if (held.get(one.key) === one) await checkHeld(one)
        one.lost.signal.throwIfAborted()
      },
    }
    return {
      name: one.name,
      number: one.number,
      signal: one.lost.signal,
      async write(key, text) {
        one.lost.signal.throwIfAborted()
        return records.writeFenced(checkOwnKey(key), text, fence)
      },
      async remove(key) {
        one.lost.signal.throwIfAborted()
        await records.remove(checkOwnKey(key), fence)
      },
      [Symbol.asyncDispose]: () => give(one),
    }
  }

  async function take(key: string, name: string, signal: AbortSignal | undefined): Promise<Lease | undefined> {
    const found = await records.find(key)
    if (found && !(await isToBeHad(key, found))) return undefined
    // Before the lease: nobody may see it and no sign of life.
    await heartbeat.beat()
    signal?.throwIfAborted()
    const number = await claim(key, name, found?.number ?? 0)
    if (number === undefined) return undefined
    if (number > mostLeases) throw new GroveError('ERR_TOO_MANY', `the lease on ${name} was taken too often`)
    const one: Held = { name, key, number, lost: new AbortController() }
    held.set(key, one)
    seen.delete(key)
    left.delete(key)
    void tend()
    if (!end.signal.aborted && !signal?.aborted) return toLease(one)
    await give(one)
    signal?.throwIfAborted()
    throw closed()
  }

  return {
    async take(name, signal) {
      const key = `${leasesWord}/${hash('sha256', checkRecordKey(name))}`
      signal?.throwIfAborted()
      if (end.signal.aborted) throw closed()
      if (held.has(key) || taking.has(key)) return undefined
      if (held.size + taking.size >= limits.cert.leases)
        throw new GroveError('ERR_TOO_MANY', `more than ${limits.cert.leases} leases are held`)
      taking.add(key)
      try {
        return await take(key, name, signal)
      } finally {
        taking.delete(key)
      }
    },
    async [Symbol.asyncDispose]() {
      end.abort()
      await forEachParallel([...held.values()], limits.objects.parallel, give)
    },
  }
}

/** A key that may be written under a lease, which those of leases may not. Throws `ERR_BAD_REQUEST`. */
export function checkOwnKey(key: string): string {
  if (key.split('/', 1)[0] !== leasesWord) return checkRecordKey(key)
  throw new GroveError('ERR_BAD_REQUEST', `records below ${leasesWord} are those of leases`)
}

function contentOf(name: string, holder: string, isFree: boolean): string {
  return JSON.stringify({ name, holder, isFree })
}

function toContent(text: string | undefined): z.output<typeof contentSchema> | undefined {
  if (text === undefined) return undefined
  try {
    return contentSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // Nobody known has it: it is watched like any other.
  }
}

function lostLease(name: string, why: string): GroveError {
  return new GroveError('ERR_CERT_RACED', `the lease on ${name} is lost: ${why}`)
}

function closed(): GroveError {
  return new GroveError('ERR_CLOSED', 'the vault is closed')
}
