import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { GroveError } from '../../core/errors.ts'
import { shortFolder, startAdmin } from './admin-fixture.ts'
import { grove } from './command-line.ts'

const site = {
  name: 'blog',
  urls: ['https://blog.localhost:8443/'],
  live: 2,
  versions: 2,
  upstreams: [],
  from: 'command',
}
const version = {
  version: 2,
  message: 'new\nfront page',
  files: 3,
  bytes: 14_200,
  added: 1,
  changed: 2,
  removed: 0,
  committedAtMs: 1_763_672_400_000,
  liveAtMs: 1_763_672_400_100,
  encoded: true,
  live: true,
  receipts: [{ plugin: 'cdn-varnish', action: 'purged', atMs: 1_763_672_401_000 }],
  pending: [{ plugin: 'mail', attempts: 1, error: 'refused' }],
}
const detail = {
  ...site,
  history: [
    version,
    ...Array.from({ length: 11 }, (_, i) => ({
      ...version,
      version: i,
      live: false,
      message: '',
      liveAtMs: undefined,
    })),
  ],
}
const user = { userId: 'ada', createdAtMs: 1_763_672_400_000, changedAtMs: 1_763_672_400_000 }
const status = {
  data: '/data',
  generation: 1,
  startedAtMs: Date.now() - 200_000_000,
  processes: [
    { kind: 'serve', index: 0, pid: 10, startedAtMs: Date.now(), restarts: 0 },
    { kind: 'control', index: 0, pid: 11, startedAtMs: Date.now() - 7_300_000, restarts: 1 },
    { kind: 'front', index: 0, pid: 12, startedAtMs: Date.now() - 90_000, restarts: 0 },
  ],
  fronts: [
    { pid: 12, connections: 3, requests: 40, webSockets: 1, cacheBytes: 2_000, memoryBytes: 5e7, uptimeSeconds: 90 },
  ],
  sites: [site],
  siteCount: 1,
  plugins: ['cdn-varnish'],
  outbox: [{ plugin: 'cdn-varnish', site: 'blog', versions: [1, 2], attempts: 3, error: 'connection refused' }],
  listen: [{ name: 'https', port: 8443 }],
  certificates: { valid: 41, waiting: 2, failed: 1 },
}

async function withAdmin(t: Test, answers: Parameters<typeof startAdmin>[2] = {}) {
  const cwd = shortFolder(t)
  const admin = await startAdmin(t, cwd, answers)
  return { ...admin, cwd, run: (...args: string[]) => grove([...args, '--data', '.'], { cwd }) }
}

