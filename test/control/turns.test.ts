import t from 'tap'
import { Turns } from '../../control/turns.ts'
import { limits } from '../../core/limits.ts'

t.test('work of one key is done in order, work of others meanwhile', async (t) => {
  const turns = new Turns()
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  const slow = turns.run('a', async () => {
    await gate.promise
    seen.push('a1')
    return 1
  })
  const next = turns.run('a', async () => seen.push('a2'))
  await turns.run('b', async () => seen.push('b'))
  t.same(seen, ['b'])
  gate.resolve()
  t.equal(await slow, 1)
  await next
  t.same(seen, ['b', 'a1', 'a2'])
})

t.test('an error reaches who asked, and the next in line goes on', async (t) => {
  const turns = new Turns()
  const failing = turns.run('a', async () => {
    throw new Error('no')
  })
  const next = turns.run('a', async () => 'yes')
  await t.rejects(failing, { message: 'no' })
  t.equal(await next, 'yes')
})

t.test('a line has a bound', async (t) => {
  const turns = new Turns()
  const gate = Promise.withResolvers<void>()
  const waiting = Array.from({ length: limits.control.turns }, () => turns.run('a', () => gate.promise))
  await t.rejects(
    turns.run('a', async () => {}),
    { code: 'ERR_TOO_MANY' },
  )
  gate.resolve()
  await Promise.all(waiting)
  await t.resolves(turns.run('a', async () => {}))
})
