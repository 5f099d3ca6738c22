/** The small parts of the supervisor: rates, accounts, batches of lines, last words, bodies that come in, stats. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { SiteLogLine } from '../../../core/supervisor-messages.ts'
import { createAccounts } from '../../../sandbox/supervisor/accounts.ts'
import { createIncomingBody } from '../../../sandbox/supervisor/incoming-body.ts'
import { keepLastWords } from '../../../sandbox/supervisor/last-words.ts'
import { createLogBatches } from '../../../sandbox/supervisor/log-batches.ts'
import { readProcessStats } from '../../../sandbox/supervisor/process-stats.ts'
import { createRate } from '../../../sandbox/supervisor/rate.ts'

t.test('a rate lets so many through at once, and then so many per second', (t) => {
  const rate = createRate(3, 10)
  const taken = (nowMs: number) => Array.from({ length: 5 }, () => rate.take(nowMs)).filter((did) => did).length
  t.equal(taken(0), 3)
  t.equal(taken(0), 0)
  t.equal(taken(100), 1)
  t.equal(taken(10_000), 3, 'no more is saved up')
  t.end()
})

t.test('accounts add up, keep the peak of memory, and are emptied by being taken', (t) => {
  const accounts = createAccounts()
  accounts.add('a', { cpuMs: 5, memoryPeakBytes: 100 })
  accounts.add('a', { cpuMs: 7, memoryPeakBytes: 50, kills: 1 })
  accounts.add('b', { requests: 1 })
  t.match(accounts.take(), [
    { site: 'a', cpuMs: 12, memoryPeakBytes: 100, kills: 1, requests: 0 },
    { site: 'b', requests: 1, cpuMs: 0 },
  ])
  t.same(accounts.take(), [])
  for (let site = 0; site < limits.sandboxProcess.remembered + 10; site++) accounts.add(String(site), { kills: 1 })
  t.equal(accounts.take().length, limits.sandboxProcess.remembered)
  t.end()
})

t.test('lines leave in batches, in order, and what does not fit is counted', async (t) => {
  const batches: SiteLogLine[][] = []
  const lost: number[] = []
  const log = createLogBatches(
    (lines) => batches.push(lines),
    (lines) => lost.push(lines),
  )
  const line = (text: string): SiteLogLine => ({ atMs: 0, site: 'a', level: 'info', text, from: 'code' })
  for (let n = 0; n < limits.sandboxLog.batchLines + 5; n++) log.write(line(String(n)))
  t.same(batches, [])
  while (batches.length === 0) await wait(5)
  t.equal(batches[0]?.length, limits.sandboxLog.batchLines)
  t.equal(batches[0]?.[1]?.text, '1')
  t.same(lost, [5])
  for (let n = 0; n < 20; n++) log.write(line('x'.repeat(100_000)))
  log.flush()
  t.ok((batches[1]?.length ?? 0) <= 12, 'bytes are bounded too')
  log.flush()
  t.equal(batches.length, 2)
})

t.test('of what a process says the end is kept, and a flood is read slowly', async (t) => {
  const errors = new PassThrough({ highWaterMark: 1_048_576 })
  const words = keepLastWords(errors)
  let written = 0
  for (let n = 0; n < 100; n++) {
    errors.write(Buffer.alloc(10_000, 'x'))
    written += 10_000
  }
  await wait(1)
  t.ok(errors.readableLength > written / 2, 'most of it waits')
  t.equal(words.text.length, limits.sandboxTenant.lastWordsBytes)
  const quiet = new PassThrough()
  const last = keepLastWords(quiet)
  quiet.end('the end\n')
  await last.settled()
  t.equal(last.text, 'the end\n')
  await words.settled()
  t.ok(errors.destroyed)
})

t.test('a body gives credit for what was read of it, and takes no more than that', async (t) => {
  const credits: number[] = []
  const body = createIncomingBody((bytes) => credits.push(bytes))
  const piece = Buffer.alloc(65_536, 'x')
  for (let n = 0; n < 4; n++) t.ok(body.arrive(piece))
  t.notOk(body.arrive(Buffer.from('x')), 'a byte beyond the window')
  t.same(credits, [])
  let bytes = 0
  for await (const part of body.stream) {
    bytes += (part as Buffer).length
    if (bytes === 4 * 65_536) body.finish()
  }
  t.equal(bytes, 4 * 65_536)
  t.ok(credits.length > 0)
  t.notOk(body.arrive(Buffer.alloc(262_145)), 'nor after the end')
})

t.test('tiny pieces of a body are joined', async (t) => {
  const body = createIncomingBody(() => {})
  for (let n = 0; n < 10_000; n++) body.arrive(Buffer.from('x'))
  body.finish()
  let pieces = 0
  let bytes = 0
  for await (const part of body.stream) {
    pieces += 1
    bytes += (part as Buffer).length
  }
  t.equal(bytes, 10_000)
  t.ok(pieces < 1_000, `${pieces} pieces`)
})

t.test('the stats of a process come from the kernel; one that is gone has none', async (t) => {
  const stats = readProcessStats(process.pid)
  const own = process.memoryUsage.rss()
  t.ok(stats && Math.abs(stats.rssBytes - own) < own / 2, `${stats?.rssBytes} is about ${own}`)
  t.ok((stats?.cpuMs ?? 0) > 10)
  const child = spawn('sleep', ['0.01'])
  await once(child, 'exit')
  t.equal(readProcessStats(child.pid as number), undefined)
})
