import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import { Sandboxes, type SupervisorAsk } from '../../control/sandboxes.ts'
import { Channel } from '../../core/channel.ts'
import { outputLineSchema } from '../../core/code-api.ts'
import { GroveError } from '../../core/errors.ts'
import { layoutOf } from '../../core/layout.ts'
import {
  type ControlToSupervisor,
  controlToSupervisorSchema,
  type SupervisorToControl,
  siteCodeSchema,
} from '../../core/supervisor-messages.ts'
import { ask } from './fixtures/ask.ts'
import { hashOf, publishOver } from './fixtures/contents.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'
import { silentLog } from './fixtures/silent-log.ts'

const capability = { name: 'network', holds: true, why: 'there is none' }
const status = { pid: 1, capabilities: [capability], processes: [], quarantined: [] }

/** A supervisor that speaks the real channel, and says what a test tells it. */
async function supervise(t: Test, socket: string, answers: (message: ControlToSupervisor) => unknown = () => ({})) {
  const connection = connect(socket)
  await once(connection, 'connect')
  const heard: ControlToSupervisor[] = []
  const channel = new Channel<ControlToSupervisor, SupervisorToControl>(connection, {
    incoming: controlToSupervisorSchema,
    receive: (message) => {
      heard.push(message)
      return answers(message)
    },
  })
  t.teardown(() => channel.close())
  await channel.call({ kind: 'hello', pid: 1, capabilities: [capability] })
  return { channel, heard }
}

async function open(t: Test, asked: (message: SupervisorAsk) => Promise<unknown> = async () => ({})) {
  const { sandboxSocket } = layoutOf(shortFolder(t))
  const sandboxes = new Sandboxes({ socket: sandboxSocket, asked, log: silentLog })
  await sandboxes.listen()
  t.teardown(() => sandboxes[Symbol.asyncDispose]())
  return { sandboxes, socket: sandboxSocket }
}

t.test('without a supervisor nobody waits, and the next one is told what was missed', async (t) => {
  const { sandboxes, socket } = await open(t)
  await sandboxes.announce('blog', 1)
  await sandboxes.release('blog')
  t.same(await sandboxes.state(), { capabilities: [], status: undefined })
  t.same(await sandboxes.takeUsage(), [])
  sandboxes.changed('blog')
  sandboxes.changed('shop')
  sandboxes.deleted('blog')
  const { heard, channel } = await supervise(t, socket, ({ kind }) => (kind === 'status' ? status : {}))
  t.same(await sandboxes.state(), { capabilities: [capability], status })
  t.same(heard.slice(0, 2), [
    { kind: 'changed', site: 'shop' },
    { kind: 'deleted', site: 'blog' },
  ])
  channel.close()
  while ((await sandboxes.state()).status) await new Promise(setImmediate)
  t.same(await sandboxes.state(), { capabilities: [capability], status: undefined })
})

t.test('a version is announced, and what does not load holds nobody up', async (t) => {
  const { sandboxes, socket } = await open(t)
  const { heard } = await supervise(t, socket, ({ kind }) => {
    if (kind === 'live') throw new GroveError('ERR_SITE_CODE', 'it throws')
    return kind === 'usage' ? 'nonsense' : {}
  })
  await sandboxes.announce('blog', 2)
  t.same(heard, [{ kind: 'live', site: 'blog', version: 2 }])
  t.same(await sandboxes.takeUsage(), [], 'usage that is none')
})

t.test('the newest supervisor is the one that is believed; one that says nothing is cut off', async (t) => {
  const { sandboxes, socket } = await open(t, async () => {
    throw new GroveError('ERR_DATA_IO', 'the disk is full')
  })
  const first = await supervise(t, socket)
  const second = await supervise(t, socket, ({ kind }) => (kind === 'status' ? { ...status, pid: 2 } : {}))
  t.match(await sandboxes.state(), { status: { pid: 2 } })
  while (first.channel.open) await new Promise(setImmediate)
  await t.rejects(second.channel.call({ kind: 'code', site: 'blog', version: 1 }), { code: 'ERR_DATA_IO' })
})

