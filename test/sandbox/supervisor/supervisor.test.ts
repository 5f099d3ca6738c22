import t from 'tap'
import { siteUsageListSchema } from '../../../core/supervisor-messages.ts'
import { startHost, until } from './fixtures/host.ts'

t.test('a site that is asked for gets a process, and its code answers', async (t) => {
  const host = await startHost(t)
  host.publish('blog', 1, { do: 'text', text: 'hello' })
  const front = await host.front()
  const answer = await front.get('blog', 1)
  t.equal(answer.head['status'], 200)
  t.equal(answer.body, 'hello from 1')
  const own = host.supervisor.status.processes.filter(({ site }) => site === 'blog')
  t.equal(own.length, 1)
  t.match(own[0], { state: 'serving', versions: [1] })
  t.equal((await front.get('blog', 1)).body, 'hello from 1')
  t.equal(host.supervisor.status.processes.filter(({ site }) => site === 'blog').length, 1, 'one is enough')
})

t.test('two sites never share a process, and many questions at once start one', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'text' })
  host.publish('b', 1, { do: 'text' })
  const front = await host.front()
  const other = await host.front()
  const asked = await Promise.all([
    ...Array.from({ length: 10 }, () => front.need('a', 1)),
    ...Array.from({ length: 10 }, () => other.need('a', 1)),
    ...Array.from({ length: 10 }, () => front.need('b', 1)),
  ])
  t.equal(new Set(asked.slice(0, 20)).size, 1)
  t.equal(new Set(asked.slice(20)).size, 1)
  t.not(asked[0], asked[20])
  t.equal((await other.send(asked[0] as string, 1)).body, 'hello from 1', 'every front has a link')
})

t.test('a spare process waits, and a site that takes it leaves place for the next', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const spares = () => host.supervisor.status.processes.filter(({ state }) => state === 'spare')
  await until(() => spares().length === 1)
  const [spare] = spares()
  t.equal(await front.need('a', 1), spare?.process)
  await until(() => spares().length === 1)
})

t.test('at the limit of processes a spare that is just starting is waited for', async (t) => {
  const host = await startHost(t, { processes: 1, spares: 1 })
  for (const site of ['a', 'b']) host.publish(site, 1, { do: 'text' })
  const front = await host.front()
  const gate = Promise.withResolvers<void>()
  front.beforeLink = () => gate.promise
  await until(() => front.heard.some(({ kind }) => kind === 'link'))
  t.same(host.supervisor.status.processes, [], 'it has been asked for, and is not there yet')
  const asked = front.need('a', 1)
  await front.channel.call({ kind: 'hello', pid: front.pid }) // What was asked before has been looked at.
  gate.resolve()
  t.equal((await front.send(await asked, 1)).body, 'hello from 1')
  await t.rejects(front.need('b', 1), { code: 'ERR_SANDBOX_BUSY' }, 'and there is no other')
})

t.test('a front that comes later gets a process of its own time, and the old one drains', async (t) => {
  const host = await startHost(t, { times: { quietMs: 300 } })
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const before = await front.need('a', 1)
  const late = await host.front()
  const after = await late.need('a', 1)
  t.not(after, before)
  t.equal((await late.send(after, 1)).body, 'hello from 1')
  await until(() => front.heard.some((message) => message.kind === 'gone' && message.process === before))
  t.equal((await front.send(before, 1)).body, 'hello from 1', 'what is on its way is still answered')
  await until(() => front.heard.some((message) => message.kind === 'ended' && message.process === before))
  t.equal(await front.need('a', 1), after)
})

t.test('a front that goes takes nothing with it', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const other = await host.front()
  const process = await front.need('a', 1)
  front.close()
  t.equal(await other.need('a', 1), process)
  t.equal((await other.send(process, 1)).body, 'hello from 1')
})

