import t from 'tap'
import type { Handle } from '../../../store/store.ts'
import { bytes, codeOf, eachDriver, forever, rootLog } from '../fixtures/drivers.ts'

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
  const [, id, tag = ''] = good.split('.')
  const forged = [
    '',
    'h1',
    'h1..',
    `h1.${id}`,
    `h1.${id}.`,
    `h1.${id}.${tag.slice(0, -1)}`,
    `h1.${id}.${tag}=`,
    `h1.${id}.${tag}.x`,
    `h2.${id}.${tag}`,
    `h1.root.${tag}`,
    `h1.${id}.${tag.startsWith('A') ? 'B' : 'A'}${tag.slice(1)}`,
    `h1.x${id}.${tag}`,
    'x'.repeat(100_000),
    undefined,
    other.root,
    await other.grant(other.root, { path: '/a', untilMs: forever, read: true }),
  ] as Handle[]
  for (const handle of forged) {
    t.equal(await codeOf(store.open(handle, '/a')), 'ERR_DENIED handle', String(handle).slice(0, 60))
    t.equal(await codeOf(store.revoke(store.root, handle)), 'ERR_DENIED handle')
  }
  t.equal(await codeOf(store.open(good, '/a')), 'none')
})
