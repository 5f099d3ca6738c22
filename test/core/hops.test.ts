import t from 'tap'
import { hopsOf, mostHops } from '../../core/hops.ts'

t.test('how often a request has passed through sites', (t) => {
  t.equal(hopsOf([]), 0)
  t.equal(hopsOf(['x', '1', 'grove-hops', '2']), 2)
  for (const text of ['', '-1', 'x', '1e3', '2, 3', '9999', ' 1']) t.equal(hopsOf(['grove-hops', text]), mostHops, text)
  t.end()
})
