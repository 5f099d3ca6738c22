import { fork } from 'node:child_process'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { type ChildExit, SupervisedChild } from '../../cli/supervised-child.ts'

function supervise(script: string, ended: (exit: ChildExit, child: SupervisedChild) => 'restart' | 'leave') {
  const waits: number[] = []
  const folder = t.testdir({ 'child.mjs': script })
  const child: SupervisedChild = new SupervisedChild({
    kind: 'front',
    index: 0,
    fork: () => fork(join(folder, 'child.mjs'), [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }),
    receive: () => child.cameUp(),
    started: () => {},
    ended: (exit) => ended(exit, child),
    log: pino({}, { write: (line: string) => void waits.push(JSON.parse(line).restartInMs) }),
  })
  return { child, waits }
}

t.test('a process that never comes up is started again with growing pauses', async (t) => {
  const enough = Promise.withResolvers<void>()
  let ends = 0
  const { child, waits } = supervise('process.exit(7)', ({ code }) => {
    t.equal(code, 7)
    ends += 1
    if (ends === 4) enough.resolve()
    return ends === 4 ? 'leave' : 'restart'
  })
  child.start()
  await enough.promise
  t.same(waits, [100, 200, 400])
  await child.retire(1_000)
  t.equal(child.info, undefined)
})

t.test('one that came up is wanted back at once, each time', async (t) => {
  const enough = Promise.withResolvers<void>()
  let ends = 0
  const { child, waits } = supervise("process.send('up', () => process.exit(7))", () => {
    ends += 1
    if (ends === 4) enough.resolve()
    return ends === 4 ? 'leave' : 'restart'
  })
  child.start()
  await enough.promise
  t.same(waits, [100, 100, 100])
})

t.test('one that does not end in its time is killed', async (t) => {
  const up = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<ChildExit>()
  const folder = t.testdir({ 'child.mjs': "setInterval(() => {}, 1_000)\nprocess.send('up')" })
  const child = new SupervisedChild({
    kind: 'control',
    index: 0,
    fork: () => fork(join(folder, 'child.mjs'), [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }),
    receive: () => up.resolve(),
    started: () => {},
    ended: (exit) => {
      ended.resolve(exit)
      return 'restart'
    },
    log: pino({ level: 'silent' }),
  })
  child.start()
  await up.promise
  t.match(child.info, { kind: 'control', index: 0, restarts: 0 })
  await child.retire(1)
  t.equal((await ended.promise).signal, 'SIGKILL')
  t.equal(child.info, undefined, 'and not started again')
})
