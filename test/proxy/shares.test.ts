import t from 'tap'
import { createShares } from '../../proxy/shares.ts'

const never = new AbortController().signal

t.test('whoever holds fewer places than are free gets one more', (t) => {
  const shares = createShares(16)
  const takeAll = (visitor: string): number => {
    let taken = 0
    while (shares.take(visitor)) taken += 1
    return taken
  }
  t.equal(takeAll('first'), 8)
  t.equal(takeAll('second'), 4)
  t.equal(takeAll('third'), 2)
  t.equal(takeAll('fourth'), 1)
  t.equal(takeAll('first'), 0)
  t.ok(shares.take('somebody new'))
  t.notOk(shares.take('one too many'))
  t.notOk(shares.take(undefined))
  t.end()
})

t.test('without a name everybody is somebody else', (t) => {
  const shares = createShares(3)
  const releases = [1, 2, 3].map(() => shares.take(undefined))
  t.ok(releases.every((release) => release))
  t.notOk(shares.take(undefined))
  releases[0]?.()
  t.ok(shares.take(undefined))
  t.end()
})

t.test('those in line get what becomes free, visitors in turn, each in order', async (t) => {
  const shares = createShares(1)
  const release = shares.take('a')
  const order: string[] = []
  const waiting = ['a 1', 'a 2', 'b 1', 'a 3', 'b 2'].map(async (name) => {
    const leave = await shares.wait(name.slice(0, 1), never)
    order.push(name)
    t.notOk(shares.take('c'), 'there is one place')
    leave()
  })
  release?.()
  await Promise.all(waiting)
  t.same(order, ['a 1', 'b 1', 'a 2', 'b 2', 'a 3'])
  t.ok(shares.take('a'), 'and all is as it was')
})

t.test('nobody overtakes their own line, and others are not held up by it', async (t) => {
  const shares = createShares(4)
  const releases = [shares.take('a'), shares.take('a')]
  const line = shares.wait('a', never)
  t.notOk(shares.take('a'))
  t.ok(shares.take('b'))
  releases[0]?.()
  t.type(await line, 'function')
})

t.test('whoever gives up leaves the line, and nothing of it is left', async (t) => {
  const shares = createShares(1)
  const release = shares.take('a')
  const abort = new AbortController()
  const given = shares.wait('b', abort.signal)
  const next = shares.wait('b', never)
  abort.abort(new Error('gone'))
  await t.rejects(given, { message: 'gone' })
  await t.rejects(shares.wait('b', abort.signal), { message: 'gone' })
  release?.()
  ;(await next)()
  t.ok(shares.take('b'))
})
