import t from 'tap'
import { formatTs, justAfter, justBefore, seqOf } from '../../../store/logs/timestamp.ts'
import type { Ts } from '../../../store/store.ts'

const id = '0123456789abcdef'

t.test('a moment has one text, and texts have the order of moments', (t) => {
  const seqs = [0, 1, 9, 10, 99_999, 2 ** 40 - 1, Number.MAX_SAFE_INTEGER]
  const stamps = seqs.map((seq) => formatTs(id, seq))
  t.same(stamps.toSorted(), stamps)
  for (const [index, ts] of stamps.entries()) t.equal(seqOf(ts, id, Number.MAX_SAFE_INTEGER), seqs[index])
  t.end()
})

t.test('neighbours of a moment are reckoned, and there is nothing before the first', (t) => {
  const ts = formatTs(id, 5)
  t.equal(justBefore(ts), formatTs(id, 4))
  t.equal(justAfter(ts), formatTs(id, 6))
  t.equal(justBefore(formatTs(id, 0)), formatTs(id, 0))
  t.throws(() => justBefore('x' as Ts), { code: 'ERR_BAD_REQUEST' })
  t.throws(() => justAfter(undefined as unknown as Ts), { code: 'ERR_BAD_REQUEST' })
  t.end()
})

t.test('a moment of another store, or one that has not come, is none', (t) => {
  t.throws(() => seqOf(formatTs(id, 6), id, 5), { code: 'ERR_AFTER_NOT_VISIBLE', message: /it ends at .*5$/ })
  t.throws(() => seqOf(formatTs('f'.repeat(16), 1), id, 5), { code: 'ERR_AFTER_NOT_VISIBLE', message: /its own id is/ })
  t.end()
})
