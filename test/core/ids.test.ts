import t from 'tap'
import { nextRequestId, randomId } from '../../core/ids.ts'

t.test('request ids are unique and fit a header, a log and a URL', (t) => {
  const ids = new Set(Array.from({ length: 1_000 }, nextRequestId))
  t.equal(ids.size, 1_000)
  for (const id of ids) if (!/^[0-9a-z-]{8,40}$/.test(id)) t.fail(id)
  t.end()
})

t.test('random ids have 128 bits', (t) => {
  t.match(randomId(), /^[A-Za-z0-9_-]{22}$/)
  t.not(randomId(), randomId())
  t.end()
})
