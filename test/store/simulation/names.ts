/**
 * The names of a simulated disk. Everybody sees a change at once; on the platter it is only after a sync of its folder.
 * When the power fails, each change that was not synced is kept or lost; those of one call (the two halves of a
 * rename) go together unless a sync came between.
 */

import { dirname } from 'node:path'
import type { Inode } from './inode.ts'
import type { Random } from './random.ts'

/** What a name stands for. */
export type Named = Inode | 'folder'

/** The names of a disk, by their whole path. */
export interface Names {
  get(path: string): Named | undefined
  /** Names directly in a folder, in the order in which they were made. */
  in(folder: string): string[]
  /** All paths below a folder. */
  below(folder: string): string[]
  /** Changes that belong together: what each path stands for from now on, `undefined` for nothing. */
  change(...changes: readonly (readonly [path: string, named: Named | undefined])[]): void
  /** Makes what happened in a folder durable. */
  sync(folder: string): void
  crash(random: Random): void
  /** Every file that has a name, each once. */
  files(): Set<Inode>
}

interface Change {
  readonly path: string
  readonly named: Named | undefined
  /** Changes of one call have one number. */
  readonly call: number
}

/** Names of a disk that has nothing but its root folder, `/`. */
export function createNames(): Names {
  let current = new Map<string, Named>([['/', 'folder']])
  let durable = new Map(current)
  let pending: Change[] = []
  let calls = 0

  const below = (folder: string) => {
    const prefix = folder === '/' ? '/' : `${folder}/`
    return [...current.keys()].filter((path) => path !== '/' && path.startsWith(prefix))
  }
  return {
    get: (path) => current.get(path),
    in: (folder) => below(folder).filter((path) => dirname(path) === folder),
    below,
    change(...changes) {
      calls += 1
      for (const [path, named] of changes) {
        set(current, path, named)
        pending.push({ path, named, call: calls })
      }
    },
    sync(folder) {
      const isHere = ({ path }: Change) => dirname(path) === folder
      for (const { path, named } of pending.filter(isHere)) set(durable, path, named)
      pending = pending.filter((change) => !isHere(change))
    },
    crash(random) {
      const fate = random.pick(['nothing', 'all', 'beginning', 'some'] as const)
      const cut = random.below(calls + 1)
      const kept = new Map<number, boolean>()
      for (const { path, named, call } of pending) {
        const isKept =
          kept.get(call) ??
          (fate === 'all' || (fate === 'beginning' && call < cut) || (fate === 'some' && random.chance(0.5)))
        kept.set(call, isKept)
        if (isKept) set(durable, path, named)
      }
      // What lies in a folder that is lost is lost with it. A folder comes before what is in it when sorted.
      for (const path of [...durable.keys()].sort())
        if (path !== '/' && durable.get(dirname(path)) !== 'folder') durable.delete(path)
      current = new Map(durable)
      durable = new Map(current)
      pending = []
    },
    files: () => new Set([...current.values()].filter((named) => named !== 'folder')),
  }
}

function set(names: Map<string, Named>, path: string, named: Named | undefined): void {
  if (named === undefined) names.delete(path)
  else names.set(path, named)
}
