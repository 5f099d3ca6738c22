/** Faults of publishing, pruning and telling. */

import { GroveError, isGroveError } from '../../../../core/errors.ts'
import type { TreeFile } from '../../../../store/trees/tree-file.ts'
import type { PublishInput, SiteVersions } from '../../../../store/versions/versions.ts'
import type { PlantedFault, SitePieces } from '../fault.ts'
import { changedAppends } from './order.ts'
import { versionsThat } from './versions-that.ts'

/** A fault of versions. */
type VersionsFault = PlantedFault<SitePieces>

type OnBase = Extract<PublishInput, { readonly change: unknown }>

/** The files that a change makes of its own base. */
async function filesOn(versions: SiteVersions, { base, change }: OnBase): Promise<TreeFile[]> {
  const files = new Map<string, TreeFile>()
  if (base !== 0) for await (const file of versions.files(base)) files.set(file.path, file)
  for (const path of change.del) files.delete(path)
  for (const file of change.put) files.set(file.path, file)
  return [...files.values()]
}

const rebaseDrops: VersionsFault = {
  name: 'a rebase drops what the other one changed',
  breaks: 'the publisher that comes last takes back what came between',
  caughtBy: ['whole versions'],
  seeds: 80,
  plant: () =>
    versionsThat((versions) => ({
      async publish(input) {
        if ('files' in input || input.base === (versions.live?.version ?? 0)) return versions.publish(input)
        const { base: _, change: __, ...act } = input
        return versions.publish({ ...act, files: await filesOn(versions, input) })
      },
    })),
}

const conflictIgnored: VersionsFault = {
  name: 'a conflict is ignored',
  breaks: 'a change overwrites one that its publisher has not seen',
  caughtBy: ['disjoint rebases'],
  seeds: 80,
  plant() {
    const names = new Map<string, number>()
    return versionsThat((versions) => ({
      async publish(input) {
        try {
          return await versions.publish(input)
        } catch (error) {
          if ('files' in input || !isGroveError(error, 'ERR_PUBLISH_CONFLICT')) throw error
          names.set(input.opId, input.base)
          return versions.publish({ ...input, base: versions.live?.version ?? 0 })
        }
      },
    }))
  },
}

const publishedTwice: VersionsFault = {
  name: 'the operation id of a publish is not kept',
  breaks: 'a publish whose answer was lost makes a second version',
  caughtBy: ['published once', 'known errors'],
  seeds: 80,
  plant() {
    let count = 0
    return versionsThat((versions) => ({
      publish(input) {
        count += 1
        return versions.publish({ ...input, opId: `publish-number-${count}` })
      },
    }))
  },
}

const pinsIgnored: VersionsFault = {
  name: 'a prune ignores pins',
  breaks: 'a version that somebody has tagged is gone',
  caughtBy: ['prunes keep'],
  seeds: 150,
  plant: () =>
    versionsThat((versions) => ({
      async prune(keep, act) {
        const { pins } = versions
        for (const { name } of pins) await versions.unpin(name, { atMs: act.atMs })
        const merged = await versions.prune(keep, act)
        const left = new Set(versions.versions.map(({ version }) => version))
        for (const pin of pins) if (left.has(pin.version)) await versions.pin(pin, { atMs: act.atMs })
        return merged
      },
    })),
}

const pruneTooMany: VersionsFault = {
  name: 'a prune takes one too many',
  breaks: 'one of the versions that were to be kept for a way back is gone',
  caughtBy: ['prunes keep'],
  seeds: 80,
  plant: () =>
    versionsThat((versions) => ({
      prune: (keep, act) => versions.prune({ ...keep, versions: keep.versions - 1 }, act),
    })),
}

const segmentForgotten: VersionsFault = {
  name: 'a merge forgets a segment',
  breaks: 'what lies in it is not found any more, and is collected',
  caughtBy: ['whole versions', 'verifies clean'],
  seeds: 80,
  plant: () => ({
    engine: (engine) =>
      changedAppends(engine, (append) => ({
        ...append,
        parts: append.parts.map((part) => {
          const entry = JSON.parse(Buffer.from(part.data).toString())
          if (entry.kind !== 'merge' || entry.segments.length < 2) return part
          return { ...part, data: Buffer.from(JSON.stringify({ ...entry, segments: entry.segments.slice(1) })) }
        }),
      })),
  }),
}

const lateUntold: VersionsFault = {
  name: 'a follower that comes too late is told that nothing changed',
  breaks: 'caches keep what was replaced',
  caughtBy: ['changes told'],
  seeds: 80,
  plant: () =>
    versionsThat((versions) => ({
      changes: (after) =>
        versions.changes(after).catch((error: unknown) => {
          if (isGroveError(error, 'ERR_TRIMMED')) return []
          throw error
        }),
    })),
}

const diffOfPaths: VersionsFault = {
  name: 'a difference leaves out what is gone',
  breaks: 'files that were removed stay in caches',
  caughtBy: ['right differences'],
  seeds: 150,
  plant: () =>
    versionsThat((versions) => ({
      diff: async (from, to) => ({ ...(await versions.diff(from, to)), removed: [] }),
    })),
}

const accident: VersionsFault = {
  name: 'a call fails by accident',
  breaks: 'whoever asks cannot tell what to do',
  caughtBy: ['known errors'],
  seeds: 80,
  plant: () =>
    versionsThat((versions) => ({
      async activate(version, act) {
        if (version % 2 === 0)
          throw new TypeError(`cannot read properties of ${String(new GroveError('ERR_INTERNAL', ''))}`)
        return versions.activate(version, act)
      },
    })),
}

/** Faults of versions. */
export const versionsFaults: readonly VersionsFault[] = [
  rebaseDrops,
  conflictIgnored,
  publishedTwice,
  pinsIgnored,
  pruneTooMany,
  segmentForgotten,
  lateUntold,
  diffOfPaths,
  accident,
]
