/** Tenant processes that do what no tenant should: each is ended or slowed, its neighbour and the supervisor go on. */

import t, { type Test } from 'tap'
import { encodeCredit, encodeFrame, type FrameType, frameTypes } from '../../../core/sandbox-frames.ts'
import { type Host, type HostOptions, type Script, startHost, until } from './fixtures/host.ts'

/** What a supervisor sees of a process that is over. */
interface Over {
  readonly code: string
  readonly reason: string
}

/** Runs a hostile site beside a good one, and resolves with how the hostile one ended. */
async function runHostile(t: Test, script: Script, options: HostOptions = {}): Promise<Over & { host: Host }> {
  const host = await startHost(t, options)
  host.publish('good', 1, { do: 'text' })
  host.publish('bad', 1, { ...script })
  const front = await host.front()
  const good = await front.need('good', 1)
  const bad = await front.need('bad', 1)
  const answered = script['when'] === 'request' ? front.send(bad, 1) : undefined
  const ended = () =>
    front.heard.find((message) => message.kind === 'ended' && message.process === bad) as unknown as Over | undefined
  while (!ended()) {
    const beganAtMs = performance.now()
    t.equal((await front.send(good, 1)).body, 'hello from 1')
    t.ok(performance.now() - beganAtMs < 2_000, 'the neighbour answers')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await answered
  t.equal((await front.send(good, 1)).body, 'hello from 1', 'the neighbour goes on')
  await until(() => host.supervisor.status.processes.every(({ process }) => process !== bad))
  t.ok(
    host.lines.some(({ site, from }) => site === 'bad' && from === 'grove'),
    'the author is told',
  )
  return { ...(ended() as Over), host }
}

const raw = (frame: Uint8Array) => ({ do: 'raw', when: 'request', text: Buffer.from(frame).toString('base64') })
const json = (type: FrameType, stream: number, value: unknown) => encodeFrame(type, stream, JSON.stringify(value))
const op = { kind: 'data', request: 'r', version: 1, call: { method: 'get', key: 'k' }, hasBody: true }

for (const [name, frame] of [
  ['zeros', Buffer.alloc(100)],
  ['a frame of 4 GiB', Buffer.alloc(100, 0xff)],
  ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['an unknown type', encodeFrame(200 as FrameType, 0)],
  ['an unknown type on an operation', encodeFrame(200 as FrameType, 1)],
  ['a request', encodeFrame(frameTypes.request, 1, '{}')],
  ['a log line that is no JSON', encodeFrame(frameTypes.log, 0, 'x')],
  ['a log line of 100 KiB', json(frameTypes.log, 0, { version: 1, level: 'info', text: 'x'.repeat(102_400) })],
  ['a log line of another level', json(frameTypes.log, 0, { version: 1, level: 'fatal', text: '' })],
  ['a usage of less than nothing', json(frameTypes.usage, 0, { version: 1, request: 'r', cpuMs: -1 })],
  ['a beat that carries something', encodeFrame(frameTypes.beat, 0, 'x')],
  ['an operation that is none', json(frameTypes.op, 1, { kind: 'exec', hasBody: false })],
  ['an operation with deep JSON', encodeFrame(frameTypes.op, 1, '['.repeat(200_000))],
  ['an operation on the supervisor’s stream', json(frameTypes.op, 2, op)],
  ['two operations on one stream', Buffer.concat([json(frameTypes.op, 1, op), json(frameTypes.op, 1, op)])],
  [
    'a body that was not announced',
    Buffer.concat([json(frameTypes.op, 1, { ...op, hasBody: false }), encodeFrame(frameTypes.body, 1, 'x')]),
  ],
  [
    'a body beyond its credit',
    Buffer.concat([
      json(frameTypes.op, 1, op),
      ...Array.from({ length: 8 }, () => encodeFrame(frameTypes.body, 1, Buffer.alloc(65_536))),
    ]),
  ],
  ['an empty piece of a body', Buffer.concat([json(frameTypes.op, 1, op), encodeFrame(frameTypes.body, 1)])],
  [
    'too large a piece',
    Buffer.concat([json(frameTypes.op, 1, op), encodeFrame(frameTypes.body, 1, Buffer.alloc(70_000))]),
  ],
  ['credit of nothing', encodeCredit(1, 0)],
  ['credit of 4 GiB', encodeCredit(1, 4_294_967_295)],
  ['more credit than there can be', Buffer.concat([json(frameTypes.op, 1, op), encodeCredit(1, 65_536)])],
  ['a cancel that carries something', encodeFrame(frameTypes.cancel, 1, 'x')],
  ['an end that carries something', encodeFrame(frameTypes.end, 1, 'x')],
] as const)
  t.test(`a process that sends ${name} is ended`, async (t) => {
    // Whatever it asks for is never answered, so that nothing ends by itself.
    const { code, host } = await runHostile(t, raw(frame), { run: () => new Promise(() => {}) })
    t.equal(code, 'killed')
    t.same(host.supervisor.status.quarantined, [], 'once is no reason for a quarantine')
  })

t.test('frames for streams that are over are ignored', async (t) => {
  const host = await startHost(t)
  const late = [
    encodeFrame(frameTypes.body, 9, 'x'),
    encodeFrame(frameTypes.end, 9),
    encodeFrame(frameTypes.cancel, 9),
    encodeCredit(9, 100),
    encodeCredit(8, 100),
    json(frameTypes.loaded, 8, { version: 1, startupCpuMs: 1, handlers: ['fetch'] }),
  ]
  host.publish('a', 1, raw(Buffer.concat(late)))
  const front = await host.front()
  const process = await front.need('a', 1)
  for (let times = 0; times < 2; times++) t.match((await front.send(process, 1)).body, / from 1$/)
  t.equal(await front.need('a', 1), process)
})

for (const [name, script, code] of [
  ['ends by itself', { do: 'exit' }, 'crashed'],
  ['ends well', { do: 'exit', count: 0 }, 'crashed'],
  ['aborts', { do: 'abort' }, 'crashed'],
  ['ends itself and says why', { do: 'kill-with-words' }, 'cpu'],
  ['never returns', { do: 'hang' }, 'cpu'],
  ['takes memory without end', { do: 'grow' }, 'memory'],
  ['closes its link', { do: 'close-link' }, 'killed'],
  ['writes 20 MB of errors', { do: 'errors' }, 'crashed'],
] as const)
  t.test(`a process that ${name} is over, and its request with it`, async (t) => {
    const over = await runHostile(t, { ...script, when: 'request' })
    t.equal(over.code, code, over.reason)
  })

t.test('memory is watched by what the kernel says', async (t) => {
  const { reason, host } = await runHostile(t, { do: 'grow', when: 'request' })
  const [, bytes, most] = /^memory: (\d+) bytes, at most (\d+)$/.exec(reason) ?? []
  t.equal(Number(most), 256 * 2 ** 20)
  // It is looked at ten times a second, and later on a busy machine; what it takes meanwhile is not much more.
  t.ok(Number(bytes) < 4 * Number(most), `it had ${bytes} bytes`)
  const [usage] = (await host.supervisor.receive({ kind: 'usage' })) as { site: string; kills: number }[]
  t.ok(usage)
})

t.test('a process that does not load its code in time is ended, and whoever asks is told', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'exit-at-load' })
  const front = await host.front()
  await t.rejects(front.need('a', 1), { code: /ERR_SANDBOX_BUSY|ERR_SITE_RESTING/, details: { retryAfterMs: Number } })
})

