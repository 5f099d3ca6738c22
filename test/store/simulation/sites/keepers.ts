/** Clients that keep sites: they make versions live, pin, prune, read, collect and evict. */

import type { Random } from '../random.ts'
import { type SiteSession, siteNames } from './open-session.ts'
import type { SiteClient, SiteWork } from './publishers.ts'
import * as session from './session.ts'
import { graceMs } from './small-limits.ts'

const pins = ['tag:first', 'tag:stable', 'preview:x']

/** A client that makes versions live and pins them. */
export function createOperator(work: SiteWork, random: Random, name: string, steps: number): SiteClient {
  return createDoer(name, steps, async (open) => {
    const site = random.pick(siteNames)
    const { answer: seen } = await session.list(work, open, name, site)
    const versions = seen?.versions ?? []
    if (versions.length === 0) return
    const { version } = random.pick(versions)
    const pin = random.pick(pins)
    const act = work.newName(name)
    await random.pick([
      () => session.activate(work, open, name, { call: 'activate', site, version, name: act }),
      () => session.pin(work, open, name, { call: 'pin', site, pin, version, name: act }),
      () => session.pin(work, open, name, { call: 'pin', site, pin, version, name: act }),
      () => session.unpin(work, open, name, { call: 'unpin', site, pin, name: act }),
      () => session.checkpoint(work, open, name, site),
    ])()
  })
}

/** A client that forgets versions. */
export function createPruner(work: SiteWork, random: Random, name: string, steps: number): SiteClient {
  return createDoer(name, steps, async (open) => {
    const keep = { versions: random.between(1, 3), ms: 0 }
    await session.prune(work, open, name, {
      call: 'prune',
      site: random.pick(siteNames),
      keep,
      name: work.newName(name),
    })
  })
}

/** A client that removes what nobody needs. Now and then it waits as long as that has to lie. */
export function createJanitor(work: SiteWork, random: Random, name: string, steps: number): SiteClient {
  return createDoer(name, steps, async (open) => {
    if (random.chance(0.3)) await session.evict(work, open, name)
    else await session.collect(work, open, name)
    if (random.chance(0.5)) await open.life.env.sleep(graceMs * (0.5 + random.fraction()))
  })
}

/** A client that reads versions whole, compares them, and follows what changes. */
export function createReader(work: SiteWork, random: Random, name: string, steps: number): SiteClient {
  const cursors = new Map<string, string>()

  async function follow(open: SiteSession, site: string): Promise<void> {
    const after = cursors.get(site)
    const ask = { call: 'changes', site, ...(after !== undefined && { after }) } as const
    const { answer, error } = await session.changes(work, open, name, ask)
    const last = answer?.changes.at(-1)
    if (last) cursors.set(site, last.ts)
    // It was away for too long: it has to look at the whole site, and goes on from there.
    if (error?.code === 'ERR_TRIMMED') cursors.delete(site)
  }

  return createDoer(name, steps, async (open) => {
    const site = random.pick(siteNames)
    if (random.chance(0.3)) return follow(open, site)
    const { answer: seen } = await session.list(work, open, name, site)
    const versions = seen?.versions ?? []
    if (versions.length === 0) return
    const { version: to } = random.pick(versions)
    const { version: from } = random.pick(versions)
    if (random.chance(0.25)) await session.diff(work, open, name, { call: 'diff', site, from, to })
    else await session.readVersion(work, open, name, site, to)
  })
}

function createDoer(name: string, steps: number, act: (open: SiteSession) => Promise<unknown>): SiteClient {
  let left = steps
  return {
    name,
    get left() {
      return left
    },
    async step(open) {
      left -= 1
      await act(open)
    },
    async finish() {},
  }
}
