/** Any history of grants, narrowings, writes and revocations, beside a model that only knows conditions. */

import fc from 'fast-check'
import t from 'tap'
import { isGroveError } from '../../../core/errors.ts'
import { revokeGrant } from '../../../store/grants/grant-changes.ts'
import { requireRight } from '../../../store/grants/grants.ts'
import { narrow } from '../../../store/grants/handle.ts'
import { useQuota } from '../../../store/grants/quotas.ts'
import type { Caveats, Claim, GrantOptions, Handle, Right } from '../../../store/store.ts'
import { type GrantStore, grantStore } from './fixtures/grant-store.ts'

/** A grant of the model: what it has used, and whether it was revoked. */
interface ModelGrant {
  readonly maxBytes: number
  readonly maxWrites: number
  usedBytes: number
  usedWrites: number
  isRevoked: boolean
}

/** A handle beside its model: whatever is allowed has to pass every condition and every grant of its line. */
interface Holder {
  readonly handle: Handle
  readonly conditions: readonly Caveats[]
  readonly grants: readonly ModelGrant[]
  readonly parent: Holder | undefined
}

interface Ask {
  readonly right: Right
  readonly path: string
  readonly claim: Claim
}

type Step =
  | { readonly kind: 'narrow'; readonly from: number; readonly caveats: Caveats }
  | { readonly kind: 'grant'; readonly from: number; readonly options: GrantOptions }
  | { readonly kind: 'write'; readonly from: number; readonly ask: Ask }
  | { readonly kind: 'revoke'; readonly from: number; readonly target: number }
  | { readonly kind: 'wait'; readonly ms: number }

const paths = ['/', '/a', '/ab', '/a/b', '/a/b/c', '/a/c', '/a/b.x', '/a/b@x']
const hashes = ['ab'.repeat(32), 'cd'.repeat(32)]
const all: Right[] = ['read', 'write', 'grant']

/** Deep ones as a rule, so that most of what is tried is allowed by what was made before. */
const path = fc.oneof({ weight: 3, arbitrary: fc.constant('/a/b/c') }, fc.constantFrom(...paths))
const wide = fc.oneof({ weight: 2, arbitrary: fc.constantFrom('/', '/a', '/a/b') }, fc.constantFrom(...paths))
/** How many holders back, seldom far: lines get long. */
const from = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 2 }) }, fc.nat({ max: 30 }))
const untilMs = fc.integer({ min: 1_050, max: 1_200 })
const small = fc.nat({ max: 30 })
const mostly = fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false))
const rights = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom<Right[]>(all, ['read', 'grant'], ['write', 'grant']) },
  fc.subarray(all),
)
const sparse = { requiredKeys: [] }
const caveats = fc.oneof(
  { weight: 4, arbitrary: fc.record({ path: wide, rights, untilMs }, sparse) },
  fc.record({ path, hash: fc.constantFrom(...hashes), bytes: small }, sparse),
) as fc.Arbitrary<Caveats>
const options = fc.record(
  { path: wide, untilMs, read: mostly, write: mostly, grant: mostly, maxBytes: small, maxWrites: small },
  { requiredKeys: ['path', 'untilMs', 'read', 'write', 'grant'] },
) as fc.Arbitrary<GrantOptions>
const claim = fc.record({ hash: fc.constantFrom(...hashes), bytes: small }, sparse) as fc.Arbitrary<Claim>
const ask = fc.record({ right: fc.constantFrom(...all), path, claim })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('narrow'), from, caveats }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('grant'), from, options }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write'), from, ask }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke'), from, target: from }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: 20, max: 100 }) }) },
) as fc.Arbitrary<Step>

t.test('no chain of grants and narrowings ever allows what its parent does not', (t) => {
  const property = fc.property(
    fc.array(step, { maxLength: 40, size: 'max' }),
    fc.array(ask, { minLength: 8, maxLength: 8 }),
    check,
  )
  fc.assert(property, { numRuns: 500 })
  t.pass('500 histories, each as its model says')
  t.end()
})