t.test(
  'a site whose processes die again and again rests, then is in quarantine; changed settings let it out',
  async (t) => {
    const host = await startHost(t)
    host.publish('a', 1, { do: 'exit', when: 'request' })
    host.publish('b', 1, { do: 'text' })
    const front = await host.front()
    const rests: number[] = []
    for (let kills = 1; kills <= 5; kills++) {
      const beganAtMs = performance.now()
      const process = await front.need('a', 1)
      rests.push(performance.now() - beganAtMs)
      await front.send(process, 1)
      await until(() => front.heard.some((message) => message.kind === 'ended' && message.process === process))
    }
    t.ok((rests[4] ?? 0) > 700, 'the fifth time it had to wait')
    await t.rejects(front.need('a', 1), {
      code: 'ERR_SITE_RESTING',
      message: /quarantine/,
      details: { reason: 'crashed', retryAfterMs: Number },
    })
    t.match(host.supervisor.status.quarantined, [{ site: 'a', reason: 'crashed' }])
    t.equal((await front.get('b', 1)).body, 'hello from 1')
    host.publish('a', 1, { do: 'text' })
    await host.supervisor.receive({ kind: 'changed', site: 'a' })
    t.equal((await front.get('a', 1)).body, 'hello from 1')
  },
)

for (const [name, script] of [
  ['lines of the log', { do: 'flood', when: 'load', bytes: 10 }],
  ['long lines of the log', { do: 'flood', when: 'load', bytes: 10_000 }],
  ['signs of life', { do: 'flood', when: 'load', text: 'beat' }],
] as const)
  t.test(`a flood of ${name} slows nobody else`, async (t) => {
    const host = await startHost(t)
    host.publish('good', 1, { do: 'text' })
    host.publish('bad', 1, script)
    const front = await host.front()
    const good = await front.need('good', 1)
    const bad = await front.need('bad', 1)
    const beforeMs = process.cpuUsage()
    const times: number[] = []
    const untilMs = performance.now() + 3_000
    while (performance.now() < untilMs) {
      const beganAtMs = performance.now()
      t.equal(await front.need('good', 1), good)
      times.push(performance.now() - beganAtMs)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { user, system } = process.cpuUsage(beforeMs)
    t.comment(`cpu ${(user + system) / 1_000} ms, median ${times.sort((a, b) => a - b)[times.length >> 1]} ms`)
    t.ok((user + system) / 1_000 < 2_500, 'the supervisor had time left')
    t.ok(host.lines.filter(({ site, from }) => site === 'bad' && from === 'code').length < 1_200, 'the log was bounded')
    t.ok(host.supervisor.status.processes.some((info) => info.process === bad) || host.lines.length > 0)
  })

t.test('lines beyond the bound are left out, and the author is told how many', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'log', when: 'request', count: 1_500, text: 'x' })
  const front = await host.front()
  await front.get('a', 1)
  await front.get('a', 1)
  await until(() => host.lines.some(({ text }) => /lines were left out/.test(text)))
  const own = host.lines.filter(({ from }) => from === 'code')
  t.ok(own.length >= 1_000 && own.length < 1_200, `${own.length} lines`)
  t.match(own[0], { site: 'a', version: 1, request: 'r', level: 'info', text: 'x 0' })
})

