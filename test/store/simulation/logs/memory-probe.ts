/** Measures what a watcher that does not take anything makes others hold for it (G12). */

import type { Ts } from '../../../../store/store.ts'
import { pageEntries } from '../journal-records.ts'
import { makeLog } from './open-session.ts'
import { append, type Desk, type Session } from './session.ts'

const probeLog = '/probe'
const entries = 4 * pageEntries

/** Lets a watcher stop after its first entry, and notes how many entries the records have given away meanwhile. */
export async function probeMemory(desk: Desk, session: Session, handedOut: () => number): Promise<void> {
  await makeLog(session.store, probeLog, false)
  let first: string | undefined
  for (let index = 0; index < entries; index += 1) {
    const part = { log: probeLog, name: `probe-${index}`, bytes: 0 }
    const asked = await append(desk, session, 'probe', { call: 'append', grant: 'root', parts: [part] })
    first ??= asked.answer?.ts
  }
  const log = await session.store.open(session.store.root, probeLog)
  const stop = new AbortController()
  const before = handedOut()
  const watching = log.watch(first as Ts | undefined, { signal: stop.signal })[Symbol.asyncIterator]()
  await watching.next()
  await session.life.env.sleep(1_000)
  const value = handedOut() - before
  desk.recorder.note({ kind: 'measured', what: 'entries for a watcher that takes one', value, most: pageEntries })
  stop.abort()
  await watching.return?.()
}
