/** Faults of grants: who may do what, until when and how much (G7, G8, G9). */

import type { GrantRecord, Records } from '../../../../store/logs/records.ts'
import type { GrantOptions } from '../../../../store/store.ts'
import type { LogPieces, PlantedFault } from '../fault.ts'
import { instead } from './instead.ts'

/** A fault of rights. */
type RightsFault = PlantedFault<LogPieces>

/** Pieces that see grants otherwise than they are. */
function seenGrants(change: (grant: GrantRecord, records: Records) => GrantRecord): LogPieces {
  return {
    records: (records) => ({
      ...records,
      grant(id) {
        const grant = records.grant(id)
        return grant && change(grant, records)
      },
    }),
  }
}

/** Pieces that check less of a new grant than is asked for, and then make it as it was asked for. */
function uncheckedGrants(
  part: (options: GrantOptions) => Partial<GrantOptions>,
  checked: Partial<GrantOptions>,
): LogPieces {
  const asked = new Map<string, Partial<GrantOptions>>()
  return {
    engine: (engine) =>
      instead(engine, {
        run(batch) {
          const requests = batch.requests.map((request) => {
            if (request.kind !== 'grant') return request
            asked.set(request.id, part(request.options))
            return { ...request, options: { ...request.options, ...checked } }
          })
          return engine.run({ ...batch, requests })
        },
      }),
    records: (records) => ({
      ...records,
      addGrant: (record) => records.addGrant({ ...record, ...asked.get(record.id) }),
    }),
  }
}

const revocationUnchecked: RightsFault = {
  name: 'the grant is not checked in the transaction',
  breaks: 'whoever holds a revoked handle goes on writing',
  caughtBy: ['revoked writes nothing'],
  seeds: 50,
  plant: () => seenGrants((grant) => ({ ...grant, revokedSeq: undefined })),
}

const rightsChecked: RightsFault = {
  name: 'rights are checked before the transaction instead of in it',
  breaks: 'a write that waits while its grant is revoked goes through',
  caughtBy: ['revoked writes nothing'],
  seeds: 100,
  plant() {
    const seen = new Map<string, { readonly grant: GrantRecord; left: number }>()
    return seenGrants((grant) => {
      const before = seen.get(grant.id)
      if (before && before.left > 0) {
        before.left -= 1
        return { ...grant, revokedSeq: before.grant.revokedSeq }
      }
      seen.set(grant.id, { grant, left: 3 })
      return grant
    })
  },
}

const leafRevoked: RightsFault = {
  name: 'a revocation ends the grant and not those below it',
  breaks: 'children of a revoked grant go on',
  caughtBy: ['revoked writes nothing'],
  seeds: 400,
  plant() {
    let parent: string | undefined
    return seenGrants((grant) => {
      const isAncestor = grant.id === parent
      parent = grant.parent
      return isAncestor ? { ...grant, revokedSeq: undefined } : grant
    })
  },
}

const parentRevoked: RightsFault = {
  name: 'a revocation ends the parent, too',
  breaks: 'whoever shares the parent is denied what nobody took away',
  caughtBy: ['denied with cause'],
  seeds: 100,
  plant: () => ({
    records: (records) => ({
      ...records,
      revokeGrant(id, seq) {
        records.revokeGrant(id, seq)
        const parent = records.grant(id)?.parent
        if (parent !== undefined && parent !== 'root') records.revokeGrant(parent, seq)
      },
    }),
  }),
}

const expiryIgnored: RightsFault = {
  name: 'the end of a grant is ignored',
  breaks: 'a grant lasts for ever',
  caughtBy: ['expired writes nothing'],
  seeds: 150,
  plant: () => seenGrants((grant) => ({ ...grant, untilMs: Number.MAX_SAFE_INTEGER })),
}

const clockStands: RightsFault = {
  name: 'grants end by the time at which the store was opened',
  breaks: 'a grant lasts as long as the process',
  caughtBy: ['expired writes nothing'],
  seeds: 100,
  plant: () => ({
    engine(engine) {
      let openedMs: number | undefined
      return instead(engine, {
        run(batch) {
          openedMs ??= batch.nowMs
          return engine.run({ ...batch, nowMs: openedMs })
        },
      })
    },
  }),
}

const childLonger: RightsFault = {
  name: 'a child may last longer than its parent',
  breaks: 'whoever may grant has its rights for ever',
  caughtBy: ['children exceed nothing'],
  seeds: 100,
  plant: () => uncheckedGrants(({ untilMs }) => ({ untilMs }), { untilMs: 1 }),
}

const childStronger: RightsFault = {
  name: 'a child may do more than its parent',
  breaks: 'a reader who may grant makes itself a writer',
  caughtBy: ['children exceed nothing'],
  seeds: 150,
  plant: () =>
    uncheckedGrants(({ read = false, write = false, grant = false }) => ({ read, write, grant }), {
      read: false,
      write: false,
      grant: false,
    }),
}

const childWider: RightsFault = {
  name: 'the path of a handle is not compared by whole segments',
  breaks: 'a grant on one site writes to all',
  caughtBy: ['children exceed nothing'],
  seeds: 100,
  plant: () => seenGrants((grant) => ({ ...grant, path: grant.path.startsWith('/sites') ? '/sites' : grant.path })),
}

const quotaOfLeaf: RightsFault = {
  name: 'a quota is counted on the grant alone, not on those above it',
  breaks: 'many children write many times what their parent may',
  caughtBy: ['quotas hold'],
  seeds: 150,
  plant: () => ({
    records: (records) => ({
      ...records,
      useGrant(id, bytes, writes) {
        if (records.children(id).length === 0) records.useGrant(id, bytes, writes)
      },
    }),
  }),
}

const quotaUncounted: RightsFault = {
  name: 'a quota is not counted',
  breaks: 'it binds each write by itself and nothing together',
  caughtBy: ['quotas hold'],
  seeds: 100,
  plant: () => ({ records: (records) => ({ ...records, useGrant() {} }) }),
}

const untold: RightsFault = {
  name: 'a revocation is not told in /grants',
  breaks: 'nobody can find out later who took a right away, and watchers do not learn of it',
  caughtBy: ['changes are told'],
  seeds: 50,
  plant: () => ({
    records: (records) => ({
      ...records,
      addEntry(logId, entry) {
        const isRevoke = records.log('/grants')?.id === logId && Buffer.from(entry.data).includes('"revoke"')
        if (!isRevoke) records.addEntry(logId, entry)
      },
    }),
  }),
}

/** Faults of rights. */
export const rightsFaults: readonly RightsFault[] = [
  revocationUnchecked,
  rightsChecked,
  leafRevoked,
  parentRevoked,
  expiryIgnored,
  clockStands,
  childLonger,
  childStronger,
  childWider,
  quotaOfLeaf,
  quotaUncounted,
  untold,
]
