/** The entry of a front's process: takes listening sockets from the parent and ends when the parent is gone. */

import { z } from 'zod'
import { toGroveError } from '../core/errors.ts'
import { layoutOf } from '../core/layout.ts'
import { createLog } from '../core/log.ts'
import { type FrontToParent, parentToFrontSchema } from '../core/messages.ts'
import { Front } from '../proxy/front.ts'

const argumentSchema = z.object({ data: z.string(), index: z.int() })

const { data, index } = argumentSchema.parse(JSON.parse(process.argv[2] ?? '{}'))
const log = createLog(`front ${index}`, 'info')

const tellParent = (message: FrontToParent) => void process.send?.(message)
const front = new Front({ layout: layoutOf(data), index, log, ready: () => tellParent({ kind: 'ready' }) })

process.on('message', (raw, handle) => {
  receive(raw, handle).catch((thrown) => {
    log.fatal({ err: toGroveError(thrown) }, 'front cannot do what its parent asks')
    process.exit(1)
  })
})
// The parent starts and stops this process; a terminal's Ctrl-C reaches the whole group and is the parent's to handle.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})
process.on('disconnect', () => process.exit(1))

async function receive(raw: unknown, handle: unknown): Promise<void> {
  const message = parentToFrontSchema.parse(raw)
  switch (message.kind) {
    case 'listen':
      await front.listen(message.name, message.key, handle)
      tellParent({ kind: 'listening', key: message.key })
      break
    case 'unlisten':
      front.unlisten(message.key)
      break
    case 'drain':
      await front.drain(message.withinMs)
      process.exit(0)
  }
}
