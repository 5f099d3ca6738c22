/** Clients that watch a log over all lives, each from where it was. */

import { justBefore } from '../../../../store/logs/timestamp.ts'
import type { Ts } from '../../../../store/store.ts'
import type { Random } from '../random.ts'
import type { LogTold } from './asks.ts'
import { head, read, type Session, watch } from './session.ts'
import type { Workplace } from './writers.ts'

/** A client that watches. */
export interface Watcher {
  readonly name: string
  /** Watches in this session until the signal aborts or the watch ends with an error. */
  run(session: Session, signal: AbortSignal): Promise<void>
  /** Resolves when it was told of everything that is in the log now. */
  caughtUp(session: Session): Promise<void>
}

/** A watcher of a log from its beginning. `slowMs`: how long it thinks over each event, at most. */
export function createWatcher(work: Workplace, random: Random, name: string, log: string, slowMs: number): Watcher {
  let cursor: string | undefined

  /** Begins anew behind the entry that stands for what is gone. */
  async function startOver(session: Session, cover: string): Promise<void> {
    const after = justBefore(cover as Ts)
    const { answer } = await read(work, session, name, { call: 'read', log, grant: 'root', after, limit: 1 })
    const found = answer?.entries[0]
    // Covered itself meanwhile: the next watch is told to begin behind the newer one.
    if (found?.ts === cover) cursor = found.hi
  }

  return {
    name,
    async run(session, signal) {
      for (let rounds = 0; !signal.aborted && rounds < 50; rounds += 1) {
        let reset: string | undefined
        const taken = async (told: LogTold) => {
          if (told.kind === 'reset') reset = told.cover
          else cursor = told.kind === 'entry' ? told.entry.ts : told.ts
          if (slowMs > 0 && random.chance(0.5)) await session.life.env.sleep(random.below(slowMs))
        }
        const ask = { call: 'watch', log, grant: 'root', ...(cursor !== undefined && { after: cursor }) } as const
        await watch(work, session, name, ask, { signal, taken })
        if (reset !== undefined) await startOver(session, reset)
        else await session.life.env.sleep(5)
      }
    },
    async caughtUp(session) {
      const { answer } = await head(work, session, name, log)
      while (answer && (cursor ?? '') < (answer.ts ?? '')) await session.life.env.sleep(10)
    },
  }
}