/** Makes code of `_worker.js`, as it is. */
const code = {
  async compile(tree: Parameters<NonNullable<Parameters<typeof runControl>[0]['code']>['compile']>[0]) {
    const file = await tree.find('_worker.js')
    if (!file) return undefined
    const bundle = await tree.read(file)
    const wasm = [{ name: 'm', bytes: Buffer.from('module') }]
    const vars = { COLOR: 'green' }
    return {
      bundle,
      map: Buffer.from('{}'),
      wasm,
      routes: [],
      vars,
      allow: ['example.com'],
      sources: ['src.ts'],
      notes: [],
    }
  },
  checkHosts: () => {},
  createStackMap: () => ({ map: (text: string) => text.replace('grove:site:1:2', 'src.ts:3:4') }),
}

const texts = {
  '_worker.js': 'the code',
  'index.html': 'front',
  'a/index.html': 'inner',
  'a/404.html': 'not in a',
  '404.html': 'not here',
  'src.ts': 'source',
  'ä b.txt': 'odd',
}

async function run(t: Test) {
  const config = `{ sandbox: { tiers: { default: { cpuMs: 7 }, large: { cpuMs: 70 } } }, sites: { large: { tier: 'large' } } }`
  const running = await runControl({ folder: shortFolder(t), code, config })
  t.teardown(() => running.stop())
  const socket = running.layout.controlSocket
  await publishOver(socket, 'blog', texts)
  const { channel, heard } = await supervise(t, running.layout.sandboxSocket, ({ kind }) =>
    kind === 'status' ? status : {},
  )
  return { running, socket, channel, heard }
}

t.test('a supervisor gets a version’s code with what belongs to it', async (t) => {
  const { socket, channel, heard } = await run(t)
  await ask(socket, 'PUT', '/sites/blog/secrets/KEY', { value: 'a long secret', hosts: ['api.example.com'] })
  await ask(socket, 'POST', '/sites/blog/release', {})
  t.same(heard.splice(0), [
    { kind: 'changed', site: 'blog' },
    { kind: 'release', site: 'blog' },
  ])
  const answer = siteCodeSchema.parse(await channel.call({ kind: 'code', site: 'blog', version: 1 }))
  t.match(answer, {
    bundle: { hash: hashOf('the code'), bytes: 8 },
    wasm: [{ name: 'm', hash: hashOf('module') }],
    vars: { COLOR: 'green' },
    secrets: [{ name: 'KEY', value: 'a long secret', hosts: ['api.example.com'] }],
    allow: ['example.com'],
    limits: { cpuMs: 7 },
    assets: true,
    data: true,
  })
  await publishOver(socket, 'large', texts)
  t.match(await channel.call({ kind: 'code', site: 'large', version: 1 }), { limits: { cpuMs: 70 }, secrets: [] })
  await publishOver(socket, 'plain', { 'index.html': 'x' })
  for (const [site, version, error] of [
    ['plain', 1, 'ERR_NOT_FOUND'],
    ['nobody', 1, 'ERR_SITE_UNKNOWN'],
  ] as const)
    await t.rejects(channel.call({ kind: 'code', site, version }), { code: error })
  t.same(await channel.call({ kind: 'content', site: 'blog', hash: hashOf('module'), bytes: 6 }), {})
})

