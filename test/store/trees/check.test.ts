import fc from 'fast-check'
import t from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import { buildTree, changeTree } from '../../../store/trees/change.ts'
import { checkChange, checkFiles, overlapOf } from '../../../store/trees/check.ts'
import { diffTrees } from '../../../store/trees/difference.ts'
import type { TreeChange, TreeFile } from '../../../store/trees/tree-file.ts'
import { filesOf } from '../../../store/trees/walk.ts'
import { fileAt, manyFiles, memoryNodes } from './fixtures/memory-nodes.ts'

const hash = 'ab'.repeat(32)
const file = (path: string, of = hash, bytes = 1): TreeFile => ({ path, hash: of, bytes })

function refusalOf(files: readonly TreeFile[]): GroveError {
  try {
    checkFiles(files)
  } catch (error) {
    return error as GroveError
  }
  throw new Error('the files were not refused')
}

const refusedFiles: readonly { name: string; files: readonly TreeFile[]; path: string; reason: RegExp }[] = [
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
  {
    name: 'a character of no Unicode yet',
    files: [file('\u0378')],
    path: '\u0378',
    reason: /Unicode [\d.]+ does not know/,
  },
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

for (const { name, files, path, reason } of refusedFiles) {
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
  checkFiles(many(limits.tree.files, 0))
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

/** A tree in memory that a change is checked against. */
async function checkOn(before: readonly TreeFile[], change: TreeChange): Promise<void> {
  const memory = memoryNodes()
  await checkChange(memory.read, memory.keep(await buildTree(before)), change)
}

const folder = manyFiles(200).map(({ path }) => file(`m/${path}`))
const paths = (...names: string[]) => names.map((name) => file(name))

interface ChangeCase {
  readonly name: string
  readonly before: readonly TreeFile[]
  readonly put?: readonly TreeFile[]
  readonly del?: readonly string[]
  /** What is refused; nothing if it is left out. */
  readonly refused?: readonly (readonly [path: string, reason: RegExp])[]
}

const changeCases: readonly ChangeCase[] = [
  { name: 'a new file', before: paths('a'), put: paths('b') },
  { name: 'a file in the place of itself', before: paths('a'), put: [file('a', hash, 9)] },
  { name: 'a file that goes and one that never was', before: paths('a'), del: ['a', 'b', 'A'] },
  {
    name: 'another case of a file',
    before: paths('Index.html'),
    put: paths('index.html'),
    refused: [['index.html', /differs from "Index.html" only by case/]],
  },
  { name: 'another case of a file that goes', before: paths('A'), put: paths('a'), del: ['A'] },
  {
    name: 'another case while a third one goes that is not there',
    before: paths('\u00c9T'),
    put: paths('\u00e9t'),
    del: ['\u00c9t'],
    refused: [['\u00e9t', /differs from "\u00c9T"/]],
  },
  {
    name: 'a file under a file',
    before: paths('a', 'a-b'),
    put: paths('a/b/c'),
    refused: [['a/b/c', /lies under "a", which is a file/]],
  },
  {
    name: 'several files under a file of another case, far from each other',
    before: [...folder, file('M/s1')].filter(({ path }) => !path.startsWith('m/s1/')),
    put: paths('m/s1/0', 'm/s1/5/x', 'm/s1/z'),
    refused: [
      ['m/s1/0', /under "M\/s1"/],
      ['m/s1/5/x', /under "M\/s1"/],
      ['m/s1/z', /under "M\/s1"/],
    ],
  },
  {
    name: 'a file where a folder is',
    before: folder,
    put: paths('m/s1'),
    refused: [['m/s1', /is a folder, in which "m\/s1\/\d+\/[^"]+" lies/]],
  },
  {
    name: 'a file where a folder is that goes',
    before: folder,
    put: paths('M'),
    del: folder.map(({ path }) => path),
  },
  {
    name: 'a file where a folder is of which one file stays',
    before: folder,
    put: paths('m'),
    del: folder.slice(0, -1).map(({ path }) => path),
    refused: [['m', new RegExp(`in which "${folder.at(-1)?.path}" lies`)]],
  },
  { name: 'files under a file that goes', before: paths('a', 'b'), put: paths('a/b', 'a/c'), del: ['a'] },
  {
    name: 'a file over a folder and one in it',
    before: paths('a/b'),
    put: paths('a', 'a/c'),
    refused: [
      ['a/c', /lies under "a", which is a file/],
      ['a', /is a folder, in which "a\/b" lies/],
    ],
  },
  { name: 'names that only begin alike', before: paths('a', 'b/c'), put: paths('a-', 'a0/b', 'b.html', 'b-/c') },
  {
    name: 'a file that is put and goes',
    before: paths('a'),
    put: paths('a'),
    del: ['a'],
    refused: [['a', /both put and deleted/]],
  },
  { name: 'a path that climbs, to be deleted', before: [], del: ['../a'], refused: [['../a', /segment \.\./]] },
  {
    name: 'faults of a list by itself',
    before: paths('x'),
    put: paths('a', 'a', 'a/b', '/c'),
    refused: [
      ['a', /there twice/],
      ['/c', /starts with/],
      ['a/b', /lies under "a"/],
    ],
  },
]

for (const { name, before, put = [], del = [], refused } of changeCases)
  t.test(`a change with ${name} is ${refused ? 'refused by name' : 'let pass'}`, async (t) => {
    if (!refused) return await checkOn(before, { put, del })
    const list = refused.map(([path, reason]) => ({ path, reason }))
    await t.rejects(checkOn(before, { put, del }), {
      code: 'ERR_PUBLISH_REFUSED',
      details: { count: list.length },
    })
    const error = await checkOn(before, { put, del }).catch((error) => error)
    const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1)
    t.match([error.details.refused].flat().sort(byPath), list.toSorted(byPath))
  })

t.test('a change is refused exactly when the whole tree after it would be', async (t) => {
  const names = fc.stringMatching(/^[abA]{1,2}(\/[abB]){0,2}$/)
  const lists = fc.uniqueArray(names, { maxLength: 12 })
  const memory = memoryNodes()
  await fc.assert(
    fc.asyncProperty(lists, lists, lists, async (start, put, del) => {
      const before = legal(start.map((path) => fileAt(path)))
      const change = { put: put.map((path) => fileAt(path, 1)), del: del.filter((path) => !put.includes(path)) }
      const after = before.filter(({ path }) => !put.includes(path) && !del.includes(path)).concat(change.put)
      const root = memory.keep(await buildTree(before))
      const isRefused = await checkChange(memory.read, root, change).then(
        () => false,
        () => true,
      )
      if (isRefused !== !isLegal(after)) return false
      if (isRefused) return true
      return (await changeTree(memory.read, root, change)).root === (await buildTree(after)).root
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

function isLegal(files: readonly TreeFile[]): boolean {
  try {
    checkFiles(files)
    return true
  } catch {
    return false
  }
}

/** As many of the files as can lie beside each other. */
function legal(files: readonly TreeFile[]): TreeFile[] {
  const kept: TreeFile[] = []
  for (const file of files) if (isLegal([...kept, file])) kept.push(file)
  return kept
}

t.test('a change that takes a tree beyond a bound is refused, and one that keeps it there is not', async (t) => {
  const memory = memoryNodes()
  const full = Array.from({ length: limits.tree.files }, (_, index) => file(`f${index}`, hash, 0))
  const root = memory.keep(await buildTree(full))
  await t.rejects(checkChange(memory.read, root, { put: paths('one'), del: [] }), { message: /100001 files; at most/ })
  await checkChange(memory.read, root, { put: [...paths('one'), file('f7')], del: ['f8'] })
  const large = memory.keep(await buildTree(Array.from({ length: 16 }, (_, index) => file(`f${index}`, hash, 2 ** 30))))
  await t.rejects(checkChange(memory.read, large, { put: paths('one'), del: [] }), {
    message: /tree of 17179869185 byte/,
  })
  await checkChange(memory.read, large, { put: [file('f0', hash, 2 ** 30 - 1), file('one')], del: [] })
  const del = Array.from({ length: limits.tree.files + 1 }, (_, index) => `${index}`)
  await t.rejects(checkChange(memory.read, large, { put: [], del }), { message: /deletes 100001 paths; at most/ })
  await t.rejects(checkChange(memory.read, large, { put: [...full, file('x')], del: [] }), { message: /100001 files/ })
  const long = (index: number) => file(`${'long/'.repeat(40)}${index}`, hash, 0)
  const named = memory.keep(await buildTree(Array.from({ length: 81_000 }, (_, index) => long(index))))
  const more = Array.from({ length: 1_500 }, (_, index) => long(index + 81_000))
  await t.rejects(checkChange(memory.read, named, { put: more, del: [] }), { message: /paths of \d+ bytes together/ })
})

t.test('a check reads in proportion to the change', async (t) => {
  const files = manyFiles(20_000)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files))
  const put = Array.from({ length: 10 }, (_, index) => fileAt(files[index * 1_999]?.path ?? '', 1))
  await checkChange(memory.read, root, { put, del: [] })
  t.ok(memory.reads <= 25, `${memory.reads} nodes read`)
  const all = memory.nodes.size
  memory.reads = 0
  // A folder that goes, with new files all over its place: what goes is looked at once, not once for each new file.
  const gone = (await Array.fromAsync(filesOf(memory.read, root))).filter(({ path }) => path.startsWith('s3/'))
  memory.reads = 0
  const change = { put: gone.map(({ path }) => file(`${path}x`)), del: gone.map(({ path }) => path) }
  await checkChange(memory.read, root, change)
  t.ok(memory.reads < all, `${memory.reads} nodes read of ${all}`)
})

t.test('a change of the empty tree is checked like a list', async (t) => {
  const { read } = memoryNodes()
  await checkChange(read, undefined, { put: paths('a'), del: ['b'] })
  await t.rejects(checkChange(read, undefined, { put: paths('a', 'A'), del: [] }), { code: 'ERR_PUBLISH_REFUSED' })
})

t.test('whoever checks a large change lets others have their turn', async (t) => {
  let turns = 0
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(manyFiles(10_000)))
  const put = manyFiles(10_000).map(({ path }) => fileAt(path, 1))
  await checkChange(memory.read, root, { put, del: [] }, async () => {
    turns += 1
  })
  t.ok(turns > 4, `${turns} turns`)
})

const overlaps: readonly {
  readonly name: string
  readonly theirs: { readonly before: readonly string[]; readonly after: readonly string[] }
  readonly put?: readonly string[]
  readonly del?: readonly string[]
  readonly expected: readonly string[]
}[] = [
  { name: 'different paths', theirs: { before: ['a', 'b'], after: ['a', 'c'] }, put: ['d', 'a'], expected: [] },
  { name: 'one new path', theirs: { before: [], after: ['a'] }, put: ['a', 'b'], expected: ['a'] },
  { name: 'a new path in another case', theirs: { before: [], after: ['A/b'] }, put: ['a/B'], expected: ['a/B'] },
  { name: 'a path that went and is put', theirs: { before: ['a'], after: [] }, put: ['a'], expected: ['a'] },
  { name: 'a path that both take away', theirs: { before: ['a'], after: [] }, del: ['a'], expected: ['a'] },
  { name: 'a path that came and goes', theirs: { before: [], after: ['a'] }, del: ['a', 'b'], expected: ['a'] },
  { name: 'a file under their file', theirs: { before: [], after: ['a', 'b'] }, put: ['a/x', 'c'], expected: ['a/x'] },
  { name: 'a file over their folder', theirs: { before: [], after: ['a/x'] }, put: ['a', 'a-'], expected: ['a'] },
  {
    name: 'files under their files, with others between',
    theirs: { before: [], after: ['a', 'a-', 'a0', 'b'] },
    put: ['a/x', 'a/y/z', 'b/x', 'b0'],
    expected: ['a/x', 'a/y/z', 'b/x'],
  },
  { name: 'a folder next to a file that went', theirs: { before: ['a'], after: [] }, put: ['a/x'], expected: [] },
]

for (const { name, theirs, put = [], del = [], expected } of overlaps)
  t.test(`two changes with ${name} ${expected.length > 0 ? 'overlap' : 'do not overlap'}`, async (t) => {
    const memory = memoryNodes()
    const before = memory.keep(await buildTree(theirs.before.map((path) => fileAt(path))))
    const after = memory.keep(await buildTree(theirs.after.map((path) => fileAt(path))))
    const meanwhile = await diffTrees(memory.read, before, after)
    t.same(overlapOf(meanwhile, { put: put.map((path) => fileAt(path, 1)), del }), expected)
  })
