import t from 'tap'
import type { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { checkTree, decodeTree, diffTrees, encodeTree, type TreeFile } from '../../store/tree.ts'

const hash = 'ab'.repeat(32)
const file = (path: string, of = hash, bytes = 1): TreeFile => ({ path, hash: of, bytes })

function refusalOf(files: readonly TreeFile[]): GroveError {
  try {
    checkTree(files)
  } catch (error) {
    return error as GroveError
  }
  throw new Error('the tree was not refused')
}

const refusedTrees: readonly { name: string; files: readonly TreeFile[]; path: string; reason: RegExp }[] = [
  { name: 'an empty path', files: [file('')], path: '', reason: /is empty/ },
  { name: 'an absolute path', files: [file('/etc/passwd')], path: '/etc/passwd', reason: /starts with \// },
  { name: 'a path that climbs', files: [file('a/../../b')], path: 'a/../../b', reason: /segment \.\./ },
  { name: 'a path that stays', files: [file('./a')], path: './a', reason: /segment \./ },
  { name: 'an empty segment', files: [file('a//b')], path: 'a//b', reason: /empty segment/ },
  { name: 'a folder as a file', files: [file('a/')], path: 'a/', reason: /empty segment/ },
  { name: 'a backslash', files: [file('a\\b')], path: 'a\\b', reason: /backslash/ },
  { name: 'a line feed', files: [file('a\nb')], path: 'a\nb', reason: /control character/ },
  { name: 'a NUL', files: [file('a\0.html')], path: 'a\0.html', reason: /control character/ },
  { name: 'a C1 control', files: [file('a\x9b31m')], path: 'a\x9b31m', reason: /control character/ },
  { name: 'half a surrogate pair', files: [file('a\ud800')], path: 'a\ud800', reason: /Unicode/ },
  { name: 'a decomposed name', files: [file('u\u0308ber')], path: 'u\u0308ber', reason: /NFC/ },
  { name: 'a segment too long', files: [file('x'.repeat(256))], path: 'x'.repeat(256), reason: /255 bytes/ },
  {
    name: 'a path too long',
    files: [file(`${'ab/'.repeat(400)}c`)],
    path: `${'ab/'.repeat(341)}a`,
    reason: /1024 bytes/,
  },
  { name: 'one path twice', files: [file('a'), file('a')], path: 'a', reason: /there twice/ },
  {
    name: 'two cases',
    files: [file('Index.html'), file('index.html')],
    path: 'index.html',
    reason: /"Index.html" only by case/,
  },
  {
    name: 'two cases above ASCII',
    files: [file('\u00c4.txt'), file('\u00e4.txt')],
    path: '\u00e4.txt',
    reason: /only by case/,
  },
  { name: 'a file under a file', files: [file('a'), file('a/b')], path: 'a/b', reason: /under "a", which is a file/ },
  {
    name: 'a file deep under a file',
    files: [file('x/a/b/c/d'), file('x/a')],
    path: 'x/a/b/c/d',
    reason: /under "x\/a"/,
  },
  { name: 'a file under a file of another case', files: [file('A'), file('a/b')], path: 'a/b', reason: /under "A"/ },
  { name: 'a hash too short', files: [file('a', 'ab')], path: 'a', reason: /no SHA-256/ },
  { name: 'a hash in capitals', files: [file('a', 'AB'.repeat(32))], path: 'a', reason: /no SHA-256/ },
  { name: 'a hash that climbs', files: [file('a', `../${'a'.repeat(61)}`)], path: 'a', reason: /no SHA-256/ },
  { name: 'a negative length', files: [file('a', hash, -1)], path: 'a', reason: /no length/ },
  { name: 'half a byte', files: [file('a', hash, 0.5)], path: 'a', reason: /no length/ },
  { name: 'a length that is no number', files: [file('a', hash, Number.NaN)], path: 'a', reason: /no length/ },
  { name: 'a file too large', files: [file('a', hash, limits.tree.fileBytes + 1)], path: 'a', reason: /larger than/ },
]

for (const { name, files, path, reason } of refusedTrees) {
  t.test(`${name} is refused by name`, (t) => {
    const error = refusalOf([file('good.html'), ...files])
    t.equal(error.code, 'ERR_PUBLISH_REFUSED')
    t.match(error.details, { count: 1, refused: [{ path, reason }] })
    t.match(error.message, reason)
    t.end()
  })
}

t.test('a tree beyond a bound as a whole is refused', (t) => {
  const many = (count: number, bytes: number, name = (index: number) => `f${index}`) =>
    Array.from({ length: count }, (_, index) => file(name(index), hash, bytes))
  t.match(refusalOf(many(limits.tree.files + 1, 0)).message, /100001 files; at most 100000/)
  t.match(refusalOf(many(17, limits.tree.fileBytes)).message, /bytes; at most 17179869184/)
  const longNames = (index: number) => `${'long/'.repeat(40)}${index}`
  t.match(refusalOf(many(limits.tree.files, 0, longNames)).message, /paths of \d+ bytes together; at most 16777216/)
  checkTree(many(limits.tree.files, 0))
  t.end()
})

t.test('all refused paths are counted, the first hundred are named', (t) => {
  const { message, details } = refusalOf(Array.from({ length: 250 }, (_, index) => file(`/${index}`)))
  t.equal(details?.['count'], 250)
  t.equal([details?.['refused']].flat().length, 100)
  t.match(message, /"\/99" starts with \/; and 150 more$/)
  t.end()
})

t.test('a hostile name reaches nobody’s terminal', (t) => {
  const { message } = refusalOf([file('\x1b[2J\x9b31m\u202egnp.exe\\'), file(`\\${'x'.repeat(5_000)}`)])
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  t.notMatch(message, /[\x00-\x1f\x7f-\x9f\u202e]/)
  t.match(message, /\\u001b\[2J\\u009b31m\\u202egnp\.exe/)
  t.ok(message.length < 1_000, 'nor fills it')
  t.end()
})

t.test('a path of nothing but slashes is refused as fast as any', (t) => {
  t.match(refusalOf([file(`a${'/'.repeat(2_000_000)}`)]).details, { count: 1 })
  t.end()
})

t.test('a tree has one form, whatever the order of its files', (t) => {
  const files = [file('b.html'), file('a/z'), file('a.html'), file('a b'), file('ü'), file('\u{1f600}'), file('\uff5e')]
  checkTree(files)
  const encoded = encodeTree(files)
  t.same(encodeTree(files.toReversed()), encoded)
  const decoded = decodeTree(encoded)
  t.same(
    decoded.map(({ path }) => path),
    ['a b', 'a.html', 'a/z', 'b.html', 'ü', '\u{1f600}', '\uff5e'],
    'sorted by code unit',
  )
  t.same(encodeTree(decoded), encoded)
  t.equal(encodeTree([]).toString(), 'grove tree 1\n')
  t.same(decodeTree(encodeTree([])), [])
  t.end()
})

const brokenTrees = [
  '',
  'grove tree 1',
  'grove tree 2\n',
  `grove tree 1\n${hash} 1 a`,
  `grove tree 1\n${hash} 1 a\n\n`,
  `grove tree 1\n${hash} 1 \n`,
  `grove tree 1\n${hash} 01 a\n`,
  `grove tree 1\n${hash} -1 a\n`,
  `grove tree 1\n${hash} 1  \n${hash} 1  \n`,
  `grove tree 1\n${hash.slice(1)} 1 a\n`,
  `grove tree 1\n${hash} 1 b\n${hash} 1 a\n`,
  `grove tree 1\n${hash} 1 a\n${hash} 1 a\n`,
  `\ufeffgrove tree 1\n`,
]
for (const text of brokenTrees) {
  t.test(`what is not a tree is not read as one: ${JSON.stringify(text).replaceAll(hash, '<hash>')}`, (t) => {
    t.throws(() => decodeTree(Buffer.from(text)), { code: 'ERR_DATA_FORMAT' })
    t.end()
  })
}

t.test('a difference names what was added, changed and removed', (t) => {
  const other = 'cd'.repeat(32)
  const before = [file('a'), file('b'), file('c'), file('d')]
  const after = [file('z'), file('d', other), file('b', other), file('a'), file('e')]
  t.same(diffTrees(before, after), { added: ['e', 'z'], changed: ['b', 'd'], removed: ['c'] })
  t.same(diffTrees(after, after), { added: [], changed: [], removed: [] })
  t.same(diffTrees([], before).added, ['a', 'b', 'c', 'd'])
  t.same(diffTrees(before, []).removed, ['a', 'b', 'c', 'd'])
  t.end()
})
