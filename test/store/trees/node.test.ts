import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { buildTree } from '../../../store/trees/change.ts'
import { decodeNode, encodeInner, encodeLeaf } from '../../../store/trees/node.ts'
import { fileAt, manyFiles } from './fixtures/memory-nodes.ts'

const hash = 'ab'.repeat(32)
const other = 'cd'.repeat(32)

t.test('a leaf and an inner node are the text that the format describes', (t) => {
  const leaf = `grove tree 2 leaf\n${hash} 7 A/b.html\n${other} 0 a-b\n`
  const node = decodeNode(hash, Buffer.from(leaf))
  t.same(node, {
    hash,
    kind: 'leaf',
    level: 0,
    files: 2,
    bytes: 7,
    pathBytes: 11,
    items: [
      { key: 'a\0b.html', file: { path: 'A/b.html', hash, bytes: 7 } },
      { key: 'a-b', file: { path: 'a-b', hash: other, bytes: 0 } },
    ],
  })
  t.equal(node.kind === 'leaf' && encodeLeaf(node.items).toString(), leaf)
  const inner = `grove tree 2 inner 3\n${hash} 40 7 90 a/b.html\n${other} 1 0 1 z\n`
  const above = decodeNode(hash, Buffer.from(inner))
  t.match(above, { level: 3, files: 41, bytes: 7, pathBytes: 91, items: [{ key: 'a\0b.html' }, { key: 'z' }] })
  t.equal(above.kind === 'inner' && encodeInner(3, above.items).toString(), inner)
  t.end()
})

t.test('the format stays as it is: a change of it needs another number in the first line', async (t) => {
  t.equal((await buildTree([])).root, '8ccf54f66031c5dd883d481a615771b0e11a6666b0135e0113af4f31ffa46d59')
  t.equal((await buildTree(manyFiles(5_000))).root, '146ad5499bf11178fe730808d5e7f9947dcfd29c0e58082d50cbd902af4c386f')
  t.equal(
    (await buildTree([fileAt('Ä/ß'), fileAt('ä.html'), fileAt('\u{1f600}'), fileAt('\uff5e')])).root,
    'ac981e556c25ca616adb58af99ec23a0e7386fa7c119515b533a4a9a11a9b758',
  )
})

const line = (path: string, bytes = '1') => `${hash} ${bytes} ${path}`
const leafOf = (...lines: string[]) => `grove tree 2 leaf\n${lines.map((line) => `${line}\n`).join('')}`
const innerOf = (...lines: string[]) => `grove tree 2 inner 1\n${lines.map((line) => `${line}\n`).join('')}`

