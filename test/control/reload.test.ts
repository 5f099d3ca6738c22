import t, { type Test } from 'tap'
import type { ApplyRequest } from '../../control/parent-link.ts'
import { GroveError } from '../../core/errors.ts'
import { ask } from './fixtures/ask.ts'
import { publishOver } from './fixtures/contents.ts'
import { type RunningControl, runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'

/** What plugins of a config under test did: the config's module and this one share it. */
const seen: string[] = []
;(globalThis as { groveSeen?: string[] }).groveSeen = seen

/** A plugin's text that tells what happens to it. */
const plugin = (name: string, more = '') => `{
  name: '${name}',
  start() {
    globalThis.groveSeen.push('start ${name}')
    return { async [Symbol.asyncDispose]() { globalThis.groveSeen.push('stop ${name}') } }
  },
  ${more}
}`

async function run(t: Test, config: string, apply?: (request: ApplyRequest) => Promise<{ https: number }>) {
  seen.length = 0
  const running = await runControl({ folder: shortFolder(t), config, ...(apply && { apply }) })
  t.teardown(() => running.stop())
  return running
}

const reload = ({ layout }: RunningControl) => ask(layout.controlSocket, 'POST', '/reload', {})

t.test('a changed config is in force on every front, without a word to the parent when it listens alike', async (t) => {
  const running = await run(t, `{ plugins: [${plugin('old')}] }`)
  const front = await running.addFront(1)
  await publishOver(running.layout.controlSocket, 'blog', { 'index.html': '1' })
  await running.configure(`{
    sites: { blog: { upstreams: ['http://127.0.0.1:9'] }, fresh: {} },
    plugins: [${plugin('fresh', "routes: { 'GET /x': () => new Response() }")}],
  }`)
  t.match((await reload(running)).body, { changed: true, generation: 2 })
  t.match(await front.until('prepare'), { settings: { generation: 2, routed: ['fresh'] } })
  const state = await front.until('state', ({ settings }) => settings.generation === 2)
  t.same(
    state.sites.map(({ name, upstreams, live }) => [name, upstreams.length, live?.version]),
    [
      ['blog', 1, 1],
      ['fresh', 0, undefined],
    ],
  )
  t.same(seen, ['start old', 'start fresh', 'stop old'], 'the new one is there before the old one goes')
  t.equal(running.applied.length, 1)
  const kinds = front.messages.map(({ kind }) => kind)
  t.ok(kinds.indexOf('prepare') < kinds.lastIndexOf('state'))
})

t.test('an equal config starts its plugins anew', async (t) => {
  const running = await run(t, `{ plugins: [${plugin('same')}] }`)
  t.match((await reload(running)).body, { changed: false, generation: 2 })
  t.same(seen, ['start same', 'start same', 'stop same'])
})

t.test('options of plugins are part of what a config says, whatever their schema is made of', async (t) => {
  const checked = (seconds: number) => `(() => {
    const schema = { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }) } }
    schema.self = schema
    return { plugins: [{ name: 'a', schema, options: { seconds: ${seconds}, size: 5n } }] }
  })()`
  const running = await run(t, checked(1))
  t.match((await reload(running)).body, { changed: false, generation: 2 })
  await running.configure(checked(2))
  t.match((await reload(running)).body, { changed: true, generation: 3 })
})

t.test('a provider of DNS is the same as long as its name and options are', async (t) => {
  const provider = (zone: string) =>
    `{ certs: { dns: { name: 'mine', options: { zone: '${zone}' }, present: async () => {}, remove: async () => {} } } }`
  const running = await run(t, provider('a.example'))
  t.match((await reload(running)).body, { changed: false, generation: 2 })
  await running.configure(provider('b.example'))
  t.match(await reload(running), { status: 400, body: { error: { message: /certs has changed/ } } })
})

t.test('the parent is asked when ports or the number of fronts changed', async (t) => {
  const running = await run(t, '{ fronts: 1 }', async ({ listen }) => ({ https: listen[0]?.port ?? 0 }))
  const front = await running.addFront(1)
  await running.configure('{ fronts: 3, listen: { https: 9443 } }')
  t.equal((await reload(running)).status, 200)
  t.match(running.applied[1], { fronts: 3, data: running.layout.root, listen: [{ name: 'https', port: 9443 }, {}] })
  t.match(await front.until('state', ({ settings }) => settings.generation === 2), { settings: { httpsPort: 9443 } })
  const { body } = await ask(running.layout.controlSocket, 'GET', '/status')
  t.match(body, { generation: 2, listen: [{ port: 9443 }, {}] })
})

t.test('whatever fails leaves all as it was, and says why', async (t) => {
  let refuse = false
  const good = `{ plugins: [${plugin('good', 'headers: () => []')}], sites: { fixed: {} }, listen: { https: 9443 } }`
  const running = await run(t, good, async () => {
    if (refuse) throw new GroveError('ERR_PORT', 'somebody holds port 9444')
    return { https: 9443 }
  })
  let unprepared = false
  const front = await running.addFront(1, ({ kind }) => {
    if (kind === 'prepare' && unprepared) throw new Error('cannot import it')
  })
  const { controlSocket } = running.layout
  await publishOver(controlSocket, 'blog', { 'index.html': '1' })
  const before = (await ask(controlSocket, 'GET', '/status')).body
  const states = front.messages.filter(({ kind }) => kind === 'state').length
  const failures = [
    {
      name: 'a module that throws',
      config: "(() => { throw new Error('oops') })()",
      code: 'ERR_CONFIG_LOAD',
      says: 'oops',
    },
    { name: 'a text that is no module', config: '{{{', code: 'ERR_CONFIG_LOAD', says: 'Unexpected' },
    { name: 'an unknown key', config: '{ portt: 1 }', code: 'ERR_CONFIG_INVALID', says: 'portt' },
    {
      name: 'another cache',
      config: '{ cache: { bytes: 100_000_000 } }',
      code: 'ERR_CONFIG_INVALID',
      says: 'cache has changed',
    },
    {
      name: 'encryption',
      config: "{ encryption: { keys: [{ env: 'GROVE_KEY' }] } }",
      code: 'ERR_CONFIG_INVALID',
      says: 'encryption has changed',
    },
    {
      name: 'a bucket',
      config: "{ store: { kind: 's3', endpoint: 'http://127.0.0.1:1', bucket: 'sites' } }",
      code: 'ERR_CONFIG_INVALID',
      says: 'store has changed',
    },
    { name: 'another data folder', config: "{ data: './elsewhere' }", code: 'ERR_CONFIG_INVALID', says: 'elsewhere' },
    {
      name: 'a name that a site has',
      config: "{ sites: { x: { authorities: ['blog.localhost'] } } }",
      code: 'ERR_CONFIG_INVALID',
      says: 'blog.localhost',
    },
    {
      name: 'a plugin that does not start',
      config: `{ plugins: [${plugin('a')}, { name: 'b', start() { throw new Error('no key') } }] }`,
      code: 'ERR_PLUGIN_START',
      says: 'no key',
    },
    {
      name: 'headers that cannot be',
      config: "{ plugins: [{ name: 'h', headers() { throw new Error('bad tag') } }] }",
      code: 'ERR_PLUGIN',
      says: 'bad tag',
    },
    {
      name: 'a front that cannot prepare',
      config: '{}',
      code: 'ERR_INTERNAL',
      says: 'cannot import it',
      unprepared: true,
    },
    {
      name: 'a port that is taken',
      config: '{ listen: { https: 9444 } }',
      code: 'ERR_PORT',
      says: '9444',
      refuse: true,
    },
  ]
  for (const failure of failures) {
    seen.length = 0
    refuse = failure.refuse === true
    unprepared = failure.unprepared === true
    await running.configure(failure.config)
    const { status, body } = await reload(running)
    t.ok(status >= 400, failure.name)
    t.equal(body.error.code, failure.code, failure.name)
    t.match(body.error.message, failure.says, failure.name)
    t.notOk(seen.includes('stop good'), `${failure.name}: the old plugin runs on`)
    t.equal(seen.filter((what) => what === 'start a').length, seen.filter((what) => what === 'stop a').length)
  }
  const after = (await ask(controlSocket, 'GET', '/status')).body
  t.same({ ...after, fronts: [] }, { ...before, fronts: [] })
  t.equal(front.messages.filter(({ kind }) => kind === 'state').length, states, 'no front heard of it')
  refuse = false
  unprepared = false
  await publishOver(controlSocket, 'blog', { 'index.html': '2' })
  t.equal(front.sites.get('blog')?.live?.version, 2, 'publishing goes on')
  await running.configure('{}')
  t.equal((await reload(running)).status, 200, 'and the next good config is taken')
})

t.test('two reloads at once come one after the other', async (t) => {
  const running = await run(t, `{ plugins: [${plugin('p')}] }`)
  const [first, second] = await Promise.all([reload(running), running.control.reload()])
  t.same([first.body.generation, second.generation].sort(), [2, 3])
  t.same(seen, ['start p', 'start p', 'stop p', 'start p', 'stop p'])
})

t.test('versions that are published during a reload are live after it, and never go back', async (t) => {
  const gate = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  let applies = 0
  const running = await run(t, '{ fronts: 1 }', async () => {
    applies += 1
    if (applies > 1) {
      asked.resolve()
      await gate.promise
    }
    return { https: 9443 }
  })
  const front = await running.addFront(1)
  const { controlSocket } = running.layout
  await publishOver(controlSocket, 'blog', { 'index.html': '1' })
  await running.configure('{ fronts: 2 }')
  const reloading = reload(running)
  await asked.promise
  const published = publishOver(controlSocket, 'blog', { 'index.html': '2' })
  while ((await ask(controlSocket, 'GET', '/sites/blog')).body.versions < 2) await new Promise(setImmediate)
  gate.resolve()
  t.equal((await reloading).status, 200)
  t.match(await published, { version: 2, fronts: { live: 1 } })
  const versions = front.versionsOf('blog')
  t.same(
    versions,
    versions.toSorted((a, b) => a - b),
  )
  t.equal(versions.at(-1), 2)
})

t.test('what an old plugin was told is finished before the new one is told anything', async (t) => {
  const published = `
    async published(event) {
      globalThis.groveSeen.push('told ' + event.version)
      await globalThis.groveGate?.promise
      globalThis.groveSeen.push('done ' + event.version)
      return { action: 'purged' }
    },`
  const shared = globalThis as { groveGate?: PromiseWithResolvers<void> | undefined }
  shared.groveGate = Promise.withResolvers<void>()
  const gate = shared.groveGate
  const running = await run(t, `{ plugins: [${plugin('cdn', published)}] }`)
  await running.addFront(1)
  const { controlSocket } = running.layout
  await publishOver(controlSocket, 'blog', { a: '1' })
  while (!seen.includes('told 1')) await new Promise(setImmediate)
  const reloading = reload(running)
  while (seen.filter((what) => what === 'start cdn').length < 2) await new Promise(setImmediate)
  shared.groveGate = undefined
  gate.resolve()
  await reloading
  t.match((await publishOver(controlSocket, 'blog', { a: '2' })).awaiting, ['cdn'])
  const { body } = await ask(controlSocket, 'GET', '/sites/blog/versions/2?wait=purged')
  t.match(body, { receipts: [{ plugin: 'cdn', action: 'purged' }], pending: [] })
  t.same(
    seen.filter((what) => !what.startsWith('st')),
    ['told 1', 'done 1', 'told 2', 'done 2'],
  )
})

t.test('the own CA signs for names that a reload brings, and for none of a reload that failed', async (t) => {
  const running = await run(t, "{ sites: { blog: { authorities: ['blog.example'] } }, certs: { acme: false } }")
  const front = await running.addFront(1)
  const certificate = (name: string) => front.channel.call({ kind: 'certificate', name })
  t.match(await certificate('blog.example'), { name: 'blog.example' })
  await running.configure("{ sites: { blog: { authorities: ['shop.example'] } }, certs: { acme: false } }")
  t.equal((await reload(running)).status, 200)
  t.match(await certificate('shop.example'), { name: 'shop.example' })
  await running.configure(
    "{ sites: { blog: { authorities: ['x.example'] } }, certs: { acme: false }, plugins: [{ name: 'h', headers() { throw new Error('bad') } }] }",
  )
  await publishOver(running.layout.controlSocket, 'blog', { 'index.html': '1' })
  t.ok((await reload(running)).status >= 400)
  t.match(await certificate('blog.localhost'), { name: 'blog.localhost' })
  await t.rejects(certificate('x.example'), { code: 'ERR_CERT_NAME' })
})
