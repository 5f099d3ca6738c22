import t from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { createDamages, isDamage } from '../../../store/contents/damages.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'

t.test('a damage is shunned for a while, and remembered until it was read', async (t) => {
  let nowMs = 0
  const damages = createDamages({ ...nodeEnvironment, monotonic: () => nowMs })
  damages.note('segment', 'a')
  damages.note('other')
  t.same(
    [damages.isFresh('segment', 'a'), damages.isFresh('segment', 'b'), damages.isFresh('segment')],
    [true, false, false],
  )
  t.same([damages.isFresh('other'), damages.isDamaged('segment'), damages.isDamaged('nobody')], [true, true, false])
  nowMs = 60_000
  t.same([damages.isFresh('segment', 'a'), damages.isDamaged('segment')], [false, true])
  damages.clear('segment', 'b')
  t.equal(damages.isDamaged('segment'), true)
  damages.clear('segment', 'a')
  damages.clear('other')
  damages.clear('nobody')
  t.same([damages.isDamaged('segment'), damages.isDamaged('other')], [false, false])
})

t.test('not more is remembered than is bounded', async (t) => {
  const damages = createDamages(nodeEnvironment)
  damages.note('first')
  for (let count = 0; count < 10_000; count += 1) damages.note('segment', String(count))
  t.equal(damages.isDamaged('first'), false)
  t.equal(damages.isFresh('segment', '9999'), true)
})

t.test('what is gone or changed is a damage; what cannot be reached or opened is none', async (t) => {
  t.same(
    (['ERR_BLOB_CORRUPT', 'ERR_BLOB_MISSING', 'ERR_OBJECTS', 'ERR_KEY_MISSING', 'ERR_DATA_IO'] as const).map((code) =>
      isDamage(new GroveError(code, 'x')),
    ),
    [true, true, false, false, false],
  )
})
