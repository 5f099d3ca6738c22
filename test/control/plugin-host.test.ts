import { pino } from 'pino'
import t, { type Test } from 'tap'
import { startPlugins } from '../../control/plugin-host.ts'
import { limits } from '../../core/limits.ts'
import type { Plugin, PluginHost } from '../../core/plugin.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import type { Store } from '../../store/store.ts'

async function setUp(t: Test) {
  const store = await openMemoryStore()
  t.teardown(() => store[Symbol.asyncDispose]())
  const events: string[] = []
  const lines: string[] = []
  const log = pino({}, { write: (line: string) => lines.push(line) })
  const sites = [{ name: 'blog', authorities: ['blog.localhost'] }]
  const start = (plugins: Plugin[], startTimeoutMs?: number) =>
    startPlugins({
      plugins,
      store,
      handle: store.root,
      log,
      sites: () => sites,
      revokeUser: async (userId) => void events.push(`revoke ${userId}`),
      ...(startTimeoutMs !== undefined && { startTimeoutMs }),
    })
  /** A plugin that says when it starts and stops. */
  const plugin = (name: string, inStart: (host: PluginHost) => unknown = () => {}): Plugin => ({
    name,
    async start(host) {
      events.push(`start ${name}`)
      await inStart(host)
      return { [Symbol.asyncDispose]: async () => void events.push(`stop ${name}`) }
    },
  })
  /** Starts one plugin that does nothing, and answers the host that it got. */
  async function startOne(name: string) {
    const got = Promise.withResolvers<PluginHost>()
    const running = await start([plugin(name, got.resolve)])
    return { running, host: await got.promise }
  }
  return { store, events, lines, sites, start, startOne, plugin }
}

async function recordsOf(store: Store, path: string): Promise<unknown[]> {
  await using log = await store.open(store.root, path)
  const records: unknown[] = []
  for await (const { data } of log.read()) records.push(JSON.parse(Buffer.from(data).toString()))
  return records
}

t.test('plugins start in order, each when the one before is up, and stop in reverse order', async (t) => {
  const { events, start, plugin } = await setUp(t)
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const plugins = [plugin('a', turn), { name: 'data-only' }, plugin('b', turn), plugin('c')]
  const running = await start(plugins)
  t.equal(running.plugins, plugins)
  t.strictSame(events, ['start a', 'start b', 'start c'])
  await running[Symbol.asyncDispose]()
  t.strictSame(events.slice(3), ['stop c', 'stop b', 'stop a'])
})

t.test('a start may be synchronous and return nothing', async (t) => {
  const { start } = await setUp(t)
  await using running = await start([{ name: 'a', start: () => undefined }])
  t.equal(running.plugins.length, 1)
})

t.test('a start that fails names the plugin, and those that were up are stopped in reverse order', async (t) => {
  const failures: { name: string; inStart: () => unknown; message: RegExp }[] = [
    { name: 'rejects', inStart: () => Promise.reject(new Error('no port')), message: /"third" did not start: no port/ },
    { name: 'throws what is no error', inStart: () => Promise.reject('text'), message: /"third" did not start: text/ },
    {
      name: 'never ends',
      inStart: () => new Promise(() => {}),
      message: /"third" did not start: not done within 20 ms/,
    },
  ]
  for (const { name, inStart, message } of failures) {
    const { events, start, plugin } = await setUp(t)
    const plugins = [plugin('first'), plugin('second'), plugin('third', inStart), plugin('fourth')]
    await t.rejects(start(plugins, 20), { code: 'ERR_PLUGIN_START', message }, name)
    t.strictSame(events, ['start first', 'start second', 'start third', 'stop second', 'stop first'])
  }
  const { start } = await setUp(t)
  const throwing: Plugin = {
    name: 'at-once',
    start() {
      throw new Error('at once')
    },
  }
  await t.rejects(start([throwing]), { code: 'ERR_PLUGIN_START', message: /"at-once"/ })
  const wrong = { name: 'wrong', start: () => ({ close() {} }) } as unknown as Plugin
  await t.rejects(start([wrong]), { code: 'ERR_PLUGIN_START', message: /"wrong"/ })
})

t.test('a plugin that comes up after its time is stopped at once, and its logs are closed', async (t) => {
  const { events, start, plugin } = await setUp(t)
  const gate = Promise.withResolvers<void>()
  const stopped = Promise.withResolvers<void>()
  let append: Promise<void> | undefined
  const late: Plugin = {
    name: 'late',
    async start(host) {
      const log = await host.openLog('records')
      await gate.promise
      append = log.append('too late')
      await append.catch(() => {})
      return { [Symbol.asyncDispose]: async () => stopped.resolve() }
    },
  }
  await t.rejects(start([plugin('first'), late], 20), { code: 'ERR_PLUGIN_START' })
  t.strictSame(events, ['start first', 'stop first'])
  gate.resolve()
  await stopped.promise
  await t.rejects(append ?? Promise.resolve(), { code: 'ERR_CLOSED' })
})

