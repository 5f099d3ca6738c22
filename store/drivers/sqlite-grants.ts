/**
 * Grants of the SQLite driver. Those in use are kept in memory, for every request asks for a chain of them. What was
 * used of their quotas is written once for each transaction, however many writes it holds.
 */

import type { GrantRecord, Records } from '../logs/records.ts'
import type { GrantId } from '../store.ts'
import { grantOf, sumOfGrant } from './sqlite-rows.ts'
import type { Statements } from './sqlite-statements.ts'

/** Grants that are kept in memory. */
const mostKept = 4_096

/** The grants of one database. */
export interface GrantTable {
  readonly records: Pick<Records, 'grant' | 'grants' | 'children' | 'addGrant' | 'useGrant' | 'revokeGrant'>
  /** Writes what was used. To be called before each commit. */
  flush(): void
  /** Forgets what a transaction changed that is undone. */
  undo(): void
}

/** The grants behind some statements. */
export function grantTable(sql: Statements): GrantTable {
  /** As the running transaction sees them. */
  const kept = new Map<GrantId, GrantRecord>()
  const used = new Set<GrantId>()

  function find(id: GrantId): GrantRecord | undefined {
    const known = kept.get(id)
    if (known) return known
    const record = grantOf(sql.grant.get(id))
    if (record) kept.set(id, record)
    return record
  }

  function flush(): void {
    for (const id of used) {
      const record = kept.get(id)
      if (record) sql.setUsed.run(record.usedBytes, record.usedWrites, id)
    }
    used.clear()
    if (kept.size > mostKept) kept.clear()
  }

  return {
    records: {
      grant: find,
      grants(prefix, most) {
        flush()
        const rows = sql.grants.all({ prefix: prefix === '/' ? '' : prefix, most })
        return rows.flatMap((row) => grantOf(row) ?? [])
      },
      // Without a bound SQLite takes a negative one (sqlite.org/lang_select.html, section 5).
      children: (id, most = -1) => sql.children.all(id, most).map((row) => String(row['id'])),
      addGrant(record) {
        const { id, parent = '', path, untilMs, read, write, grant, label, madeAtMs } = record
        const { maxBytes = null, maxWrites = null, usedBytes, usedWrites, revokedSeq = null } = record
        const rights = [Number(read), Number(write), Number(grant)] as const
        const quotas = [maxBytes, maxWrites, usedBytes, usedWrites] as const
        const sum = sumOfGrant(record)
        sql.addGrant.run(id, parent, path, untilMs, ...rights, label, madeAtMs, ...quotas, revokedSeq, sum)
      },
      useGrant(id, bytes, writes) {
        const record = find(id)
        if (!record) return
        const { usedBytes, usedWrites } = record
        kept.set(id, { ...record, usedBytes: usedBytes + bytes, usedWrites: usedWrites + writes })
        used.add(id)
      },
      revokeGrant(id, seq) {
        const record = find(id)
        if (!record || record.revokedSeq !== undefined) return
        const revoked = { ...record, revokedSeq: seq }
        sql.revokeGrant.run(seq, sumOfGrant(revoked), id)
        kept.set(id, revoked)
      },
    },
    flush,
    undo() {
      kept.clear()
      used.clear()
    },
  }
}
