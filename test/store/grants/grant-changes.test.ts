import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { revokeGrant } from '../../../store/grants/grant-changes.ts'
import { requireRight } from '../../../store/grants/grants.ts'
import { narrow } from '../../../store/grants/handle.ts'
import type { GrantId, Handle } from '../../../store/store.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { forever, type GrantStore, grantStore, idOf } from './fixtures/grant-store.ts'

function revoke(store: GrantStore, handle: Handle, target: Handle | GrantId): Promise<string> {
  return codeOf(async () => revokeGrant(store, handle, target))
}

function reads(store: GrantStore, handle: Handle): Promise<string> {
  return codeOf(async () => requireRight(store, handle, 'read', '/a/b/c'))
}

t.test('each change is told in one entry, with who did it', (t) => {
  const store = grantStore()
  const parent = store.child(store.root, { label: 'ada', maxBytes: 10 })
  const child = store.child(parent, { path: '/a/b', grant: false, label: 'CI' })
  store.nowMs = 2_000
  const { seq, revoked } = revokeGrant(store, parent, child)
  t.same([seq, revoked], [3, 1], 'the moment of a revocation is that of its entry')
  t.same(store.told, [
    {
      format: 1,
      kind: 'grant',
      by: 'root',
      atMs: 1_000,
      id: idOf(parent),
      parent: 'root',
      path: '/a',
      rights: ['read', 'write', 'grant'],
      untilMs: forever,
      label: 'ada',
      maxBytes: 10,
    },
    {
      format: 1,
      kind: 'grant',
      by: idOf(parent),
      atMs: 1_000,
      id: idOf(child),
      parent: idOf(parent),
      path: '/a/b',
      rights: ['read', 'write'],
      untilMs: forever,
      label: 'CI',
      maxBytes: 10,
    },
    {
      format: 1,
      kind: 'revoke',
      by: idOf(parent),
      atMs: 2_000,
      id: idOf(child),
      path: '/a/b',
      label: 'CI',
      revoked: 1,
    },
  ])
  t.notMatch(JSON.stringify(store.told), /grove_/, 'no handle in it')
  t.end()
})

t.test('what is refused is not told and leaves no grant', async (t) => {
  const store = grantStore()
  const parent = store.child(store.root)
  const wrong: [string, object, string][] = [
    ['a path above', { path: '/' }, 'ERR_DENIED path'],
    ['a later end', { untilMs: forever + 1 }, 'ERR_DENIED expired'],
    ['a label with a line end', { label: 'CI\nroot did it' }, 'ERR_BAD_REQUEST'],
    ['a label with an escape', { label: '\u001b[2J' }, 'ERR_BAD_REQUEST'],
    ['a label that turns text around', { label: '\u202etxt' }, 'ERR_BAD_REQUEST'],
    ['a label too long', { label: 'x'.repeat(201) }, 'ERR_TOO_LARGE'],
    ['half an end', { untilMs: 1.5 }, 'ERR_BAD_REQUEST'],
  ]
  for (const [name, options, code] of wrong) t.equal(await codeOf(async () => store.child(parent, options)), code, name)
  t.equal(await revoke(store, parent, store.root), 'ERR_DENIED rights')
  t.equal(await revoke(store, parent, 'x'.repeat(22)), 'ERR_NOT_FOUND')
  t.equal(store.told.length, 1)
  t.equal(store.records.grants('/', 100).length, 1)
  t.equal(await codeOf(async () => store.child(parent, { label: 'Ådas CI, “deploy” 🚀' })), 'none')
})

t.test('a narrowed handle makes no child that exceeds it', async (t) => {
  const store = grantStore()
  const handle = store.child(store.root)
  const make = (caveats: object, options: object) => codeOf(async () => store.child(narrow(handle, caveats), options))
  t.equal(await make({ path: '/a/b' }, {}), 'ERR_DENIED path')
  t.equal(await make({ path: '/a/b' }, { path: '/a/b/c' }), 'none')
  t.equal(await make({ rights: ['grant'] }, {}), 'ERR_DENIED rights')
  t.equal(await make({ rights: ['grant'] }, { read: false, write: false }), 'none')
  t.equal(await make({ untilMs: 5_000 }, {}), 'ERR_DENIED expired')
  t.equal(await make({ untilMs: 5_000 }, { untilMs: 5_000 }), 'none')
  t.equal(await make({ hash: 'ab'.repeat(32) }, {}), 'ERR_DENIED content')
  t.equal(await make({ bytes: 1 }, {}), 'ERR_DENIED content')
})

