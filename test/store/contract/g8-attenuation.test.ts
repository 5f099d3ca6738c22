import { createHmac } from 'node:crypto'
import t from 'tap'
import { narrow } from '../../../store/grants/handle.ts'
import type { Handle, Store } from '../../../store/store.ts'
import { bytes, codeOf, eachDriver, forever, rootLog, texts } from '../fixtures/drivers.ts'

const parentGrant = { path: '/sites/ada', untilMs: forever, read: true, write: true, grant: true }

const exceeding = [
  { name: 'a path above', options: { ...parentGrant, path: '/sites' }, code: 'ERR_DENIED path' },
  { name: 'the path of all', options: { ...parentGrant, path: '/' }, code: 'ERR_DENIED path' },
  { name: 'a path beside', options: { ...parentGrant, path: '/sites/bob' }, code: 'ERR_DENIED path' },
  { name: 'a path that only begins alike', options: { ...parentGrant, path: '/sites/adam' }, code: 'ERR_DENIED path' },
  { name: 'a later end', options: { ...parentGrant, untilMs: forever + 1 }, code: 'ERR_DENIED expired' },
  { name: 'a path with ..', options: { ...parentGrant, path: '/sites/ada/../bob' }, code: 'ERR_BAD_REQUEST' },
  { name: 'a path with an empty segment', options: { ...parentGrant, path: '/sites/ada//x' }, code: 'ERR_BAD_REQUEST' },
  { name: 'a path without /', options: { ...parentGrant, path: 'sites/ada' }, code: 'ERR_BAD_REQUEST' },
  { name: 'a path that ends in /', options: { ...parentGrant, path: '/sites/ada/' }, code: 'ERR_BAD_REQUEST' },
  {
    name: 'a path too long',
    options: { ...parentGrant, path: `/sites/ada${'/x'.repeat(2_048)}` },
    code: 'ERR_BAD_REQUEST',
  },
  { name: 'an end that is no time', options: { ...parentGrant, untilMs: Number.NaN }, code: 'ERR_BAD_REQUEST' },
  {
    name: 'an end without end',
    options: { ...parentGrant, untilMs: Number.POSITIVE_INFINITY },
    code: 'ERR_BAD_REQUEST',
  },
  { name: 'an end beyond all dates', options: { ...parentGrant, untilMs: 9e15 }, code: 'ERR_BAD_REQUEST' },
  { name: 'a label too long', options: { ...parentGrant, label: 'x'.repeat(201) }, code: 'ERR_TOO_LARGE' },
] as const

eachDriver(t, 'a child never exceeds its parent', async (t, open) => {
  const store = await open()
  const parent = await store.grant(store.root, parentGrant)
  for (const { name, options, code } of exceeding) t.equal(await codeOf(store.grant(parent, options)), code, name)
  t.equal(await codeOf(store.grant(parent, parentGrant)), 'none', 'its equal is no more than it')
  for (const lacking of ['read', 'write', 'grant'] as const) {
    const less = await store.grant(parent, { ...parentGrant, [lacking]: false })
    t.equal(await codeOf(store.grant(less, parentGrant)), 'ERR_DENIED rights', `without ${lacking}`)
  }
})

eachDriver(t, 'each right allows its calls on its path, and no others', async (t, open) => {
  const store = await open()
  await rootLog(store, '/a')
  await rootLog(store, '/ab')
  await rootLog(store, '/a/b')
  const make = (rights: object): Promise<Handle> => store.grant(store.root, { path: '/a', untilMs: forever, ...rights })
  const none = await make({})
  const reader = await make({ read: true })
  const writer = await make({ write: true })
  const granter = await make({ grant: true, write: true })
  t.equal(await codeOf(store.open(none, '/a')), 'ERR_DENIED rights')
  t.equal(await codeOf(store.open(reader, '/ab')), 'ERR_DENIED path')
  t.equal(await codeOf(store.open(reader, '/no')), 'ERR_DENIED path', 'what exists elsewhere is not told')
  t.equal(await codeOf(store.open(reader, '/a/no')), 'ERR_NOT_FOUND')
  t.same(await store.list(reader, '/a'), ['/a', '/a/b'])
  t.equal(await codeOf(store.list(reader, '/')), 'ERR_DENIED path')
  t.equal(await codeOf(store.list(writer, '/a')), 'ERR_DENIED rights')
  t.equal(await codeOf((await store.open(reader, '/a')).write(bytes('x'))), 'ERR_DENIED rights')
  const log = await store.open(writer, '/a')
  t.equal(await codeOf(log.write(bytes('x'))), 'none')
  t.equal(await codeOf(log.head()), 'ERR_DENIED rights')
  t.equal(await codeOf(Array.fromAsync(log.read())), 'ERR_DENIED rights')
  t.equal(await codeOf(store.create(writer, '/a/c', { serialized: false })), 'ERR_DENIED rights')
  t.equal(await codeOf(store.create(await make({ grant: true }), '/a/c', { serialized: false })), 'ERR_DENIED rights')
  t.equal(await codeOf(store.create(granter, '/c', { serialized: false })), 'ERR_DENIED path')
  t.equal(await codeOf(store.create(granter, '/a/c', { serialized: false })), 'none')
  t.equal(await codeOf(store.create(granter, '/a/c', { serialized: true })), 'ERR_EXISTS')
  t.equal(await codeOf(store.create(store.root, '/', { serialized: true })), 'ERR_BAD_REQUEST')
  t.same(await store.list(store.root, '/'), ['/a', '/a/b', '/a/c', '/ab', '/grants'])
})

