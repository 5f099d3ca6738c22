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
  isEmpty(folder: string): boolean
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
  let current = createTable()
  const durable = createTable()
  /** Keyed by folder. */
  const pending = new Map<string, Change[]>()
  let calls = 0

  return {
    get: (path) => current.get(path),
    in: (folder) => [...current.in(folder)],
    isEmpty: (folder) => current.count(folder) === 0,
    below: (folder) => belowIn(current, folder),
    change(...changes) {
      calls += 1
      for (const [path, named] of changes) {
        current.set(path, named)
        const folder = dirname(path)
        const changes = pending.get(folder)
        const change = { path, named, call: calls }
        if (changes) changes.push(change)
        else pending.set(folder, [change])
      }
    },
    sync(folder) {
      for (const { path, named } of pending.get(folder) ?? []) durable.set(path, named)
      pending.delete(folder)
    },
    crash(random) {
      const fate = random.pick(['nothing', 'all', 'beginning', 'some'] as const)
      const cut = random.below(calls + 1)
      const kept = new Map<number, boolean>()
      const inOrder = [...pending.values()].flat().sort((one, other) => one.call - other.call)
      for (const { path, named, call } of inOrder) {
        const isKept =
          kept.get(call) ??
          (fate === 'all' || (fate === 'beginning' && call < cut) || (fate === 'some' && random.chance(0.5)))
        kept.set(call, isKept)
        if (isKept) durable.set(path, named)
      }
      // What lies in a folder that is lost is lost with it. A folder comes before what is in it when sorted.
      for (const path of [...durable.paths()].sort())
        if (path !== '/' && durable.get(dirname(path)) !== 'folder') durable.set(path, undefined)
      current = durable.copy()
      pending.clear()
    },
    files() {
      const files = new Set<Inode>()
      for (const path of current.paths()) {
        const named = current.get(path)
        if (named && named !== 'folder') files.add(named)
      }
      return files
    },
  }
}

/** All paths below a folder, those of a folder after it. */
function belowIn(table: Table, folder: string): string[] {
  return [...table.in(folder)].flatMap((path) => [path, ...belowIn(table, path)])
}

/** Names, and which of them are in each folder. */
interface Table {
  get(path: string): Named | undefined
  set(path: string, named: Named | undefined): void
  count(folder: string): number
  /** Paths directly in a folder. */
  in(folder: string): Iterable<string>
  paths(): Iterable<string>
  copy(): Table
}

function createTable(
  names = new Map<string, Named>([['/', 'folder']]),
  inside = new Map<string, Set<string>>(),
): Table {
  return {
    get: (path) => names.get(path),
    set(path, named) {
      const folder = dirname(path)
      if (named === undefined) {
        names.delete(path)
        inside.get(folder)?.delete(path)
        return
      }
      names.set(path, named)
      const siblings = inside.get(folder)
      if (siblings) siblings.add(path)
      else inside.set(folder, new Set([path]))
    },
    count: (folder) => inside.get(folder)?.size ?? 0,
    in: (folder) => inside.get(folder) ?? [],
    paths: () => names.keys(),
    copy: () => createTable(new Map(names), new Map([...inside].map(([folder, paths]) => [folder, new Set(paths)]))),
  }
}
