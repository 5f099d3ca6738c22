import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Channel } from '../../../core/channel.ts'
import { listenPrivately } from '../../../core/private-socket.ts'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import {
  type ControlToSupervisor,
  type SiteLogLine,
  type SupervisorToControl,
  supervisorToControlSchema,
} from '../../../core/supervisor-messages.ts'
import type { LoadedCode } from '../../../sandbox/supervisor/codes.ts'
import { createControlLine } from '../../../sandbox/supervisor/control-line.ts'
import { createSiteLog } from '../../../sandbox/supervisor/site-log.ts'
import { shortFolder } from '../../control/fixtures/short-folder.ts'
import { silentLog } from '../../control/fixtures/silent-log.ts'
import { until } from './fixtures/host.ts'

/** A control that writes down what it hears, and can go away. */
class FakeControl {
  readonly heard: SupervisorToControl[] = []
  readonly channels: Channel<SupervisorToControl, ControlToSupervisor>[] = []
  #server: Server | undefined
  #sockets: Socket[] = []

  async listen(path: string): Promise<void> {
    this.#server = createServer((socket) => {
      this.#sockets.push(socket)
      const channel = new Channel<SupervisorToControl, ControlToSupervisor>(socket, {
        incoming: supervisorToControlSchema,
        receive: (message) => {
          this.heard.push(message)
          return { done: message.kind }
        },
      })
      this.channels.push(channel)
    })
    await listenPrivately(this.#server, path)
  }

  stop(): void {
    this.#server?.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets = []
  }
}

function lineTo(t: Test, socket: string) {
  const line = createControlLine({
    socket,
    receive: async ({ kind }) => ({ did: kind }),
    hello: () => ({ kind: 'hello', pid: 1, capabilities: [] }),
    log: silentLog,
  })
  t.teardown(() => line.close())
  return line
}

t.test('the line comes back by itself, says hello each time, and what is asked meanwhile waits', async (t) => {
  const path = join(shortFolder(t), 'c.sock')
  const line = lineTo(t, path)
  const early = line.call({ kind: 'code', site: 'a', version: 1 })
  line.send({ kind: 'log', lines: [] })
  const control = new FakeControl()
  t.teardown(() => control.stop())
  await control.listen(path)
  t.same(await early, { done: 'code' })
  t.same(
    control.heard.map(({ kind }) => kind),
    ['hello', 'code'],
    'what needs no answer is not kept',
  )
  t.same(await control.channels[0]?.call({ kind: 'status' }), { did: 'status' })
  control.stop()
  await until(() => !control.channels[0]?.open)
  const late = line.call({ kind: 'code', site: 'b', version: 1 }).catch((error: Error) => error)
  await control.listen(path)
  // What was under way when it went is lost, or it waited for the next.
  t.ok(await late)
  t.same(await line.call({ kind: 'code', site: 'b', version: 1 }), { done: 'code' })
  t.equal(control.heard.filter(({ kind }) => kind === 'hello').length, 2)
})

t.test('a control that does not come is not waited for for ever', async (t) => {
  const line = lineTo(t, join(shortFolder(t), 'c.sock'))
  await t.rejects(line.call({ kind: 'code', site: 'a', version: 1 }), { code: 'ERR_CLOSED' })
  const more = line.call({ kind: 'code', site: 'a', version: 1 })
  line.close()
  await t.rejects(more, { code: 'ERR_CLOSED' })
})

t.test('a secret of a code does not get into its log', (t) => {
  const sent: SupervisorToControl[] = []
  const log = createSiteLog({ send: (message) => sent.push(message) }, () => {})
  const code: LoadedCode = {
    site: 'a',
    version: 1,
    bundle: { hash: 'a'.repeat(64), bytes: 1 },
    wasm: [],
    vars: {},
    secrets: [{ name: 'KEY', value: 'correct horse battery', hosts: [] }],
    placeheld: [],
    limits: defaultSandboxLimits,
    assets: false,
    data: false,
  }
  const line: SiteLogLine = { atMs: 0, site: 'a', level: 'info', text: 'it is correct horse battery!', from: 'code' }
  log.write(line, code)
  log.write(line, code)
  log.write({ ...line, text: 'nothing' }, undefined)
  log.flush()
  t.match(sent, [{ kind: 'log', lines: [{ text: /^it is \[.*KEY.*\]!$/ }, {}, { text: 'nothing' }] }])
  t.notMatch(JSON.stringify(sent), /horse/)
  t.end()
})