t.test('a revocation counts what was alive, and ends all of it', async (t) => {
  const store = grantStore()
  const top = store.child(store.root)
  const middle = store.child(top)
  const dead = store.child(top)
  const underDead = store.child(dead)
  const ended = store.child(top, { untilMs: 1_500 })
  store.child(ended, { untilMs: 1_500 })
  const leaves = [store.child(middle), store.child(middle, { path: '/a/b/c' })]
  t.equal(revokeGrant(store, store.root, dead).revoked, 2)
  store.nowMs = 1_500
  const first = revokeGrant(store, top, top)
  t.equal(first.revoked, 4, 'itself, the middle and two leaves')
  for (const handle of [top, middle, dead, underDead, ended, ...leaves])
    t.match(await reads(store, handle), 'ERR_DENIED revoked')
  t.same(revokeGrant(store, top, top), { seq: first.seq, revoked: 0 }, 'a repeat by the grant itself')
  t.same(revokeGrant(store, store.root, top), { seq: first.seq, revoked: 0 }, 'and by another')
  t.equal(revokeGrant(store, store.root, middle).revoked, 0, 'what is dead already is not counted')
  t.equal(await revoke(store, middle, leaves[0] ?? top), 'ERR_DENIED revoked')
})

t.test('a narrowed handle ends only what it could have made', async (t) => {
  const store = grantStore()
  const top = store.child(store.root)
  const target = () => store.child(top, { path: '/a/b/c' })
  t.equal(await revoke(store, narrow(top, { rights: ['read', 'write'] }), top), 'ERR_DENIED rights', 'not itself')
  t.equal(await revoke(store, narrow(top, { path: '/a/b' }), top), 'ERR_DENIED path')
  t.equal(await revoke(store, narrow(top, { rights: ['read', 'write'] }), target()), 'ERR_DENIED rights')
  t.equal(await revoke(store, narrow(top, { path: '/a/x' }), target()), 'ERR_DENIED path')
  t.equal(await revoke(store, narrow(top, { path: '/a/b' }), target()), 'none')
  t.equal(await revoke(store, narrow(top, { untilMs: 1_000 }), target()), 'ERR_DENIED expired')
  t.equal(await revoke(store, top, narrow(target(), { rights: [] })), 'none', 'a narrowed target is its grant')
  t.equal(await revoke(store, top, idOf(target())), 'none', 'so is an id')
  const equal = store.child(top)
  const brief = narrow(equal, { untilMs: 2_000 })
  t.equal(await revoke(store, brief, equal), 'ERR_DENIED rights', 'nor where it may grant all that its parent may')
  t.equal(await revoke(store, brief, store.child(top)), 'none', 'though one beside it')
  t.equal(await revoke(store, equal, brief), 'none', 'and the grant itself can')
})

t.test('a revocation looks at so many grants and no more, however many have been made', async (t) => {
  const store = grantStore()
  const top = store.child(store.root)
  const sample = store.records.grant(idOf(top))
  if (!sample) throw new Error('a grant that was made has a record')
  let looks = 0
  const wide = 1_000
  const records = {
    ...store.records,
    // Each child that is alive has many that are not.
    grant(id: string) {
      looks += 1
      if (id.startsWith('alive')) return { ...sample, id, parent: sample.id }
      return id.startsWith('dead') ? { ...sample, id, untilMs: 1 } : store.records.grant(id)
    },
    children(id: string, most = Number.POSITIVE_INFINITY) {
      const count = id === sample.id || id.startsWith('alive') ? Math.min(wide, most) : 0
      return Array.from({ length: count }, (_, index) => `${id === sample.id ? 'alive' : 'dead'} ${index}`)
    },
  }
  t.equal(revokeGrant({ ...store, records }, store.root, top).revoked, 1 + wide)
  t.ok(looks < 11 * limits.store.grantsCounted, `${looks} looks`)
})
