/** The entry of control's process: starts control, speaks with the parent, and ends when the parent is gone. */

import { z } from 'zod'
import { type Control, startControl } from '../control/control.ts'
import { ParentLink } from '../control/parent-link.ts'
import { toGroveError, toPlainError } from '../core/errors.ts'
import type { ConfigSource } from '../core/load-config.ts'
import { createLog } from '../core/log.ts'
import {
  type ControlToParent,
  type ParentToControl,
  type ProcessInfo,
  parentToControlSchema,
} from '../core/messages.ts'
import { codeTools } from './compile-code.ts'

const sourceSchema: z.ZodType<ConfigSource> = z.strictObject({
  cwd: z.string(),
  file: z.string().optional(),
  data: z.string().optional(),
  httpsPort: z.int().optional(),
  httpPort: z.int().optional(),
})

/** For tests of Grove itself, which cannot wait a minute; not for operators. */
const meterEverySchema = z.coerce.number().int().min(10).max(3_600_000).optional()

const log = createLog('control', 'info')
const parent = new ParentLink((message) => void process.send?.(message))
let control: Control | undefined
/** What the parent said while control was starting. */
let processes: readonly ProcessInfo[] = []

// Whatever this is, the state in memory may be wrong now; what was acknowledged lies on the disk, and the parent starts
// control again.
process.on('uncaughtException', (error) => {
  log.fatal({ err: error }, 'control fails')
  process.exit(1)
})
process.on('unhandledRejection', (reason) => {
  log.fatal({ err: toGroveError(reason) }, 'control fails')
  process.exit(1)
})
// The parent starts and stops this process; a terminal's Ctrl-C reaches the whole group and is the parent's to handle.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})
process.on('disconnect', () => process.exit(1))
process.on('message', (raw) => {
  receive(parentToControlSchema.parse(raw))
})

await start()

async function start(): Promise<void> {
  try {
    const source = sourceSchema.parse(JSON.parse(process.argv[2] ?? ''))
    const meterEveryMs = meterEverySchema.parse(process.env['GROVE_METER_EVERY_MS'])
    control = await startControl({ source, parent, log, code: codeTools, meterEveryMs })
    control.setProcesses(processes)
    parent.ready(control.banner)
  } catch (thrown) {
    log.debug({ err: thrown }, 'control cannot start')
    const failed: ControlToParent = { kind: 'failed', ...toPlainError(thrown) }
    // It has to be out before the process ends. Without a parent there is nobody to tell.
    if (process.send) process.send(failed, () => process.exit(1))
    else process.exit(1)
  }
}

function receive(message: ParentToControl): void {
  switch (message.kind) {
    case 'applied':
      parent.applied(message)
      break
    case 'processes':
      processes = message.processes
      control?.setProcesses(processes)
      break
    case 'reload':
      // A failure is in the log by then; whoever sent a signal waits for no answer.
      control?.reload().catch(() => undefined)
      break
    case 'stop':
      void stop()
  }
}

async function stop(): Promise<void> {
  try {
    await control?.[Symbol.asyncDispose]()
    process.exit(0)
  } catch (error) {
    log.error({ err: error }, 'control did not stop in order')
    process.exit(1)
  }
}