t.test('files are answered as visitors get them', async (t) => {
  const { channel } = await run(t)
  const asset = (path: string, headers: string[] = []) =>
    channel.call({ kind: 'asset', site: 'blog', version: 1, method: 'GET', url: `https://x${path}`, headers })
  const content = (text: string) => ({ hash: hashOf(text), bytes: Buffer.byteLength(text) })
  const etag = `"${createHash('sha256').update('front').digest('base64url')}"`
  for (const [path, status, text] of [
    ['/', 200, 'front'],
    ['/index.html?x', 200, 'front'],
    ['/a/', 200, 'inner'],
    ['/%C3%A4%20b.txt', 200, 'odd'],
    ['/none', 404, 'not here'],
    ['/a/b/none', 404, 'not in a'],
    ['/_worker.js', 404, 'not here'],
    ['/src.ts', 404, 'not here'],
    ['/.grove/code.json', 404, 'not here'],
  ] as const)
    t.match(await asset(path), { status, content: content(text) }, path)
  t.match(await asset('/a?q=1'), { status: 308, headers: ['location', '/a/?q=1'] })
  t.match(await asset('/%zz'), { status: 400 })
  const whole = (await asset('/')) as { headers: string[] }
  t.same(whole.headers.slice(0, 4), ['etag', etag, 'grove-version', 'blog@1'])
  t.ok(whole.headers.includes('text/html; charset=utf-8'))
  const same = (await asset('/', ['if-none-match', `"x", W/${etag}`])) as { content?: unknown }
  t.match(same, { status: 304 })
  t.notOk(same.content)
})

t.test('data is the site’s own, until the site is deleted', async (t) => {
  const { socket, channel, heard } = await run(t)
  const value = Buffer.from('hello').toString('base64')
  const put = { kind: 'data', site: 'blog', call: { method: 'put', key: 'a' }, value } as const
  const get = { kind: 'data', site: 'blog', call: { method: 'get', key: 'a' } } as const
  t.match(await channel.call(put), { answer: { done: true } })
  t.match(await channel.call(get), { answer: { found: true }, value })
  await ask(socket, 'DELETE', '/sites/blog')
  t.match(heard.at(-1), { kind: 'deleted', site: 'blog' })
  await t.rejects(channel.call(get), { code: 'ERR_SITE_UNKNOWN' })
  await publishOver(socket, 'blog', texts)
  t.match(await channel.call(get), { answer: { found: false } })
})

t.test('lines of logs come to their author, with places in what they wrote', async (t) => {
  const { socket, channel } = await run(t)
  const line = (text: string, site = 'blog') =>
    ({ atMs: 1, site, version: 1, level: 'info', text, from: 'code' }) as const
  const usage = { version: 1, request: 'r', cpuMs: 1, wallMs: 2, heapBytes: 3, subrequests: 0 }
  const lines = [line('plain'), line('at grove:site:1:2'), { ...line('200'), usage }, line('no such site', 'nobody')]
  await channel.call({ kind: 'log', lines })
  using client = createAdminClient(socket)
  const read = async (query = '') => {
    const shown = await Array.fromAsync(client.watch(`/sites/blog/output${query}`, outputLineSchema))
    return shown.map((each) => ('text' in each ? each.text : ''))
  }
  while ((await read()).length < 2) await new Promise(setImmediate)
  t.same(await read(), ['plain', 'at src.ts:3:4'])
  t.same(await read('?requests=1&lines=2'), ['at src.ts:3:4', '200'])
  t.match(await ask(socket, 'GET', '/sites/blog/output?lines=x'), { status: 400 })
  t.match(await ask(socket, 'GET', '/sites/nobody/output'), { status: 404 })
})

t.test('sites whose limits a reload changes are told of, and no others', async (t) => {
  const folder = shortFolder(t)
  const running = await runControl({ folder, code, config: '{}' })
  t.teardown(() => running.stop())
  for (const site of ['blog', 'shop']) await publishOver(running.layout.controlSocket, site, texts)
  const info = { pid: 1, versions: [1], state: 'serving', startedAtMs: 0, rssBytes: 0, cpuMs: 0 }
  const processes = ['blog', 'shop'].map((site) => ({ ...info, process: site, site }))
  const { heard } = await supervise(t, running.layout.sandboxSocket, ({ kind }) =>
    kind === 'status' ? { ...status, processes } : {},
  )
  await running.configure(`{ sandbox: { tiers: { big: { cpuMs: 99 } } }, sites: { shop: { tier: 'big' } } }`)
  await running.control.reload()
  while (heard.length < 2) await new Promise(setImmediate)
  t.same(heard, [{ kind: 'status' }, { kind: 'changed', site: 'shop' }])
  t.match((await ask(running.layout.controlSocket, 'GET', '/status')).body, {
    sandboxes: { enabled: true, running: true, processes },
  })
})
