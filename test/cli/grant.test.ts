import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Grant } from '../../core/grant-api.ts'
import { limits } from '../../core/limits.ts'
import { narrow, openFormOf, openHandle } from '../../store/grants/handle.ts'
import type { Handle } from '../../store/store.ts'
import { grantStore } from '../store/grants/fixtures/grant-store.ts'
import { shortFolder, startAdmin } from './admin-fixture.ts'
import { grove } from './command-line.ts'

const store = grantStore()
const token = store.child(store.root, { path: '/sites/operator/blog', label: 'CI' })
const id = openFormOf(token)?.id ?? ''
const hash = 'ab'.repeat(32)
const dayMs = 86_400_000

const shown: Grant = {
  id,
  parent: 'root',
  path: '/sites/operator/blog',
  rights: ['read', 'write'],
  untilMs: Date.UTC(2100, 0),
  label: 'CI of the blog',
  madeAtMs: Date.UTC(2026, 0),
  maxBytes: 1_000_000,
  usedBytes: 250_000,
  usedWrites: 4,
  state: 'alive',
}
const dead: Grant = { ...shown, id: 'y'.repeat(22), path: '/sites', label: '', rights: [], state: 'expired' }

const folder = shortFolder(t)
const log = {
  entries: [
    {
      atMs: 5,
      act: 'revoke',
      by: { id: 'root', label: 'operator' },
      details: { id, label: '', path: '/', revoked: 2 },
    },
    {
      atMs: 4,
      act: 'publish',
      by: { id, label: 'CI\u001b[2J' },
      details: { version: 3, added: 1, changed: 2, removed: 0 },
    },
    { atMs: 3, act: 'pin', by: { id, label: '' }, details: { version: 2, name: 'tag:best' } },
  ],
  more: true,
}
const admin = await startAdmin(t, folder, {
  'POST /grants': () => ({ token, grant: shown }),
  'GET /grants?path=%2F': () => ({ grants: [shown, dead] }),
  'GET /grants?path=%2Fsites%2Foperator%2Fempty': () => ({ grants: [] }),
  'GET /grants?path=%2Fmany': () => ({ grants: Array.from({ length: limits.store.grantsListed }, () => shown) }),
  'POST /grants/show': () => shown,
  'POST /grants/revoke': ({ body }) => ({ id, revoked: body.includes('grove_') ? 0 : 3 }),
  'POST /grants/keys': ({ body }) => ({ kid: '2', dropped: body.includes('true') ? 1 : 0 }),
  'GET /sites/blog/log?limit=50': () => log,
  'GET /sites/quiet/log?limit=7': () => ({ entries: [], more: false }),
})

const run = (args: string[], env: Record<string, string> = {}) =>
  grove([...args, '--data', folder], { cwd: folder, env })
const lastAsked = () => {
  const asked = admin.asked.at(-1)
  return { authorization: asked?.authorization, ...(JSON.parse(asked?.body.toString() || '{}') as object) }
}

t.test('a token is made for what was said, and is shown once', async (t) => {
  const before = Date.now()
  const made = await run([
    'grant',
    'create',
    '--site',
    'blog',
    '--for',
    '30d',
    '--label',
    'CI of the blog',
    '--max-bytes',
    '1MB',
  ])
  t.equal(made.exitCode, 0)
  t.match(made.out, /^made a token for site blog: read, write, until 2100/)
  t.equal(made.out.split('\n').filter((line) => line === token).length, 1, 'on a line of its own')
  const asked = lastAsked() as unknown as Record<string, unknown>
  t.match(asked, {
    path: '/sites/operator/blog',
    rights: ['read', 'write'],
    label: 'CI of the blog',
    maxBytes: 1_000_000,
  })
  t.equal(asked['authorization'], undefined, 'as the operator')
  const untilMs = Number(asked['untilMs'])
  t.ok(untilMs >= before + 30 * dayMs && untilMs <= Date.now() + 30 * dayMs)
  t.equal(asked['maxWrites'], undefined)

  const json = await run([
    'grant',
    'create',
    '--path',
    '/sites',
    '--read',
    '--grant',
    '--until',
    '2099-01-01',
    '--max-writes',
    '5',
    '--json',
  ])
  t.same(JSON.parse(json.out), { token, grant: shown })
  t.match(lastAsked(), { path: '/sites', rights: ['read', 'grant'], untilMs: Date.UTC(2099, 0), maxWrites: 5 })

  await run(['grant', 'create', '--site', 'blog', '--write'])
  const { rights, untilMs: byDefault } = lastAsked() as unknown as { rights: string[]; untilMs: number }
  t.same(rights, ['write'])
  t.ok(byDefault >= before + 90 * dayMs && byDefault <= Date.now() + 90 * dayMs)
})

