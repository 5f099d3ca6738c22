import t from 'tap'
import { createHashLocks } from '../../../store/contents/hash-locks.ts'

t.test('work on one content is done one at a time, in order, also after a failure', async (t) => {
  const locks = createHashLocks()
  const done: string[] = []
  const first = Promise.withResolvers<void>()
  const a = locks.run('a', async () => {
    await first.promise
    done.push('a1')
    throw new Error('failed')
  })
  const b = locks.run('a', async () => {
    done.push('a2')
    return 2
  })
  await locks.run('b', async () => {
    done.push('b1')
  })
  t.same(done, ['b1'], 'another content does not wait')
  first.resolve()
  await t.rejects(a, { message: 'failed' })
  t.equal(await b, 2)
  t.same(done, ['b1', 'a1', 'a2'])
  t.equal(await locks.run('a', async () => 3), 3)
})