t.test('a version that is live is loaded before it is asked for, and the one before is given up', async (t) => {
  const host = await startHost(t, { times: { supersededMs: 200 } })
  host.publish('a', 1, { do: 'text' })
  host.publish('a', 2, { do: 'text' })
  const front = await host.front()
  const process = await front.need('a', 1)
  await host.supervisor.receive({ kind: 'live', site: 'a', version: 2 })
  await until(() => front.heard.some((message) => message.kind === 'gone' && message.version === 1))
  await until(() => host.supervisor.status.processes.some(({ versions }) => versions.join() === '2'))
  t.equal(await front.need('a', 2), process, 'in the same process')
  t.equal((await front.get('a', 2)).body, 'hello from 2')
  t.equal((await front.get('a', 1)).body, 'hello from 1', 'what still asks for the old one gets it')
  await host.supervisor.receive({ kind: 'live', site: 'cold', version: 1 })
})

t.test('of many versions only the newest is followed, and none stays', async (t) => {
  const host = await startHost(t, { times: { supersededMs: 200 } })
  for (let version = 1; version <= 40; version++) host.publish('a', version, { do: 'text' })
  const front = await host.front()
  await front.need('a', 1)
  const asking: Promise<unknown>[] = []
  for (let version = 2; version <= 40; version++) {
    asking.push(host.supervisor.receive({ kind: 'live', site: 'a', version }))
    if (version % 5 === 0) t.equal((await front.get('a', version)).body, `hello from ${version}`)
  }
  await Promise.all(asking)
  t.equal((await front.get('a', 40)).body, 'hello from 40')
  await until(() => host.supervisor.status.processes.some(({ versions }) => versions.join() === '40'))
})

t.test('code that does not load is told to its author, and not tried again at once', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'fail' })
  host.publish('a', 2, { do: 'no-handler' })
  host.publish('a', 3, { do: 'text' })
  const front = await host.front()
  await t.rejects(front.need('a', 1), { code: 'ERR_SITE_CODE', details: { retryAfterMs: Number } })
  t.match(host.lines.at(-1), {
    site: 'a',
    version: 1,
    level: 'error',
    from: 'grove',
    text: /Error: no\n.*code\.js:1:1/,
  })
  const { length } = host.lines
  await t.rejects(front.need('a', 1), { code: 'ERR_SITE_CODE' })
  t.equal(host.lines.length, length, 'it was not loaded again')
  await t.rejects(front.need('a', 2), { code: 'ERR_SITE_CODE', message: /no fetch handler/ })
  await t.rejects(front.need('a', 4), { code: 'ERR_NOT_FOUND' })
  t.equal((await front.get('a', 3)).body, 'hello from 3', 'the process is none the worse')
  await until(
    () =>
      front.need('a', 1).then(
        () => false,
        () => host.lines.length > length,
      ),
    'tried again after a while',
  )
})

t.test('changed settings reach the code by a new process', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'env' }, { vars: { MODE: 'one' } })
  const front = await host.front()
  const before = await front.need('a', 1)
  t.same(JSON.parse((await front.send(before, 1)).body), { MODE: 'one' })
  host.publish('a', 1, { do: 'env' }, { vars: { MODE: 'two' } })
  await host.supervisor.receive({ kind: 'changed', site: 'a' })
  const after = await front.need('a', 1)
  t.not(after, before)
  t.same(JSON.parse((await front.send(after, 1)).body), { MODE: 'two' })
})

t.test('a process gets placeholders of secrets, the same ones as long as the secret is', async (t) => {
  const host = await startHost(t, { run: async () => ({ head: { done: true } }) })
  const secrets = [{ name: 'KEY', value: 'very secret value', hosts: ['api.example.com'] }]
  host.publish('a', 1, { do: 'env' }, { secrets })
  host.publish(
    'a',
    2,
    { do: 'ask', op: { kind: 'data', call: { method: 'delete', key: 'k' }, hasBody: false } },
    { secrets },
  )
  const front = await host.front()
  const { KEY } = JSON.parse((await front.get('a', 1)).body) as { KEY: string }
  t.match(KEY, /^grove-secret-[0-9a-f]{32}$/)
  await front.get('a', 2)
  t.match(host.operations[0]?.code.placeheld, [{ name: 'KEY', value: 'very secret value', placeholder: KEY }])
})