t.test('wrong usage says what is missing or too much, and asks nothing', async (t) => {
  const asked = admin.asked.length
  const wrong: [string[], RegExp][] = [
    [['create'], /--site <name> or --path <path>/],
    [['create', '--site', 'blog', '--path', '/a'], /--site and --path say the same/],
    [['create', '--site', 'blog', '--for', '1d', '--until', '2099-01-01'], /--for and --until say the same/],
    [['create', '--site', 'blog', '--for', 'ever'], /12h or 30d/],
    [['create', '--site', 'blog', '--max-bytes', 'much'], /such as 1GB/],
    [['create', '--site', 'blog', '--token', token, '--token-file', 'x'], /cannot be used with/],
    [['list', '--site', 'blog', '--path', '/a'], /say the same/],
    [['show'], /an id, a token, or a token in GROVE_TOKEN/],
    [['revoke'], /missing required argument/],
  ]
  for (const [args, message] of wrong) {
    const { exitCode, err } = await run(['grant', ...args])
    t.equal(exitCode, 2, args.join(' '))
    t.match(err, message)
  }
  t.equal((await run(['grant', 'create', '--site', 'NO'])).exitCode, 1)
  t.equal(admin.asked.length, asked)
})

t.test('tokens are listed, those that ended on demand', async (t) => {
  const listed = await run(['grant', 'list'])
  t.match(listed.out, /^ID .*LABEL .*FOR .*RIGHTS .*UNTIL .*USED .*STATE\n/)
  t.match(
    listed.out,
    new RegExp(`${id}  CI of the blog  site blog  read, write  2100.*  250.0 kB of 1.0 MB, 4 writes  alive`),
  )
  t.match(listed.out, /and 1 token that ended: --all shows them/)
  t.notMatch(listed.out, dead.id)
  t.match((await run(['grant', 'list', '--all'])).out, /y{22} .*\/sites +nothing .*expired/)
  t.same(JSON.parse((await run(['grant', 'list', '--json'])).out), { grants: [shown] })
  t.match((await run(['grant', 'list', '--path', '/many'])).out, /only the newest 1000 are looked at/)
  t.match((await run(['grant', 'list', '--site', 'empty'])).out, /no tokens; make one with: grove grant create/)
})

t.test('a token is shown with what it was narrowed to', async (t) => {
  const byId = await run(['grant', 'show', id])
  t.match(byId.out, `${id} (alive)\n  for     site blog\n  rights  read, write\n  label   CI of the blog\n`)
  const narrowed = [
    { path: '/sites/operator/blog' },
    { rights: ['read' as const] },
    { untilMs: Date.UTC(2099, 0) },
    { hash },
    { bytes: 10 },
  ].reduce<Handle>(narrow, token)
  const own = await run(['grant', 'show'], { GROVE_TOKEN: narrowed })
  t.match(lastAsked(), { authorization: `Bearer ${narrowed}`, target: narrowed })
  const lines = ['site blog', 'read', /until (2098|2099)/, `the content ${hash}`, '10 B in one write']
  for (const line of lines) t.match(own.out, line)
  t.equal(own.out.match(/narrowed to/g)?.length, 5)
  t.notMatch(own.out, 'grove_', 'the token itself is not shown')
  const unknown = await run(['grant', 'show', narrowed.replace('.b10.', '.x10.')])
  t.match(unknown.out, /narrowed to something that this grove does not know/)
  t.match(JSON.parse((await run(['grant', 'show', narrowed, '--json'])).out), {
    id,
    caveats: [{}, { rights: ['read'] }, {}, { hash }, {}],
  })
})

