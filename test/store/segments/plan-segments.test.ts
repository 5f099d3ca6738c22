import fc from 'fast-check'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { isBare, type PlanItem, planSegments } from '../../../store/segments/plan-segments.ts'
import { hashOf } from './fixtures/segments.ts'

const mib = 1_048_576
const { targetBytes, mostBytes, entries } = limits.segment

function item(path: string, bytes: number, kind: PlanItem['kind'] = 'content'): PlanItem & { path: string } {
  return { hash: hashOf(Buffer.from(`${kind} ${path}`)), kind, bytes, path }
}

const bytesOf = (group: readonly PlanItem[]) => group.reduce((sum, { bytes }) => sum + bytes, 0)

t.test('HTML comes first, then nodes, then the rest by type and path', async (t) => {
  const [group] = planSegments([
    item('b.css', 1),
    item('z.html', 1),
    item('readme', 1),
    item('root', 1, 'node'),
    item('img/a.png', 1),
    item('A.HTM', 1),
    item('a.css', 1),
    item('x.d/file', 1),
  ])
  t.same(
    group?.map(({ path }) => path),
    ['A.HTM', 'z.html', 'root', 'readme', 'x.d/file', 'a.css', 'b.css', 'img/a.png'],
  )
})

t.test('groups have 8 to 16 MiB, and the last one is not a small one', async (t) => {
  const table: [name: string, sizes: number[], groups: number[]][] = [
    ['nothing', [], []],
    ['one of nothing', [0], [0]],
    ['less than the target', [1, 2], [3]],
    ['exactly the most', [8 * mib, 8 * mib], [16 * mib]],
    ['just above the most', Array(17).fill(mib), [9 * mib, 8 * mib]],
    ['three', Array(40).fill(mib), [13 * mib, 14 * mib, 13 * mib]],
    ['large ones', [15 * mib, 15 * mib, 15 * mib], [15 * mib, 15 * mib, 15 * mib]],
    ['a large one after little', [mib, 16 * mib], [mib, 16 * mib]],
  ]
  for (const [name, sizes, groups] of table) {
    const items = sizes.map((bytes, index) => item(String(index).padStart(3, '0'), bytes))
    t.same(planSegments(items).map(bytesOf), groups, name)
  }
})

t.test('a hash is packed once, as a node when it is one', async (t) => {
  const content = item('a.html', 5)
  const node = { ...content, kind: 'node' as const }
  t.same(planSegments([content, content]), [[content]])
  t.same(planSegments([content, node]), [[node]])
  t.same(planSegments([node, content]), [[node]])
})

t.test('a segment has no more contents than its index may have', async (t) => {
  const items = Array.from({ length: entries + 1 }, (_, index) => item(String(index), 1))
  t.same(
    planSegments(items).map((group) => group.length),
    [entries, 1],
  )
})

t.test('a content that has to be bare is refused', async (t) => {
  t.notOk(isBare(16 * mib))
  t.ok(isBare(16 * mib + 1))
  t.throws(() => planSegments([item('a', 16 * mib + 1)]), { code: 'ERR_TOO_LARGE' })
})

t.test(
  'any plan has every item once, no group too large, and small ones only where a large content forces it',
  async () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 16 * mib })), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(sizes, (all) => {
        const items = all.map((bytes, index) => item(`${index}`, bytes))
        const groups = planSegments(items)
        const planned = groups.flat()
        if (planned.length !== items.length || new Set(planned).size !== items.length) return false
        if (groups.some((group) => group.length === 0 || bytesOf(group) > mostBytes)) return false
        return groups.every((group, index) => {
          const next = groups[index + 1]?.[0]
          return !next || bytesOf(group) >= targetBytes || bytesOf(group) + next.bytes > mostBytes
        })
      }),
    )
  },
)
