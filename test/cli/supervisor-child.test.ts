import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { SupervisorChild } from '../../cli/supervisor-child.ts'
import type { SupervisorSettings } from '../../core/supervisor-start.ts'

const entry = join(import.meta.dirname, 'fixtures/supervisor.ts')
const own = { domain: 'localhost', address: '127.0.0.1', port: 1 }
const settings: SupervisorSettings = { logLevel: 'info', processes: 1, spares: 0, ports: [], denied: [], own }

function make(t: Test, module: string | undefined = entry) {
  const data = mkdtempSync(join(tmpdir(), 'grove-supervisor-'))
  let changes = 0
  const log = pino({ level: 'silent' })
  const child = new SupervisorChild({
    entry: module,
    log,
    changed: () => {
      changes++
    },
  })
  t.teardown(async () => {
    await child.stop()
    rmSync(data, { recursive: true })
  })
  /** What the processes did, a line each: `start <pid> <processes>`, `stop <pid>`. */
  const events = () =>
    existsSync(join(data, 'events')) ? readFileSync(join(data, 'events'), 'utf8').trim().split('\n') : []
  const until = async (holds: () => boolean) => {
    while (!holds()) await pause(10)
  }
  return { child, data, events, until, changes: () => changes }
}

t.test('it runs with the settings that it is given, and not at all without', async (t) => {
  const { child, data, events, until, changes } = make(t)
  t.same(child.processes, [])
  child.use(undefined)
  child.use({ data, settings })
  child.use({ data, settings })
  await until(() => events().length === 1)
  t.match(child.processes, [{ kind: 'supervisor', index: 0, restarts: 0 }])
  child.use({ data, settings: { ...settings, processes: 7 } })
  await until(() => events().length === 3)
  const pids = events().map((line) => line.split(' ')[1])
  t.match(events(), [/^start \d+ 1$/, `stop ${pids[0]}`, /^start \d+ 7$/], 'one after the other')
  child.use(undefined)
  await until(() => events().length === 4)
  t.same(child.processes, [])
  t.ok(changes() >= 3)
})

t.test('one that dies is started again, and one that is to end is told so', async (t) => {
  const { child, data, events, until } = make(t)
  child.use({ data, settings })
  await until(() => events().length === 1)
  const [{ pid } = { pid: 0 }] = child.processes
  process.kill(pid, 'SIGKILL')
  await until(() => events().length === 2)
  t.match(child.processes, [{ restarts: 1 }])
  await child.stop()
  t.match(events().at(-1), /^stop /)
  child.use({ data, settings: { ...settings, processes: 2 } })
  t.same(child.processes, [], 'and is not started after that')
})

t.test('where there is no such program nothing runs', async (t) => {
  const child = new SupervisorChild({ entry: undefined, log: pino({ level: 'silent' }), changed: () => {} })
  child.use({ data: '/nowhere', settings })
  t.same(child.processes, [])
  child.kill()
  await child.stop()
})