t.test('tokens are revoked by id or by themselves, and keys are made new', async (t) => {
  t.match((await run(['grant', 'revoke', id])).out, `revoked ${id}: ended 3 tokens`)
  t.match((await run(['grant', 'revoke', token])).out, `${id} had ended before`)
  t.same(lastAsked(), { authorization: undefined, target: token })
  t.match(admin.asked.at(-1)?.path, /^\/grants\/revoke$/, 'a token is never part of a target')
  t.match((await run(['grant', 'rotate-keys'])).out, /new tokens are signed with key 2\n/)
  t.match(
    (await run(['grant', 'rotate-keys', '--drop-old'])).out,
    /key 2, and 1 older key forgotten with all their tokens/,
  )
})

t.test('a token is narrowed without asking anybody', async (t) => {
  const asked = admin.asked.length
  const offline = { cwd: t.testdir() }
  const ran = await grove(
    [
      'grant',
      'narrow',
      token,
      '--site',
      'blog',
      '--path',
      '/sites',
      '--rights',
      'read,write',
      '--until',
      '2099-01-01',
      '--hash',
      hash,
      '--bytes',
      '10MB',
    ],
    offline,
  )
  t.same(openHandle(ran.out.trim() as Handle, store.keys)?.caveats, [
    { path: '/sites/operator/blog' },
    { path: '/sites' },
    { rights: ['read', 'write'] },
    { untilMs: Date.UTC(2099, 0) },
    { hash },
    { bytes: 10_000_000 },
  ])
  t.equal(ran.out, `${ran.out.trim()}\n`, 'alone, for $(…)')
  const before = Date.now()
  const json = await grove(['grant', 'narrow', '--for', '15m', '--json'], { ...offline, env: { GROVE_TOKEN: token } })
  const [caveat] = openHandle((JSON.parse(json.out) as { token: Handle }).token, store.keys)?.caveats ?? []
  t.ok((caveat?.untilMs ?? 0) >= before + 900_000 && (caveat?.untilMs ?? 0) <= Date.now() + 900_000)
  for (const [args, message] of [
    [['narrow'], /say which token/],
    [['narrow', token], /say what to take away/],
    [['narrow', token, '--rights', 'read,own'], /some of read, write and grant/],
    [['narrow', token, '--hash', 'ab'], /64 lower-case hex digits/],
  ] as const) {
    const { exitCode, err } = await grove(['grant', ...args], offline)
    t.equal(exitCode, 2)
    t.match(err, message)
  }
  const wrong = await grove(['grant', 'narrow', 'secret', '--for', '1h'], offline)
  t.equal(wrong.exitCode, 1)
  t.notMatch(wrong.err, 'secret', 'what is no token may be another secret')
  t.equal((await grove(['grant', 'narrow', token, '--path', '/../x'], offline)).exitCode, 1)
  t.equal(admin.asked.length, asked)
})

t.test('the token comes from the option, the file or the environment, in this order', async (t) => {
  const [one, two, three] = [token, narrow(token, { bytes: 2 }), narrow(token, { bytes: 3 })] as const
  const file = join(folder, 'token')
  writeFileSync(file, `${two}\n`)
  const used = async (args: string[], env: Record<string, string>) => {
    t.equal((await run(['grant', 'list', ...args], env)).exitCode, 0)
    return lastAsked().authorization
  }
  t.equal(await used(['--token', one], { GROVE_TOKEN: three }), `Bearer ${one}`)
  t.equal(await used(['--token-file', 'token'], { GROVE_TOKEN: three }), `Bearer ${two}`)
  t.equal(await used([], { GROVE_TOKEN: three }), `Bearer ${three}`)
  t.equal(await used([], {}), undefined, 'without one, as the operator')
  await run(['status'], { GROVE_TOKEN: three })
  t.equal(lastAsked().authorization, `Bearer ${three}`, 'commands without the option too')
})

