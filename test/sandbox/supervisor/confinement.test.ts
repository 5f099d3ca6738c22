import { statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { findConfinement } from '../../../sandbox/supervisor/confinement.ts'
import { bareLaunch, confine, nodeFlags } from '../../../sandbox/supervisor/launch-line.ts'
import { openTenantProgram } from '../../../sandbox/supervisor/program-files.ts'
import { shortFolder } from '../../control/fixtures/short-folder.ts'
import { fixtureProgram } from './fixtures/host.ts'

const isRoot = process.getuid?.() === 0

t.test('what holds is found by trying it, and told in words for people', async (t) => {
  const secret = shortFolder(t)
  writeFileSync(join(secret, 'key'), 'secret')
  const program = await openTenantProgram()
  const { rows, plan } = await findConfinement({ ...program, secret: [secret] })
  const names = rows.map(({ name }) => name)
  t.same(names, ['network', 'files', 'account', 'privileges', 'bounds', 'addresses', 'orphans', 'permissions'])
  for (const { name, why } of rows) t.ok(why.length > 10 && !why.includes('\n'), `${name}: ${why}`)
  t.ok(rows.find(({ name }) => name === 'permissions')?.holds, 'Node itself holds everywhere')
  if (!isRoot || process.platform !== 'linux') return
  t.ok(plan.firstUid)
  t.equal(plan.namespaces, 'root')
  t.ok(plan.hidden.includes(secret) || plan.hidden.includes('/tmp'))
})

t.test('where an account cannot read the program, that is said and the rest holds', { skip: !isRoot }, async (t) => {
  // The only layer that a folder without rights for others can break.
  const closed = shortFolder(t)
  const module = join(closed, 'module.mjs')
  writeFileSync(module, 'export const here = true\n')
  const { rows, plan } = await findConfinement({
    readable: [...fixtureProgram.readable, closed],
    modules: [module],
    secret: [],
  })
  t.equal(plan.firstUid, undefined)
  t.match(
    rows.find(({ name }) => name === 'account'),
    { holds: false, why: /does not run with it/ },
  )
  t.equal(plan.namespaces, 'root', 'the network is still kept away')
})

t.test('a program that does not run at all is said so', async (t) => {
  const { rows, plan } = await findConfinement({ readable: [], modules: ['/nowhere/at/all.js'], secret: [] })
  t.same(plan, bareLaunch)
  t.match(rows.at(-1), { name: 'permissions', holds: false, why: /does not run at all/ })
  t.ok(rows.every(({ holds }) => !holds))
})

t.test('a command line has only the layers of its plan, and an empty environment', (t) => {
  t.same(confine(bareLaunch, 3, ['node']), ['env', '-i', 'MALLOC_ARENA_MAX=1', 'node'])
  const full = confine(
    {
      namespaces: 'user',
      hidden: ['/data', '/tmp'],
      firstUid: 70_000,
      privileges: 'none',
      endsWithParent: true,
      bounds: true,
      addressBytes: 1_000,
    },
    3,
    ['node'],
  ).join(' ')
  t.match(full, /^unshare --user --map-root-user --net --ipc --mount -- sh -c /)
  t.match(
    full,
    / sh 2 \/data \/tmp prlimit .*--as=1000 -- setpriv --reuid 70003 --regid 70003 --clear-groups .* -- env -i MALLOC_ARENA_MAX=1 node$/s,
  )
  t.ok(nodeFlags({ readable: ['/a', '/b'] }).includes('--allow-fs-read=/b'))
  t.end()
})

t.test('the program of tenants is all in the files that they may read, and everybody may', async (t) => {
  const programs = await Promise.all([openTenantProgram(), openTenantProgram()])
  t.same(programs[0], programs[1], 'the same sources, the same place')
  const [program] = programs
  t.ok([program.entry, ...program.modules].every((path) => program.readable.some((folder) => path.startsWith(folder))))
  t.equal(statSync(program.entry).mode & 0o777, 0o644)
  t.equal(statSync(dirname(program.entry)).mode & 0o777, 0o755)
})
