import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findResourceGroups } from '../../../sandbox/supervisor/resources.ts'

/** A folder that looks like the mount of control groups of version 2. What the kernel does, nobody does here. */
function version2(t: Test, path: string, { free = true } = {}): { mount: string; folder: string } {
  const mount = t.testdir({ 'cgroup.controllers': 'cpu memory pids\n' })
  const folder = join(mount, path)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'cgroup.controllers'), 'cpu memory pids\n')
  if (free) writeFileSync(join(folder, 'cgroup.subtree_control'), '+memory')
  else mkdirSync(join(folder, 'cgroup.subtree_control')) // Not to be written, as with processes in the group.
  return { mount, folder }
}

for (const [how, options] of [
  ['that was named', { group: '/system.slice/grove.service' }],
  ['that is its own', { own: '12:pids:/\n0::/system.slice/grove.service\n' }],
  ['of its unit, where it is in a part of it,', { own: '0::/system.slice/grove.service/main\n' }],
] as const)
  t.test(`a group ${how} is divided, with bounds for each tenant`, (t) => {
    const { mount, folder } = version2(t, 'system.slice/grove.service')
    const groups = findResourceGroups({ mount, ...options })
    t.match(groups.row, { name: 'control groups', holds: true, why: new RegExp(folder) })
    const group = groups.make('p1', { memoryBytes: 1_000, threads: 7 })
    const read = (file: string) => readFileSync(join(folder, 'grove-p1', file), 'utf8')
    t.equal(read('memory.max'), '1000')
    t.equal(read('memory.swap.max'), '0')
    t.equal(read('pids.max'), '7')
    t.equal(read('cpu.max'), '150000 100000')
    t.ok(group?.add(4_242))
    t.equal(read('cgroup.procs'), '4242')
    t.notOk(group?.ranOutOfMemory)
    writeFileSync(join(folder, 'grove-p1/memory.events'), 'low 0\noom 1\noom_kill 1\n')
    t.ok(group?.ranOutOfMemory)
    t.end()
  })

t.test('the slice that a unit lies in is not taken for its own', (t) => {
  const { mount } = version2(t, 'system.slice')
  mkdirSync(join(mount, 'system.slice/grove.service'))
  t.notOk(findResourceGroups({ mount, own: '0::/system.slice/grove.service\n' }).row.holds)
  t.end()
})

t.test('without a group of its own, and under version 1, none is taken', (t) => {
  const { mount } = version2(t, 'system.slice/grove.service', { free: false })
  const refused = findResourceGroups({ mount, own: '0::/system.slice/grove.service\n' })
  t.match(refused.row, { name: 'control groups', holds: false, why: /no control group of its own/ })
  t.equal(refused.make('x', { memoryBytes: 1, threads: 1 }), undefined)
  const version1 = findResourceGroups({ mount: t.testdir({ memory: {} }), own: '4:memory:/here\n' })
  t.match(version1.row, { holds: false, why: /only if one is named/ })
  t.match(findResourceGroups({ group: 'off' }).row, { holds: false, why: /switched off/ })
  t.match(findResourceGroups({ mount: join(mount, 'nowhere') }).row, { holds: false })
  t.end()
})

t.test('under version 1 a named group is divided in each hierarchy', (t) => {
  const mount = t.testdir({ memory: {}, pids: {}, cpu: {} })
  const groups = findResourceGroups({ mount, group: '/grove' })
  t.ok(groups.row.holds)
  const group = groups.make('p1', { memoryBytes: 1_000, threads: 7 })
  const read = (path: string) => readFileSync(join(mount, path), 'utf8')
  t.equal(read('memory/grove/grove-p1/memory.limit_in_bytes'), '1000')
  t.equal(read('pids/grove/grove-p1/pids.max'), '7')
  t.equal(read('cpu/grove/grove-p1/cpu.cfs_quota_us'), '150000')
  t.ok(group?.add(4_242))
  for (const controller of ['memory', 'pids', 'cpu']) t.equal(read(`${controller}/grove/grove-p1/cgroup.procs`), '4242')
  t.notOk(group?.ranOutOfMemory)
  writeFileSync(
    join(mount, 'memory/grove/grove-p1/memory.oom_control'),
    'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
  )
  t.ok(group?.ranOutOfMemory)
  group?.remove()
  t.ok(existsSync(join(mount, 'memory/grove/grove-p1')), 'a folder that is not empty stays; a real one is')
  t.end()
})
