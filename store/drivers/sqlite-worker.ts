/** The thread of the SQLite driver: opens the file, then does batch after batch. */

import { parentPort, workerData } from 'node:worker_threads'
import { toPlainError } from '../../core/errors.ts'
import { nodeEnvironment } from '../environment-node.ts'
import { type Engine, openEngine } from '../logs/engine.ts'
import type { FromWorker, ToWorker, WorkerStart } from './sqlite-link.ts'
import { openDatabase } from './sqlite-open.ts'
import { sqliteRecords } from './sqlite-records.ts'

const start = workerData as WorkerStart
const port = parentPort
if (!port) throw new Error('this is a thread of grove, not a program')

const send = (message: FromWorker) => port.postMessage(message)

try {
  const engine = await openFile(start)
  port.on('message', (message: ToWorker) => {
    if (message !== 'close') return send(engine.run(message))
    engine.close()
    port.close()
  })
  send({ hello: engine.hello })
} catch (error) {
  send({ error: toPlainError(error) })
  port.close()
}

async function openFile({ file, seed, processKey }: WorkerStart): Promise<Engine> {
  const database = await openDatabase(file, nodeEnvironment.files, seed)
  try {
    return openEngine(sqliteRecords(database, file), { processKey })
  } catch (error) {
    database.close()
    throw error
  }
}
