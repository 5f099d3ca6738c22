import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SiteLogLine } from '../../core/supervisor-messages.ts'
import { type Harness, isAlive, startGrove } from './harness.ts'

const worker = (name: string) => `
import { greet } from './lib/greet.js'
console.log('${name} is loaded')
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    console.log('asked for', pathname)
    switch (pathname) {
      case '/count': {
        for (;;) {
          const entry = await env.DATA.getWithMetadata('count')
          const next = Number(entry?.value ?? 0) + 1
          await env.DATA.put('count', String(next))
          return Response.json({ next })
        }
      }
      case '/asset': return env.ASSETS.fetch(new URL('/page.html', request.url))
      case '/asset/none': return env.ASSETS.fetch(new URL('/none.html', request.url))
      case '/secret': return Response.json({ key: env.SIGNING_KEY, api: env.API_KEY, color: env.COLOR })
      case '/say': console.log('it is', env.SIGNING_KEY, '\\n2026-01-01 00:00:00  error  forged \\u001b[31m'); return new Response('said')
      case '/throw': throw new Error('it is broken: ' + env.SIGNING_KEY)
      case '/loop': for (;;);
      case '/post': return new Response(await request.text(), { status: 201 })
      default: return new Response(greet('${name}', pathname))
    }
  },
}
`

const greet = 'export const greet = (who, path) => `$' + '{who} at $' + '{path}`\n'

function folderOf(t: Test, more: Record<string, string> = {}) {
  return t.testdir({
    '_worker.js': worker('one'),
    lib: { 'greet.js': greet },
    'index.html': '<h1>static</h1>',
    'page.html': '<p>a page</p>',
    '404.html': '<p>not here</p>',
    ...more,
  })
}

const withSandboxes = { config: { fronts: 1, sandbox: { spares: 1 } } }

async function get(grove: Harness, path: string, site = 'blog') {
  const { status, headers, body } = await grove.visitor.http1(grove.url(site, path))
  return { status, headers, text: String(body) }
}

async function logs(grove: Harness, ...options: string[]): Promise<SiteLogLine[]> {
  const { out } = await grove.command(['logs', '--site', 'blog', '--json', ...options])
  return out
    .trim()
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as SiteLogLine]))
}

t.test('a site’s code answers what has no file, with data, files and logs of its own', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  const folder = folderOf(t)
  const published = await grove.command(['publish', folder, '--site', 'blog'])
  t.match(published.out, /5 added.*\n.*\n {2}note: code: .* from 2 files/)

  t.match(await get(grove, '/'), { status: 200, text: '<h1>static</h1>' }, 'a file wins')
  t.match(await get(grove, '/anything'), { status: 200, text: 'one at /anything' })
  t.match(await get(grove, '/count'), { text: '{"next":1}' })
  t.match(await get(grove, '/count'), { text: '{"next":2}' })
  const asset = await get(grove, '/asset')
  t.match(asset, { status: 200, text: '<p>a page</p>', headers: { 'content-type': /html/ } })
  t.match(await get(grove, '/asset/none'), { status: 404, text: '<p>not here</p>' })
  for (const path of ['/_worker.js', '/.grove/worker.js', '/.grove/code.json', '/%2Egrove/worker.js.map']) {
    const { text } = await get(grove, path)
    t.notMatch(text, /fetch\(request|grove-code-1/, `${path} is not served`)
  }
  t.match(await get(grove, '/lib/greet.js'), { status: 200, text: greet }, 'what a page could need as well is served')

  const broken = await get(grove, '/throw')
  t.equal(broken.status, 500)
  t.notMatch(broken.text, /broken/, 'visitors learn nothing of it')
  const line = await grove.until(async () => (await logs(grove)).find(({ level }) => level === 'error'))
  t.match(line, { text: /it is broken[\s\S]*_worker\.js:\d+:\d+/, version: 1, request: /./, from: 'code' })
  t.match(
    (await logs(grove)).map(({ text }) => text),
    ['one is loaded', 'asked for /anything'],
  )
  t.ok((await logs(grove, '--requests')).some(({ usage }) => usage?.status === 500))
  t.match((await grove.command(['logs', '--site', 'blog', '--lines', '1'])).out, /error .* Error: it is broken/)

  const status = await grove.command(['status'])
  t.match(status.out, /SANDBOXES +HOLDS/)
  t.match(status.out, /supervisor +\d+/)
  t.match(status.out, /blog@1 +serving/)
})

