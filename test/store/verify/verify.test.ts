import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { blobFile, type Layout } from '../../../core/layout.ts'
import type { Environment } from '../../../store/environment.ts'
import { folderObjects } from '../../../store/objects/folder-objects.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import type { Objects } from '../../../store/objects/objects.ts'
import { openKeyring } from '../../../store/segments/keyring.ts'
import type { Store } from '../../../store/store.ts'
import type { VerifyProgress, VerifyReport } from '../../../store/verify/report.ts'
import { verifyStore } from '../../../store/verify/verify.ts'
import { encodeEntry } from '../../../store/versions/entry.ts'
import { claimEpoch } from '../../../store/versions/epoch.ts'
import type { SiteVersions } from '../../../store/versions/versions.ts'
import {
  always,
  auditPath,
  hashOf,
  logPath,
  nextAct,
  onBase,
  owner,
  type Place,
  place,
  send,
  whole,
} from '../versions/fixtures/place.ts'

const large = Buffer.alloc(17 * 1_048_576, 'large ')
const firstFiles = { 'index.html': 'one', 'a/b.css': 'body {}' }

/** A site with three versions and a tag; and a large content, if there is to be one. */
async function published(
  t: Test,
  { withLarge = false, ...options }: Parameters<typeof place>[1] & { readonly withLarge?: boolean } = {},
): Promise<Place & { site: SiteVersions }> {
  const here = await place(t, options)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { ...firstFiles, ...(withLarge && { 'large.bin': large }) })))
  await site.publish(onBase(1, await send(here.blobs, { 'index.html': 'two' })))
  await site.publish(onBase(2, await send(here.blobs, { 'new.html': 'new' }), ['a/b.css']))
  await site.pin({ name: 'tag:first', version: 1, untilMs: undefined }, nextAct())
  return { ...here, site }
}

async function verify(here: Place, over: Partial<Parameters<typeof verifyStore>[0]> = {}): Promise<VerifyReport> {
  const { store, env, objects, layout } = here
  return verifyStore({ store, handle: store.root, env, objects, layout, keyring: undefined, owner, ...over })
}

/** Files of objects of a kind. */
async function objectFiles(here: Place, kind: 'seg' | 'big'): Promise<string[]> {
  const folder = join(here.layout.objects, owner, kind, 'blog')
  return (await readdir(folder)).map((name) => join(folder, name))
}

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file)
  bytes[at < 0 ? bytes.length + at : at] = (bytes.at(at) ?? 0) ^ 1
  await rm(file)
  await writeFile(file, bytes)
}

t.test('a whole store has no fault, and all of it was looked at', async (t) => {
  const here = await published(t, { withLarge: true })
  const progress: VerifyProgress[] = []
  const { faults, faultCount, counts } = await verify(here, { onProgress: (step) => progress.push(step) })
  t.same([faults, faultCount], [[], 0])
  t.match(counts, {
    sites: 1,
    versions: 3,
    segments: 3,
    largeContents: 1,
    nodes: 3,
    unreferenced: 0,
    cached: 5,
    uploads: 0,
  })
  t.ok(counts.logs >= 3 && counts.entries >= 8, `${counts.logs} logs, ${counts.entries} entries`)
  t.ok(counts.bytes > 2 * large.length)
  t.same(new Set(progress.map(({ what }) => what)), new Set(['logs', 'sites', 'objects', 'cache']))
})

t.test('how far it is is told after each object of a site', async (t) => {
  const here = await published(t, { withLarge: true })
  const told: VerifyProgress[] = []
  const { counts } = await verify(here, { onProgress: (progress) => void told.push(progress) })
  const beforeTheSite = told.slice(
    told.findLastIndex(({ what }) => what === 'logs') + 1,
    told.findIndex(({ what }) => what === 'sites'),
  )
  t.same(
    beforeTheSite.map(({ what, done }) => [what, done]),
    Array.from({ length: counts.segments + counts.largeContents }, (_, index) => ['objects', index + 1]),
  )
})

t.test('an encrypted store is verified with its keys, and not without', async (t) => {
  const keyring = openKeyring([Buffer.alloc(32, 7)])
  const here = await published(t, { keyring, withLarge: true })
  t.same((await verify(here, { keyring })).faults, [])
  const { faults } = await verify(here)
  t.ok(faults.length >= 4)
  t.match(faults[0], { code: 'ERR_KEY_MISSING' })
})

t.test('a merged and pruned store is whole', async (t) => {
  const here = await published(t)
  for (let round = 0; round < 12; round++)
    await here.site.publish(onBase(round + 3, await send(here.blobs, { 'index.html': `round ${round}` })))
  await here.site.prune({ versions: 2, ms: 0 }, { atMs: 1_000_000 })
  const { faults, counts } = await verify(here)
  t.same(faults, [])
  t.equal(counts.versions, 3, 'the last two and the tagged one')
  t.ok(counts.unreferenced > 0, 'what was pruned lies there for a day')
  t.ok(counts.unreferencedBytes > 0)
})

