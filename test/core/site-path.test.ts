import t from 'tap'
import { clashKey, refusedPathReason } from '../../core/site-path.ts'

t.test('ordinary paths are taken', (t) => {
  for (const path of [
    'index.html',
    'a/b/c.txt',
    '.well-known/x',
    'ünïcode/Ж.html',
    'a b',
    'a%20b',
    '...',
    '日本.txt',
    'a?b',
    'a#b',
  ])
    t.equal(refusedPathReason(path), undefined, path)
  t.end()
})

t.test('paths that could mean something else are refused with a reason', (t) => {
  const table: [string, RegExp][] = [
    ['', /empty/],
    ['/a', /starts with/],
    ['a//b', /empty segment/],
    ['a/', /empty segment/],
    ['../a', /segment \.\./],
    ['a/../b', /segment \.\./],
    ['./a', /segment \./],
    ['a\0b', /control/],
    ['a\nb', /control/],
    ['a\x7f', /control/],
    ['a\u0085b', /control/],
    ['a\\b', /backslash/],
    ['e\u0301', /NFC/],
    ['\ud800', /Unicode/],
    [`${'a/'.repeat(600)}b`, /1024 bytes/],
    ['a'.repeat(256), /255 bytes/],
  ]
  for (const [path, reason] of table) t.match(refusedPathReason(path), reason, JSON.stringify(path.slice(0, 20)))
  t.end()
})

t.test('letters that only look like others are either refused or names of their own', (t) => {
  for (const path of ['\u212b.html', '\u212a', 'a\u0340b', '\u2126', '\u037e'])
    t.match(refusedPathReason(path), /NFC/, `${JSON.stringify(path)} has another form that means the same`)
  // A path is a key of a map, so what looks like a dot or a slash climbs nowhere.
  const apart = ['a/b', 'a\u2044b', 'a\u2215b', 'a\uff0fb', '\uff0e\uff0e/a', '\u2025/a', '\u0430/b', 'a\u200b/b']
  for (const path of apart) t.equal(refusedPathReason(path), undefined, JSON.stringify(path))
  t.equal(new Set(apart.map(clashKey)).size, apart.length)
  t.end()
})

t.test('names that differ by case or Unicode form alone have one clash key', (t) => {
  t.equal(clashKey('A/É.html'), clashKey('a/e\u0301.HTML'))
  t.not(clashKey('a'), clashKey('b'))
  t.end()
})
