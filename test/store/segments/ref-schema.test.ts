import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { bareRefSchema, segmentRefSchema } from '../../../store/segments/ref-schema.ts'
import { hashOf, itemOf, keyringOf, segmentOf } from './fixtures/segments.ts'

const hash = hashOf(Buffer.from('a'))
const mib = 1_048_576

t.test('a reference that was written is read', async (t) => {
  for (const keyring of [undefined, keyringOf(1)]) {
    const { ref } = await segmentOf(t.testdir(), [itemOf('a'), itemOf('b', 'node')], { keyring })
    t.same(segmentRefSchema.parse(JSON.parse(JSON.stringify(ref))), ref)
  }
})

t.test('references to what no segment can be are refused', async (t) => {
  const good = { id: hash, bytes: 200, tailOffset: 20, indexOffset: 90, indexHash: hash, lo: 0, hi: 4 }
  t.ok(segmentRefSchema.safeParse(good).success)
  const table: [string, unknown][] = [
    ['no hash', { ...good, id: 'x' }],
    ['upper case', { ...good, indexHash: hash.toUpperCase() }],
    ['too long', { ...good, bytes: limits.segment.storedBytes + 1 }],
    ['no room for an index', { ...good, indexOffset: 136 }],
    ['a tail after the index', { ...good, tailOffset: 91 }],
    ['a tail before the beginning', { ...good, tailOffset: 7 }],
    ['a fraction', { ...good, tailOffset: 20.5 }],
    ['infinity', { ...good, bytes: Number.POSITIVE_INFINITY }],
    ['an interval backwards', { ...good, lo: 5 }],
    ['before the first version', { ...good, lo: -1 }],
    ['a word more', { ...good, more: 1 }],
    ['no interval', { ...good, lo: undefined }],
    ['null', null],
  ]
  for (const [name, ref] of table) t.notOk(segmentRefSchema.safeParse(ref).success, name)
})

t.test('a reference to a large content tells lengths that fit', async (t) => {
  const bytes = 20 * mib
  const plain = { id: hash, hash, bytes, storedBytes: bytes }
  const seal = Buffer.alloc(68).toString('base64')
  const other = hashOf(Buffer.from('b'))
  const sealed = { id: other, hash, bytes, storedBytes: bytes + 20 * 16, seal }
  t.same(bareRefSchema.parse(plain), plain)
  t.same(bareRefSchema.parse(sealed), sealed)
  const table: [string, unknown][] = [
    ['plain under another name', { ...plain, id: other }],
    ['plain of another length', { ...plain, storedBytes: bytes + 1 }],
    ['sealed of the plain length', { ...sealed, storedBytes: bytes }],
    ['sealed with a short key', { ...sealed, seal: seal.slice(4) }],
    ['sealed with no base64', { ...sealed, seal: '!'.repeat(92) }],
    ['small enough for a segment', { ...plain, bytes: 16 * mib, storedBytes: 16 * mib }],
    ['too long for a file', { ...plain, bytes: 1025 * mib, storedBytes: 1025 * mib }],
    ['a word more', { ...plain, more: 1 }],
  ]
  for (const [name, ref] of table) t.notOk(bareRefSchema.safeParse(ref).success, name)
})
