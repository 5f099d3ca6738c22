/** What every provider of DNS has to do, whichever it is. */

import t, { type Test } from 'tap'
import type { DnsProvider, DnsRecord } from '../../../core/dns-provider.ts'
import type { GroveError } from '../../../core/errors.ts'

/** A provider with what stands behind it. */
export interface Rig {
  readonly provider: DnsProvider
  /** Values that a name has, sorted. */
  texts(name: string): Promise<readonly string[]>
  /** Names below it belong to a zone of the provider's; names below `unknown.test` do not. */
  readonly zone: string
  /** The same with credentials that are not taken. */
  readonly denied: readonly DnsProvider[]
  readonly deniedReason: string
  /** The same with what stands behind it hanging, or saying that it is broken. */
  readonly hanging: DnsProvider
  readonly broken: DnsProvider
  readonly brokenReason: string
  /** What names a zone that the provider does not have; undefined when it knows no zones. */
  readonly unknownReason: string | undefined
  /** Never in a message. */
  readonly secrets: readonly string[]
}

const never = new AbortController().signal

/** Runs the contract. `setup` is called for each test. */
export function contract(name: string, setup: (t: Test) => Promise<Rig>): void {
  t.test(`${name} keeps the contract of providers`, async (t) => {
    const rig = await setup(t)
    const at = `_acme-challenge.${rig.zone}`
    const record = (value: string, name = at): DnsRecord => ({ name, type: 'TXT', value, ttlSeconds: 60 })
    const { provider } = rig
    const [first, second] = [record('first-VALUE_0'), record('second-VALUE_1')]

    await t.test('a record that is presented is there', async (t) => {
      await provider.present(first, never)
      t.same(await rig.texts(at), [first.value])
    })
    await t.test('a second value stands beside the first', async (t) => {
      await provider.present(second, never)
      t.same(await rig.texts(at), [first.value, second.value])
    })
    await t.test('presenting what is there changes nothing', async (t) => {
      await provider.present(first, never)
      t.same(await rig.texts(at), [first.value, second.value])
    })
    await t.test('removing one value leaves the other', async (t) => {
      await provider.remove(first, never)
      t.same(await rig.texts(at), [second.value])
    })
    await t.test('removing what is gone, or never was, is fine', async (t) => {
      await provider.remove(first, never)
      await provider.remove(record('never-was'), never)
      await provider.remove(record('never-was', `_acme-challenge.deep.down.${rig.zone}`), never)
      t.same(await rig.texts(at), [second.value])
      await provider.remove(second, never)
      await provider.remove(second, never)
      t.same(await rig.texts(at), [])
    })
    await t.test('many at once all come, and all go', async (t) => {
      const many = Array.from({ length: 8 }, (_, i) => record(`value-${i}`))
      await Promise.all(many.map((one) => provider.present(one, never)))
      t.same(
        await rig.texts(at),
        many.map(({ value }) => value),
      )
      await Promise.all(many.slice(1).map((one) => provider.remove(one, never)))
      t.same(await rig.texts(at), ['value-0'])
      await provider.remove(record('value-0'), never)
      t.same(await rig.texts(at), [])
    })
    await t.test('names below the zone, also deep ones, are in it', async (t) => {
      const deep = record('deep', `_acme-challenge.a.b.c.${rig.zone}`)
      await provider.present(deep, never)
      t.same(await rig.texts(deep.name), ['deep'])
      await provider.remove(deep, never)
      t.same(await rig.texts(deep.name), [])
    })
    await t.test('what is no record is refused before anybody is asked', async (t) => {
      for (const bad of [
        record('x', 'UPPER.example'),
        record('x', 'a..b'),
        record('x', 'a.b.'),
        record('x', 'a b'),
        record('x', '*.example.com'),
        record('x', '../../etc'),
        record('x', `${'a'.repeat(64)}.example.com`),
        record('x', ''),
        record('two words'),
        record('quo"te'),
        record('back\\slash'),
        record('new\nline'),
        record('ünicode'),
        record('x'.repeat(256)),
        record(''),
        { ...first, ttlSeconds: 0 },
        { ...first, ttlSeconds: 1.5 },
      ])
        for (const action of ['present', 'remove'] as const)
          await t.rejects(
            rig.hanging[action](bad, never),
            { code: 'ERR_DNS', details: { reason: 'record' } },
            JSON.stringify(bad),
          )
    })

    async function failure(action: Promise<void>): Promise<GroveError> {
      const error = await action.then(
        () => t.fail('it did not fail'),
        (thrown) => thrown,
      )
      const told = JSON.stringify([error.message, error.hint, error.details])
      for (const secret of rig.secrets) t.notOk(told.includes(secret), `no secret in ${told}`)
      return error
    }
    await t.test('credentials that are not taken are told with a hint', async (t) => {
      for (const denied of rig.denied)
        for (const action of ['present', 'remove'] as const) {
          const error = await failure(denied[action](first, never))
          t.match(error, { code: 'ERR_DNS', details: { reason: rig.deniedReason } })
          if (rig.deniedReason === 'denied') t.match(error.hint, /\w{4}/, 'it says what to do')
        }
    })
    if (rig.unknownReason !== undefined)
      await t.test('a name of no zone is told with a hint', async (t) => {
        const error = await failure(provider.present(record('x', '_acme-challenge.unknown.test'), never))
        t.match(error, { code: 'ERR_DNS', details: { reason: rig.unknownReason }, hint: /\w{4}/ })
      })
    await t.test('what hangs is given up in time', async (t) => {
      for (const action of ['present', 'remove'] as const)
        t.match(await failure(rig.hanging[action](first, never)), { code: 'ERR_DNS', details: { reason: 'timeout' } })
    })
    await t.test('what hangs ends with the signal', async (t) => {
      for (const action of ['present', 'remove'] as const) {
        const control = new AbortController()
        const reason = new Error('enough')
        const done = rig.hanging[action](first, control.signal)
        setImmediate(() => control.abort(reason))
        await t.rejects(done, reason)
        await t.rejects(rig.hanging[action](first, control.signal), reason, 'nor does it begin')
      }
    })
    await t.test('what is broken is told', async (t) => {
      for (const action of ['present', 'remove'] as const)
        t.match(await failure(rig.broken[action](first, never)), {
          code: 'ERR_DNS',
          details: { reason: rig.brokenReason },
        })
    })
    t.same(await rig.texts(at), [], 'nothing was left behind')
  })
}