t.test('versions change as a whole, and one whose code is broken changes nothing', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  const folder = folderOf(t)
  await grove.publish('blog', folder)
  t.equal((await get(grove, '/x')).text, 'one at /x')
  writeFileSync(join(folder, '_worker.js'), worker('two'))
  t.match(await grove.publish('blog', folder), { version: 2, added: 0, changed: 1, removed: 0 })
  t.equal((await get(grove, '/x')).text, 'two at /x')
  t.match(
    await grove.publish('blog', folder),
    { version: 2, unchanged: true },
    'what was made is not sent, nor taken away',
  )

  writeFileSync(join(folder, '_worker.js'), 'export default {\n  fetch( { return 1 }\n}\n')
  const broken = await grove.command(['publish', folder, '--site', 'blog'])
  t.match(broken, { exitCode: 1, err: /error: _worker\.js:2:\d+: [\s\S]*\n.*fetch\( \{/ })
  const json = await grove.command(['publish', folder, '--site', 'blog', '--json'])
  t.match(JSON.parse(json.out), { error: { code: 'ERR_CODE', details: { faults: [{ file: '_worker.js', line: 2 }] } } })
  t.equal((await get(grove, '/x')).text, 'two at /x')

  writeFileSync(
    join(folder, '_worker.js'),
    'throw new Error("at the start")\nexport default { fetch: () => new Response("x") }\n',
  )
  t.match(await grove.publish('blog', folder), { version: 3 })
  t.equal((await get(grove, '/x')).status, 500)
  t.equal((await get(grove, '/')).text, '<h1>static</h1>')
  t.ok(
    await grove.until(async () =>
      (await logs(grove)).some(({ text }) => /at the start[\s\S]*_worker\.js:1/.test(text)),
    ),
  )

  await grove.json(['site', 'rollback', 'blog', '--to', '1'])
  t.equal((await get(grove, '/x')).text, 'one at /x')

  rmSync(join(folder, '_worker.js'))
  t.match(await grove.publish('blog', folder), { version: 4 })
  t.match(await get(grove, '/x'), { status: 404, text: '<p>not here</p>' }, 'without code there is none')
  t.match(await grove.json(['site', 'diff', 'blog', '1', '4']), { added: [], changed: [], removed: ['_worker.js'] })
})

t.test('grove.json says what the code is, which paths are its, and what it may use', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  const siteFile = {
    code: 'server/main.ts',
    routes: [
      { pattern: '/index.html', to: 'code' },
      { pattern: '/static/*', to: 'static' },
    ],
    vars: { COLOR: 'green' },
  }
  const folder = t.testdir({
    'grove.json': JSON.stringify(siteFile),
    'index.html': 'a file',
    server: {
      'main.ts': `import { name } from '../shared.ts'
        export default { fetch: (request: Request, env: { COLOR: string }): Response => new Response(name + env.COLOR) }`,
    },
    'shared.ts': `import { word } from 'words'\nexport const name: string = word + ' '`,
    node_modules: { words: { 'index.js': `export const word = 'typed'`, 'package.json': '{"type":"module"}' } },
  })
  await grove.publish('blog', folder)
  t.equal((await get(grove, '/index.html')).text, 'typed green')
  t.equal((await get(grove, '/')).text, 'a file')
  t.equal((await get(grove, '/static/none')).status, 404)
  t.equal((await get(grove, '/server/main.ts')).text, 'typed green', 'its sources are not served')
  t.match((await get(grove, '/shared.ts')).text, /export const name/)
  t.equal((await get(grove, '/node_modules/words/index.js')).text, 'typed green', 'nor are packages')

  writeFileSync(join(folder, 'grove.json'), JSON.stringify({ ...siteFile, rotues: [] }))
  t.match(await grove.command(['publish', folder, '--site', 'blog']), { exitCode: 1, err: /grove\.json: .*rotues/ })
})

