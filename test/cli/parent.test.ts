import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { runParent } from '../../cli/parent.ts'
import { GroveError } from '../../core/errors.ts'

interface Event {
  readonly by: number
  readonly kind: string
  readonly ports?: Record<string, number>
  readonly error?: { code: string; message: string; hint: string }
  readonly processes?: { kind: string; index: number; pid: number; restarts: number }[]
}

const entries = {
  control: join(import.meta.dirname, 'fixtures/control.ts'),
  front: join(import.meta.dirname, 'fixtures/front.ts'),
}

const https = (port: number, addresses = ['127.0.0.1']) => ({ name: 'https', port, addresses })
const http = (port: number) => ({ name: 'http', port, addresses: ['127.0.0.1'] })

function start(t: Test, script: object, hungUp = () => false) {
  // Not t.testdir: control writes there until the teardown below has ended it.
  const folder = mkdtempSync(join(tmpdir(), 'grove-parent-'))
  writeFileSync(join(folder, 'script.json'), JSON.stringify(script))
  writeFileSync(join(folder, 'events'), '')
  const logged: string[] = []
  const banners: (readonly string[])[] = []
  const log = pino({}, { write: (line: string) => void logged.push(line) })
  const ended = runParent({
    source: { cwd: folder },
    log,
    tell: (banner) => void banners.push(banner),
    entries,
    hungUp,
  })
  let over = false
  void ended.catch(() => {}).then(() => (over = true))
  t.teardown(async () => {
    if (!over) process.kill(process.pid, 'SIGTERM')
    await ended.catch(() => {})
    rmSync(folder, { recursive: true })
  })
  const events = (): Event[] =>
    readFileSync(join(folder, 'events'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  return {
    ended,
    logged,
    banners,
    events,
    applied: () => events().filter(({ kind }) => kind === 'applied'),
    processes: () => events().findLast(({ kind }) => kind === 'processes')?.processes ?? [],
    script: (next: object) => {
      writeFileSync(join(folder, 'script.json'), JSON.stringify(next))
      process.kill(process.pid, 'SIGHUP')
    },
  }
}

async function until<T>(get: () => T | undefined | false): Promise<T> {
  for (;;) {
    const value = get()
    if (value) return value
    await pause(10)
  }
}

function ask(port: number, path = '/'): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve(body)).on('error', reject)
    }).on('error', reject)
  })
}

const whoAnswers = async (port: number): Promise<{ pid: number; index: number; name: string }> =>
  JSON.parse(await ask(port))

async function up(parent: ReturnType<typeof start>) {
  await until(() => parent.banners.length > 0)
  return parent.applied()[0]?.ports as { https: number; http: number }
}

t.test('binds, serves with the fronts asked for, tells people once, and stops with 0', async (t) => {
  const parent = start(t, { listen: [https(0), http(0)], fronts: 2 })
  const ports = await up(parent)
  t.equal((await whoAnswers(ports.https)).name, 'https')
  t.equal((await whoAnswers(ports.http)).name, 'http')
  await until(() => parent.processes().length === 4)
  t.strictSame(
    parent.processes().map(({ kind, index }) => `${kind} ${index}`),
    ['serve 0', 'control 0', 'front 0', 'front 1'],
  )
  process.kill(process.pid, 'SIGTERM')
  t.equal(await parent.ended, 0)
  t.strictSame(parent.banners, [['up']])
  t.equal(parent.events().at(-1)?.kind, 'stop', 'control ends last, when the fronts are gone')
  await t.rejects(ask(ports.https), { code: 'ECONNREFUSED' })
})

t.test('a front that dies is replaced, and a connection that waits in the queue is answered by the next', async (t) => {
  const parent = start(t, { listen: [https(0)], fronts: 1 })
  const { https: port } = await up(parent)
  const before = await whoAnswers(port)
  process.kill(before.pid, 'SIGKILL')
  const after = await whoAnswers(port)
  t.not(after.pid, before.pid)
  t.equal(after.index, 0)
  t.match(
    parent.logged.find((line) => line.includes('front 0 ended')),
    /"signal":"SIGKILL"/,
  )
  await until(() => parent.processes().some(({ kind, restarts }) => kind === 'front' && restarts === 1))
  await t.rejects(ask(port, '/crash'), { code: 'ECONNRESET' })
  await whoAnswers(port)
  t.match(
    parent.logged.findLast((line) => line.includes('front 0 ended')),
    /"code":9.*"restartInMs":100/,
    'one that came up is wanted back at once',
  )
})

t.test('control that crashes later is started again while the fronts go on', async (t) => {
  const parent = start(t, { listen: [https(0)], fronts: 1 })
  const { https: port } = await up(parent)
  const front = await whoAnswers(port)
  const control = await until(() => parent.processes().find(({ kind }) => kind === 'control'))
  process.kill(control.pid, 'SIGKILL')
  await until(() => parent.applied().length === 2)
  t.equal(parent.applied()[1]?.ports?.['https'], port, 'the same sockets')
  t.equal((await whoAnswers(port)).pid, front.pid, 'the same front')
  t.equal(parent.banners.length, 1)
})

