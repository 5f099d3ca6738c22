/**
 * Control groups of this machine's kernel, where it lets them be made; where it does not, that this is said. The folders are
 * made below a group of this test's own, and taken away.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findResourceGroups, type ResourceGroups } from '../../../sandbox/supervisor/resources.ts'
import { startHost, until } from './fixtures/host.ts'

const mount = '/sys/fs/cgroup'
const group = `/grove-test-${process.pid}`

/** Where the kernel's memory controller has a group; undefined where there is none. */
function memoryFolder(name: string): string | undefined {
  return [join(mount, 'memory', group, name), join(mount, group, name)].find((folder) => existsSync(folder))
}

t.teardown(() => {
  for (const controller of ['memory', 'pids', 'cpu', ''])
    try {
      rmdirSync(join(mount, controller, group))
    } catch {
      // It was not made there.
    }
})

/** Whether groups can be made here; if not, that the row says so is all that can be shown. */
function hold(t: Test, { row }: ResourceGroups): boolean {
  if (row.holds) return true
  t.match(row.why, /watched by Grove, and not bounded by the kernel/)
  t.comment(`no control groups here: ${row.why}`)
  return false
}

/** A process that does something when it is told to. */
async function waiting(t: Test, work: string): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    ['--eval', `process.stdin.once('data', () => { ${work} }); console.log('ready')`],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

t.test('the kernel ends a process that takes more memory than its group may', async (t) => {
  const groups = findResourceGroups({ group })
  if (!hold(t, groups)) return
  const made = groups.make('eater', { memoryBytes: 128 * 2 ** 20, threads: 64 })
  const folder = memoryFolder('grove-eater')
  if (!folder) {
    t.comment('the kernel has no memory controller that could be divided')
    return
  }
  const work = 'const all = []; setInterval(() => all.push(Buffer.alloc(8e6, 1)) > 60 && process.exit(), 2)'
  const eater = await waiting(t, work)
  t.ok(made?.add(eater.pid ?? 0))
  t.equal(made?.ranOutOfMemory, false)
  eater.stdin?.write('go')
  const [, signal] = await once(eater, 'exit')
  if (signal === null && !existsSync(join(folder, 'memory.memsw.limit_in_bytes'))) {
    t.comment('what it took went to swap, which this kernel does not count')
    return
  }
  t.equal(signal, 'SIGKILL')
  await until(() => made?.ranOutOfMemory === true)
  made?.remove()
  t.equal(memoryFolder('grove-eater'), undefined)
})

t.test('processes of sites are put into groups of their own, which go with them', async (t) => {
  if (!hold(t, findResourceGroups({ group }))) return
  const host = await startHost(t, { group })
  t.ok(host.supervisor.status.capabilities.some(({ name, holds }) => name === 'control groups' && holds))
  host.publish('blog', 1, { do: 'text', text: 'hello' })
  const front = await host.front()
  t.equal((await front.get('blog', 1)).body, 'hello from 1')
  const own = host.supervisor.status.processes.find(({ site }) => site === 'blog')
  const folder = memoryFolder(`grove-${own?.process}`) ?? ''
  const pids = readFileSync(join(folder, 'cgroup.procs'), 'utf8').trim().split('\n').map(Number)
  t.ok(pids.includes(own?.pid ?? -1), `${own?.pid} is one of ${pids}`)
  await host.supervisor.close()
  await until(() => !existsSync(folder))
})
