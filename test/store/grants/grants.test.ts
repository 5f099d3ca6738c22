import t from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { listGrants, narrowedInfo, showGrant } from '../../../store/grants/grant-info.ts'
import { allowanceOf, chainOf, namedGrant, refusal, requireRight, requireRoot } from '../../../store/grants/grants.ts'
import { narrow } from '../../../store/grants/handle.ts'
import type { Caveats, Claim, Handle, Right } from '../../../store/store.ts'
import { type GrantStore, grantStore, idOf } from './fixtures/grant-store.ts'

const hash = 'ab'.repeat(32)
const otherHash = 'cd'.repeat(32)

/** The reason and the message of what a check throws. */
function refused(run: () => unknown): [unknown, string] {
  try {
    run()
    return ['none', '']
  } catch (thrown) {
    const { code, details, message } = thrown as GroveError
    return [code === 'ERR_DENIED' ? details?.['reason'] : code, message]
  }
}

function use(store: GrantStore, handle: Handle, right: Right, path: string, claim?: Claim): [unknown, string] {
  return refused(() => requireRight(store, handle, right, path, claim))
}

t.test('each caveat takes away what it says, and says so', (t) => {
  const store = grantStore()
  const handle = store.child(store.root, { label: 'CI' })
  const id = idOf(handle)
  const cases: [Caveats, Right, string, Claim, string, string][] = [
    [{}, 'write', '/a/b', {}, 'none', ''],
    [{ path: '/a/b' }, 'write', '/a/b/c', {}, 'none', ''],
    [{ path: '/a/b' }, 'write', '/a/c', {}, 'path', 'is for /a/b and what lies under it, not for /a/c'],
    [{ path: '/a/b' }, 'write', '/a', {}, 'path', 'is for /a/b and what lies under it, not for /a'],
    [{ path: '/' }, 'write', '/b', {}, 'path', 'is for /a and what lies under it, not for /b'],
    [{ path: '/b' }, 'write', '/b', {}, 'rights', 'allows nothing, not to write /b'],
    [{ rights: ['read'] }, 'read', '/a', {}, 'none', ''],
    [{ rights: ['read'] }, 'write', '/a', {}, 'rights', 'allows read, not to write /a'],
    [{ rights: [] }, 'read', '/a', {}, 'rights', 'allows nothing, not to read /a'],
    [{ untilMs: 1_001 }, 'read', '/a', {}, 'none', ''],
    [
      { untilMs: 1_000 },
      'read',
      '/a',
      {},
      'expired',
      'ended at 1970-01-01T00:00:01.000Z; it is 1970-01-01T00:00:01.000Z',
    ],
    [{ hash }, 'read', '/a', {}, 'none', ''],
    [{ hash }, 'write', '/a', { hash }, 'none', ''],
    [{ hash }, 'write', '/a', { hash: otherHash }, 'content', `is narrowed to the content ${hash}, not ${otherHash}`],
    [{ hash }, 'write', '/a', {}, 'content', 'not something without a hash'],
    [{ hash }, 'grant', '/a', {}, 'content', 'is narrowed to contents and cannot make grants'],
    [{ bytes: 10 }, 'write', '/a', { bytes: 10 }, 'none', ''],
    [{ bytes: 10 }, 'write', '/a', { bytes: 11 }, 'quota', 'is narrowed to 10 bytes in one write, not 11'],
    [{ bytes: 10 }, 'grant', '/a', {}, 'content', 'is narrowed to contents and cannot make grants'],
  ]
  for (const [caveats, right, path, claim, reason, says] of cases) {
    const [found, message] = use(store, narrow(handle, caveats), right, path, claim)
    t.equal(found, reason, JSON.stringify([caveats, right, path, claim]))
    t.match(message, says)
    if (reason !== 'none') t.match(message, `grant ${id} (CI)`, 'it names the grant')
  }
  t.end()
})

t.test('several caveats of a kind hold all together', (t) => {
  const store = grantStore()
  const handle = store.child(store.root)
  const both = (one: Caveats, two: Caveats) => narrow(narrow(handle, one), two)
  t.equal(use(store, both({ path: '/a/b' }, { path: '/a/b/c' }), 'read', '/a/b')[0], 'path')
  t.equal(use(store, both({ path: '/a/b' }, { path: '/a' }), 'read', '/a')[0], 'path', 'nothing comes back')
  t.equal(use(store, both({ path: '/a/b' }, { path: '/a/c' }), 'read', '/a/c')[0], 'rights', 'paths beside each other')
  t.equal(use(store, both({ rights: ['read'] }, { rights: ['write'] }), 'write', '/a')[0], 'rights')
  t.equal(use(store, both({ untilMs: 900 }, { untilMs: 5_000 }), 'read', '/a')[0], 'expired')
  t.equal(use(store, both({ hash }, { hash: otherHash }), 'write', '/a', { hash: otherHash })[0], 'content')
  t.equal(use(store, both({ bytes: 1 }, { bytes: 100 }), 'write', '/a', { bytes: 2 })[0], 'quota')
  t.end()
})