t.test('a reload changes ports and the number of fronts without a gap', async (t) => {
  const parent = start(t, { listen: [https(0), http(0)], fronts: 1 })
  const first = await up(parent)
  const slow = ask(first.https, '/slow')
  parent.script({ listen: [https(0)], fronts: 2 })
  await until(() => parent.applied().length === 2)
  t.strictSame(parent.applied()[1]?.ports, { https: first.https }, 'port 0 asked again keeps its socket')
  await t.rejects(ask(first.http), { code: 'ECONNREFUSED' })
  await until(() => parent.processes().filter(({ kind }) => kind === 'front').length === 2)

  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port: next } = free.address() as { port: number }
  free.close()
  await once(free, 'close')
  parent.script({ listen: [https(next)], fronts: 1 })
  await until(() => parent.applied().length === 3)
  t.equal((await whoAnswers(next)).name, 'https')
  await t.rejects(ask(first.https), { code: 'ECONNREFUSED' })
  await until(() => parent.processes().filter(({ kind }) => kind === 'front').length === 1)

  parent.script({ listen: [{ name: 'http', port: next, addresses: ['127.0.0.1'] }], fronts: 1 })
  await until(() => parent.applied().length === 4)
  t.equal((await whoAnswers(next)).name, 'http', 'the same port under another name')
  process.kill(process.pid, 'SIGTERM')
  t.equal(await slow, 'drained', 'what was under way on a socket that is gone still ends well')
})

t.test('a reload onto a taken port changes nothing and names who holds it', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port: taken } = other.address() as { port: number }
  const parent = start(t, { listen: [https(0)], fronts: 1 })
  const { https: port } = await up(parent)
  parent.script({ listen: [http(0), https(taken)], fronts: 3 })
  await until(() => parent.applied().length === 2)
  t.match(parent.applied()[1]?.error, { code: 'ERR_PORT', message: `cannot listen on 127.0.0.1:${taken} (https)` })
  t.equal((await whoAnswers(port)).index, 0)
  t.equal(parent.processes().filter(({ kind }) => kind === 'front').length, 1)
})

t.test('a stop lets fronts finish what is under way', async (t) => {
  const parent = start(t, { listen: [https(0)], fronts: 2 })
  const { https: port } = await up(parent)
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n')
  const [head] = await once(socket.setEncoding('utf8'), 'data')
  t.match(head, /^HTTP\/1.1 200/)
  process.kill(process.pid, 'SIGINT')
  let rest = ''
  for await (const chunk of socket) rest += String(chunk)
  t.match(rest, /drained/)
  t.equal(await parent.ended, 0)
})

t.test('a second signal ends at once', async (t) => {
  const parent = start(t, { listen: [https(0)], fronts: 1 })
  await up(parent)
  process.kill(process.pid, 'SIGINT')
  process.kill(process.pid, 'SIGINT')
  t.equal(await parent.ended, 130)
})

t.test('a terminal that is closed stops it; a SIGHUP while it is open does not', async (t) => {
  let closed = false
  const parent = start(t, { listen: [https(0)], fronts: 1 }, () => closed)
  await up(parent)
  parent.script({ say: { kind: 'apply', id: 2, listen: [https(0)], fronts: 1, data: '/' } })
  await until(() => parent.applied().length === 2)
  closed = true
  process.kill(process.pid, 'SIGHUP')
  t.equal(await parent.ended, 0)
})

t.test('control can ask for the stop', async (t) => {
  const parent = start(t, { listen: [https(0)], fronts: 1 })
  await up(parent)
  parent.script({ say: { kind: 'stop' } })
  t.equal(await parent.ended, 0)
})

t.test('a first start that fails ends everything with the reason', async (t) => {
  const failed = { kind: 'failed', code: 'ERR_DATA_LOCKED', message: 'another grove has it', hint: 'stop it' }
  await t.rejects(
    start(t, { say: failed, exit: 1 }).ended,
    new GroveError('ERR_DATA_LOCKED', 'another grove has it', { hint: 'stop it' }),
  )
  await t.rejects(start(t, { say: { ...failed, code: 'ERR_OF_THE_FUTURE' }, exit: 1 }).ended, { code: 'ERR_INTERNAL' })
  await t.rejects(start(t, { exit: 3 }).ended, { message: 'the control process ended with code 3 before it was ready' })
})

t.test('a control that cannot start again says why and is tried again, and the fronts go on', async (t) => {
  const parent = start(t, { listen: [https(0)], fronts: 1 })
  const { https: port } = await up(parent)
  parent.script({ say: { kind: 'failed', code: 'ERR_CONFIG_INVALID', message: 'the config has one fault' }, exit: 1 })
  await until(() => parent.logged.some((line) => line.includes('control cannot start: the config has one fault')))
  t.equal((await whoAnswers(port)).index, 0)
  parent.script({ listen: [https(0)], fronts: 1 })
  await until(() => parent.applied().length === 2)
})

t.test('a child that talks nonsense is replaced', async (t) => {
  const parent = start(t, { listen: [https(0)], fronts: 1 })
  const { https: port } = await up(parent)
  const { pid } = await whoAnswers(port)
  await ask(port, '/nonsense').catch(() => {})
  await until(() => parent.processes().some((info) => info.kind === 'front' && info.pid !== pid))
  parent.script({ say: { kind: 'nonsense' } })
  await until(() => parent.logged.some((line) => line.includes('control said what control never says')))
  parent.script({ listen: [https(0)], fronts: 1 })
  await until(() => parent.applied().length >= 2)
  t.equal((await whoAnswers(port)).index, 0)
})