t.test('a process finds nothing of the machine, and is nobody in particular', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'escape' })
  const front = await host.front()
  const seen = JSON.parse((await front.get('a', 1)).body) as { found: string[]; env: object; uid: number; cwd: string }
  t.same(seen.found, [])
  t.same(seen.env, { MALLOC_ARENA_MAX: '1' }, 'nothing of this machine')
  t.equal(seen.cwd, '/')
  if (process.getuid?.() === 0) t.ok(seen.uid >= 65_000, `account ${seen.uid}`)
})

t.test('two processes have two accounts, and an account is used again once it is free', async (t) => {
  const host = await startHost(t)
  for (const site of ['a', 'b']) host.publish(site, 1, { do: 'escape' })
  const front = await host.front()
  const uidOf = async (site: string) => (JSON.parse((await front.get(site, 1)).body) as { uid: number }).uid
  const uids = [await uidOf('a'), await uidOf('b')]
  if (process.getuid?.() === 0) t.not(uids[0], uids[1])
})

t.test('a front that says a process broke the protocol is believed', async (t) => {
  const host = await startHost(t)
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  const process = await front.need('a', 1)
  front.channel.send({ kind: 'broken', process, reason: 'it answered twice' })
  await until(() => front.heard.some((message) => message.kind === 'ended' && message.process === process))
  t.ok(host.lines.some(({ text }) => text.includes('it answered twice')))
})