t.test('a late failure of a start is logged and harms nothing', async (t) => {
  const { start } = await setUp(t)
  const gate = Promise.withResolvers<void>()
  const late: Plugin = {
    name: 'late',
    async start() {
      await gate.promise
      throw new Error('broken')
    },
  }
  await t.rejects(start([late], 20), { code: 'ERR_PLUGIN_START' })
  gate.resolve()
  await new Promise((resolve) => setImmediate(resolve))
})

t.test('a plugin that fails to stop is logged, and the others are stopped all the same', async (t) => {
  const { events, lines, start, plugin } = await setUp(t)
  const stuck: Plugin = {
    name: 'stuck',
    start: () => ({ [Symbol.asyncDispose]: () => Promise.reject(new Error('cannot')) }),
  }
  const running = await start([plugin('a'), stuck, plugin('b')])
  await running[Symbol.asyncDispose]()
  t.strictSame(events.slice(2), ['stop b', 'stop a'])
  t.match(JSON.parse(lines[0] ?? ''), { plugin: 'stuck', msg: /did not stop/, err: { message: 'cannot' } })
})

t.test('logs lie under the plugin’s name, keep their records, and are shared by old and new at a reload', async (t) => {
  const { store, startOne } = await setUp(t)
  const old = await startOne('login')
  const users = await old.host.openLog('users')
  await users.append({ add: 'ada' })
  const renewed = await startOne('login')
  const again = await renewed.host.openLog('users')
  await again.append({ add: 'bob' })
  t.strictSame(await users.read(), [{ add: 'ada' }, { add: 'bob' }])
  await old.running[Symbol.asyncDispose]()
  await t.rejects(users.append('closed'), { code: 'ERR_CLOSED' })
  await again.append('open')
  t.strictSame(await recordsOf(store, '/plugins/login/users'), [{ add: 'ada' }, { add: 'bob' }, 'open'])
  await renewed.running[Symbol.asyncDispose]()
})

t.test('a log’s name cannot lead elsewhere, a record is plain JSON, and logs are bounded', async (t) => {
  const { startOne, store } = await setUp(t)
  const { host } = await startOne('a')
  for (const name of ['', '..', 'a/b', '../b', 'A', 'a\0', 'a'.repeat(64)])
    await t.rejects(host.openLog(name), { code: 'ERR_PLUGIN' }, JSON.stringify(name))
  const log = await host.openLog('log')
  await t.rejects(log.append(undefined), { code: 'ERR_PLUGIN' })
  await t.rejects(log.append(1n), TypeError)
  for (let i = 1; i < limits.plugin.logs; i++) await host.openLog(`log-${i}`)
  await t.rejects(host.openLog('one-more'), { code: 'ERR_PLUGIN', message: /more than/ })
  t.ok(await host.openLog('log'), 'one that is open counts once')
  t.equal((await store.list(store.root, '/plugins/a')).length, limits.plugin.logs)
})

t.test('a log that could not be opened can be tried again', async (t) => {
  const { startOne, store } = await setUp(t)
  const { host } = await startOne('a')
  const { open } = store
  store.open = () => Promise.reject(new Error('disk'))
  await t.rejects(host.openLog('log'), { message: 'disk' })
  store.open = open
  t.strictSame(await (await host.openLog('log')).read(), [])
})

t.test('commands are found by plugin and path; bad and double ones stop the start', async (t) => {
  const { start } = await setUp(t)
  const add = (input: unknown) => ({ added: input })
  await using running = await start([{ name: 'a', start: (host) => void host.command('users/add', add) as undefined }])
  t.equal(running.command('a', 'users/add'), add)
  t.equal(running.command('a', 'users'), undefined)
  t.equal(running.command('b', 'users/add'), undefined)
  t.equal(running.command('a', 'constructor'), undefined)
  const wrong: ((host: PluginHost) => void)[] = [
    (host) => host.command('', add),
    (host) => host.command('/users', add),
    (host) => host.command('users/../x', add),
    (host) => host.command('Users', add),
    (host) => {
      host.command('users', add)
      host.command('users', add)
    },
    (host) => {
      for (let i = 0; i <= limits.plugin.commands; i++) host.command(`c${i}`, add)
    },
  ]
  for (const inStart of wrong)
    await t.rejects(start([{ name: 'a', start: (host) => void inStart(host) as undefined }]), {
      code: 'ERR_PLUGIN_START',
    })
})

t.test('a host tells its sites, ends sessions, and logs under the plugin’s name', async (t) => {
  const { events, lines, sites, start } = await setUp(t)
  await using _running = await start([
    {
      name: 'a',
      async start(host) {
        t.equal(host.sites(), sites)
        await host.revokeUser('ada')
        host.log.info('here')
        return undefined
      },
    },
  ])
  t.strictSame(events, ['revoke ada'])
  t.match(JSON.parse(lines[0] ?? ''), { plugin: 'a', msg: 'here' })
})