t.test('what is no token is not sent and not shown', async (t) => {
  const asked = admin.asked.length
  const secret = randomBytes(16).toString('hex')
  writeFileSync(join(folder, 'wrong'), secret)
  writeFileSync(join(folder, 'huge'), `${token}${'x'.repeat(100_000)}`)
  for (const [args, env, source] of [
    [['--token', secret], {}, /--token/],
    [['--token-file', 'wrong'], {}, /wrong/],
    [['--token-file', 'huge'], {}, /huge/],
    [['--token-file', 'none'], {}, /none cannot be read: ENOENT/],
    [['--token-file', '.'], {}, /EISDIR/],
    [[], { GROVE_TOKEN: `${token}\nHeader: x` }, /GROVE_TOKEN/],
    [[], { GROVE_TOKEN: secret }, /GROVE_TOKEN/],
    [[], { GROVE_TOKEN: '' }, /GROVE_TOKEN is set and empty/],
    [[], { GROVE_TOKEN: ' \n' }, /GROVE_TOKEN is set and empty/],
  ] as const) {
    const { exitCode, err, out } = await run(['publish', '.', '--site', 'blog', ...args], env as Record<string, string>)
    t.equal(exitCode, 1)
    t.match(err, source)
    t.notMatch(err + out, secret)
    t.notMatch(err + out, 'grove_1')
  }
  t.equal(admin.asked.length, asked)
})

t.test('publishing acts with the token', async (t) => {
  const site = t.testdir({ 'index.html': 'hello' })
  const ran = await run(['publish', site, '--site', 'blog'], { GROVE_TOKEN: token })
  t.equal(ran.exitCode, 0, ran.err)
  const asked = admin.asked.filter(({ path }) => /^\/(blobs|sites\/blog\/(live|versions))/.test(path))
  t.ok(asked.length >= 4)
  for (const { authorization } of asked) t.equal(authorization, `Bearer ${token}`)
})

t.test('whatever a token can do to a site can be done with one', async (t) => {
  const cwd = shortFolder(t)
  const { asked } = await startAdmin(t, cwd)
  const commands = [
    'list',
    'show blog',
    'versions blog',
    'rollback blog',
    'tag blog',
    'pin blog',
    'prune blog',
    'diff blog 1 2',
  ]
  for (const command of commands) {
    const ran = await grove(['site', ...command.split(' '), '--token', token, '--data', '.'], { cwd })
    t.equal(ran.exitCode, 1, 'this control knows none of them')
    t.equal(asked.at(-1)?.authorization, `Bearer ${token}`, command)
  }
})

t.test('the log of a site says who did what', async (t) => {
  const { out } = await run(['site', 'log', 'blog'])
  const lines = out.split('\n')
  t.match(lines[0], /^WHEN +BY +ACT +WHAT$/)
  t.match(lines[1], new RegExp(`operator +revoke +${id}  for /  ended 2$`))
  t.match(
    lines[2],
    new RegExp(`CI.\\[2J \\(${id}\\) +publish +blog@3  \\+1 ~2 -0$`),
    'with nothing that a terminal obeys',
  )
  t.notMatch(out, '\u001b')
  t.match(lines[3], new RegExp(`token ${id} +pin +blog@2  tag:best$`))
  t.match(lines[4], /and more before/)
  t.same(JSON.parse((await run(['site', 'log', 'blog', '--json'])).out), log)
  t.match((await run(['site', 'log', 'quiet', '--limit', '7'])).out, 'nothing was done with quiet yet')
})
