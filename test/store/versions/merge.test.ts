import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import { openKeyring } from '../../../store/segments/keyring.ts'
import type { Store } from '../../../store/store.ts'
import { verifyStore } from '../../../store/verify/verify.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { always, contentsOf, logPath, nextAct, noise, onBase, owner, place, send, whole } from './fixtures/place.ts'
import { type RemoteFolder, remoteFolder } from './fixtures/remote-folder.ts'

const one = { versions: 1, ms: 0 }

t.test('versions that nothing keeps are forgotten; the others are whole', async (t) => {
  const here = await place(t)
  const site = await here.open()
  for (let version = 1; version <= 6; version += 1)
    await site.publish(whole(await send(here.blobs, { own: `of ${version}`, same: 'same' })))
  await site.pin({ name: 'tag:two', version: 2, untilMs: undefined }, nextAct())
  await site.pin({ name: 'preview:x', version: 3, untilMs: 1_000_000 }, nextAct())
  await site.activate(4, nextAct())
  t.same(site.prunable(one, 1_000), [1, 5])
  t.same(site.prunable({ versions: 2, ms: 0 }, 1_000), [1])
  t.same(site.prunable({ versions: 0, ms: 2_000 }, 1_000), [], 'all are younger')
  t.same(site.prunable(one, 2_000_000), [1, 3, 5], 'once a preview has ended')
  const merged = await site.prune(one, nextAct())
  t.same(merged.pruned, [1, 5])
  for (const opening of [site, await here.open()]) {
    t.same(
      opening.versions.map(({ version }) => version),
      [2, 3, 4, 6],
    )
    t.equal(opening.live?.version, 4)
    for (const version of [2, 3, 4, 6])
      t.same(await contentsOf(here, opening, version), { own: `of ${version}`, same: 'same' })
    t.equal(await codeOf(opening.diff(1, 2)), 'ERR_VERSION_UNKNOWN')
  }
  t.match(await site.publish(whole([])), { record: { version: 7, parent: 4 } })
  t.same((await site.prune(one, nextAct())).pruned, [4, 6], 'what was live is one among others')
})

t.test('a prune that finds nothing to do writes nothing', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const empty = { pruned: [], segmentsBefore: 0, segmentsAfter: 0 }
  t.same(await site.prune(one, nextAct()), empty)
  await site.publish(whole(await send(here.blobs, { a: 'a' })))
  const before = await here.store.stat(here.store.root, logPath)
  t.same(await site.prune(one, nextAct()), { pruned: [], segmentsBefore: 1, segmentsAfter: 1 })
  t.same(await here.store.stat(here.store.root, logPath), before)
})

t.test('a merge keeps of the log what somebody has not read, and one who comes too late begins with it', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const late = await here.open()
  for (let version = 1; version <= 4; version += 1)
    await site.publish(whole(await send(here.blobs, { a: `${version}` })))
  const [, second, third] = site.versions
  const kept = await site.changes(second?.ts)
  await site.prune(one, { ...nextAct(), keepAfter: second?.ts })
  t.same(await site.changes(second?.ts), kept, 'what came after that moment is still told')
  t.equal(await codeOf(site.changes(site.versions[0] && ('0' as never))), 'ERR_BAD_REQUEST')
  t.equal(await codeOf(site.changes(undefined)), 'ERR_TRIMMED')
  await site.publish(whole(await send(here.blobs, { a: '5' })))
  await site.prune(one, { ...nextAct(), keepAfter: third?.ts })
  t.equal(await codeOf(site.changes(second?.ts)), 'ERR_TRIMMED')
  t.same(
    (await site.changes(third?.ts)).map(({ version }) => version),
    [4, 5],
  )
  await site.prune(one, nextAct())
  for (const opening of [late, await here.open()]) {
    const { record } = await opening.publish(onBase(site.live?.version ?? 0, await send(here.blobs, { b: 'b' })))
    t.same(opening.versions.at(-1), record)
    await site.activate(record.version, nextAct())
  }
  t.same(await contentsOf(here, site, site.live?.version ?? 0), { a: '5', b: 'b' })
})

t.test('a log that has grown long is cut short, whatever else there is to do', async (t) => {
  const here = await place(t)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'a' })))
  for (let count = 0; count < limits.store.checkpointEntries; count += 1)
    await site.pin({ name: 'tag:x', version: 1, untilMs: undefined }, nextAct())
  await site.prune(one, nextAct())
  t.equal((await here.store.stat(here.store.root, logPath)).entries, 1)
  const again = await here.open()
  t.same([again.live, again.versions, again.pins], [site.live, site.versions, site.pins])
  t.same(again.objects, site.objects)
})

