import t from 'tap'
import { CpuAccount, createCpuBucket, createPace, slowest } from '../../../sandbox/isolated/budget.ts'

t.test('a request uses its own allowance first, then the bucket of the site', (t) => {
  const bucket = createCpuBucket(2_000, 100, 0)
  const account = new CpuAccount(50, bucket)
  t.equal(account.leftMs(0), 2_050)
  account.charge(40, 0)
  t.equal(bucket.levelMs(0), 2_000, 'the allowance alone was used')
  account.charge(40, 0)
  t.equal(bucket.levelMs(0), 1_970)
  t.equal(account.usedMs, 80)
  t.equal(account.leftMs(0), 1_970)
  account.renew()
  t.equal(account.leftMs(0), 2_020, 'it got its allowance anew')
  account.charge(60, 0)
  t.equal(bucket.levelMs(0), 1_960)
  t.end()
})

t.test('a bucket fills up slowly, to its brim, and by a clock that does not go back', (t) => {
  const bucket = createCpuBucket(2_000, 100, 0)
  bucket.take(1_000, 0)
  t.equal(bucket.levelMs(1_000), 1_100)
  t.equal(bucket.levelMs(500), 1_100)
  t.equal(bucket.levelMs(1_000_000), 2_000)
  t.end()
})

t.test('an empty bucket leaves each request its allowance, and a debt is bounded', (t) => {
  const bucket = createCpuBucket(2_000, 100, 0)
  bucket.take(1_000_000, 0)
  t.equal(bucket.levelMs(0), -2_000)
  const account = new CpuAccount(50, bucket)
  t.equal(account.leftMs(0), 50)
  account.charge(60, 0)
  t.equal(account.leftMs(0), 0)
  t.equal(bucket.levelMs(40_000), 2_000, 'it is back after a while')
  t.end()
})

t.test('a thread that others hold up gets longer, within a bound, and only as long as they do', (t) => {
  const pace = createPace()
  t.equal(pace.factor, 1)
  pace.note(4, 1)
  t.equal(pace.factor, 1, 'a short entry says nothing')
  for (let i = 0; i < 30; i++) pace.note(30, 10)
  t.ok(pace.factor > 2.9 && pace.factor <= 3)
  for (let i = 0; i < 30; i++) pace.note(1_000, 0)
  t.ok(pace.factor > 3.9 && pace.factor <= slowest)
  for (let i = 0; i < 30; i++) pace.note(10, 20)
  t.ok(pace.factor < 1.01)
  t.end()
})
