/**
 * Who did what with a site, when, and under which grant: from the site's audit log, which is written in the transaction
 * of each act, and from the log of grants.
 */

import { z } from 'zod'
import { isGroveError } from '../core/errors.ts'
import type { SiteLog, SiteLogEntry } from '../core/grant-api.ts'
import { grantsLogPath } from '../store/grants/grant-changes.ts'
import { covers } from '../store/logs/store-path.ts'
import type { Entry, GrantId, Store, Ts } from '../store/store.ts'

const auditSchema = z.looseObject({ act: z.string() })
const changeSchema = z.looseObject({ kind: z.enum(['grant', 'revoke']), path: z.string() })

/** Something that was done, before the name of who did it is known. */
interface Found {
  readonly ts: Ts
  readonly writer: GrantId
  readonly entry: Omit<SiteLogEntry, 'by'>
}

/** The newest `limit` things that were done with the site of a path, newest first. */
export async function readSiteLog(store: Store, path: string, limit: number): Promise<SiteLog> {
  const acts = await newest(store, `${path}/audit`, limit, actIn)
  // A grant on a path above is one on the site as well.
  const grants = await newest(store, grantsLogPath, limit, (entry) => changeIn(entry, path))
  const all = [...acts, ...grants].sort((a, b) => (a.ts < b.ts ? 1 : -1))
  const shown = all.slice(0, limit)
  const labels = await labelsOf(store, new Set(shown.map(({ writer }) => writer)))
  return {
    entries: shown.map(({ writer, entry }) => ({ ...entry, by: { id: writer, label: labels.get(writer) ?? '' } })),
    more: all.length > limit,
  }
}

/** The last things in a log, one more than asked for; none when there is no such log. */
async function newest(
  store: Store,
  path: string,
  limit: number,
  read: (entry: Entry) => Found | undefined,
): Promise<Found[]> {
  const found: Found[] = []
  try {
    await using log = await store.open(store.root, path)
    for await (const entry of log.read()) {
      const one = read(entry)
      if (one) found.push(one)
      if (found.length > limit * 2) found.splice(0, limit)
    }
  } catch (error) {
    if (!isGroveError(error, 'ERR_NOT_FOUND')) throw error // A site that nobody has published yet.
  }
  return found.slice(-limit - 1)
}

function actIn(entry: Entry): Found | undefined {
  const parsed = auditSchema.safeParse(jsonOf(entry))
  if (!parsed.success) return undefined // What a newer Grove wrote.
  const { act, ...details } = parsed.data
  return { ts: entry.ts, writer: entry.writer, entry: { act, atMs: entry.atMs, details } }
}

function changeIn(entry: Entry, sitePath: string): Found | undefined {
  const parsed = changeSchema.safeParse(jsonOf(entry))
  if (!parsed.success) return undefined
  const { kind, by: _by, format: _format, atMs: _atMs, ...details } = parsed.data
  if (!covers(details.path, sitePath) && !covers(sitePath, details.path)) return undefined
  return { ts: entry.ts, writer: entry.writer, entry: { act: kind, atMs: entry.atMs, details } }
}

function jsonOf({ data }: Entry): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(data))
  } catch {
    return undefined
  }
}

/** Keyed by id. The operator, who needs no grant, writes under the root's. */
async function labelsOf(store: Store, ids: ReadonlySet<GrantId>): Promise<Map<GrantId, string>> {
  const labels = new Map<GrantId, string>()
  for (const id of ids) {
    const { label } = await store.show(store.root, id)
    labels.set(id, id === 'root' ? 'operator' : label)
  }
  return labels
}