interface Damage {
  readonly name: string
  readonly do: (here: Place & { site: SiteVersions }) => Promise<unknown>
  readonly expected: readonly { readonly where: RegExp; readonly code: string; readonly problem: RegExp }[]
}

const lostVersions = [1, 2, 3].map((version) => ({
  where: new RegExp(`^blog@${version}$`),
  code: 'ERR_BLOB_MISSING',
  problem: /no object holds/,
}))

const damages: readonly Damage[] = [
  {
    name: 'a bit of a segment',
    do: async (here) => flip((await objectFiles(here, 'seg'))[0] ?? '', 20),
    expected: [{ where: /^segment [0-9a-f]{64} of blog$/, code: 'ERR_BLOB_CORRUPT', problem: /changed/ }],
  },
  {
    name: 'a segment that ends early',
    do: async (here) => {
      const [file = ''] = await objectFiles(here, 'seg')
      const bytes = await readFile(file)
      await rm(file)
      await writeFile(file, bytes.subarray(0, -1))
    },
    expected: [{ where: /^segment /, code: 'ERR_BLOB_CORRUPT', problem: /bytes, expected/ }],
  },
  {
    name: 'segments that are gone',
    do: async (here) => {
      for (const file of await objectFiles(here, 'seg')) await rm(file)
    },
    expected: [
      ...[1, 2, 3].map(() => ({ where: /^segment /, code: 'ERR_NOT_FOUND', problem: /no object/ })),
      ...lostVersions,
    ],
  },
  {
    name: 'a bit of a large content',
    do: async (here) => flip((await objectFiles(here, 'big'))[0] ?? '', -1),
    expected: [
      { where: /^content [0-9a-f]{64} of blog$/, code: 'ERR_BLOB_CORRUPT', problem: /other bytes/ },
      ...lostVersions.map((fault) => ({ ...fault, problem: /content of "large.bin"$/ })),
    ],
  },
  {
    name: 'a large content that is gone',
    do: async (here) => rm((await objectFiles(here, 'big'))[0] ?? ''),
    expected: [
      { where: /^content /, code: 'ERR_NOT_FOUND', problem: /no object/ },
      ...lostVersions.map((fault) => ({ ...fault, problem: /content of "large.bin"$/ })),
    ],
  },
  {
    name: 'a file of the cache',
    do: async ({ layout }) => writeFile(blobFile(layout, hashOf('two')), 'TWO'),
    expected: [{ where: /blobs/, code: 'ERR_BLOB_CORRUPT', problem: /another content/ }],
  },
  {
    name: 'an entry that is none',
    do: async ({ store }) => append(store, logPath, Buffer.from('{"format":2,"kind":"nothing"}')),
    expected: [
      { where: /^log \/sites\/ada\/blog\/versions$/, code: 'ERR_DATA_FORMAT', problem: /not one of format 2/ },
    ],
  },
  {
    name: 'an entry that cannot follow',
    do: async ({ store }) =>
      append(store, logPath, encodeEntry({ format: 2, kind: 'live', atMs: 1, version: 9, put: [], del: [] })),
    expected: [{ where: /^log /, code: 'ERR_DATA_FORMAT', problem: /version 9, which is not there/ }],
  },
  {
    name: 'an entry that tells of another tree',
    do: async ({ store, site }) =>
      append(
        store,
        logPath,
        encodeEntry({
          ...{ format: 2, kind: 'publish', atMs: 1, version: 4, parent: 3, message: '', rebased: false },
          ...{ root: site.live?.root ?? '', files: 7, bytes: 7, put: [], del: [], segments: [], bare: [] },
        }),
      ),
    expected: [{ where: /^blog@4$/, code: 'ERR_DATA_FORMAT', problem: /log tells of 7 files of 7 bytes/ }],
  },
  {
    name: 'a root node that no object has',
    do: async ({ store }) =>
      append(
        store,
        logPath,
        encodeEntry({
          ...{ format: 2, kind: 'publish', atMs: 1, version: 4, parent: 3, message: '', rebased: false },
          ...{ root: hashOf('none'), files: 7, bytes: 7, put: [], del: [], segments: [], bare: [] },
        }),
      ),
    expected: [{ where: /^blog@4$/, code: 'ERR_BLOB_MISSING', problem: /no object holds node/ }],
  },
]

async function append(store: Store, path: string, data: Uint8Array): Promise<void> {
  await using log = await store.open(store.root, path)
  await log.write(data, { expect: await log.head() })
}

