import t from 'tap'
import { createSentContents } from '../../control/sent-contents.ts'

t.test('what was sent for a site is known for that site, as long as few were sent since', async (t) => {
  const sent = createSentContents(3)
  sent.note('blog', 'a')
  t.ok(sent.has('blog', 'a'))
  t.notOk(sent.has('shop', 'a'), 'not for another site')
  t.notOk(sent.has('blog', 'b'))
  for (const hash of ['b', 'c', 'a', 'd']) sent.note('blog', hash)
  t.same(
    ['a', 'b', 'c', 'd'].map((hash) => sent.has('blog', hash)),
    [true, false, true, true],
    'sending it again counts',
  )
  sent.forget('blog', ['a', 'none'])
  t.notOk(sent.has('blog', 'a'))
  t.ok(sent.has('blog', 'd'))
})
