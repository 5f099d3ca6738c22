/** What a vault has to do, wherever it lies. */

import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import type { Vault } from '../../certs/vault.ts'
import { limits } from '../../core/limits.ts'

/** Several machines that share one new and empty place. */
export type OpenVaults = (t: Test, count: number) => Promise<Vault[]>

const hostileKeys = [
  '',
  '/',
  'a/',
  '/a',
  'a//b',
  '.',
  '..',
  'a/../b',
  'a.b',
  'A',
  'a b',
  'a\0b',
  'ä',
  '-a',
  '*.example.com',
  'a\\b',
  'a/b/c/d/e/f',
  'a'.repeat(97),
  'leases',
  'leases/x',
]

async function two(t: Test, open: OpenVaults): Promise<[Vault, Vault]> {
  return (await open(t, 2)) as [Vault, Vault]
}

/** Adds the tests to `t`. */
export function vaultContract(t: Test, open: OpenVaults): void {
  t.test('what one machine writes another reads, with a number that grows', async (t) => {
    const [one, other] = await two(t, open)
    t.equal(await one.read('certs/a'), undefined)
    t.equal(await one.readNear('certs/a'), undefined)
    const first = await one.write('certs/a', 'text\n\0ü "', 0)
    t.strictSame(await other.read('certs/a'), { text: 'text\n\0ü "', number: first })
    const second = await other.write('certs/a', '', first)
    t.ok(second > first)
    t.strictSame(await one.read('certs/a'), { text: '', number: second })
    t.equal(await one.read('certs/b'), undefined, 'another key is another record')
    t.equal(await one.read('certs'), undefined)
  })

  t.test('a write that expects another number is refused and changes nothing', async (t) => {
    const [one, other] = await two(t, open)
    const number = await one.write('tickets', 'a', 0)
    for (const expect of [0, number + 1, number - 1, -1, 0.5, Number.NaN])
      if (expect !== number) await t.rejects(other.write('tickets', 'b', expect), { code: 'ERR_CERT_RACED' })
    t.strictSame(await other.read('tickets'), { text: 'a', number })
    await t.rejects(one.write('nothing', 'b', 1), { code: 'ERR_CERT_RACED' })
  })

  t.test('of many who write at once one does', async (t) => {
    const vaults = await open(t, 3)
    for (let expect = 0, round = 0; round < 5; round += 1) {
      const writes = vaults.flatMap((vault, index) => [0, 1, 2].map((n) => vault.write('a', `${index}.${n}`, expect)))
      const results = await Promise.allSettled(writes)
      const numbers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      for (const result of results) if (result.status === 'rejected') t.equal(result.reason.code, 'ERR_CERT_RACED')
      t.equal(numbers.length, 1)
      const text = ['0.0', '0.1', '0.2', '1.0', '1.1', '1.2', '2.0', '2.1', '2.2'][
        results.findIndex(({ status }) => status === 'fulfilled')
      ]
      ;[expect = 0] = numbers
      t.strictSame(await vaults[0]?.read('a'), { text, number: expect })
    }
  })

  t.test('who counts up a record together loses none', async (t) => {
    const vaults = await open(t, 3)
    const countUp = async (vault: Vault) => {
      for (let done = 0; done < 5; ) {
        const { text = '0', number = 0 } = (await vault.read('count')) ?? {}
        try {
          await vault.write('count', String(Number(text) + 1), number)
          done += 1
        } catch (error) {
          t.match(error, { code: 'ERR_CERT_RACED' })
        }
      }
    }
    await Promise.all(vaults.map(countUp))
    t.equal((await vaults[0]?.read('count'))?.text, '15')
  })

  t.test('a removed record is gone for all, and one that is written again comes after it', async (t) => {
    const [one, other] = await two(t, open)
    const number = await one.write('certs/a', 'a', 0)
    await other.read('certs/a')
    await one.remove('certs/a')
    t.equal(await one.read('certs/a'), undefined)
    t.equal(await other.read('certs/a'), undefined)
    t.equal(await other.readNear('certs/a'), undefined)
    await t.rejects(one.write('certs/a', 'b', number), { code: 'ERR_CERT_RACED' })
    await other.remove('certs/a')
    await one.remove('certs/never')
    t.ok((await one.write('certs/a', 'b', 0)) > number)
    t.match(await other.read('certs/a'), { text: 'b' })
  })

  t.test('keys are listed by prefix, each once, without those that are gone', async (t) => {
    const [one, other] = await two(t, open)
    const keys = ['tickets', 'certs/a', 'certs/a-b', 'certs/a_b', 'certs/x/y', 'accounts/a', 'certs-x/a']
    for (const key of keys) await one.write(key, key, 0)
    const { number = 0 } = (await one.read('certs/a')) ?? {}
    await one.write('certs/a', 'again', number)
    await one.write('certs/gone', 'gone', 0)
    await one.remove('certs/gone')
    await using lease = await one.lease('certs/a')
    t.ok(lease)
    const list = async (prefix: string) => (await Array.fromAsync(other.list(prefix))).sort()
    t.same(await list(''), keys.toSorted())
    t.same(await list('certs/'), ['certs/a', 'certs/a-b', 'certs/a_b', 'certs/x/y'])
    t.same(await list('certs/x/'), ['certs/x/y'])
    t.same(await list('nothing/'), [])
    const entries = await Array.fromAsync(other.entries('certs/'), ({ key, number }) => ({ key, number }))
    const read = entries.map(async ({ key }) => ({ key, number: (await other.read(key))?.number }))
    t.same(entries, await Promise.all(read))
    t.equal(entries.length, 4)
  })

  t.test('a record that a list has told is read as it was then, while it is there', async (t) => {
    const [vault] = await two(t, open)
    const first = await vault.write('certs/a', '1', 0)
    t.strictSame(await vault.read('certs/a', first), { text: '1', number: first })
    const second = await vault.write('certs/a', '2', first)
    const third = await vault.write('certs/a', '3', second)
    t.strictSame(await vault.read('certs/a', first), { text: '3', number: third }, 'it is gone')
    t.strictSame(await vault.read('certs/a', third + 1), { text: '3', number: third }, 'there never was one')
    await vault.remove('certs/a')
    t.equal(await vault.read('certs/a', third), undefined)
  })

  t.test('what is no key is refused everywhere', async (t) => {
    const [vault] = await two(t, open)
    const refused = { code: 'ERR_BAD_REQUEST' }
    await using lease = await vault.lease('orders/a')
    for (const key of hostileKeys) {
      await t.rejects(vault.read(key), refused, JSON.stringify(key))
      await t.rejects(vault.readNear(key), refused)
      await t.rejects(vault.write(key, 'x', 0), refused)
      await t.rejects(vault.remove(key), refused)
      await t.rejects(Promise.resolve(lease?.write(key, 'x')), refused)
      await t.rejects(Promise.resolve(lease?.remove(key)), refused)
      if (!key.startsWith('leases')) await t.rejects(vault.lease(key), refused)
    }
    for (const prefix of ['a', '/', '../', 'a//', 'A/', 'a.b/'])
      for (const listed of [vault.list(prefix), vault.entries(prefix)])
        await t.rejects(Array.fromAsync<unknown>(listed), refused)
  })

  t.test('a record has a most, in bytes', async (t) => {
    const [vault] = await two(t, open)
    const most = randomBytes(limits.cert.recordBytes / 2).toString('hex')
    await vault.write('a', most, 0)
    t.equal((await vault.read('a'))?.text, most)
    await vault.write('b', '\0'.repeat(limits.cert.recordBytes), 0)
    t.equal((await vault.read('b'))?.text.length, limits.cert.recordBytes)
    await t.rejects(vault.write('c', `${most}x`, 0), { code: 'ERR_TOO_LARGE' })
    await t.rejects(vault.write('c', 'ü'.repeat(limits.cert.recordBytes / 2 + 1), 0), { code: 'ERR_TOO_LARGE' })
    t.equal(await vault.read('c'), undefined)
  })

  t.test('a lease has one holder at a time, and what its holder writes is read by all', async (t) => {
    const [one, other] = await two(t, open)
    const first = await one.lease('orders/a')
    t.ok(first)
    t.equal(await other.lease('orders/a'), undefined)
    t.equal(await one.lease('orders/a'), undefined, 'also in one process')
    t.ok(await other.lease('orders/b'), 'another name is another lease')
    const number = await first?.write('certs/a', '1')
    t.strictSame(await other.read('certs/a'), { text: '1', number })
    await first?.write('certs/a', '2')
    t.match(await other.read('certs/a'), { text: '2' })
    await first?.remove('certs/a')
    t.equal(await other.read('certs/a'), undefined)
    await first?.write('certs/a', '3')
    await first?.[Symbol.asyncDispose]()
    t.ok(first?.signal.aborted)
    await t.rejects(Promise.resolve(first?.write('certs/a', 'late')), { code: 'ERR_CLOSED' })
    await using second = await other.lease('orders/a')
    t.ok((second?.number ?? 0) > (first?.number ?? 0))
    await second?.write('certs/a', '4')
    t.match(await one.read('certs/a'), { text: '4' })
    await first?.[Symbol.asyncDispose]()
    t.equal(await one.lease('orders/a'), undefined, 'a lease that is given back twice takes nothing from the next')
  })

  t.test('of many who want a lease one gets it', async (t) => {
    const vaults = await open(t, 3)
    for (let round = 0; round < 5; round += 1) {
      const leases = await Promise.all([...vaults, ...vaults].map((vault) => vault.lease('a')))
      const [lease, ...more] = leases.filter((one) => one !== undefined)
      t.ok(lease)
      t.equal(more.length, 0)
      await lease?.[Symbol.asyncDispose]()
    }
  })

  t.test('a record that was written under a lease can be written without one, and the other way round', async (t) => {
    const [one, other] = await two(t, open)
    await one.write('certs/a', '0', 0)
    await using lease = await one.lease('orders/a')
    const number = (await lease?.write('certs/a', '1')) ?? 0
    const next = await other.write('certs/a', '2', number)
    t.strictSame(await one.read('certs/a'), { text: '2', number: next })
    await lease?.write('certs/a', '3')
    t.match(await other.read('certs/a'), { text: '3' })
    await other.remove('certs/a')
    t.equal(await one.read('certs/a'), undefined)
    await lease?.write('certs/a', '4')
    t.match(await other.read('certs/a'), { text: '4' })
  })

  t.test('a closed vault has given its leases back, and gives no more', async (t) => {
    const [one, other] = await two(t, open)
    const lease = await one.lease('a')
    await one[Symbol.asyncDispose]()
    t.ok(lease?.signal.aborted)
    t.ok(await other.lease('a'))
    await t.rejects(one.lease('b'), { code: 'ERR_CLOSED' })
    await one[Symbol.asyncDispose]()
  })

  t.test('who no longer wants a lease is told so', async (t) => {
    const [one, other] = await two(t, open)
    const reason = new Error('enough')
    await t.rejects(one.lease('a', AbortSignal.abort(reason)), reason)
    const stop = new AbortController()
    const taking = one.lease('a', stop.signal)
    stop.abort(reason)
    await t.rejects(taking, reason)
    t.ok(await other.lease('a'), 'and does not keep it')
  })
}
