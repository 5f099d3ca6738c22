import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ControlToParent, controlToParentSchema, type ParentToControl } from '../../core/messages.ts'
import { ask } from '../control/fixtures/ask.ts'
import { publishOver } from '../control/fixtures/contents.ts'
import { FakeFront } from '../control/fixtures/fake-front.ts'
import { shortFolder } from '../control/fixtures/short-folder.ts'

const entry = join(import.meta.dirname, '../../cli/control-process.ts')

/** Control's process, with this test as its parent. */
class Child {
  readonly process: ChildProcess
  readonly said: ControlToParent[] = []
  readonly ended: Promise<unknown[]>
  #waiting: (() => void)[] = []

  constructor(t: Test, source: object, answer: (id: number) => ParentToControl) {
    this.process = fork(entry, [JSON.stringify(source)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.ended = once(this.process, 'exit')
    t.teardown(() => this.process.kill('SIGKILL'))
    this.process.on('message', (raw) => {
      const message = controlToParentSchema.parse(raw)
      this.said.push(message)
      if (message.kind === 'apply') this.tell(answer(message.id))
      for (const wake of this.#waiting.splice(0)) wake()
    })
  }

  tell(message: ParentToControl): void {
    this.process.send(message)
  }

  async until<K extends ControlToParent['kind']>(kind: K): Promise<Extract<ControlToParent, { kind: K }>> {
    for (;;) {
      for (const message of this.said)
        if (message.kind === kind) return message as Extract<ControlToParent, { kind: K }>
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
}

const listening = (id: number): ParentToControl => ({ kind: 'applied', id, ports: { https: 12_345 } })

t.test('control starts, serves its sockets, and stops in order when the parent says so', async (t) => {
  const folder = shortFolder(t)
  const child = new Child(t, { cwd: folder }, listening)
  // As the parent does: the processes are told while control still starts.
  child.tell({ kind: 'processes', processes: [{ kind: 'front', index: 0, pid: 77, startedAtMs: 0, restarts: 0 }] })
  t.match(await child.until('apply'), { data: join(folder, 'data'), listen: [{ name: 'https' }, { name: 'http' }] })
  t.match((await child.until('ready')).banner.join('\n'), /no sites yet.*\n.*root\.pem/s)
  const socket = join(folder, 'data/control.sock')
  t.match((await ask(socket, 'GET', '/status')).body, { processes: [{ pid: 77 }], listen: [{ port: 12_345 }, {}] })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) child.process.kill(signal)
  t.equal((await ask(socket, 'GET', '/status')).status, 200, 'signals are the business of the parent')
  await ask(socket, 'POST', '/stop', {})
  await child.until('stop')
  child.tell({ kind: 'stop' })
  t.same(await child.ended, [0, null])
})

t.test('why control cannot start is said before it ends', async (t) => {
  const folder = shortFolder(t)
  writeFileSync(join(folder, 'grove.config.json'), '{ "unknown": 1 }')
  const invalid = new Child(t, { cwd: folder }, listening)
  t.match(await invalid.until('failed'), { code: 'ERR_CONFIG_INVALID', message: /unknown/ })
  t.same(await invalid.ended, [1, null])

  const taken = { code: 'ERR_PORT', message: 'taken', hint: 'another' }
  const refused = new Child(t, { cwd: shortFolder(t) }, (id) => ({ kind: 'applied', id, error: taken }))
  t.match(await refused.until('failed'), taken)
  t.same(await refused.ended, [1, null])
})

t.test('an error that nobody caught ends control, so that it is started again', async (t) => {
  const failures = ['setImmediate(() => { throw new Error("not caught") })', 'Promise.reject(new Error("not handled"))']
  for (const failure of failures) {
    const folder = shortFolder(t)
    const command = `host.command('fail', () => { setImmediate(() => { ${failure} }); return {} })`
    const config = `export default { plugins: [{ name: 'faulty', start(host) { ${command} } }], log: { level: 'silent' } }`
    writeFileSync(join(folder, 'grove.config.js'), config)
    const child = new Child(t, { cwd: folder }, listening)
    await child.until('ready')
    await ask(join(folder, 'data/control.sock'), 'POST', '/plugins/faulty/fail', {}).catch(() => undefined)
    t.same(await child.ended, [1, null])
  }
})

t.test('control ends when its parent is gone', async (t) => {
  const child = new Child(t, { cwd: shortFolder(t) }, listening)
  await child.until('ready')
  child.process.disconnect()
  t.same(await child.ended, [1, null])
})

t.test('a signal of the parent reloads, and a bad config changes nothing', async (t) => {
  const folder = shortFolder(t)
  const child = new Child(t, { cwd: folder }, listening)
  await child.until('ready')
  const socket = join(folder, 'data/control.sock')
  const config = join(folder, 'grove.config.json')
  writeFileSync(config, '{ "unknown": 1 }')
  t.equal((await ask(socket, 'POST', '/reload', {})).status, 400)
  writeFileSync(config, '{ "sites": { "blog": {} } }')
  child.tell({ kind: 'reload' })
  while ((await ask(socket, 'GET', '/status')).body.generation < 2) await new Promise(setImmediate)
  t.match((await ask(socket, 'GET', '/sites')).body.sites, [{ name: 'blog' }])
})

t.test('after kill -9 every version that was acknowledged is there, and goes to the fronts', async (t) => {
  const folder = shortFolder(t)
  const socket = join(folder, 'data/control.sock')
  let acknowledged = 0
  for (let round = 1; round <= 3; round += 1) {
    const child = new Child(t, { cwd: folder }, listening)
    await child.until('ready')
    const front = await FakeFront.connect({ socket: join(folder, 'data/fronts.sock'), pid: round })
    await front.until('state')
    if (acknowledged > 0) t.equal((await front.load('blog'))?.live?.version, acknowledged, `round ${round}`)
    const result = await publishOver(socket, 'blog', { 'index.html': `round ${round}` })
    t.match(result, { version: acknowledged + 1, fronts: { live: 1 } })
    acknowledged = result.version
    child.process.kill('SIGKILL')
    await child.ended
  }
})