const usage: { args: string[]; err: RegExp }[] = [
  { args: [], err: /Usage: grove/ },
  { args: ['no-such-command'], err: /unknown command/ },
  { args: ['publish'], err: /missing required argument|required option/ },
  { args: ['publish', '.'], err: /--site <name>' not specified/ },
  { args: ['publish', '.', '--site', 'blog', '--no-such-option'], err: /unknown option/ },
  { args: ['serve', '--https-port', '65536'], err: /expected a whole number from 0 to 65535/ },
  { args: ['serve', '--http-port', '-1'], err: /expected a whole number/ },
  { args: ['site'], err: /Usage: grove site/ },
  { args: ['site', 'rollback', 'blog', '--to', 'two'], err: /expected a whole number/ },
  { args: ['site', 'delete', 'blog'], err: /say --yes/ },
  { args: ['user', 'add', 'ada', 'password'], err: /too many arguments/ },
]

for (const { args, err } of usage) {
  t.test(`wrong usage ends with 2: grove ${args.join(' ')}`, async (t) => {
    const ran = await grove(args, { cwd: t.testdir() })
    t.match(ran, { exitCode: 2, out: '', err })
    const forMachines = await grove([...args, '--json'], { cwd: t.testdir() })
    t.equal(forMachines.exitCode, 2)
    t.match(JSON.parse(forMachines.out), { error: { code: 'ERR_USAGE', message: /./, hint: /--help/ } })
  })
}

/** Keyed by command: its subcommands. */
const commands: Readonly<Record<string, readonly string[]>> = {
  serve: [],
  dev: [],
  publish: [],
  site: 'create list show versions rollback tag pin prune diff log release delete domain'.split(' '),
  'site domain': 'add verify list remove'.split(' '),
  cert: 'list renew revoke rollover import export'.split(' '),
  grant: 'create list show revoke narrow rotate-keys'.split(' '),
  secret: 'set list remove'.split(' '),
  logs: [],
  user: 'add list passwd remove'.split(' '),
  backup: [],
  store: 'verify export import collect'.split(' '),
  status: [],
  reload: [],
  stop: [],
  validate: [],
  trust: [],
}

t.test('these are all the commands', async (t) => {
  for (const [command, expected] of [
    ['', Object.keys(commands).filter((name) => !name.includes(' '))],
    ...Object.entries(commands),
  ] as const) {
    const { out } = await grove([...command.split(' ').filter(Boolean), '--help'], { cwd: t.testdir() })
    const [, list = ''] = /\nCommands:\n(.*?)\n\n/s.exec(out) ?? []
    const listed = [...list.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name)
    t.same(listed.filter((name) => name !== 'help').sort(), [...expected].sort(), command || 'grove')
  }
})

for (const command of Object.entries(commands).flatMap(([name, more]) => [
  name,
  ...more.map((sub) => `${name} ${sub}`),
])) {
  t.test(`grove ${command} --help shows an example`, async (t) => {
    const ran = await grove([...command.split(' '), '--help'], { cwd: t.testdir() })
    t.match(ran, {
      exitCode: 0,
      err: '',
      out: new RegExp(`^Usage: grove ${command} [^]*\nExample:\n {2}(?:sudo |GROVE_TOKEN=\\$\\()?grove `),
    })
    if (!commands[command]?.length && command !== 'serve' && command !== 'dev') t.match(ran.out, '--json')
  })
}

t.test('the version is that of the package', async (t) => {
  t.match(await grove(['--version'], { cwd: t.testdir() }), { exitCode: 0, out: /^\d+\.\d+\.\d+\n$/ })
})

t.test('an error is its message and its hint, or one JSON text, and ends with 1', async (t) => {
  const cwd = shortFolder(t)
  const plain = await grove(['site', 'list'], { cwd })
  t.strictSame(plain, {
    exitCode: 1,
    out: '',
    err: `error: no grove answers at ${cwd}/data/control.sock\nhint: start it with: grove serve --data ${cwd}/data (or name its data folder with --data)\n`,
  })
  const json = await grove(['site', 'list', '--json'], { cwd })
  t.match(JSON.parse(json.out), { error: { code: 'ERR_NOT_RUNNING' } })
  t.strictSame([json.exitCode, json.err], [1, ''])
})

t.test('what others wrote cannot steer the terminal', async (t) => {
  const { run } = await withAdmin(t, {
    'GET /sites': () => ({ sites: [{ ...site, urls: ['\x1b[2J\r\x07evil'] }] }),
  })
  t.notMatch((await run('site', 'list')).out, /[^\P{Cc}\n]/u)
})

t.test('the data folder is that of the config, and --data comes first', async (t) => {
  const cwd = shortFolder(t)
  writeFileSync(join(cwd, 'grove.config.json'), JSON.stringify({ data: 'elsewhere' }))
  t.match((await grove(['status'], { cwd })).err, `${cwd}/elsewhere/control.sock`)
  t.match((await grove(['status', '--data', 'here'], { cwd })).err, `${cwd}/here/control.sock`)
  t.match((await grove(['status', '--config', 'none.json'], { cwd })).err, /there is no config .*none\.json/)
})

t.test('validate says that a config is good, or all that is not', async (t) => {
  const cwd = t.testdir({
    'grove.config.json': JSON.stringify({ sites: { blog: {} } }),
    'bad.json': JSON.stringify({ prot: 1, fronts: 0 }),
  })
  t.match(await grove(['validate'], { cwd }), { exitCode: 0, out: /grove\.config\.json is valid: 1 site, 0 plugins/ })
  t.match(JSON.parse((await grove(['validate', '--json'], { cwd })).out), { valid: true, sites: ['blog'] })
  const bad = await grove(['validate', '--config', 'bad.json'], { cwd })
  t.match(bad, {
    exitCode: 1,
    out: '',
    err: /2 faults:\n.*fronts: expected at least 1, found 0\n.*prot: expected no such key/,
  })
})

t.test('publish tells what changed, what was sent, and where it is', async (t) => {
  const { cwd, run } = await withAdmin(t)
  writeFileSync(join(cwd, 'index.html'), 'hello')
  writeFileSync(join(cwd, '.env'), 'secret')
  const first = await run('publish', '.', '--site', 'blog')
  // The folder of this test has the control socket in it, which is no file to publish.
  t.match(first, { exitCode: 1, err: /"control.sock" is not a file/ })
  const folder = t.testdir({ 'index.html': 'hello', '.env': 'secret' })
  const ran = await run('publish', folder, '--site', 'blog', '--message', 'first')
  t.match(ran, {
    exitCode: 0,
    err: '',
    out: /^blog@1 is live: https:\/\/blog\.localhost:8443\/\n.*1 added, 0 changed, 0 removed; 1 file, 5 B in all\n.*sent 1 content, 5 B, in .*\n.*left out.*: \.env\n$/,
  })
  const json = await run('publish', folder, '--site', 'blog', '--json')
  t.match(JSON.parse(json.out), { site: 'blog', version: 2, sentContents: 0, sentBytes: 0, skipped: ['.env'] })
  t.match(await run('publish', folder, '--site', 'No'), { exitCode: 1, err: /not a site name/ })
})

t.test('publish waits for what plugins say, unless told not to', async (t) => {
  const result = { missing: [], version: 2, unchanged: true, awaiting: ['cdn-varnish'], notes: ['a is not served'] }
  const { run, asked } = await withAdmin(t, {
    'POST /sites/blog/versions': () => ({ ...result, fronts: { live: 1, connected: 2 } }),
    'GET /sites/blog/versions/2?wait=purged': () => version,
  })
  const folder = t.testdir({ a: '', '.a': '', '.b': '', '.c': '', '.d': '', '.e': '', '.f': '' })
  const { out } = await run('publish', folder, '--site', 'blog')
  for (const part of [
    'blog@2 is live already with the same content',
    'live on 1 of 2 fronts so far',
    'note: a is not served',
    ', …\n',
    'cdn-varnish: purged',
    'mail: not confirmed yet (refused); it is tried again, see: grove site show blog',
  ])
    t.match(out, part)
  const before = asked.length
  t.match((await run('publish', folder, '--site', 'blog', '--no-wait')).out, 'not waited for: cdn-varnish')
  t.equal(asked.length, before + 2, 'what is live, and the publish')
})

t.test('on a terminal, publish shows how far it is', async (t) => {
  const { cwd } = await withAdmin(t)
  const folder = t.testdir({ a: 'a'.repeat(300_000), b: 'b' })
  const ran = await grove(['publish', folder, '--site', 'blog', '--data', '.'], { cwd, keys: [] })
  t.match(ran.err, /reading \[ +\] 0 % of 300\.0 kB.*sending \[/s)
  t.ok(ran.err.endsWith('\r\x1b[K'), 'and takes it away')
})

t.test('site create, list, show, versions, rollback and delete', async (t) => {
  const { run, asked } = await withAdmin(t, {
    'POST /sites': () => site,
    'GET /sites': () => ({
      sites: [site, { ...site, name: 'new', live: undefined, upstreams: ['http://127.0.0.1:1'] }],
      count: 1,
    }),
    'GET /sites/blog': () => detail,
    'GET /sites/new': () => ({ ...site, name: 'new', history: [] }),
    'POST /sites/blog/rollback': () => ({ missing: [], version: 1, changed: 2, urls: site.urls }),
    'DELETE /sites/blog': () => ({}),
  })
  t.match((await run('site', 'create', 'blog')).out, 'made blog: https://blog.localhost:8443/\n')
  t.match((await run('site', 'list')).out, /^SITE +LIVE.*\nblog +blog@2 .*\nnew +- .* http:\/\/127.0.0.1:1 /)
  const { out } = await run('site', 'show', 'blog')
  t.match(
    out,
    /blog@2 \(live\) {2}new front page\n.*3 files, 14\.2 kB; 1 added, 2 changed, 0 removed\n {2}committed {2}20/,
  )
  t.match(out, /purged +20.* by cdn-varnish\n {2}pending +mail, 1 attempt: refused\n/)
  t.match(out, /and 2 older ones: grove site versions blog/)
  t.match((await run('site', 'versions', 'blog')).out, /^VERSION.*\n2 +live +20.*new front page\n0 .*14\.2 kB/)
  t.match((await run('site', 'versions', 'new')).out, 'new has no versions yet')
  t.match(JSON.parse((await run('site', 'versions', 'blog', '--json')).out), { versions: [{ version: 2 }] })
  t.match((await run('site', 'rollback', 'blog', '--to', '1')).out, /^blog@1 is live: .*\n {2}0 added, 2 changed/)
  t.match(JSON.parse(String(asked.at(-1)?.body)), { version: 1, opId: /^[\w-]{22}$/ })
  await run('site', 'rollback', 'blog')
  t.match(JSON.parse(String(asked.at(-1)?.body)), { version: undefined, opId: /^[\w-]{22}$/ })
  t.match((await run('site', 'delete', 'blog', '--yes')).out, 'deleted blog')
  t.match(await run('site', 'create', 'Blog'), { exitCode: 1, err: /not a site name/ })
})

t.test('no sites is said as such', async (t) => {
  const { run } = await withAdmin(t, { 'GET /sites': () => ({ sites: [], count: 0 }) })
  t.match((await run('site', 'list')).out, 'no sites yet; make one with: grove publish')
})

t.test('on a terminal, site delete asks for the name', async (t) => {
  const { cwd, asked } = await withAdmin(t, { 'DELETE /sites/blog': () => ({}) })
  const args = ['site', 'delete', 'blog', '--data', '.']
  t.match(await grove(args, { cwd, keys: ['blag\n'] }), { exitCode: 1, err: /nothing was deleted/ })
  t.equal(asked.length, 0)
  t.match(await grove(args, { cwd, keys: ['blog\n'] }), { exitCode: 0, out: /deleted blog/ })
})

t.test('user add and passwd read the password from standard input or a terminal, never from an argument', async (t) => {
  const { cwd, asked, run } = await withAdmin(t, {
    'POST /plugins/login-password/add': ({ body }) => ({ ...user, sites: JSON.parse(String(body)).sites }),
    'POST /plugins/login-password/passwd': () => ({ userId: 'ada' }),
  })
  const sent = () => JSON.parse(String(asked.at(-1)?.body))
  const add = ['user', 'add', 'ada', '--data', '.']
  const scripted = await grove([...add, '--password-stdin', '--site', 'blog', 'shop'], {
    cwd,
    input: 'hunter2 hunter2\n',
  })
  t.match(scripted, { exitCode: 0, out: /added ada, who can sign in on blog, shop/ })
  t.strictSame(sent(), { userId: 'ada', password: 'hunter2 hunter2', sites: ['blog', 'shop'] })
  const typed = await grove(add, { cwd, keys: ['huntex\x7fr\u{1f600}\r', 'nonsense\x15hunter\u{1f600}\n'] })
  t.match(typed, { exitCode: 0, out: /on all sites/, err: 'Password: \nAgain: \n' })
  t.strictSame(sent(), { userId: 'ada', password: 'hunter\u{1f600}' })
  const passwd = await grove(['user', 'passwd', 'ada', '--data', '.', '--password-stdin'], {
    cwd,
    input: 'hunter2\r\n',
  })
  t.match(passwd.out, /all its sessions have ended/)
  t.strictSame(sent(), { userId: 'ada', password: 'hunter2' })
  t.match(await run('user', 'add', 'ada'), { exitCode: 1, err: /no terminal.*\nhint: send it with --password-stdin/ })
})

const passwords: { name: string; input?: string; keys?: string[]; err: RegExp }[] = [
  { name: 'two that differ', keys: ['one\n', 'two\n'], err: /the two passwords differ/ },
  { name: 'none', keys: ['\n'], err: /no password was given/ },
  { name: 'Ctrl-C', keys: ['abc\x03'], err: /no password was given/ },
  { name: 'an empty standard input', input: '\n', err: /held no password/ },
  { name: 'far too much', input: 'x'.repeat(5_000), err: /more than 4096 bytes/ },
]

for (const { name, input, keys, err } of passwords) {
  t.test(`a password is refused: ${name}`, async (t) => {
    const { cwd, asked } = await withAdmin(t)
    const args = ['user', 'passwd', 'ada', '--data', '.', ...(input === undefined ? [] : ['--password-stdin'])]
    const ran = await grove(args, { cwd, ...(input !== undefined && { input }), ...(keys && { keys }) })
    t.match(ran, { exitCode: 1, err })
    t.strictSame(asked, [])
  })
}

t.test('user list and remove', async (t) => {
  const { run } = await withAdmin(t, {
    'POST /plugins/login-password/list': () => ({ users: [user, { ...user, userId: 'bob', sites: ['blog'] }] }),
    'POST /plugins/login-password/remove': () => ({ userId: 'ada' }),
  })
  t.match((await run('user', 'list')).out, /^USER +SITES.*\nada +all +20.*\nbob +blog /)
  t.match((await run('user', 'remove', 'ada')).out, 'removed ada')
})

t.test('no accounts, and no plugin for them, are said as such', async (t) => {
  const { run } = await withAdmin(t, { 'POST /plugins/login-password/list': () => ({ users: [] }) })
  t.match((await run('user', 'list')).out, 'no accounts yet; add one with: grove user add')
  t.match(await run('user', 'remove', 'ada'), { exitCode: 1, err: /not in the config.*\nhint: add loginPassword\(\)/ })
  const refusing = await withAdmin(t, {
    'POST /plugins/login-password/remove': () => {
      throw new GroveError('ERR_USER', 'there is no user "ada"')
    },
  })
  t.match(await refusing.run('user', 'remove', 'ada'), { exitCode: 1, err: 'error: there is no user "ada"\n' })
})

t.test('status shows processes, sites, connections and the outbox', async (t) => {
  const { run } = await withAdmin(t, { 'GET /status': () => status })
  const { out } = await run('status')
  t.match(out, /config +none: all is default/)
  t.match(out, /listen +https 8443\n/)
  t.match(out, /certs +41 valid, 2 waiting, 1 failed \(grove cert list\)\n/)
  t.match(out, /up +2 days\n/)
  t.match(out, /control +11 +2 h +1\n/)
  t.match(out, /front 0 +12 +1 min +0 +3 +40 +1 +2\.0 kB +50\.0 MB\n/)
  t.match(out, /outbox +cdn-varnish: blog@1, blog@2, 3 attempts, last: connection refused\n/)
  t.match(JSON.parse((await run('status', '--json')).out), { processes: status.processes })
  const empty = await withAdmin(t, {
    'GET /status': () => ({ ...status, sites: [], siteCount: 0, outbox: [], plugins: [], config: '/c' }),
  })
  t.match((await empty.run('status')).out, /plugins +none\n(.*\n)+no sites yet\n\noutbox +empty\n$/)
})

t.test('reload says whether something changed', async (t) => {
  let changed = true
  const { run } = await withAdmin(t, { 'POST /reload': () => ({ changed, generation: 3 }) })
  t.match((await run('reload')).out, 'the config is in force (generation 3)')
  changed = false
  t.match((await run('reload')).out, 'the config has not changed')
})

t.test('trust needs a root certificate, and says where it comes from', async (t) => {
  const cwd = t.testdir({ 'no-root': {}, broken: { certs: { 'root.pem': 'no certificate' } } })
  t.match(await grove(['trust', '--data', 'no-root'], { cwd }), {
    exitCode: 1,
    err: /there is no root certificate at .*\nhint: it is made at the first start: grove serve --data .*no-root\n$/,
  })
  t.match(await grove(['trust', '--remove', '--data', 'broken'], { cwd }), {
    exitCode: 1,
    err: /is not a certificate\n$/,
  })
})