t.test('many publishes of a little leave few segments, each version whole', async (t) => {
  const here = await place(t)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { home: 'home' })))
  for (let count = 1; count <= 30; count += 1) {
    await site.publish(onBase(count, await send(here.blobs, { [`${count % 7}`]: noise(count, 5_000) })))
    t.ok(site.objects.segments <= limits.store.segments, `${site.objects.segments} segments after ${count} publishes`)
  }
  t.same(here.failures, [])
  for (const version of [1, 15, 31]) t.ok((await contentsOf(here, site, version))['home'])
  const { segmentsAfter } = await site.prune(one, nextAct())
  t.ok(segmentsAfter <= limits.store.segments)
  t.equal(Object.keys(await contentsOf(here, site, 31)).length, 8)
})

t.test('a segment of which less than half is needed is written anew, one that is not needed goes', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const large = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`${index}`, noise(index, 50_000)]))
  await site.publish(whole(await send(here.blobs, large)))
  await site.publish(onBase(1, [], ['0', '1', '2', '3']))
  await site.publish(onBase(2, await send(here.blobs, { x: 'x' })))
  await site.publish(onBase(3, await send(here.blobs, { x: 'y' })))
  const before = site.objects
  const { segmentsBefore, segmentsAfter } = await site.prune(one, nextAct())
  t.ok(segmentsAfter < segmentsBefore)
  t.ok(site.objects.bytes < before.bytes / 2, `${site.objects.bytes} of ${before.bytes} bytes`)
  rmSync(here.layout.blobs, { recursive: true })
  const fresh = await place(t, { folder: here.layout.root, store: async () => here.store })
  const again = await fresh.open()
  t.same(Object.keys(await contentsOf(fresh, again, 4)).sort(), ['4', '5', 'x'])
})

t.test('a large content is an object by itself, as long as a version has it', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const content = Buffer.alloc(limits.segment.bareBytes + 1, 'large')
  const [file] = await send(here.blobs, { large: content })
  await site.publish(whole(file ? [file, { ...file, path: 'twice' }] : []))
  t.match(site.objects, { segments: 2 })
  t.match(await here.objects.stat(objectKeys.large(owner, 'blog', file?.hash ?? '')), { bytes: content.length })
  await site.publish(onBase(1, await send(here.blobs, { small: 'small' })))
  await site.publish(onBase(2, [], ['large']))
  await site.prune(one, nextAct())
  const other = await here.open()
  t.same(await other.missing(file ? [file] : []), [], 'twice needs it still')
  rmSync(here.layout.blobs, { recursive: true })
  const fresh = await place(t, { folder: here.layout.root, store: async () => here.store })
  t.same(Object.keys(await contentsOf(fresh, await fresh.open(), 3)), ['small', 'twice'])
  await site.publish(onBase(3, [], ['twice']))
  await site.prune(one, nextAct())
  t.equal(site.objects.bytes < 2_000, true)
})

t.test('with encryption everything is sealed; after a new key a merge seals it anew', async (t) => {
  const [first, second] = [1, 2].map((fill) => Buffer.alloc(32, fill)) as [Buffer, Buffer]
  const folder = t.testdir()
  const store = await openMemoryStore()
  const here = await place(t, { folder, store: async () => store, keyring: openKeyring([first]) })
  const site = await here.open()
  const content = Buffer.alloc(limits.segment.bareBytes + 1, 'large secret ')
  await site.publish(whole(await send(here.blobs, { a: 'secret text', large: content })))
  const { readFileSync } = await import('node:fs')
  const files = readdirSync(here.layout.objects, { recursive: true, withFileTypes: true }).filter((f) => f.isFile())
  for (const { parentPath, name } of files) t.notOk(readFileSync(join(parentPath, name)).includes('secret'))
  rmSync(here.layout.blobs, { recursive: true })
  const plain = await place(t, { folder, store: async () => store })
  t.equal(await codeOf(contentsOf(plain, await plain.open(), 1)), 'ERR_KEY_MISSING')
  const both = await place(t, { folder, store: async () => store, keyring: openKeyring([second, first]) })
  const rotated = await both.open()
  await rotated.prune(one, nextAct())
  await rotated.prune(one, nextAct())
  rmSync(here.layout.blobs, { recursive: true })
  const late = await place(t, { folder, store: async () => store, keyring: openKeyring([second]) })
  const contents = await contentsOf(late, await late.open(), 1)
  t.same([contents['a'], contents['large']?.length], ['secret text', content.length])
})

t.test('ten changes in a large site cost few requests and bytes, and a cold site comes with few', async (t) => {
  const far: { objects?: RemoteFolder } = {}
  const here = await place(t, {
    async objects(env, layout) {
      far.objects = await remoteFolder(env, layout.objects)
      return far.objects
    },
  })
  const site = await here.open()
  const objects = far.objects as RemoteFolder
  const contents = Object.fromEntries(
    Array.from({ length: 3_000 }, (_, index) => [`d${index % 50}/${index}.html`, `${index}`]),
  )
  await site.publish(whole(await send(here.blobs, contents)))
  objects.reset()
  const changed = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [`d${index}/${index}.html`, `new ${index}`]),
  )
  await site.publish(onBase(1, await send(here.blobs, changed)))
  t.same(objects.requests, { PUT: 1 })
  t.ok(objects.putBytes < 100_000, `${objects.putBytes} bytes were put`)
  await site.ensureAll(2)
  const cold = await place(t, { store: async () => here.store, objects: () => objects })
  objects.reset()
  const again = await cold.open()
  t.same(objects.requests, {}, 'opening reads no object')
  await again.ensureAll(2)
  t.same(objects.requests, { GET: 2 }, 'one for each segment')
  objects.reset()
  t.same(await contentsOf(cold, again, 2), { ...contents, ...changed })
  t.same(objects.requests, {}, 'and everything is here')
})