t.test('a deleted site ends at once', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const process = await front.need('a', 1)
  await host.supervisor.receive({ kind: 'deleted', site: 'a' })
  await until(() => host.supervisor.status.processes.every((info) => info.process !== process))
  t.same(host.supervisor.status.quarantined, [])
})

t.test('idle code is given up first, then the process; a request in between brings the code back', async (t) => {
  const host = await startHost(t, { times: { codeIdleMs: 1_000, idleMs: 4_000, quietMs: 200 } })
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const process = await front.need('a', 1)
  const own = () => host.supervisor.status.processes.find((info) => info.process === process)
  await until(() => own()?.versions.length === 0)
  t.ok(front.heard.some((message) => message.kind === 'gone' && message.process === process && message.version === 1))
  t.equal(await front.need('a', 1), process)
  t.equal((await front.send(process, 1)).body, 'hello from 1')
  await until(() => own() === undefined)
  t.match(
    front.heard.findLast(({ kind }) => kind === 'ended'),
    { process },
  )
})

t.test('a site with requests under way is not idle, however long they take', async (t) => {
  const host = await startHost(t, { times: { codeIdleMs: 500, idleMs: 1_000, quietMs: 100 } })
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const process = await front.need('a', 1)
  const used = { process, underWay: 1, requests: 1, receivedBytes: 10, sentBytes: 20 }
  front.channel.send({ kind: 'used', processes: [used] })
  const own = () => host.supervisor.status.processes.find((info) => info.process === process)
  await new Promise((resolve) => setTimeout(resolve, 2_500)) // There is nothing to wait for: nothing must happen.
  t.same(own()?.versions, [1])
  front.channel.send({ kind: 'used', processes: [{ ...used, underWay: 0, requests: 0 }] })
  await until(() => own() === undefined)
})

t.test(
  'beyond the number of processes the one that was idle longest makes room, and none is taken from its site',
  async (t) => {
    const host = await startHost(t, { processes: 2, spares: 1, times: { roomQuietMs: 0 } })
    for (const site of ['a', 'b', 'c']) host.publish(site, 1, { do: 'text' })
    const front = await host.front()
    const a = await front.need('a', 1)
    const b = await front.need('b', 1)
    const c = await front.need('c', 1)
    t.equal(new Set([a, b, c]).size, 3)
    t.ok(front.heard.some((message) => message.kind === 'gone' && message.process === a))
    t.equal((await front.send(c, 1)).body, 'hello from 1')
    const busy = [b, c].map((process) => ({ process, underWay: 1, requests: 1, receivedBytes: 0, sentBytes: 0 }))
    front.channel.send({ kind: 'used', processes: busy })
    await t.rejects(front.need('a', 1), { code: 'ERR_SANDBOX_BUSY', details: { retryAfterMs: Number } })
    t.ok(host.supervisor.status.processes.length <= 2)
  },
)

t.test('what a site uses is counted, and taken once', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const process = await front.need('a', 1)
  const used = { process, underWay: 0, requests: 3, receivedBytes: 10, sentBytes: 20 }
  await front.channel.call({ kind: 'used', processes: [used] })
  const usage = siteUsageListSchema.parse(await host.supervisor.receive({ kind: 'usage' }))
  t.match(usage, [{ site: 'a', requests: 3, receivedBytes: 10, sentBytes: 20, kills: 0 }])
  let more = siteUsageListSchema.parse(await host.supervisor.receive({ kind: 'usage' }))
  t.notMatch(more, [{ requests: 3 }])
  await until(async () => {
    more = siteUsageListSchema.parse(await host.supervisor.receive({ kind: 'usage' }))
    return (more[0]?.memoryPeakBytes ?? 0) > 10_000_000
  })
})

t.test('closing ends every process', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  await front.need('a', 1)
  const pids = host.supervisor.status.processes.map(({ pid }) => pid)
  await host.supervisor.close()
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})
