import { appendFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSiteOutput } from '../../control/site-output.ts'
import { limits } from '../../core/limits.ts'
import type { SiteLogLine } from '../../core/supervisor-messages.ts'
import { silentLog } from './fixtures/silent-log.ts'

const line = (text: string, site = 'blog'): SiteLogLine => ({ atMs: 5, site, level: 'info', text, from: 'code' })
const textsOf = (lines: readonly SiteLogLine[]) => lines.map(({ text }) => text)

async function open(t: Test) {
  const folder = join(t.testdir(), 'logs')
  const output = await openSiteOutput(folder, silentLog)
  t.teardown(() => output[Symbol.asyncDispose]())
  return { output, folder }
}

t.test('lines are kept for each site, and only their owner can read them', async (t) => {
  const { output, folder } = await open(t)
  output.write([line('one'), line('theirs', 'other'), line('two')])
  t.same(textsOf(await output.read('blog', 10)), ['one', 'two'])
  t.same(textsOf(await output.read('other', 10)), ['theirs'])
  t.same(await output.read('nobody', 10), [])
  t.same(textsOf(await output.read('blog', 1)), ['two'])
  t.same(textsOf(await output.read('blog', 5, ({ text }) => text === 'one')), ['one'])
  t.same(await output.read('blog', 0), [])
  for (const name of readdirSync(folder)) t.equal(statSync(join(folder, name)).mode & 0o777, 0o600)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  await output.remove('blog')
  t.same(readdirSync(folder), ['other.log'])
})

t.test('what is kept of a site is bounded, whatever comes at once', async (t) => {
  const { output, folder } = await open(t)
  const long = 'x'.repeat(10_000)
  const { fileBytes } = limits.siteOutput
  for (let round = 0; round < 4; round++)
    output.write(Array.from({ length: 100 }, (_, n) => line(`${round}.${n} ${long}`)))
  const lines = await output.read('blog', 10_000)
  t.ok(lines.length > 100 && lines.length < 400)
  t.match(lines.at(-1)?.text, /^3\.99 /)
  t.same(readdirSync(folder).sort(), ['blog.log', 'blog.old.log'])
  for (const name of readdirSync(folder)) t.ok(statSync(join(folder, name)).size <= fileBytes)
})

t.test('a line that was cut by a crash is passed over', async (t) => {
  const { output, folder } = await open(t)
  output.write([line('whole')])
  await output.idle()
  appendFileSync(join(folder, 'blog.log'), '{"atMs":1,"si')
  t.same(textsOf(await output.read('blog', 10)), ['whole'])
})

t.test('who follows gets what comes, of that site, until they go', async (t) => {
  const { output } = await open(t)
  const gone = new AbortController()
  const coming = output.follow('blog', gone.signal)
  const first = coming.next()
  output.write([line('a'), line('theirs', 'other'), line('b')])
  t.equal((await first).value?.text, 'a')
  t.equal((await coming.next()).value?.text, 'b')
  const waiting = coming.next()
  gone.abort()
  t.same(await waiting, { done: true, value: undefined })
})

t.test('those who follow and do not keep up are told what they missed; there are only so many', async (t) => {
  const { output } = await open(t)
  const gone = new AbortController()
  const coming = output.follow('blog', gone.signal)
  const first = coming.next()
  output.write([line('first')])
  t.equal((await first).value?.text, 'first')
  const { waiting, followers } = limits.siteOutput
  output.write(Array.from({ length: waiting + 7 }, (_, n) => line(String(n))))
  const got: string[] = []
  while (got.length <= waiting) got.push((await coming.next()).value?.text ?? '')
  t.equal(got[waiting - 1], String(waiting - 1))
  t.match(got[waiting], /^7 lines came too fast/)
  const others = Array.from({ length: followers - 1 }, () => output.follow('blog', gone.signal))
  const pending = others.map((other) => other.next())
  await t.rejects(output.follow('blog', gone.signal).next(), { code: 'ERR_TOO_MANY' })
  gone.abort()
  await Promise.all(pending)
})