function check(steps: readonly Step[], asks: readonly Ask[]): void {
  const store = grantStore()
  const holders: Holder[] = [{ handle: store.root, conditions: [], grants: [], parent: undefined }]
  const holder = (index: number) => holders[holders.length - 1 - (index % holders.length)] as Holder
  for (const step of steps) {
    if (step.kind === 'wait') store.nowMs += step.ms
    else if (step.kind === 'write') write(store, holder(step.from), step.ask)
    else if (step.kind === 'revoke') revoke(store, holder(step.from), holder(step.target))
    else {
      const made =
        step.kind === 'narrow'
          ? narrowed(holder(step.from), step.caveats)
          : child(store, holder(step.from), step.options)
      if (made) holders.push(made)
    }
  }
  for (const one of holders) {
    for (const ask of asks) {
      const found = allows(store, one.handle, ask)
      if (found !== modelAllows(store, one, ask)) throw new Error(`${one.handle}: ${found} for ${JSON.stringify(ask)}`)
      if (found && one.parent && !allows(store, one.parent.handle, ask))
        throw new Error(`${one.handle} has more than its parent`)
    }
  }
}

function narrowed(parent: Holder, caveats: Caveats): Holder | undefined {
  const handle = denialAside(() => narrow(parent.handle, caveats))
  return handle && { ...parent, handle, conditions: [...parent.conditions, caveats], parent }
}

function child(store: GrantStore, parent: Holder, options: GrantOptions): Holder | undefined {
  const handle = denialAside(() => store.child(parent.handle, { read: false, write: false, grant: false, ...options }))
  const { maxBytes = Number.POSITIVE_INFINITY, maxWrites = Number.POSITIVE_INFINITY, path, untilMs } = options
  return (
    handle && {
      handle,
      conditions: [...parent.conditions, { path, untilMs, rights: all.filter((right) => options[right]) }],
      grants: [...parent.grants, { maxBytes, maxWrites, usedBytes: 0, usedWrites: 0, isRevoked: false }],
      parent,
    }
  )
}

function write(store: GrantStore, { handle, grants }: Holder, { path, claim: { bytes = 0, hash } }: Ask): void {
  const done = denialAside(() => {
    const claim = hash === undefined ? { bytes } : { bytes, hash }
    useQuota(store, requireRight(store, handle, 'write', path, claim), bytes)
    return true
  })
  if (!done) return
  for (const grant of grants) {
    grant.usedBytes += bytes
    grant.usedWrites += 1
  }
}

function revoke(store: GrantStore, by: Holder, target: Holder): void {
  const last = target.grants.at(-1)
  if (denialAside(() => revokeGrant(store, by.handle, target.handle)) && last) last.isRevoked = true
}

function allows(store: GrantStore, handle: Handle, { right, path, claim }: Ask): boolean {
  return denialAside(() => requireRight(store, handle, right, path, claim)) !== undefined
}

function modelAllows(store: GrantStore, { conditions, grants }: Holder, { right, path, claim }: Ask): boolean {
  const under = (prefix: string) => `${path}/`.startsWith(prefix === '/' ? '/' : `${prefix}/`)
  const isContentFree = conditions.every(({ hash, bytes }) => hash === undefined && bytes === undefined)
  const holds = conditions.every(
    (one) =>
      under(one.path ?? '/') &&
      (one.rights?.includes(right) ?? true) &&
      store.nowMs < (one.untilMs ?? Number.POSITIVE_INFINITY) &&
      (right !== 'write' || one.hash === undefined || one.hash === claim.hash) &&
      (right !== 'write' || (claim.bytes ?? 0) <= (one.bytes ?? Number.POSITIVE_INFINITY)),
  )
  const isLeft = grants.every(
    (grant) => grant.usedBytes + (claim.bytes ?? 0) <= grant.maxBytes && grant.usedWrites + 1 <= grant.maxWrites,
  )
  const isAlive = !grants.some((grant) => grant.isRevoked)
  return isAlive && holds && (right !== 'grant' || isContentFree) && (right !== 'write' || isLeft)
}

/** What a call answers, or undefined when it is refused for a reason that this test is about. */
function denialAside<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (thrown) {
    if (
      isGroveError(thrown, 'ERR_DENIED') ||
      isGroveError(thrown, 'ERR_TOO_MANY') ||
      isGroveError(thrown, 'ERR_TOO_LARGE')
    )
      return undefined
    throw thrown
  }
}
