/** Clients' way to an open store: each call is asked and answered through the history. */

import { GroveError } from '../../../../core/errors.ts'
import type { Entry, GrantOptions, Handle, Log, Store, Ts, WatchEvent, WriteOptions } from '../../../../store/store.ts'
import type { Asked, Asker, Recorder } from '../history.ts'
import type { Life } from '../machine.ts'
import type { AskedPart, LogAnswers, LogAsk, LogTold, SeenEntry } from './asks.ts'

/** A store that is open in a life. */
export interface Session {
  readonly life: Life
  /** Counts openings, from 1. */
  readonly number: number
  readonly store: Store
}

/** What clients share. */
export interface Desk {
  readonly recorder: Recorder<LogAsk, LogTold>
  /** Handles of grants that were made, keyed by label; the root's is the session's own. */
  readonly handles: Map<string, Handle>
}

/** A question of a kind. */
export type AskOf<Kind extends LogAsk['call']> = Extract<LogAsk, { call: Kind }>

/** Appends as asked. */
export function append(desk: Desk, session: Session, client: string, ask: AskOf<'append'>) {
  return put<'append'>(desk, session, client, ask, async () => {
    const handle = handleOf(desk, session, ask.grant)
    const [first, ...rest] = ask.parts
    if (!first) throw new GroveError('ERR_BAD_REQUEST', 'an append of nothing')
    const all = { ...(ask.opId && { opId: ask.opId }), ...(ask.after && { after: ask.after as readonly Ts[] }) }
    if (rest.length === 0 && !first.trim) {
      const log = await session.store.open(handle, first.log)
      return { ts: await log.write(dataOf(first), { ...optionsOf(first), ...all }) }
    }
    const logs = new Map<string, Log>()
    for (const part of ask.parts) logs.set(part.log, await session.store.open(handle, part.log))
    const transaction = await session.store.begin(...logs.values())
    for (const part of ask.parts) {
      const log = logs.get(part.log) as Log
      transaction.write(log, dataOf(part), optionsOf(part))
      if (part.trim) transaction.trim(log, part.trim.from as Ts, part.trim.to as Ts)
    }
    return { ts: await transaction.commit(all) }
  })
}

/** The head of a log. */
export function head(desk: Desk, session: Session, client: string, log: string, grant = 'root') {
  return put<'head'>(desk, session, client, { call: 'head', log, grant }, async () => {
    const opened = await session.store.open(handleOf(desk, session, grant), log)
    return { ts: (await opened.head()) ?? null }
  })
}

/** Entries of a log. */
export function read(desk: Desk, session: Session, client: string, ask: AskOf<'read'>) {
  return put<'read'>(desk, session, client, ask, async () => {
    const opened = await session.store.open(handleOf(desk, session, ask.grant), ask.log)
    const entries: SeenEntry[] = []
    const range = { ...(ask.after && { after: ask.after as Ts }), ...(ask.limit !== undefined && { limit: ask.limit }) }
    for await (const entry of opened.read(range)) entries.push(seenOf(entry))
    return { entries }
  })
}

/** Watches until the signal aborts or a reset comes; `taken` waits as long as the watcher is slow. */
export function watch(
  desk: Desk,
  session: Session,
  client: string,
  ask: AskOf<'watch'>,
  { signal, taken }: { readonly signal: AbortSignal; readonly taken: (told: LogTold) => Promise<void> },
) {
  return desk.recorder.ask<null>(askerOf(session, client), ask, async (tell) => {
    const opened = await session.store.open(handleOf(desk, session, ask.grant), ask.log)
    for await (const event of opened.watch(ask.after as Ts | undefined, { signal })) {
      const told = toldOf(event)
      tell(told)
      await taken(told)
      if (told.kind === 'reset' || signal.aborted) break
    }
    return null
  })
}

