import { readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { limits } from '../../core/limits.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { type Around, filesIn, idle, type Machine, startMachine, until, watched } from './fixtures/vaults.ts'

const { leaseBeatMs, leaseDeadMs, leaseLostMs, leaseTickMs } = limits.cert

/** Two machines before one bucket, with clocks that have nothing to do with each other. */
async function startTwo(t: Test, before?: Around, after?: Around) {
  t.testdir()
  const bucket = join(t.testdirName, 'bucket')
  const objects = await folderObjects(nodeEnvironment, bucket)
  const seen = watched(objects, before, after)
  const one = await startMachine(t, join(t.testdirName, 'one'), { remote: seen, nowMs: 4e12 })
  const other = await startMachine(t, join(t.testdirName, 'other'), { remote: objects, nowMs: 1 })
  /** Moves the clock of the first machine as a day goes by: it does what is due before the next tick. */
  const live = async (ms: number) => {
    for (let at = 0; at < ms; at += leaseTickMs) {
      one.advance(leaseTickMs)
      await idle(seen.underWay, one.underWay)
    }
  }
  return { one, other, bucket, live }
}

/** The lease of one who shows no sign of life any more. */
async function takeOver({ vault, advance }: Machine, name: string) {
  if (await vault.lease(name)) throw new Error('it was free')
  advance(leaseDeadMs)
  return vault.lease(name)
}

async function stampIn(bucket: string): Promise<string> {
  const folder = join(bucket, 'grove.certs/holders')
  const texts = (await readdir(folder)).map(async (name) =>
    String(await nodeEnvironment.files.read(join(folder, name))),
  )
  return (await Promise.all(texts)).join()
}

t.test('who shows no sign of life for the time that is given is replaced, and not before', async (t) => {
  const { one, other } = await startTwo(t)
  const dead = await one.vault.lease('orders/a')
  t.equal(await other.vault.lease('orders/a'), undefined)
  other.advance(leaseDeadMs - 1)
  t.equal(await other.vault.lease('orders/a'), undefined)
  other.advance(1)
  const next = await other.vault.lease('orders/a')
  t.ok((next?.number ?? 0) > (dead?.number ?? 0))
})

t.test('the time begins when the sign was first seen, whatever clocks say', async (t) => {
  const { one, other } = await startTwo(t)
  await one.vault.lease('orders/a')
  other.advance(100 * leaseDeadMs)
  t.equal(await other.vault.lease('orders/a'), undefined)
  other.advance(leaseDeadMs)
  t.ok(await other.vault.lease('orders/a'))
})

t.test('who lives keeps its lease, however long', async (t) => {
  const { one, other, bucket, live } = await startTwo(t)
  await using lease = await one.vault.lease('orders/a')
  for (let round = 0; round < 12; round += 1) {
    const before = await stampIn(bucket)
    await live(leaseBeatMs)
    t.not(await stampIn(bucket), before)
    other.advance(leaseDeadMs - 1)
    t.equal(await other.vault.lease('orders/a'), undefined)
  }
  await lease?.write('certs/a', 'a')
  t.notOk(lease?.signal.aborted)
})

t.test('one sign of life is enough for all leases of a machine', async (t) => {
  const { one, other, bucket } = await startTwo(t)
  for (const name of ['a', 'b', 'c']) await one.vault.lease(name)
  t.equal((await readdir(join(bucket, 'grove.certs/holders'))).length, 1)
  for (const name of ['a', 'b', 'c']) t.ok(await takeOver(other, name))
})

t.test('who was replaced cannot write, knows it, and stops', async (t) => {
  const { one, other } = await startTwo(t)
  const dead = await one.vault.lease('orders/a')
  await dead?.write('certs/a', 'before')
  await using next = await takeOver(other, 'orders/a')
  t.match(await other.vault.read('certs/a'), { text: 'before' })
  await t.rejects(Promise.resolve(dead?.write('certs/a', 'late')), { code: 'ERR_CERT_RACED' })
  t.ok(dead?.signal.aborted)
  t.match(dead?.signal.reason, { code: 'ERR_CERT_RACED', message: /another one took it over/ })
  await t.rejects(Promise.resolve(dead?.remove('certs/a')), { code: 'ERR_CERT_RACED' })
  await dead?.[Symbol.asyncDispose]()
  await next?.write('certs/a', 'after')
  t.match(await one.vault.read('certs/a'), { text: 'after' })
  t.equal(await one.vault.lease('orders/a'), undefined)
})

for (const [when, isFirst] of [
  ['after its successor wrote', false],
  ['before its successor writes', true],
] as const)
  t.test(`a write of a dead holder that arrives ${when} never wins`, async (t) => {
    const held = Promise.withResolvers<void>()
    let isHeld = false
    let isSlow = false
    const { one, other } = await startTwo(t, async (call, key) => {
      if (!isSlow || call !== 'create' || !key.includes('/certs/')) return
      isHeld = true
      await held.promise
    })
    const dead = await one.vault.lease('orders/a')
    await dead?.write('certs/a', 'before')
    isSlow = true
    const late = Promise.allSettled([dead?.write('certs/a', 'late')])
    await until(() => isHeld) // It has asked for the last time whether it still holds the lease.
    await using next = await takeOver(other, 'orders/a')
    if (!isFirst) await next?.write('certs/a', 'after')
    held.resolve()
    const [result] = await late
    if (isFirst) await next?.write('certs/a', 'after')
    else t.match(result, { status: 'rejected', reason: { code: 'ERR_CERT_RACED' } })
    for (const { vault } of [one, other]) t.match(await vault.read('certs/a'), { text: 'after' })
  })

t.test('a removal by a dead holder that arrives late takes nothing away', async (t) => {
  const held = Promise.withResolvers<void>()
  let isHeld = false
  const { one, other } = await startTwo(t, async (call, key) => {
    if (call !== 'create' || !key.endsWith('.gone')) return
    isHeld = true
    await held.promise
  })
  const dead = await one.vault.lease('orders/a')
  await dead?.write('certs/a', 'before')
  const late = Promise.allSettled([dead?.remove('certs/a')])
  await until(() => isHeld)
  await using next = await takeOver(other, 'orders/a')
  await next?.write('certs/a', 'after')
  held.resolve()
  await late
  for (const { vault } of [one, other]) t.match(await vault.read('certs/a'), { text: 'after' })
})

t.test('who cannot show signs of life gives up before others take it for dead, and gives back later', async (t) => {
  let isAway = false
  const { one, other, live } = await startTwo(t, () => {
    if (isAway) throw new Error('the bucket is away')
  })
  const lease = await one.vault.lease('orders/a')
  isAway = true
  await live(leaseLostMs)
  t.notOk(lease?.signal.aborted)
  await live(leaseTickMs)
  t.ok(lease?.signal.aborted)
  t.match(lease?.signal.reason, { code: 'ERR_CERT_RACED', message: /no sign of life/ })
  await t.rejects(Promise.resolve(lease?.write('certs/a', 'a')), { code: 'ERR_CERT_RACED' })
  t.equal(await other.vault.lease('orders/a'), undefined)
  isAway = false
  await live(leaseBeatMs)
  const next = await other.vault.lease('orders/a')
  t.ok((next?.number ?? 0) > (lease?.number ?? 0))
})

t.test('a machine that slept looks before it writes', async (t) => {
  const { one, other } = await startTwo(t)
  const lease = await one.vault.lease('orders/a')
  one.advance(leaseLostMs + 1)
  await t.rejects(Promise.resolve(lease?.write('certs/a', 'a')), { code: 'ERR_CERT_RACED', message: /no sign of life/ })
  t.equal(await other.vault.read('certs/a'), undefined)
})

t.test('a machine whose own clock slept too learns of it with its next sign of life', async (t) => {
  const { one, other, live } = await startTwo(t)
  const lease = await one.vault.lease('orders/a')
  t.ok(await takeOver(other, 'orders/a'))
  await live(leaseBeatMs)
  t.ok(lease?.signal.aborted)
  t.match(one.logged.join(''), /lease lost/)
})

t.test('a lease whose taking was not answered is had at the next try', async (t) => {
  let isCut = false
  const { one, other } = await startTwo(t, undefined, (call, key) => {
    if (isCut && call === 'create' && key.includes('/leases/')) throw new Error('the answer is lost')
  })
  isCut = true
  await t.rejects(one.vault.lease('orders/a'), { message: 'the answer is lost' })
  isCut = false
  t.equal(await other.vault.lease('orders/a'), undefined)
  t.ok(await one.vault.lease('orders/a'))
})

t.test('one whose taking was not answered, and that nobody wants any more, is given back', async (t) => {
  let isCut = true
  const { one, other, live } = await startTwo(t, undefined, (call, key) => {
    if (isCut && call === 'create' && key.includes('/leases/')) throw new Error('the answer is lost')
  })
  await t.rejects(one.vault.lease('orders/a'), { message: 'the answer is lost' })
  isCut = false
  await live(leaseBeatMs)
  t.ok(await other.vault.lease('orders/a'))
})

t.test('a lease that cannot be given back is given back later', async (t) => {
  let isAway = false
  const { one, other, live } = await startTwo(t, () => {
    if (isAway) throw new Error('the bucket is away')
  })
  const lease = await one.vault.lease('orders/a')
  isAway = true
  await lease?.[Symbol.asyncDispose]()
  t.match(one.logged.join(''), /cannot be given back yet/)
  isAway = false
  await live(leaseBeatMs)
  t.ok(await other.vault.lease('orders/a'))
})

t.test('a lease that is recorded by halves belongs to somebody who may live', async (t) => {
  const { one, other, bucket } = await startTwo(t)
  await (await one.vault.lease('orders/a'))?.[Symbol.asyncDispose]()
  await one.vault.lease('orders/a')
  const newest = (await filesIn(bucket)).findLast((file) => file.includes('/leases/'))
  await truncate(join(bucket, newest ?? ''), 20)
  t.equal(await other.vault.lease('orders/a'), undefined)
  other.advance(leaseDeadMs - 1)
  t.equal(await other.vault.lease('orders/a'), undefined)
  other.advance(1)
  t.ok(await other.vault.lease('orders/a'))
})

t.test('a closed vault leaves no sign of life behind', async (t) => {
  const { one, bucket } = await startTwo(t)
  await one.vault.lease('orders/a')
  t.equal((await readdir(join(bucket, 'grove.certs/holders'))).length, 1)
  await one.vault[Symbol.asyncDispose]()
  t.same(await readdir(join(bucket, 'grove.certs/holders')), [])
})

t.test('a bucket that is away at the end does not hold up the end', async (t) => {
  let isAway = false
  const { one } = await startTwo(t, () => {
    if (isAway) throw new Error('the bucket is away')
  })
  await one.vault.lease('orders/a')
  isAway = true
  await one.vault[Symbol.asyncDispose]()
  t.match(one.logged.join(''), /stays behind/)
})