eachDriver(t, 'a chain of grants has an end', async (t, open) => {
  const store = await open()
  let handle = store.root
  for (let depth = 1; depth < 16; depth += 1) handle = await store.grant(handle, parentGrant)
  t.equal(await codeOf(store.grant(handle, parentGrant)), 'ERR_TOO_MANY')
  t.equal(await codeOf(store.list(handle, '/sites/ada')), 'none', 'the last of it is good')
})

eachDriver(t, 'a handle that was not made by this store opens nothing', async (t, open) => {
  const store = await open()
  const other = await open()
  await rootLog(store, '/a')
  const good = await store.grant(store.root, { path: '/a', untilMs: forever, read: true })
  const [start = '', id, tag = ''] = good.split('.')
  const narrowed = narrow(good, { rights: ['read'] })
  const unknown = createHmac('sha256', Buffer.from(tag, 'base64url')).update('zzz').digest('base64url')
  const forged = [
    '',
    'grove_',
    'grove_..',
    `${start}.${id}`,
    `${start}.${id}.`,
    `${start}.${id}.${tag.slice(0, -1)}`,
    `${start}.${id}.${tag}=`,
    `${start}.${id}.${tag}.x`,
    `${start}9.${id}.${tag}`,
    `grove_0.${id}.${tag}`,
    `${start}.root.${tag}`,
    `${start}.${id}.${tag.startsWith('A') ? 'B' : 'A'}${tag.slice(1)}`,
    `${start}.x${id}.${tag}`,
    `${good}\n`,
    ` ${good}`,
    // A caveat taken away, put in without a new tag, and one that nobody knows with a tag that is right.
    `${start}.${id}.${narrowed.split('.').at(-1)}`,
    `${start}.${id}.rr.${tag}`,
    `${start}.${id}.zzz.${unknown}`,
    narrowed.replace('.rr.', '.rrw.'),
    'x'.repeat(100_000),
    undefined,
    other.root,
    await other.grant(other.root, { path: '/a', untilMs: forever, read: true }),
  ] as Handle[]
  for (const handle of forged) {
    t.equal(await codeOf(store.open(handle, '/a')), 'ERR_DENIED handle', String(handle).slice(0, 60))
    t.equal(await codeOf(store.revoke(store.root, handle)), 'ERR_DENIED handle')
  }
  for (const handle of [good, narrowed]) t.equal(await codeOf(store.open(handle, '/a')), 'none')
})

