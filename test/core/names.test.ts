import t from 'tap'
import { isAuthority, isBlobHash, isSiteName, toSiteName, versionLabel } from '../../core/names.ts'

t.test('a site name is one DNS label', (t) => {
  for (const name of ['a', 'blog', 'my-site', '0', 'a'.repeat(63)]) t.ok(isSiteName(name), name)
  for (const name of ['', '-a', 'a-', 'A', 'a.b', 'a_b', 'ä', 'a/b', '..', 'a'.repeat(64), 'a\n']) {
    t.notOk(isSiteName(name), JSON.stringify(name))
    t.throws(() => toSiteName(name), { code: 'ERR_SITE_NAME' })
  }
  t.equal(toSiteName('blog'), 'blog')
  t.end()
})

t.test('an authority is a lower-case name or a bracketed address', (t) => {
  for (const name of [
    'localhost',
    'blog.localhost',
    '127.0.0.1',
    '[::1]',
    'xn--bcher-kva.example',
    `${'a.'.repeat(126)}a`,
  ])
    t.ok(isAuthority(name), name)
  for (const name of [
    '',
    'A.b',
    'a..b',
    'a.',
    '.a',
    'a b',
    'a:80',
    'a/b',
    'a@b',
    'ü.de',
    '::1',
    '[x]',
    `${'a.'.repeat(127)}a`,
    `${'a'.repeat(64)}.b`,
    'a\0b',
  ])
    t.notOk(isAuthority(name), JSON.stringify(name))
  t.end()
})

t.test('a blob hash is 64 lower-case hex digits', (t) => {
  t.ok(isBlobHash('0'.repeat(64)))
  for (const text of ['', '0'.repeat(63), '0'.repeat(65), 'G'.repeat(64), 'A'.repeat(64), `${'0'.repeat(62)}..`])
    t.notOk(isBlobHash(text), text)
  t.end()
})

t.test('a version is written as people say it', (t) => {
  t.equal(versionLabel('blog', 42), 'blog@42')
  t.end()
})
