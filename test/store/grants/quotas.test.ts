import t from 'tap'
import { chainOf, requireRight } from '../../../store/grants/grants.ts'
import { narrow } from '../../../store/grants/handle.ts'
import { useQuota, useQuotas } from '../../../store/grants/quotas.ts'
import type { Claim, Handle } from '../../../store/store.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { type GrantStore, grantStore } from './fixtures/grant-store.ts'

/** Checks a write and counts it, as a write of the store does. */
function write(store: GrantStore, handle: Handle, claim: Claim = {}): Promise<string> {
  return codeOf(async () => useQuota(store, requireRight(store, handle, 'write', '/a', claim), claim.bytes ?? 0))
}

function used(store: GrantStore, handle: Handle): [number, number] {
  const { usedBytes, usedWrites } = chainOf(store, handle).grants[0]
  return [usedBytes, usedWrites]
}

t.test('bytes and writes end with the last one that fits', async (t) => {
  const store = grantStore()
  const bytes = store.child(store.root, { maxBytes: 10 })
  t.equal(await write(store, bytes, { bytes: 6 }), 'none')
  t.equal(await write(store, bytes, { bytes: 5 }), 'ERR_DENIED quota')
  t.equal(await write(store, bytes, { bytes: 4 }), 'none')
  t.equal(await write(store, bytes), 'none', 'nothing still fits')
  t.same(used(store, bytes), [10, 3], 'what was refused was not counted')
  const writes = store.child(store.root, { maxWrites: 2 })
  for (const code of ['none', 'none', 'ERR_DENIED quota']) t.equal(await write(store, writes, { bytes: 1_000 }), code)
  t.equal(await write(store, store.child(store.root, { maxBytes: 0, maxWrites: 0 })), 'ERR_DENIED quota')
  t.equal(await codeOf(async () => requireRight(store, writes, 'read', '/a')), 'none', 'reading needs no quota')
  t.throws(() => requireRight(store, bytes, 'write', '/a', { bytes: 3 }), {
    message: /has 0 of its 10 bytes left, not 3/,
  })
  t.throws(() => requireRight(store, writes, 'write', '/a'), { message: /has 0 of its 2 writes left, not 1/ })
})

t.test('children use what their parent has, together', async (t) => {
  const store = grantStore()
  const parent = store.child(store.root, { maxBytes: 10 })
  const one = store.child(parent, { maxBytes: 8 })
  const two = store.child(store.child(parent), { maxWrites: 5 })
  t.equal(await write(store, one, { bytes: 7 }), 'none')
  t.equal(await write(store, two, { bytes: 4 }), 'ERR_DENIED quota', 'there is not enough above')
  t.equal(await write(store, two, { bytes: 3 }), 'none')
  t.equal(await write(store, one, { bytes: 1 }), 'ERR_DENIED quota')
  t.same(
    [used(store, parent), used(store, one), used(store, two)],
    [
      [10, 2],
      [7, 1],
      [3, 1],
    ],
  )
})

t.test('a child never has more of a quota than its parent', async (t) => {
  const store = grantStore()
  const parent = store.child(store.root, { maxBytes: 10, maxWrites: 3 })
  const make = (options: object) => codeOf(async () => store.child(parent, options))
  t.equal(await make({ maxBytes: 11 }), 'ERR_DENIED quota')
  t.equal(await make({ maxWrites: 4 }), 'ERR_DENIED quota')
  t.equal(await make({ maxBytes: 10, maxWrites: 3 }), 'none')
  const plain = store.child(parent)
  const { maxBytes, maxWrites } = chainOf(store, plain).grants[0]
  t.same([maxBytes, maxWrites], [10, 3], "without one of its own it has its parent's")
  t.equal(await codeOf(async () => store.child(plain, { maxBytes: 11 })), 'ERR_DENIED quota')
  for (const maxBytes of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
    t.equal(await make({ maxBytes }), 'ERR_BAD_REQUEST')
})

t.test('several writes count all or none', (t) => {
  const store = grantStore()
  const parent = store.child(store.root, { maxWrites: 3 })
  const { grants: one } = chainOf(store, store.child(parent))
  const { grants: two } = chainOf(store, narrow(store.child(parent), { rights: ['write'] }))
  const use = (grants: typeof one, writes: number) => ({ grants, bytes: 1, writes })
  t.throws(() => useQuotas(store, [use(one, 2), use(two, 2)]), { code: 'ERR_DENIED' })
  t.same(used(store, parent), [0, 0])
  useQuotas(store, [use(one, 2), use(two, 1)])
  t.same(used(store, parent), [2, 3])
  t.end()
})