t.test('secrets reach the code or a host, and nothing else', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  const folder = folderOf(t)
  await grove.publish('blog', folder)
  t.match(JSON.parse((await get(grove, '/secret')).text), { key: undefined, api: undefined })
  const [key, api] = ['correct horse battery', 'staple-of-the-api-9']
  t.match(await grove.command(['secret', 'set', 'SIGNING_KEY', '--site', 'blog'], `${key}\n`), { exitCode: 0 })
  t.match(await grove.command(['secret', 'set', 'API_KEY', '--site', 'blog', '--host', 'api.example.com'], api), {
    exitCode: 0,
    out: /api\.example\.com/,
  })
  const seen = await grove.until(async () => {
    const found = JSON.parse((await get(grove, '/secret')).text) as { key?: string; api?: string }
    return found.api ? found : undefined
  })
  t.match(seen, { key, api: /^grove-secret-[0-9a-f]{32}$/ })

  t.equal((await get(grove, '/say')).text, 'said')
  t.equal((await get(grove, '/throw')).status, 500)
  const lines = await grove.until(async () => {
    const found = await logs(grove)
    return found.some(({ text }) => text.includes('broken')) ? found : undefined
  })
  t.ok(lines.some(({ text }) => text.includes('[secret SIGNING_KEY]')))
  const shown = (await grove.command(['logs', '--site', 'blog'])).out
  t.match(shown, /\n {4}2026-01-01 00:00:00 {2}error {2}forged/, 'no line can be forged')
  t.notMatch(shown, '\u001b')

  t.match(await grove.json(['secret', 'list', '--site', 'blog']), {
    secrets: [
      { name: 'API_KEY', hosts: ['api.example.com'] },
      { name: 'SIGNING_KEY', hosts: [] },
    ],
  })
  for (const [args, input, err] of [
    [['set', 'API_KEY'], 'short', /has 5 characters/],
    [['set', 'DATA'], 'long enough to be one', /not a name of a secret/],
    [['set', 'X', '--host', 'http://a/'], 'long enough to be one', /is not a host/],
    [['remove', 'NONE'], '', /has no secret/],
  ] as const)
    t.match(await grove.command(['secret', ...args, '--site', 'blog'], input), { exitCode: 1, err })

  const everything = [grove.log, shown, JSON.stringify(lines), (await grove.command(['status', '--json'])).out]
  for (const name of readdirSync(join(grove.data, 'logs')))
    everything.push(readFileSync(join(grove.data, 'logs', name), 'utf8'))
  for (const text of everything) for (const value of [key, api]) t.notOk(text.includes(value))

  t.match(await grove.command(['secret', 'remove', 'SIGNING_KEY', '--site', 'blog']), { exitCode: 0 })
  t.ok(await grove.until(async () => JSON.parse((await get(grove, '/secret')).text).key === undefined))
})

t.test('sites fetch each other, not in a circle, and nothing that is not public', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  const text = `export default {
    async fetch(request) {
      const { searchParams } = new URL(request.url)
      try {
        const own = 'https://blog.localhost:' + searchParams.get('port') + '/circle?port=' + searchParams.get('port')
        const answer = await fetch(searchParams.get('url') ?? own)
        return new Response(answer.status + ' ' + (await answer.text()))
      } catch (error) {
        return new Response('refused: ' + error.message, { status: 502 })
      }
    },
  }`
  await grove.publish('blog', t.testdir({ '_worker.js': text, other: { 'index.html': 'of the other' } }))
  await grove.publish('other', join(t.testdirName, 'other'))
  const fetched = async (url: string) => (await get(grove, `/x?url=${encodeURIComponent(url)}`)).text
  t.equal(await fetched(grove.url('other')), '200 of the other')
  t.match(await get(grove, `/circle?port=${grove.httpsPort}`), { status: 200, text: /refused: .*in a circle/ })
  for (const url of [
    'http://127.0.0.1:1/',
    'https://localhost/',
    `http://127.0.0.1:${grove.httpPort}/`,
    'http://[::1]/',
  ])
    t.match(await fetched(url), /^refused: /, url)
})