const brokenNodes: readonly { name: string; bytes: string | Buffer; reason: RegExp }[] = [
  { name: 'nothing', bytes: '', reason: /does not begin with/ },
  { name: 'no line feed at the end', bytes: 'grove tree 2 leaf', reason: /middle of a line/ },
  { name: 'an older format', bytes: 'grove tree 1\n', reason: /does not begin with "grove tree 2 leaf"/ },
  { name: 'a byte order mark', bytes: '\ufeffgrove tree 2 leaf\n', reason: /does not begin/ },
  { name: 'carriage returns', bytes: 'grove tree 2 leaf\r\n', reason: /does not begin/ },
  { name: 'a level that no tree has', bytes: `grove tree 2 inner 8\n${hash} 1 1 1 a\n`, reason: /does not begin/ },
  { name: 'a level of 0', bytes: `grove tree 2 inner 0\n${hash} 1 1 1 a\n`, reason: /does not begin/ },
  { name: 'an inner node of nothing', bytes: innerOf(), reason: /nothing below/ },
  { name: 'half a line', bytes: `${leafOf()}${line('a')}`, reason: /middle of a line/ },
  { name: 'an empty line', bytes: leafOf(line('a'), ''), reason: /no file in line 3/ },
  { name: 'no path', bytes: leafOf(line('')), reason: /no file in line 2/ },
  { name: 'a number with a zero before it', bytes: leafOf(line('a', '01')), reason: /no file in line 2/ },
  { name: 'a negative number', bytes: leafOf(line('a', '-1')), reason: /no file/ },
  { name: 'a fraction', bytes: leafOf(line('a', '1.5')), reason: /no file/ },
  { name: 'a number of 17 digits', bytes: leafOf(line('a', '1'.repeat(17))), reason: /no file/ },
  {
    name: 'a number above all that count',
    bytes: leafOf(line('a', '9'.repeat(16))),
    reason: /more than can be counted/,
  },
  {
    name: 'a sum above all that count',
    bytes: innerOf(`${hash} 1 9007199254740991 1 a`, `${hash} 1 1 1 b`),
    reason: /more than can be counted/,
  },
  { name: 'a hash in capitals', bytes: leafOf(`${hash.toUpperCase()} 1 a`), reason: /no file/ },
  { name: 'a hash that is short', bytes: leafOf(`${hash.slice(1)} 1 a`), reason: /no file/ },
  { name: 'a file in an inner node', bytes: innerOf(line('a')), reason: /no node in line 2/ },
  { name: 'no files below', bytes: innerOf(`${hash} 0 0 1 a`), reason: /no node/ },
  { name: 'no bytes of paths below', bytes: innerOf(`${hash} 1 0 0 a`), reason: /no node/ },
  { name: 'a key with a control character', bytes: innerOf(`${hash} 1 1 1 a\0b`), reason: /no node in line 2/ },
  { name: 'files out of order', bytes: leafOf(line('b'), line('a')), reason: /out of order in line 3/ },
  { name: 'a file twice', bytes: leafOf(line('a'), line('a')), reason: /out of order in line 3/ },
  { name: 'a file in two cases', bytes: leafOf(line('A'), line('a')), reason: /out of order in line 3/ },
  { name: 'an order without folders', bytes: leafOf(line('a-b'), line('a/b')), reason: /out of order in line 3/ },
  {
    name: 'nodes out of order',
    bytes: innerOf(`${hash} 1 1 1 b`, `${hash} 1 1 1 a`),
    reason: /out of order in line 3/,
  },
  { name: 'a path that climbs', bytes: leafOf(line('../etc/passwd')), reason: /line 2 that has the segment \.\./ },
  { name: 'an absolute path', bytes: leafOf(line('/etc/passwd')), reason: /starts with \// },
  { name: 'a path with NUL', bytes: leafOf(line('a\0b')), reason: /control character/ },
  { name: 'a path with a backslash', bytes: leafOf(line('a\\b')), reason: /backslash/ },
  { name: 'a path that is too long', bytes: leafOf(line('a/'.repeat(600))), reason: /1024 bytes/ },
  { name: 'a path that is not in NFC', bytes: leafOf(line('u\u0308')), reason: /NFC/ },
  { name: 'text that is not UTF-8', bytes: Buffer.from(leafOf(line('\u00e4')), 'latin1'), reason: /not UTF-8/ },
  {
    name: 'half a surrogate pair',
    bytes: Buffer.concat([Buffer.from(`grove tree 2 leaf\n${hash} 1 `), Buffer.from([0xed, 0xa0, 0x80, 0x0a])]),
    reason: /not UTF-8/,
  },
  { name: 'one huge line', bytes: 'x'.repeat(limits.store.treeNodeBytes + 1), reason: /65537 bytes; at most 65536/ },
  { name: 'nothing but line feeds', bytes: `grove tree 2 leaf\n${'\n'.repeat(60_000)}`, reason: /no file in line 2/ },
]

for (const { name, bytes, reason } of brokenNodes)
  t.test(`${name} is no node`, (t) => {
    t.throws(() => decodeNode(hash, Buffer.from(bytes)), {
      code: 'ERR_DATA_FORMAT',
      message: reason,
      details: { node: hash },
    })
    t.end()
  })

t.test('what is out of order is never written', (t) => {
  const item = (key: string) => ({ key, file: fileAt(key) })
  t.throws(() => encodeLeaf([item('b'), item('a')]), /sorted/)
  t.throws(() => encodeLeaf([item('a'), item('a')]), /sorted/)
  t.end()
})
