/** The thread that opens one locked thing. */

import { parentPort, workerData } from 'node:worker_threads'
import { toPlainError } from '../../core/errors.ts'
import { openLockedKey } from './locked-key.ts'
import type { FromOpener, LockedThing } from './open-locked.ts'
import { openPkcs12 } from './pkcs12.ts'

const port = parentPort
if (!port) throw new Error('this is a thread of grove, not a program')

function open(thing: LockedThing): FromOpener {
  try {
    if (thing.kind === 'pkcs12') return openPkcs12(thing.bytes, thing.password)
    return { keys: openLockedKey(thing.pem, thing.password), certificates: '' }
  } catch (error) {
    return { error: toPlainError(error) }
  }
}

port.postMessage(open(workerData as LockedThing))
