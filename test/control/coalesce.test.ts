import fc from 'fast-check'
import t from 'tap'
import { type CoalesceInput, coalesce as coalesceInput, versionsOf } from '../../control/coalesce.ts'
import type { Ts } from '../../store/store.ts'
import type { SiteChange } from '../../store/versions/versions.ts'

const site = { name: 'blog', authorities: ['blog.localhost'] }

function change(index: number, version: number | undefined, paths: Partial<SiteChange>): SiteChange {
  const kind = version === undefined ? 'delete' : 'publish'
  return { ts: `s.${index}` as Ts, kind, version, atMs: index, added: [], changed: [], removed: [], ...paths }
}

/** The event of some changes, at least one. */
function coalesce(input: Omit<CoalesceInput, 'upto' | 'whole'>) {
  const upto = input.changes.at(-1)?.ts
  if (!upto) throw new Error('expected a change')
  return coalesceInput({ ...input, upto, whole: undefined })
}

t.test('an event of a whole site lists all that there is, and what is known to be gone', (t) => {
  const changes = [change(2, 2, { added: ['b'] }), change(3, 3, { removed: ['c', 'b'] })]
  const whole = { version: 3, paths: ['d', 'a'] }
  const event = coalesceInput({ plugin: 'cdn', site, after: undefined, upto: 's.3' as Ts, changes, whole })
  t.match(event, { version: 3, versions: [2, 3], complete: false, added: [] })
  t.same(event.changed, ['a', 'd'])
  t.same(event.removed, ['b', 'c'])
  const gone = { version: undefined, paths: [] }
  const end = coalesceInput({ plugin: 'cdn', site, after: undefined, upto: 's.3' as Ts, changes: [], whole: gone })
  t.match(end, { version: undefined, versions: [], complete: false, changed: [], removed: [] })
  t.not(end.id, coalesceInput({ plugin: 'cdn', site, after: undefined, upto: 's.4' as Ts, changes: [], whole }).id)
  t.end()
})

t.test('each path is in the one list that says what became of it', (t) => {
  const changes = [
    change(1, 1, { added: ['a', 'b', 'came-and-went'] }),
    change(2, 2, { changed: ['a', 'c'], removed: ['came-and-went', 'd'] }),
    change(3, 3, { added: ['d'], removed: ['e'] }),
  ]
  t.match(coalesce({ plugin: 'cdn', site, after: undefined, changes }), {
    site,
    version: 3,
    versions: [1, 2, 3],
    complete: true,
    added: ['a', 'b'],
    changed: ['c', 'd'],
    removed: ['came-and-went', 'e'],
  })
  t.end()
})

t.test('a deletion has no version, and a version that came twice is told once', (t) => {
  const changes = [change(1, 1, {}), change(2, 2, {}), change(3, 1, {}), change(4, undefined, { removed: ['a'] })]
  t.match(coalesce({ plugin: 'cdn', site, after: undefined, changes }), { version: undefined, versions: [1, 2] })
  t.same(versionsOf([]), [])
  t.end()
})

t.test('the id is that of the plugin, the site and the range', (t) => {
  const changes = [change(5, 1, { added: ['a'] }), change(6, 2, { added: ['b'] })]
  const input = { plugin: 'cdn', site, after: 's.4' as Ts, changes }
  const { id } = coalesce(input)
  t.equal(coalesce({ ...input }).id, id)
  t.not(coalesce({ ...input, plugin: 'other' }).id, id)
  t.not(coalesce({ ...input, after: undefined }).id, id)
  t.not(coalesce({ ...input, changes: changes.slice(0, 1) }).id, id)
  t.not(coalesce({ ...input, site: { ...site, name: 'shop' } }).id, id)
  t.end()
})

t.test('the lists say exactly how any history went from its first tree to its last', (t) => {
  const path = fc.constantFrom('a', 'b', 'c', 'd')
  const tree = fc.dictionary(path, fc.integer({ min: 0, max: 2 }))
  fc.assert(
    fc.property(fc.array(tree, { minLength: 2, maxLength: 6 }), (trees) => {
      const changes = trees.slice(1).map((after, index) => {
        const before = trees[index] ?? {}
        return change(index, index + 1, {
          added: Object.keys(after).filter((name) => !(name in before)),
          changed: Object.keys(after).filter((name) => name in before && before[name] !== after[name]),
          removed: Object.keys(before).filter((name) => !(name in after)),
        })
      })
      const event = coalesce({ plugin: 'cdn', site, after: undefined, changes })
      const [first = {}, last = {}] = [trees[0], trees.at(-1)]
      const touched = new Set(changes.flatMap(({ added, changed, removed }) => [...added, ...changed, ...removed]))
      const expected = (holds: (name: string) => boolean) => [...touched].filter(holds).sort()
      t.same(
        event.added,
        expected((name) => !(name in first) && name in last),
      )
      t.same(
        event.changed,
        expected((name) => name in first && name in last),
      )
      t.same(
        event.removed,
        expected((name) => !(name in last)),
      )
    }),
    { numRuns: 200 },
  )
  t.end()
})