t.test('a chain is as good as the least of its grants', (t) => {
  const store = grantStore()
  const parent = store.child(store.root, { untilMs: 5_000 })
  const child = store.child(narrow(parent, { path: '/a/b' }), { path: '/a/b', untilMs: 3_000, grant: false })
  t.same(allowanceOf(chainOf(store, child)), { path: '/a/b', rights: ['read', 'write'], untilMs: 3_000 })
  t.equal(refusal(chainOf(store, child), 'grant', '/a/b'), 'rights')
  t.equal(refusal(chainOf(store, child), 'read', '/a/b'), undefined)
  store.nowMs = 3_000
  t.equal(use(store, child, 'read', '/a/b')[0], 'expired')
  t.equal(use(store, parent, 'read', '/a/b')[0], 'none')
  store.records.revokeGrant(idOf(parent), 7)
  const [reason, message] = use(store, child, 'read', '/a/b')
  t.equal(reason, 'revoked')
  t.match(message, `was revoked with grant ${idOf(parent)} above it`)
  t.match(use(store, parent, 'read', '/a')[1], /was revoked$/)
  t.equal(use(store, store.root, 'read', '/')[0], 'none')
  t.end()
})

t.test('records that do not lead to the root allow nothing', (t) => {
  const store = grantStore()
  const handle = store.child(store.child(store.root))
  const id = idOf(handle)
  const record = store.records.grant(id)
  if (!record) throw new Error('no record')
  store.records.addGrant({ ...record, parent: 'x'.repeat(22) })
  t.equal(use(store, handle, 'read', '/a')[0], 'ERR_DATA_FORMAT', 'a lost parent')
  store.records.addGrant({ ...record, parent: id })
  t.equal(use(store, handle, 'read', '/a')[0], 'ERR_DATA_FORMAT', 'a circle')
  t.end()
})

t.test('a grant is named by its handle, narrowed or not, alive or not, or by its id', (t) => {
  const store = grantStore()
  const handle = store.child(store.root)
  const id = idOf(handle)
  store.records.revokeGrant(id, 3)
  for (const target of [handle, id, narrow(handle, { rights: [] })]) t.equal(namedGrant(store, target).id, id)
  t.equal(namedGrant(store, 'root').id, 'root')
  const [code, message] = refused(() => namedGrant(store, 'x'.repeat(22)))
  t.equal(code, 'ERR_NOT_FOUND')
  t.match(message, 'xxx')
  for (const target of ['', 'x', `${handle}x`, 'x'.repeat(21), undefined as unknown as string])
    t.equal(refused(() => namedGrant(store, target))[0], 'handle')
  t.end()
})

t.test('a grant is shown as it is and as its handle is narrowed', (t) => {
  const store = grantStore()
  const parent = store.child(store.root, { label: 'ada', maxBytes: 100 })
  const child = store.child(parent, { path: '/a/b', grant: false, maxWrites: 3 })
  const id = idOf(child)
  const info = {
    id,
    parent: idOf(parent),
    path: '/a/b',
    rights: ['read', 'write'],
    untilMs: Date.UTC(2100, 0),
    label: '',
    madeAtMs: 1_000,
    maxBytes: 100,
    maxWrites: 3,
    usedBytes: 0,
    usedWrites: 0,
    revoked: undefined,
  }
  t.same(listGrants(store, store.root, '/a/b'), [info])
  t.equal(listGrants(store, store.root, '/').length, 2)
  t.equal(refused(() => listGrants(store, child, '/a/b'))[0], 'rights', 'those who may not grant do not see them')
  t.same(narrowedInfo(store, chainOf(store, narrow(child, { rights: ['read'], untilMs: 2_000 }))), {
    ...info,
    rights: ['read'],
    untilMs: 2_000,
  })
  store.records.revokeGrant(idOf(parent), 5)
  t.match(listGrants(store, store.root, '/a/b')[0]?.revoked, /^[0-9a-f]{16}\.0{19}5$/, 'dead with its parent')
  t.end()
})

t.test('a grant is shown to itself, to those above, and to who may grant there', (t) => {
  const store = grantStore()
  const parent = store.child(store.root, { grant: false })
  const granter = store.child(store.root)
  const child = store.child(granter, { path: '/a/b', grant: false })
  const id = idOf(child)
  for (const handle of [store.root, granter, child, narrow(child, { rights: [] })]) {
    t.equal(showGrant(store, handle, id).path, '/a/b')
    t.equal(showGrant(store, handle, narrow(child, { path: '/a/b/c' })).path, '/a/b', 'as it was made')
  }
  t.equal(refused(() => showGrant(store, parent, id))[0], 'rights')
  t.equal(refused(() => showGrant(store, child, idOf(parent)))[0], 'rights')
  t.equal(refused(() => showGrant(store, store.root, 'x'.repeat(22)))[0], 'ERR_NOT_FOUND')
  store.records.revokeGrant(id, 4)
  t.match(showGrant(store, granter, id), { revoked: /4$/ }, 'also when it is dead')
  t.equal(refused(() => showGrant(store, child, id))[0], 'revoked', 'but not to the dead')
  t.end()
})

t.test('only the root itself is the root', (t) => {
  const store = grantStore()
  const all = store.child(store.root, { path: '/' })
  t.equal(refused(() => requireRoot(store, store.root))[0], 'none')
  t.equal(refused(() => requireRoot(store, all))[0], 'rights')
  t.equal(refused(() => requireRoot(store, narrow(store.root, { path: '/' })))[0], 'rights')
  t.end()
})