t.test('a merge that comes second to a publish is built anew', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const other = await here.open()
  for (const content of ['1', '2', '3']) await site.publish(whole(await send(here.blobs, { a: content })))
  const puts = await send(here.blobs, { b: 'b' })
  let commits = 0
  const slow = await here.open({
    store: {
      ...here.store,
      async begin(...logs) {
        commits += 1
        if (commits === 1) await other.publish(onBase(3, puts))
        return here.store.begin(...logs)
      },
    },
  })
  t.same((await slow.prune(one, nextAct())).pruned, [1, 2, 3])
  t.equal(commits, 2)
  t.same(await contentsOf(here, slow, 4), { a: '3', b: 'b' })
  t.same(slow.prunable(always, 1), [])
})

t.test('a bucket that is away holds up neither a publish that is done nor the next one', async (t) => {
  let isAway = false
  const env = nodeEnvironment
  const here = await place(t, {
    async objects(env, layout) {
      const objects = await remoteFolder(env, layout.objects)
      return {
        ...objects,
        async create(key, source) {
          if (isAway) throw new Error('away')
          return objects.create(key, source)
        },
      }
    },
  })
  t.equal(here.env, env)
  const site = await here.open()
  for (let count = 0; count < limits.store.segments - 1; count += 1)
    await site.publish(onBase(count, await send(here.blobs, { [`${count}`]: noise(count, 1_000) })))
  isAway = true
  const last = onBase(limits.store.segments - 1, await send(here.blobs, { z: 'z' }))
  await t.rejects(site.publish(last), { message: 'away' })
  isAway = false
  await site.publish(last)
  t.ok(site.objects.segments <= limits.store.segments)
})

t.test('who opens a site while it is merged again and again begins with the last merge', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const merge = async (text: string) => {
    await site.publish(whole(await send(here.blobs, { a: text })))
    await site.prune(one, nextAct())
  }
  for (const text of ['1', '2']) await merge(text)
  let merges = 3
  const busy: Store = {
    ...here.store,
    async open(handle, path) {
      const log = await here.store.open(handle, path)
      if (path !== logPath) return log
      const stat = log.stat.bind(log)
      log.stat = async () => {
        const info = await stat()
        merges -= 1
        if (merges >= 0) await merge(`more ${merges}`)
        return info
      }
      return log
    },
  }
  const late = await here.open({ store: busy })
  t.equal(late.live?.version, site.live?.version)
})

t.test('changes that are forgotten while they are read are not left out without a word', async (t) => {
  const here = await place(t)
  const site = await here.open()
  for (const text of ['1', '2', '3']) await site.publish(whole(await send(here.blobs, { a: text })))
  let isDue = false
  const busy: Store = {
    ...here.store,
    async open(handle, path) {
      const log = await here.store.open(handle, path)
      const read = log.read.bind(log)
      log.read = async function* (range) {
        if (isDue) await site.prune(one, nextAct())
        isDue = false
        yield* read(range)
      }
      return log
    },
  }
  const reader = await here.open({ store: busy })
  t.equal((await reader.changes(undefined)).length, 3)
  isDue = true
  await t.rejects(reader.changes(undefined), { code: 'ERR_TRIMMED', details: { cover: /./ } })
})

t.test('a site whose log is cut short while it is opened is opened as it is then', async (t) => {
  const here = await place(t)
  const site = await here.open()
  for (const text of ['1', '2', '3']) await site.publish(whole(await send(here.blobs, { a: text })))
  let isDue = true
  const busy: Store = {
    ...here.store,
    async open(handle, path) {
      const log = await here.store.open(handle, path)
      const read = log.read.bind(log)
      log.read = async function* (range) {
        // What came after version 2 stays for somebody who has yet to read it.
        if (isDue) await site.prune(one, { ...nextAct(), keepAfter: site.versions[1]?.ts })
        isDue = false
        yield* read(range)
      }
      return log
    },
  }
  const late = await here.open({ store: busy })
  t.same(late.versions, site.versions)
  t.equal(late.live?.version, 3)
  const { store, objects, env } = here
  isDue = true
  await site.publish(whole(await send(here.blobs, { a: '4' })))
  await site.publish(whole(await send(here.blobs, { a: '5' })))
  const report = await verifyStore({ store: busy, handle: store.root, env, objects, keyring: undefined, owner })
  t.same(report.faults, [])
})
