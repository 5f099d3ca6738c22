import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { layoutOf } from '../../../core/layout.ts'
import { limits } from '../../../core/limits.ts'
import { openBlobs } from '../../../store/contents/blobs.ts'
import { type CollectOptions, collectObjects } from '../../../store/contents/collect.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { folderObjects } from '../../../store/objects/folder-objects.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import { hashOf, newFolder } from '../versions/fixtures/place.ts'

const graceMs = limits.store.collectGraceMs

async function prepare(t: Test) {
  let nowMs = 1_000_000
  const env = { ...nodeEnvironment, now: () => nowMs }
  const layout = layoutOf(await newFolder(t))
  const blobs = await openBlobs(env, layout, { maxBytes: 1e9 })
  const objects = await folderObjects(env, layout.objects)
  t.teardown(() => blobs[Symbol.asyncDispose]())
  /** Keyed by site: what its log names. */
  const named = new Map<string, Set<string> | undefined>()
  const keys = {
    seg: (text: string, site = 'blog') => objectKeys.segment('ada', site, hashOf(text)),
    big: (text: string, site = 'blog') => objectKeys.large('ada', site, hashOf(text)),
  }
  return {
    layout,
    blobs,
    objects,
    named,
    keys,
    pass: (ms: number) => {
      nowMs += ms
    },
    async put(...those: string[]) {
      for (const key of those) await objects.create(key, { bytes: Buffer.from('bytes') })
    },
    async left() {
      return (await Array.fromAsync(objects.list('ada/'))).map(({ key }) => key)
    },
    collect: (over: Partial<CollectOptions> = {}) =>
      collectObjects({ env, objects, blobs, owner: 'ada', namedBy: async (site) => named.get(site), ...over }),
  }
}

t.test('an object goes when it was found without a use twice, a day apart', async (t) => {
  const { keys, named, pass, put, left, collect } = await prepare(t)
  await put(keys.seg('used'), keys.seg('free'), keys.big('used'), keys.big('free'), keys.seg('x', 'unknown'))
  named.set('blog', new Set([hashOf('used')]))
  t.same(await collect(), { objects: 5, waiting: 2, removed: 0, removedBytes: 0 })
  pass(graceMs - 1)
  t.match(await collect(), { waiting: 2, removed: 0 }, 'not before')
  pass(1)
  t.match(await collect(), { waiting: 0, removed: 2, removedBytes: 10 })
  t.same(await left(), [keys.big('used'), keys.seg('used'), keys.seg('x', 'unknown')].sort())
  t.match(await collect(), { objects: 3, waiting: 0, removed: 0 }, 'of a site of which nothing is known, nothing goes')
})

t.test('one that came into use meanwhile waits anew', async (t) => {
  const { keys, named, pass, put, left, collect } = await prepare(t)
  await put(keys.seg('a'))
  named.set('blog', new Set())
  await collect()
  pass(graceMs)
  named.set('blog', new Set([hashOf('a')]))
  t.match(await collect(), { waiting: 0, removed: 0 })
  named.set('blog', new Set())
  t.match(await collect(), { waiting: 1, removed: 0 }, 'however long ago it was found first')
  pass(graceMs)
  t.match(await collect(), { removed: 1 })
  t.same(await left(), [])
})

t.test('what a running publish has reserved stays, and what it commits during the look, too', async (t) => {
  const { keys, named, pass, put, left, collect, blobs } = await prepare(t)
  await put(keys.seg('reserved'), keys.seg('committed'), keys.seg('free'))
  named.set('blog', new Set())
  await collect()
  pass(graceMs)
  const release = await blobs.reservations.reserve([keys.seg('reserved')])
  const publish = await blobs.reservations.reserve([keys.seg('committed')])
  let looks = 0
  const result = await collect({
    async namedBy() {
      looks += 1
      if (looks > 1) return named.get('blog')
      // The publish commits and is done after the first look at the log.
      const before = new Set<string>()
      named.set('blog', new Set([hashOf('committed')]))
      publish()
      return before
    },
  })
  t.match(result, { removed: 1 })
  t.same(await left(), [keys.seg('committed'), keys.seg('reserved')].sort())
  release()
  t.match(await collect(), { waiting: 1, removed: 0 }, 'one that was let go begins anew')
})

t.test('who publishes an object that is being removed waits, and writes it again', async (t) => {
  const { keys, named, pass, put, left, collect, blobs, objects } = await prepare(t)
  await put(keys.seg('a'))
  named.set('blog', new Set())
  await collect()
  pass(graceMs)
  const order: string[] = []
  let publish: Promise<void> | undefined
  await collect({
    objects: {
      ...objects,
      async remove(keys) {
        publish = blobs.reservations.reserve(keys).then(async () => {
          order.push(await objects.create(keys[0] ?? '', { bytes: Buffer.from('bytes') }))
        })
        order.push('removing')
        await objects.remove(keys)
      },
    },
  })
  await publish
  t.same(order, ['removing', 'created'])
  t.same(await left(), [keys.seg('a')])
})

t.test('who is not in charge any more removes nothing', async (t) => {
  const { keys, named, pass, put, left, collect } = await prepare(t)
  await put(keys.seg('a'))
  named.set('blog', new Set())
  await collect()
  pass(graceMs)
  let checks = 0
  const check = async () => {
    checks += 1
    if (checks > 1) throw new Error('fenced')
  }
  await t.rejects(collect({ check }), { message: 'fenced' })
  t.same(await left(), [keys.seg('a')])
})

t.test('notes survive a restart; those that are damaged count as none', async (t) => {
  const { layout, keys, named, pass, put, left, collect } = await prepare(t)
  await put(keys.seg('a'))
  named.set('blog', new Set())
  for (const damage of ['{', '[]', '{"format":2,"unreferenced":{}}', `{"format":1,"unreferenced":{"../x":0}}`]) {
    await collect()
    pass(graceMs)
    writeFileSync(layout.unreferenced, damage)
    t.match(await collect(), { waiting: 1, removed: 0 })
  }
  t.match(JSON.parse(readFileSync(layout.unreferenced, 'utf8')), {
    format: 1,
    unreferenced: { [keys.seg('a')]: Number },
  })
  t.same(readdirSync(layout.temporary), [])
  pass(graceMs)
  t.match(await collect({ signal: AbortSignal.abort() }), { removed: 0 }, 'one that is to stop stops')
  t.match(await collect(), { removed: 1 })
  t.same(await left(), [])
})

t.test('each site is looked at by itself', async (t) => {
  const { keys, named, put, collect } = await prepare(t)
  const sites = ['a', 'b', 'c-d', 'e']
  for (const site of sites) {
    await put(keys.seg('x', site), keys.seg('y', site), keys.big('x', site))
    named.set(site, new Set([hashOf('x')]))
  }
  const asked: string[] = []
  const namedBy = async (site: string) => {
    asked.push(site)
    return named.get(site)
  }
  t.match(await collect({ namedBy }), { objects: 12, waiting: 4 })
  t.same(asked, ['a', 'a', 'b', 'b', 'c-d', 'c-d', 'e', 'e', ...sites], 'twice where something has no use')
})