for (const { name, do: harm, expected } of damages)
  t.test(`${name} is found and told with what to do`, async (t) => {
    const here = await published(t, { withLarge: name.includes('large') })
    await harm(here)
    const { faults, faultCount } = await verify(here)
    t.equal(faultCount, faults.length)
    for (const one of expected)
      t.match(
        faults.find(({ where, problem }) => one.where.test(where) && one.problem.test(problem)),
        one,
      )
    // An object that cannot be trusted takes the versions with it that need what was in it.
    const others = faults.filter(({ where }) => !expected.some((one) => one.where.test(where)))
    for (const { where } of others) t.match(where, /^blog@/)
    for (const { hint } of faults) t.match(hint, /\w{3}/)
  })

t.test('what is wrong with the store’s file is part of the report', async (t) => {
  const here = await published(t)
  t.match(await verify(here, { databaseFaults: ['page 3 is used twice'] }), {
    faultCount: 1,
    faults: [{ where: 'store.db', problem: 'page 3 is used twice' }],
  })
})

t.test('objects of a site whose log cannot be read are not counted as without a use', async (t) => {
  const here = await published(t)
  await append(here.store, logPath, Buffer.from('?'))
  t.match(await verify(here), { faultCount: 1, counts: { sites: 0, unreferenced: 0 } })
})

t.test('a bucket that cannot be reached is no fault of what is in it', async (t) => {
  const here = await published(t)
  const objects = {
    ...here.objects,
    read: async () => {
      throw new GroveError('ERR_OBJECTS', 'no answer', { details: { reason: 'unreachable' } })
    },
  }
  await t.rejects(verify(here, { objects }), { code: 'ERR_OBJECTS' })
})

t.test('a verification can be ended', async (t) => {
  const here = await published(t)
  const ended = new AbortController()
  ended.abort(new Error('enough'))
  await t.rejects(verify(here, { signal: ended.signal }), { message: 'enough' })
})

t.test('nothing is changed, and no log is made', async (t) => {
  const here = await published(t)
  const before = await here.store.list(here.store.root, '/')
  const heads = async () => {
    await using audit = await here.store.open(here.store.root, auditPath)
    return audit.head()
  }
  const head = await heads()
  await verify(here)
  t.same(await here.store.list(here.store.root, '/'), before)
  t.equal(await heads(), head)
  await here.site.prune(always, nextAct())
})

/** Objects of a folder that pass for those of a bucket. */
async function bucket(env: Environment, layout: Layout): Promise<Objects> {
  return { ...(await folderObjects(env, layout.objects)), isRemote: true }
}

t.test('roots in a bucket have to name what is there', async (t) => {
  const here = await place(t, { objects: bucket })
  const { objects, env, store } = here
  const epoch = await claimEpoch({ objects, env, owner, storeId: store.id })
  const site = await here.open({ epoch })
  await site.publish(whole(await send(here.blobs, firstFiles)))
  await site.checkpoint()
  t.match(await verify(here), { faultCount: 0, counts: { roots: 1, unreferenced: 0 } })
  // A machine that knows nothing of the site yet: what its root names is in use.
  const stranger = await place(t)
  const elsewhere = { ...here, store: stranger.store }
  t.match(await verify(elsewhere), { faultCount: 0, counts: { sites: 0, roots: 1, unreferenced: 0 } })
  for (const file of await objectFiles(here, 'seg')) await rm(file)
  t.match(await verify(elsewhere), { faultCount: 1, faults: [{ where: 'root of blog', problem: /is not there/ }] })
  const key = objectKeys.root(owner, 'blog', epoch.number)
  await objects.replace(key, Buffer.from('nothing'))
  t.match(await verify(elsewhere), { faults: [{ where: 'root of blog', code: 'ERR_DATA_FORMAT', hint: /new root/ }] })
})

t.test('a node that lies in a segment as a file of the same bytes is found there', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const files = await send(here.blobs, { 'a.txt': 'grove tree 2 leaf\n' })
  await site.publish(whole(files))
  await site.publish(whole([]))
  t.equal(site.live?.root, files[0]?.hash)
  t.match(await verify(here), { faultCount: 0, counts: { versions: 2 } })
})

t.test('grants that exceed the one that they came from are told', async (t) => {
  const here = await published(t)
  const { store } = here
  const untilMs = Date.now() + 1e9
  const parent = await store.grant(store.root, { path: '/sites/ada', untilMs, read: true, grant: true })
  await store.grant(parent, { path: '/sites/ada/blog', untilMs, read: true })
  t.match(await verify(here), { faultCount: 0, counts: { grants: 2 } })
  for (const [over, problem] of [
    [{ path: '/sites/bob' }, /path \/sites\/bob does not lie under \/sites\/ada of grant/],
    [{ untilMs: untilMs + 1 }, /ends after grant/],
    [{ rights: ['read', 'write'] as const }, /rights write, which grant/],
  ] as const) {
    const grants: Store['grants'] = async (handle, prefix) =>
      (await store.grants(handle, prefix)).map((grant) => (grant.path.endsWith('blog') ? { ...grant, ...over } : grant))
    t.match(await verify(here, { store: { ...store, grants } }), { faultCount: 1, faults: [{ problem }] })
  }
})
