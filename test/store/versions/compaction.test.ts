import t from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { Frame, SegmentIndex, SegmentRef } from '../../../store/segments/segment.ts'
import { planCompaction, smallOnes } from '../../../store/versions/compaction.ts'
import { hashOf } from './fixtures/place.ts'

const mb = 1_000_000
const { segments: most, fullSegmentBytes } = limits.store

/** Segments whose contents are named and sized so. Keyed by name of the segment. */
function site(segments: Record<string, Record<string, number>>, { lost = '', damaged = '' } = {}) {
  const refs = Object.keys(segments).map((name): SegmentRef => {
    return { id: hashOf(name), bytes: 1, tailOffset: 8, indexOffset: 8, indexHash: hashOf(name), lo: 1, hi: 1 }
  })
  const names = new Map(refs.map(({ id }, place) => [id, Object.keys(segments)[place] ?? '']))
  return {
    refs,
    nameOf: ({ id }: SegmentRef) => names.get(id) ?? '',
    contents: {
      async index(ref: SegmentRef): Promise<SegmentIndex> {
        const name = names.get(ref.id) ?? ''
        if (name === lost) throw new GroveError('ERR_BLOB_MISSING', 'gone')
        const frames = Object.entries(segments[name] ?? {}).map(([content, bytes], ordinal): [string, Frame] => {
          const hash = hashOf(content)
          return [hash, { hash, kind: 'content', codec: 'raw', ordinal, bytes, offset: 8, length: bytes }]
        })
        return { ref, seal: undefined, frames: new Map(frames) }
      },
      isDamaged: (id: string) => names.get(id) === damaged,
    },
  }
}

const sized = (...sizes: number[]) =>
  site(Object.fromEntries(sizes.map((bytes, place) => [`s${place}`, { [`c${place}`]: bytes }])))

const runs: { name: string; sizes: number[]; busy: number[]; atRest?: number[] }[] = [
  { name: 'few', sizes: [1, 1, 1, 1, 1], busy: [] },
  { name: 'six of one size', sizes: [1, 1, 1, 1, 1, 1], busy: [0, 1, 2, 3, 4, 5] },
  { name: 'a large one stays', sizes: [8 * mb, mb, 1, 1, 1, 1], busy: [2, 3, 4, 5], atRest: [0, 1, 2, 3, 4, 5] },
  {
    name: 'two that differ much are one all the same',
    sizes: [5 * mb, 4 * mb, mb, mb, 1, 1],
    busy: [4, 5],
    atRest: [0, 1, 2, 3, 4, 5],
  },
  {
    name: 'full ones have room for four small ones',
    sizes: [9 * mb, 9 * mb, 9 * mb, 9 * mb, 1, 1],
    busy: [],
    atRest: [4, 5],
  },
  { name: 'and then not', sizes: [9 * mb, 9 * mb, 9 * mb, 9 * mb, 1, 1, 1, 1], busy: [4, 5, 6, 7] },
  { name: 'one small one', sizes: [9 * mb, 9 * mb, 9 * mb, 9 * mb, 9 * mb, 9 * mb, 1], busy: [], atRest: [] },
]
for (const { name, sizes, busy, atRest = busy } of runs) {
  t.test(`small segments are merged in tiers: ${name}`, async (t) => {
    t.ok(9 * mb > fullSegmentBytes && 8 * mb < fullSegmentBytes && most === 6)
    const { contents, refs } = sized(...sizes)
    const places = (run: readonly SegmentRef[]) => run.map((ref) => refs.indexOf(ref)).sort((a, b) => a - b)
    t.same(places(await smallOnes(contents, refs)), busy)
    t.same(places(await smallOnes(contents, refs, { isAtRest: true })), atRest)
  })
}

t.test('what is not needed goes, what is hardly needed is written anew', async (t) => {
  const segments = { none: { x: 10 }, little: { a: 10, y: 11 }, half: { b: 10, z: 10 }, all: { c: 10 } }
  const { contents, refs, nameOf } = site(segments)
  const live = new Set(['a', 'b', 'c'].map(hashOf))
  const { drop, rewrite } = await planCompaction(contents, refs, live, { large: [], keyring: undefined })
  t.same([drop.map(nameOf), rewrite.map(nameOf)], [['none'], ['little']])
})

t.test('a damaged segment goes when what it held lies elsewhere, and not before', async (t) => {
  const live = new Set(['a', 'b'].map(hashOf))
  const whole = site({ old: { a: 10, b: 10 }, young: { a: 10, b: 10 } }, { lost: 'old' })
  const plan = await planCompaction(whole.contents, whole.refs, live, { large: [], keyring: undefined })
  t.same([plan.drop.map(whole.nameOf), plan.rewrite], [['old'], []])
  const part = site({ old: { a: 10, b: 10 }, young: { a: 10 } }, { lost: 'old' })
  await t.rejects(planCompaction(part.contents, part.refs, live, { large: [], keyring: undefined }), {
    code: 'ERR_BLOB_MISSING',
  })
  const large = await planCompaction(part.contents, part.refs, live, { large: [hashOf('b')], keyring: undefined })
  t.same(large.drop.map(part.nameOf), ['old'])
  const torn = site({ old: { a: 10, b: 10 }, young: { a: 10 } }, { damaged: 'old' })
  const again = await planCompaction(torn.contents, torn.refs, live, { large: [], keyring: undefined })
  t.same(again.rewrite.map(torn.nameOf), ['old'])
})

t.test('a segment that cannot be read is not merged, and stops nobody', async (t) => {
  const { contents, refs } = site(
    Object.fromEntries(Array.from({ length: 7 }, (_, place) => [`s${place}`, { [`c${place}`]: 1 }])),
    { lost: 's3' },
  )
  const run = await smallOnes(contents, refs)
  t.equal(run.length, 6)
  t.notOk(run.includes(refs[3] as SegmentRef))
})
