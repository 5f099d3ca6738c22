/** The entry of the process that supervises sandboxes: starts the supervisor, and ends when the parent is gone. */

import { join } from 'node:path'
import { z } from 'zod'
import { GroveError, toGroveError } from '../core/errors.ts'
import { layoutOf } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { createLog } from '../core/log.ts'
import type { SiteName } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'
import { readIfThere } from '../core/private-file.ts'
import { type SupervisorStatus, type SupervisorToControl, siteCodeSchema } from '../core/supervisor-messages.ts'
import {
  parentToSupervisorSchema,
  type SupervisorToParent,
  supervisorSettingsSchema,
} from '../core/supervisor-start.ts'
import { createAddressCheck } from '../sandbox/egress/addresses.ts'
import type { OwnPlace } from '../sandbox/egress/policy.ts'
import { buildPrelude } from '../sandbox/isolated/prelude-bundle.ts'
import { createRedactor, type Redactor } from '../sandbox/secrets.ts'
import type { ControlCalls } from '../sandbox/supervisor/codes.ts'
import { createControlLine } from '../sandbox/supervisor/control-line.ts'
import { createEgressOperations } from '../sandbox/supervisor/egress-operations.ts'
import { createFronts } from '../sandbox/supervisor/fronts.ts'
import { createHostOperations } from '../sandbox/supervisor/host-operations.ts'
import { openTenantProgram } from '../sandbox/supervisor/program-files.ts'
import { createSiteLog } from '../sandbox/supervisor/site-log.ts'
import { createSupervisor, type Supervisor } from '../sandbox/supervisor/supervisor.ts'

const argumentSchema = z.object({ data: z.string(), settings: supervisorSettingsSchema })

const { data, settings } = argumentSchema.parse(JSON.parse(process.argv[2] ?? '{}'))
const log = createLog('supervisor', settings.logLevel)
const layout = layoutOf(data)
let supervisor: Supervisor | undefined

process.on('uncaughtException', (error) => {
  log.fatal({ err: error }, 'the supervisor of sandboxes fails')
  process.exit(1)
})
process.on('unhandledRejection', (reason) => {
  log.fatal({ err: toGroveError(reason) }, 'the supervisor of sandboxes fails')
  process.exit(1)
})
// The parent starts and stops this process; a terminal's Ctrl-C reaches the whole group and is the parent's to handle.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})
process.on('disconnect', () => process.exit(1))
process.on('message', (raw) => {
  if (parentToSupervisorSchema.parse(raw).kind === 'stop') void stop()
})

/** What this machine lacks, where it lacks what site code needs. */
let failed: SupervisorToControl | undefined
/** What the code of each site must not say, by what was asked for last. Keyed by site. */
const redactors = new Map<SiteName, Redactor>()
const nothing: SupervisorStatus = { pid: process.pid, capabilities: [], processes: [], quarantined: [] }
const line = createControlLine({
  socket: layout.sandboxSocket,
  hello: () => failed ?? supervisor?.hello,
  receive: async (message) => {
    if (supervisor) return supervisor.receive(message)
    return message.kind === 'status' ? nothing : message.kind === 'usage' ? [] : {}
  },
  log,
})

await start()

async function start(): Promise<void> {
  try {
    const made = await createWhole()
    supervisor = made
    await made.start()
  } catch (thrown) {
    // Everything else is served all the same, so this process stays and says what is missing: to be started again would
    // not bring a module that this machine does not have.
    const error = toGroveError(thrown)
    log.error({ err: error }, 'code of sites cannot run on this machine; all else is served')
    const why = `code of sites cannot run on this machine: ${error.message}`.slice(0, 1_000)
    supervisor = undefined
    failed = { kind: 'hello', pid: process.pid, capabilities: [{ name: 'engine', holds: false, why }] }
    line.send(failed)
    await refuseAll(why)
  }
  const ready: SupervisorToParent = { kind: 'ready' }
  process.send?.(ready)
}

/** Answers fronts at once that there is no code, so that visitors do not wait to hear it. */
async function refuseAll(why: string): Promise<void> {
  const fronts = createFronts({
    socket: layout.supervisorSocket,
    receive: () => Promise.reject(new GroveError('ERR_SANDBOX_BUSY', why)),
    changed: () => {},
    log,
  })
  await fronts.listen()
}

async function createWhole(): Promise<Supervisor> {
  const control: ControlCalls = { send: (message) => line.send(message), call }
  const siteLog = createSiteLog(control, (lost) =>
    log.warn({ lost }, 'lines of sites were left out: more than control takes'),
  )
  const check = createAddressCheck({ denied: settings.denied })
  const { processes, spares, firstUid, group } = settings
  const program = await openTenantProgram()
  return createSupervisor({
    layout,
    control,
    operations: createHostOperations({
      fetch: createEgressOperations({
        check,
        ports: settings.ports,
        own,
        ca: await readIfThere(join(layout.certs, 'root.pem')),
      }),
      control,
      layout,
    }),
    // Also of what fails before it is a code: its errors may tell what it was given.
    siteLog: (said, code) =>
      siteLog.write({ ...said, text: redactors.get(said.site)?.text(said.text) ?? said.text }, code),
    log,
    prelude: await buildPrelude(),
    entry: program.entry,
    files: program,
    processes,
    spares,
    ...(firstUid !== undefined && { firstUid }),
    ...(group !== undefined && { group }),
  })
}

/** Where a site of this Grove is: its front's own address, whatever its name leads to elsewhere. */
function own(hostname: string, port: number): OwnPlace | undefined {
  const { domain, address, port: ownPort } = settings.own
  return port === ownPort && hostname.endsWith(`.${domain}`) ? { address, port } : undefined
}

/** Secrets are learned as they pass by, so that no line about a site is written before they are known. */
async function call(message: SupervisorToControl, timeoutMs?: number): Promise<unknown> {
  const answer = await line.call(message, timeoutMs)
  if (message.kind !== 'code') return answer
  const code = siteCodeSchema.safeParse(answer).data
  if (code) setNewest(redactors, code.site, createRedactor(code.secrets), limits.sandboxProcess.remembered)
  return answer
}

async function stop(): Promise<void> {
  await supervisor?.close()
  line.close()
  process.exit(0)
}
