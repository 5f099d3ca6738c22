import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { endStragglers } from '../../../sandbox/supervisor/stragglers.ts'

const isRoot = process.getuid?.() === 0
const uid = 1_900_999_999

t.test('every process of an account is ended, and of no other', { skip: !isRoot }, async (t) => {
  const own = Array.from({ length: 3 }, () => spawn('sleep', ['100'], { uid, gid: uid, stdio: 'ignore' }))
  const other = spawn('sleep', ['100'], { uid: uid - 1, gid: uid - 1, stdio: 'ignore' })
  t.teardown(() => other.kill('SIGKILL'))
  await Promise.all([...own, other].map((child) => once(child, 'spawn')))
  const ended = Promise.all(own.map((child) => once(child, 'exit')))
  const { found, isClean } = await endStragglers(uid)
  t.ok(found >= 3)
  t.ok(isClean)
  t.same(
    (await ended).map(([, signal]) => signal),
    ['SIGKILL', 'SIGKILL', 'SIGKILL'],
  )
  t.equal(other.exitCode, null)
  t.notOk(other.killed)
  t.same(await endStragglers(uid), { found: 0, isClean: true })
})

t.test('one that starts others all the time does not outrun it', { skip: !isRoot }, async (t) => {
  // Each starts the next in a session of its own, and ends.
  const script = 'f() { sleep 0.005; setsid sh -c "$1" sh "$1" & }; f "$1"; sleep 1'
  const child = spawn('sh', ['-c', script, 'sh', script], { uid, gid: uid, stdio: 'ignore' })
  await once(child, 'spawn')
  await new Promise((resolve) => setTimeout(resolve, 100))
  let isClean = false
  for (let tries = 0; tries < 20 && !isClean; tries++) ({ isClean } = await endStragglers(uid))
  t.ok(isClean)
})
