import t from 'tap'
import { createReservations } from '../../../store/contents/reservations.ts'

t.test('what somebody has reserved is not removed', async (t) => {
  const reservations = createReservations()
  const first = await reservations.reserve(['a', 'a', 'b'])
  const second = await reservations.reserve(['a'])
  const free = (keys: readonly string[]) => reservations.withUnreserved(keys, async (free) => [...free])
  t.same(await free(['a', 'b', 'c']), ['c'])
  t.equal(reservations.isReserved('a'), true)
  first()
  first()
  t.same(await free(['a', 'b', 'c']), ['b', 'c'], 'a is reserved by another still')
  second()
  t.same(await free(['a']), ['a'])
  t.equal(reservations.isReserved('a'), false)
})

t.test('what is being removed can be reserved only after it', async (t) => {
  const reservations = createReservations()
  const order: string[] = []
  const removal = Promise.withResolvers<void>()
  const removing = reservations.withUnreserved(['a'], async () => {
    await removal.promise
    order.push('removed')
    throw new Error('the bucket is away')
  })
  const reserving = reservations.reserve(['b', 'a']).then((release) => {
    order.push('reserved')
    return release
  })
  t.same(await reservations.withUnreserved(['a'], async (free) => [...free]), [], 'and is not removed twice')
  removal.resolve()
  await t.rejects(removing, { message: 'the bucket is away' })
  const release = await reserving
  t.same(order, ['removed', 'reserved'])
  release()
})
