import t from 'tap'
import { contentsOf, place, send, whole } from './fixtures/place.ts'

t.test('a publish makes a version and makes it live', async (t) => {
  const here = await place(t)
  const site = await here.open()
  t.same([site.name, site.owner, site.live, site.versions, site.pins], ['blog', 'ada', undefined, [], []])
  const first = await site.publish(whole(await send(here.blobs, { 'a.html': 'a', 'b.html': 'b' }), 'hello'))
  t.match(first.record, { version: 1, parent: undefined, message: 'hello', files: 2, bytes: 2, added: 2, removed: 0 })
  const second = await site.publish(whole(await send(here.blobs, { 'c.html': 'c', 'b.html': 'B!' })))
  t.match(second.record, { version: 2, parent: 1, files: 2, bytes: 3, added: 1, changed: 1, removed: 1 })
  t.match(second.change, {
    ts: second.record.ts,
    kind: 'publish',
    version: 2,
    added: ['c.html'],
    changed: ['b.html'],
    removed: ['a.html'],
  })
  t.same(await contentsOf(here, site, 1), { 'a.html': 'a', 'b.html': 'b' })
  t.same(await contentsOf(here, site, 2), { 'c.html': 'c', 'b.html': 'B!' })
})
