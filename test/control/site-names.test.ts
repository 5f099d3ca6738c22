import t from 'tap'
import { checkNewSiteName } from '../../control/site-names.ts'

t.test('ordinary labels are names of sites', (t) => {
  for (const name of ['a', 'blog', '2026', 'a-b-c', 'x'.repeat(63)]) t.equal(checkNewSiteName(name), name)
  t.end()
})

t.test('what is no label, reserved, or could look like another name is refused', (t) => {
  for (const name of [
    '',
    '-a',
    'a-',
    'Blog',
    'a.b',
    'a b',
    'ä',
    'x'.repeat(64),
    'wpad',
    'grove',
    'xn--blg-zna',
    'ab--c',
  ])
    t.throws(() => checkNewSiteName(name), { code: 'ERR_SITE_NAME' }, JSON.stringify(name))
  t.end()
})
