import t from 'tap'
import { type BagEntry, decodeBagEntry, encodeBagEntry } from '../../../store/bags/bag-entry.ts'

const item = (text: string) => ({ value: Buffer.from(text), metadata: undefined, expiresAtMs: undefined })
const path = '/sites/operator/blog/data'

t.test('what is written is what is read', async (t) => {
  const entries: BagEntry[] = [
    { kind: 'put', key: 'a', item: { value: Buffer.from([0, 10, 255, 10]), metadata: '{"x":1}', expiresAtMs: 5 } },
    { kind: 'put', key: 'ä\n"', item: item('') },
    { kind: 'delete', key: 'a' },
    { kind: 'all', items: [] },
    {
      kind: 'all',
      items: [
        ['a', { tag: '1', ...item('one') }],
        ['b', { tag: '2', ...item('') }],
        ['c', { tag: '3', ...item('\n\n') }],
      ],
    },
  ]
  for (const entry of entries) {
    const read = decodeBagEntry(encodeBagEntry(entry), path)
    t.same(JSON.parse(JSON.stringify(plain(read))), JSON.parse(JSON.stringify(plain(entry))), entry.kind)
  }
})

t.test('what is no entry is refused, and the log named', async (t) => {
  const good = encodeBagEntry({ kind: 'put', key: 'a', item: item('value') })
  const rows: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['no line', Buffer.from('{"kind":"delete","key":"a"}')],
    ['no JSON', Buffer.from('{"kind":\n')],
    ['another kind', Buffer.from('{"kind":"merge","key":"a"}\n')],
    ['an unknown property', Buffer.from('{"kind":"delete","key":"a","x":1}\n')],
    ['a value that is too short', good.subarray(0, -1)],
    ['a value that is too long', Buffer.concat([good, Buffer.from('x')])],
    ['a negative length', Buffer.from('{"kind":"put","key":"a","bytes":-1}\n')],
    ['a huge length', Buffer.from('{"kind":"put","key":"a","bytes":9007199254740991}\nx')],
  ]
  for (const [what, data] of rows)
    t.throws(() => decodeBagEntry(data, path), { code: 'ERR_DATA_FORMAT', message: new RegExp(path) }, what)
})

function plain(entry: BagEntry): unknown {
  if (entry.kind === 'all')
    return { ...entry, items: entry.items.map(([key, one]) => [key, { ...one, value: [...one.value] }]) }
  return entry.kind === 'put' ? { ...entry, item: { ...entry.item, value: [...entry.item.value] } } : entry
}