/** Makes a grant, and keeps its handle. */
export async function grant(desk: Desk, session: Session, client: string, ask: AskOf<'grant'>) {
  return put<'grant'>(desk, session, client, ask, async () => {
    const options: GrantOptions = { ...ask.options, label: ask.label }
    const handle = await session.store.grant(handleOf(desk, session, ask.by), options)
    if (session.life.alive) desk.handles.set(ask.label, handle)
    return { id: handle.split('.')[1] ?? '' }
  })
}

/** Revokes a grant. */
export function revoke(desk: Desk, session: Session, client: string, ask: AskOf<'revoke'>) {
  return put<'revoke'>(desk, session, client, ask, async () => {
    const by = handleOf(desk, session, ask.by)
    const { ts, revoked } = await session.store.revoke(by, handleOf(desk, session, ask.target))
    return { ts, revoked }
  })
}

/** Looks an operation up. */
export function lookup(desk: Desk, session: Session, client: string, log: string, opId: string) {
  return put<'lookup'>(desk, session, client, { call: 'lookup', log, opId }, async () => {
    return { ts: (await session.store.lookup(session.store.root, log, opId)) ?? null }
  })
}

/** Trims what an entry covers. */
export function trim(desk: Desk, session: Session, client: string, ask: AskOf<'trim'>) {
  return put<'trim'>(desk, session, client, ask, async () => {
    const log = await session.store.open(session.store.root, ask.log)
    await log.trim(ask.from as Ts, ask.to as Ts, { by: ask.by as Ts })
    return null
  })
}

/** Uses a grant without writing. */
export function charge(desk: Desk, session: Session, client: string, ask: AskOf<'charge'>) {
  return put<'charge'>(desk, session, client, ask, async () => {
    await session.store.charge(handleOf(desk, session, ask.grant), ask.path, { bytes: ask.bytes })
    return null
  })
}

/** Whether nobody knows what came of a call. */
export function isUnsure(asked: Asked<unknown>): boolean {
  return asked.error !== undefined && ['ERR_DATA_IO', 'ERR_CLOSED'].includes(asked.error.code)
}

function put<Kind extends LogAsk['call']>(
  desk: Desk,
  session: Session,
  client: string,
  ask: AskOf<Kind>,
  run: () => Promise<LogAnswers[Kind]>,
): Promise<Asked<LogAnswers[Kind]>> {
  return desk.recorder.ask(askerOf(session, client), ask, run)
}

function askerOf(session: Session, client: string): Asker {
  return { client, life: session.life, store: session.number }
}

function handleOf(desk: Desk, session: Session, label: string): Handle {
  const handle = label === 'root' ? session.store.root : desk.handles.get(label)
  if (handle === undefined) throw new GroveError('ERR_BAD_REQUEST', `no handle of ${label}`)
  return handle
}

function dataOf({ name, holds, bytes }: AskedPart): Uint8Array {
  const text = JSON.stringify(holds ? { name, holds } : { name })
  return Buffer.from(text.padEnd(bytes))
}

function optionsOf({ expect, covers }: AskedPart): Pick<WriteOptions, 'expect' | 'covers'> {
  return {
    ...(expect !== undefined && { expect: (expect ?? undefined) as Ts | undefined }),
    ...(covers && { covers: { lo: covers.lo as Ts, hi: covers.hi as Ts } }),
  }
}

function seenOf({ ts, lo, hi, data, writer, opId }: Entry): SeenEntry {
  return { ts, lo, hi, bytes: data.length, writer, ...(opId && { opId }), ...contentOf(data) }
}

/** What an entry says of itself; an entry of `/grants` is named by what was done to whom. */
function contentOf(data: Uint8Array): { name: string; holds?: string[] } {
  const content = JSON.parse(Buffer.from(data).toString())
  if (content.name !== undefined) return { name: content.name, ...(content.holds && { holds: content.holds }) }
  return { name: `${content.kind} ${content.label}` }
}

function toldOf(event: WatchEvent): LogTold {
  if (event.kind === 'entry') return { kind: 'entry', entry: seenOf(event.entry) }
  return event.kind === 'progress' ? { kind: 'progress', ts: event.ts } : { kind: 'reset', cover: event.cover }
}