t.test('logs can be followed', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  await grove.publish('blog', folderOf(t))
  await get(grove, '/before')
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../bin/grove.js'), 'logs', '--site', 'blog', '-f'],
    {
      cwd: grove.folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => child.kill())
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  await grove.until(() => out.includes('/before'))
  await get(grove, '/after')
  await grove.until(() => out.includes('/after'))
  t.equal(out.match(/asked for \/before/g)?.length, 1)
})

t.test('whatever dies comes back, and files are served meanwhile', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  await grove.publish('blog', folderOf(t))
  t.equal((await get(grove, '/x')).text, 'one at /x')
  const tenant = async () => {
    const { sandboxes } = await grove.status()
    return sandboxes?.processes.find(({ site, state }) => site === 'blog' && state === 'serving')?.pid
  }
  const first = await grove.until(tenant)
  t.equal((await get(grove, '/loop')).status, 503, 'a loop is ended')
  t.equal((await get(grove, '/')).text, '<h1>static</h1>')
  t.ok(await grove.until(async () => (await get(grove, '/x')).text === 'one at /x'))

  const now = await grove.until(tenant)
  process.kill(now, 'SIGKILL')
  await grove.until(() => !isAlive(now))
  t.ok(await grove.until(async () => (await get(grove, '/x')).text === 'one at /x'))
  t.ok(
    (await logs(grove)).some(({ from, text }) => from === 'grove' && /ended/.test(text)),
    'the author is told',
  )
  t.ok(first)

  const [supervisor = 0] = await grove.pids('supervisor')
  process.kill(supervisor, 'SIGKILL')
  t.equal((await get(grove, '/')).text, '<h1>static</h1>')
  await grove.until(async () => {
    const [next] = await grove.pids('supervisor')
    return next !== undefined && next !== supervisor
  })
  t.ok(await grove.until(async () => (await get(grove, '/x')).text === 'one at /x'))

  const [control = 0] = await grove.pids('control')
  process.kill(control, 'SIGKILL')
  t.equal((await get(grove, '/x')).text, 'one at /x', 'control is not needed for what runs')
  t.ok(await grove.until(async () => (await get(grove, '/count')).text === '{"next":1}'))
})

t.test('a site that is deleted leaves nothing, and one that is moved takes its code along', async (t) => {
  const grove = await startGrove(t, withSandboxes)
  const folder = folderOf(t)
  await grove.publish('blog', folder)
  await get(grove, '/count')
  await grove.command(['secret', 'set', 'SIGNING_KEY', '--site', 'blog'], 'correct horse battery')
  const file = join(grove.folder, 'blog.tar')
  t.match(await grove.command(['store', 'export', 'blog', file]), { exitCode: 0 })
  t.match(await grove.command(['store', 'import', file, '--site', 'copy']), { exitCode: 0 })
  t.equal((await get(grove, '/x', 'copy')).text, 'one at /x')

  t.match(await grove.command(['site', 'delete', 'blog', '--yes']), { exitCode: 0 })
  t.notOk(readdirSync(join(grove.data, 'logs')).some((name) => name.startsWith('blog.')))
  await grove.publish('blog', folder)
  t.equal((await get(grove, '/count')).text, '{"next":1}', 'data of before is gone')
  t.same(await grove.json(['secret', 'list', '--site', 'blog']), { secrets: [] })

  mkdirSync(join(folder, 'sub'))
  await grove.stop()
  await grove.start()
  t.equal((await get(grove, '/count')).text, '{"next":2}', 'and it lasts over a restart')
})

t.test('files where Grove puts its own are refused, and without sandboxes files are all there is', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  await grove.publish('blog', folderOf(t))
  t.equal((await get(grove, '/x')).status, 404)
  t.match((await grove.command(['status'])).out, /sandboxes +off/)
})
