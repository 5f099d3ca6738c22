/** How long the own CA takes for a leaf with a new key: in memory, and with the file that a restart finds again. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLeaves } from '../../certs/leaves.ts'
import { openOwnCa } from '../../certs/own-ca.ts'

/** Milliseconds of each leaf, one issued after the other. */
export interface IssuingTimes {
  readonly issued: readonly number[]
  /** As fronts ask control for it, kept on disk. */
  readonly kept: readonly number[]
}

const warmUp = 100

/** Issues so many leaves each way. */
export async function measureIssuing(count: number): Promise<IssuingTimes> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-bench-'))
  try {
    const ca = await openOwnCa(join(folder, 'ca'))
    const leaves = openLeaves({ ca, folder: join(folder, 'leaves'), serves: () => true })
    return {
      issued: await timesOf(count, (index) => ca.issue(`issued-${index}.localhost`)),
      kept: await timesOf(count, (index) => leaves.get(`kept-${index}.localhost`)),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function timesOf(count: number, work: (index: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let index = -warmUp; index < count; index += 1) {
    const startedMs = performance.now()
    await work(index)
    if (index >= 0) times.push(performance.now() - startedMs)
  }
  return times
}