eachDriver(
  t,
  'children together use no more than their parent has, also in one batch and one transaction',
  async (t, open) => {
    const store = await open()
    const root = await rootLog(store, '/sites/ada')
    await rootLog(store, '/sites/ada/b')
    const parent = await store.grant(store.root, { ...parentGrant, maxWrites: 6, maxBytes: 50 })
    for (const options of [{ maxWrites: 7 }, { maxBytes: 51 }])
      t.equal(await codeOf(store.grant(parent, { ...parentGrant, ...options })), 'ERR_DENIED quota')
    const a = await store.grant(parent, { ...parentGrant, maxBytes: 20 })
    const b = await store.grant(parent, parentGrant)
    const [logA, alsoA, logB] = [
      await store.open(a, '/sites/ada'),
      await store.open(a, '/sites/ada/b'),
      await store.open(b, '/sites/ada'),
    ]
    const tx = await store.begin(logA, alsoA)
    tx.write(logA, new Uint8Array(11))
    tx.write(alsoA, new Uint8Array(10))
    t.equal(await codeOf(tx.commit()), 'ERR_DENIED quota', 'each alone would have been fine')
    t.match(await store.whoami(a), { usedBytes: 0, usedWrites: 0 })
    const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(logB.write(new Uint8Array(8)))))
    t.same(codes.filter((code) => code === 'none').length, 6, 'six writes are 48 bytes')
    t.same([...new Set(codes)].sort(), ['ERR_DENIED quota', 'none'])
    t.equal(await codeOf(logA.write(new Uint8Array(1))), 'ERR_DENIED quota', 'nothing is left for its sibling')
    t.equal(await codeOf(store.charge(a, '/sites/ada', { bytes: 0 })), 'ERR_DENIED quota')
    t.match(await store.whoami(parent), { usedBytes: 48, usedWrites: 6 })
    t.match(await store.show(store.root, a), { usedBytes: 0, usedWrites: 0 })
    t.equal((await texts(root)).length, 6)
  },
)

eachDriver(t, 'a handle that was narrowed allows what is left and nothing else', async (t, open) => {
  const store = await open()
  await rootLog(store, '/sites/ada')
  await rootLog(store, '/sites/ada/b')
  const grant = await store.grant(store.root, parentGrant)
  const cases = [
    { caveats: { path: '/sites/ada/b' }, path: '/sites/ada', code: 'ERR_DENIED path' },
    { caveats: { path: '/sites/ada/b' }, path: '/sites/ada/b', code: 'none' },
    { caveats: { path: '/' }, path: '/sites/ada', code: 'none' },
    { caveats: { rights: ['read'] }, path: '/sites/ada', code: 'ERR_DENIED rights' },
    { caveats: { rights: ['write'] }, path: '/sites/ada', code: 'none' },
    { caveats: { bytes: 1 }, path: '/sites/ada', code: 'ERR_DENIED quota' },
    { caveats: { bytes: 2 }, path: '/sites/ada', code: 'none' },
    { caveats: { hash: 'a'.repeat(64) }, path: '/sites/ada', code: 'ERR_DENIED content' },
    { caveats: { untilMs: 1 }, path: '/sites/ada', code: 'ERR_DENIED expired' },
    { caveats: { untilMs: forever + 1 }, path: '/sites/ada', code: 'none' },
  ] as const
  for (const { caveats, path, code } of cases) {
    const handle = narrow(grant, caveats)
    const writing = codeOf(async () => (await store.open(handle, path)).write(bytes('12')))
    t.equal(await writing, code, `${JSON.stringify(caveats)} on ${path}`)
    t.equal(await codeOf(narrowAgain(store, handle, path)), code, 'and narrowing again adds nothing')
  }
})

async function narrowAgain(store: Store, handle: Handle, path: string): Promise<unknown> {
  const again = narrow(handle, { path: '/', rights: ['read', 'write', 'grant'], untilMs: forever, bytes: 1_000 })
  return (await store.open(again, path)).write(bytes('12'))
}

eachDriver(t, 'keys rotate under handles, and end them when they are dropped', async (t, open) => {
  const store = await open()
  await rootLog(store, '/a')
  const options = { path: '/a', untilMs: forever, read: true, grant: true }
  const old = await store.grant(store.root, options)
  const { kid } = await store.rotateKeys(store.root)
  const fresh = await store.grant(old, options)
  t.ok(fresh.startsWith(`grove_${kid}.`))
  t.notOk(old.startsWith(`grove_${kid}.`))
  t.equal(await codeOf(store.open(old, '/a')), 'none', 'the old ones stay good')
  for (const call of [
    () => store.rotateKeys(old),
    () => store.dropKeys(fresh),
    () => store.rotateKeys(narrow(store.root, { path: '/a' })),
  ])
    t.equal(await codeOf(call()), 'ERR_DENIED rights', 'for the root alone')
  t.equal(await store.dropKeys(store.root), 1)
  t.equal(await store.dropKeys(store.root), 0)
  t.equal(await codeOf(store.open(old, '/a')), 'ERR_DENIED handle')
  t.equal(await codeOf(store.open(fresh, '/a')), 'none', 'its parent is alive, though no handle names it')
  t.equal(await codeOf(store.list(store.root, '/')), 'none')
})
