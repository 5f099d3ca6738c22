import t from 'tap'
import { GroveError } from '../../../core/errors.ts'
import type { Derive } from '../../../store/versions/versions.ts'
import { contentsOf, fileOf, onBase, place, send, whole } from './fixtures/place.ts'

t.test('what is made from a tree is a part of its version, and goes with what it was made from', async (t) => {
  const here = await place(t)
  const site = await here.open()
  /** Keeps `made/out` equal to `in` in capitals; nobody has sent that. */
  const derive: Derive = async (tree) => {
    const source = await tree.find('in')
    if (!source) return { put: [], del: (await tree.find('made/out')) ? ['made/out'] : [] }
    const text = (await tree.read(source)).toString().toUpperCase()
    await here.blobs.putBytes(Buffer.from(text))
    return { put: [fileOf('made/out', text)], del: [] }
  }
  const sent = new Set<string>()
  const isSent = (hash: string) => sent.has(hash)
  const files = async (contents: Record<string, string>) => {
    const list = await send(here.blobs, contents)
    for (const { hash } of list) sent.add(hash)
    return list
  }
  const first = await site.publish({ ...whole(await files({ in: 'one', b: 'b' })), derive, isSent })
  t.match(first.record, { version: 1, files: 3, added: 3 })
  t.same(await contentsOf(here, site, 1), { in: 'one', b: 'b', 'made/out': 'ONE' })
  t.match(await site.publish({ ...whole(await files({ in: 'one', b: 'b' })), derive, isSent }), { unchanged: true })
  await site.publish({ ...onBase(1, await files({ in: 'two' })), derive, isSent })
  t.same(await contentsOf(here, site, 2), { in: 'two', b: 'b', 'made/out': 'TWO' })
  const rebased = await site.publish({ ...onBase(1, await files({ c: 'c' })), derive, isSent })
  t.match(rebased, { rebased: true, record: { changed: 0, added: 1 } })
  t.same(await contentsOf(here, site, 3), { in: 'two', b: 'b', c: 'c', 'made/out': 'TWO' }, 'made from both')
  await site.publish({ ...onBase(3, [], ['in']), derive, isSent })
  t.same(await contentsOf(here, site, 4), { b: 'b', c: 'c' })
})

t.test('what cannot be made is refused, and nothing has changed', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const derive: Derive = () => Promise.reject(new GroveError('ERR_CODE', '_worker.js:1:2: unexpected "}"'))
  await t.rejects(site.publish({ ...whole(await send(here.blobs, { a: 'a' })), derive }), { code: 'ERR_CODE' })
  const clash: Derive = async () => ({ put: await send(here.blobs, { 'a/b': 'x' }), del: [] })
  const refused = site.publish({ ...whole(await send(here.blobs, { a: 'a' })), derive: clash })
  await t.rejects(refused, { code: 'ERR_PUBLISH_REFUSED' }, 'a file under a file')
  t.same([site.live, site.versions], [undefined, []])
})

t.test('a content that the publisher has not sent cannot be read through what is made', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const other = await here.open({ name: 'other' })
  await other.publish(whole(await send(here.blobs, { secret: 'of another site' })))
  let seen: Buffer | undefined
  const derive: Derive = async (tree) => {
    const file = await tree.find('mine')
    if (file) seen = await tree.read(file)
    return { put: [], del: [] }
  }
  const files = [fileOf('mine', 'of another site')]
  const publish = site.publish({ ...whole(files), derive, isSent: () => false })
  await t.rejects(publish, { code: 'ERR_BLOB_MISSING', details: { missing: [files[0]?.hash] } })
  t.equal(seen, undefined)
})
