import { createHook } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import t from 'tap'
import { loginPassword } from '../../../plugins/login-password/login-password.ts'
import { startPlugin, type TestHost } from './plugin-host.ts'

const cost = { memoryKiB: 64, passes: 1, lanes: 1 }

async function startWithAda(options: Parameters<typeof loginPassword>[0] = {}): Promise<TestHost> {
  const host = await startPlugin(loginPassword({ cost, ...options }))
  await host.command('add', { userId: 'ada', password: 'analytical' })
  await host.command('add', { userId: 'bob', password: 'builder bob', sites: ['shop'] })
  return host
}

t.test('the right password starts a session and leads to the page that was asked for', async (t) => {
  const host = await startWithAda()
  const answer = await host.post('/sign-in', { username: 'ada', password: 'analytical', next: '/entries?x=1' })
  t.equal(answer.status, 303)
  t.equal(answer.headers.get('location'), '/entries?x=1')
  t.same(answer.headers.getSetCookie(), ['session=ada'])
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.same(host.events, ['sign in ada'])
})

t.test('a name is the same with capitals and spaces that a phone puts there', async (t) => {
  const host = await startWithAda()
  t.equal((await host.post('/sign-in', { username: ' Ada ', password: 'analytical' })).status, 303)
  t.same(host.events, ['sign in ada'])
})

t.test('an address that leads elsewhere is not followed, neither from the link nor from the form', async (t) => {
  const host = await startWithAda()
  for (const next of ['//evil.example', '/\\evil.example', 'https://evil.example', '/%2f%2fevil.example', '/\t/evil']) {
    const form = await host.post('/sign-in', { username: 'ada', password: 'analytical', next })
    t.equal(form.headers.get('location'), '/', next)
    const page = await (await host.get(`/?next=${encodeURIComponent(next)}`)).text()
    t.match(page, '<input type="hidden" name="next" value="&#47;">'.replace('&#47;', '/'), next)
  }
})

t.test('a wrong password, an unknown name, no name and another site get one and the same answer', async (t) => {
  const host = await startWithAda()
  const seen = new Set<string>()
  for (const [username, password] of [
    ['ada', 'wrong password'],
    ['ada', ''],
    ['bob', 'builder bob'],
    ['nobody', 'analytical'],
    ['not a user id!', 'analytical'],
    ['__proto__', 'analytical'],
    ['ada', 'analytical'.padEnd(300, 'x')],
    ['', ''],
  ] as const) {
    const answer = await host.post('/sign-in', { username, password })
    t.equal(answer.status, 401, username)
    t.same(answer.headers.getSetCookie(), [])
    const page = await answer.text()
    t.match(page, /role="alert"><p class="problem" id="problem">This name and password do not match/)
    t.notMatch(page, 'builder bob', 'the password is not in the page')
    seen.add(page.replaceAll(`value="${username.replace('!', '!')}"`, 'value=""').replaceAll(' autofocus', ''))
  }
  t.equal(seen.size, 1)
  t.same(host.events, [])
})

t.test('an unknown name costs one hash, as a wrong password does', async (t) => {
  const host = await startWithAda()
  let hashes = 0
  const hook = createHook({
    init(_id, type) {
      if (type === 'ARGON2REQUEST') hashes += 1
    },
  }).enable()
  t.teardown(() => hook.disable())
  for (const username of ['ada', 'nobody', 'bob', 'not a user id!', '']) {
    hashes = 0
    await host.post('/sign-in', { username, password: 'wrong password' })
    t.equal(hashes, 1, username)
  }
})

t.test('an account of some sites signs in on those', async (t) => {
  const host = await startWithAda()
  const form = { username: 'bob', password: 'builder bob' }
  t.equal((await host.post('/sign-in', form, { site: 'shop' })).status, 303)
  t.equal((await host.post('/sign-in', form, { site: 'blog' })).status, 401)
})

t.test('what was typed comes back as text, never as markup', async (t) => {
  const host = await startWithAda()
  const page = await (
    await host.post('/sign-in', { username: '"><script>alert(1)</script>\'&', password: 'x', next: '/?"><b>' })
  ).text()
  t.notMatch(page, '<script')
  t.notMatch(page, '<b>')
  t.match(page, 'value="&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#39;&#38;"')
})

t.test('a form that is not one is an empty form', async (t) => {
  const host = await startWithAda()
  for (const [type, body] of [
    ['application/json', '{"username":"ada","password":"analytical"}'],
    ['text/plain', 'username=ada&password=analytical'],
    ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="username"\r\n\r\nada\r\n--x--'],
    ['application/x-www-form-urlencoded', '%%%&&&=&username[]=ada&password[]=analytical'],
  ] as const) {
    const answer = await host.send('POST', '/sign-in', { headers: { 'content-type': type }, body })
    t.equal(answer.status, 401, type)
  }
  const headers = { 'content-type': 'Application/X-WWW-Form-URLencoded;charset=UTF-8' }
  const body = 'username=ada&password=analytical'
  t.equal((await host.send('POST', '/sign-in', { headers, body })).status, 303)
})

t.test('guessing at one account from everywhere is slowed down, and the wait is told', async (t) => {
  let nowMs = 5_000_000
  const host = await startWithAda({ now: () => nowMs, accountLimit: { burst: 3, everyMs: 90_000 } })
  const guess = (username: string, n: number, password = 'wrong password') =>
    host.post('/sign-in', { username, password }, { address: `192.0.2.${n}` })
  for (const username of ['ada', 'nobody']) {
    const statuses: number[] = []
    for (let n = 0; n < 5; n += 1) statuses.push((await guess(username, n)).status)
    t.same(statuses, [401, 401, 401, 429, 429], `${username}: known and unknown names alike`)
  }
  const refused = await guess('ada', 9, 'analytical')
  t.equal(refused.status, 429, 'the right password does not help')
  t.equal(refused.headers.get('retry-after'), '90')
  t.match(await refused.text(), 'Too many attempts. Please try again in 2 minutes.')
  t.same(host.events, [])
  nowMs += 90_000
  t.equal((await guess('ada', 9, 'analytical')).status, 303)
})

t.test('guessing from one address is slowed down whatever the name, and others are not held up', async (t) => {
  const host = await startWithAda({ now: () => 5_000_000, addressLimit: { burst: 3, everyMs: 1_000 } })
  for (let n = 0; n < 3; n += 1) {
    t.equal(
      (await host.post('/sign-in', { username: `user${n}`, password: 'x' }, { address: `2001:db8::${n}` })).status,
      401,
    )
  }
  const refused = await host.post('/sign-in', { username: 'ada', password: 'analytical' }, { address: '2001:db8::9' })
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.text(), 'in 1 second.')
  t.equal(
    (await host.post('/sign-in', { username: 'ada', password: 'analytical' }, { address: '2001:db8:0:1::9' })).status,
    303,
  )
})

t.test('right passwords are not counted', async (t) => {
  const host = await startWithAda({ now: () => 5_000_000, accountLimit: { burst: 2, everyMs: 1_000 } })
  for (let n = 0; n < 10; n += 1)
    t.equal((await host.post('/sign-in', { username: 'ada', password: 'analytical' })).status, 303)
})

t.test(
  'a crowd of guesses waits in a line of bounded length, and who is turned away has not used an attempt',
  async (t) => {
    const limit = { burst: 1_000, everyMs: 1_000 }
    const host = await startWithAda({
      accountLimit: { burst: 1, everyMs: 1_000 },
      addressLimit: limit,
      now: () => 5_000_000,
    })
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => host.post('/sign-in', { username: `user${n}`, password: 'x' })),
    )
    const turnedAway = answers.filter(({ status }) => status === 503)
    t.equal(answers.filter(({ status }) => status === 401).length, 66)
    t.equal(turnedAway.length, 34)
    t.equal(turnedAway[0]?.headers.get('retry-after'), '5')
    t.match(await turnedAway[0]?.text(), 'Many people are signing in right now.')
    t.equal((await host.post('/sign-in', { username: 'user99', password: 'x' })).status, 401)
  },
)

t.test('who has signed in keeps the way in while others guess at the account', async (t) => {
  const host = await startWithAda({ now: () => 5_000_000, accountLimit: { burst: 2, everyMs: 60_000 } })
  const ada = { username: 'ada', password: 'analytical' }
  t.equal((await host.post('/sign-in', ada, { address: '192.0.2.1' })).status, 303)
  for (let n = 0; n < 5; n += 1) await host.post('/sign-in', { ...ada, password: 'x' }, { address: `203.0.113.${n}` })
  t.equal((await host.post('/sign-in', ada, { address: '203.0.113.9' })).status, 429)
  t.equal((await host.post('/sign-in', ada, { address: '192.0.2.1' })).status, 303)
})

t.test('a sign-in that was under way when the password changed is refused', async (t) => {
  const host = await startWithAda()
  const slow = host.post('/sign-in', { username: 'ada', password: 'analytical' })
  await host.command('remove', { userId: 'ada' })
  t.equal((await slow).status, 401)
  t.notMatch(host.events, ['sign in ada'])
})

t.test('a hash of an older cost is renewed at the next sign-in, once', async (t) => {
  const old = await startWithAda()
  const plugin = loginPassword({ cost: { memoryKiB: 128, passes: 1, lanes: 1 } })
  const host = await startPlugin(plugin, old.kept)
  const ada = { username: 'ada', password: 'analytical' }
  const results = await Promise.all([host.post('/sign-in', ada), host.post('/sign-in', ada)])
  t.same(
    results.map(({ status }) => status),
    [303, 303],
  )
  t.equal((await host.post('/sign-in', ada)).status, 303)
  const records = host.kept.logs.get('accounts') ?? []
  t.equal(records.length, 3, 'two accounts and one renewal')
  t.match(records.at(-1), { kind: 'put', userId: 'ada', hash: /m=128,t=1,p=1/ })
  t.notMatch(host.events, ['revoke ada'], 'and nobody is signed out by it')
  t.equal((await host.post('/sign-in', { ...ada, password: 'wrong' })).status, 401)
  t.equal((await startPlugin(plugin, host.kept).then((again) => again.post('/sign-in', ada))).status, 303)
})

t.test('a hash that cannot be renewed does not keep its owner out', async (t) => {
  const old = await startWithAda()
  const host = await startPlugin(loginPassword({ cost: { memoryKiB: 128, passes: 1, lanes: 1 } }), old.kept)
  host.log.fails = true
  t.equal((await host.post('/sign-in', { username: 'ada', password: 'analytical' })).status, 303)
})

t.test('signing in again ends the session before it', async (t) => {
  const host = await startWithAda()
  await host.post('/sign-in', { username: 'ada', password: 'analytical' }, { userId: 'eve' })
  t.same(host.events, ['sign out eve', 'sign in ada'])
})

t.test('signing out ends the session and leads to the front page, also when there was none', async (t) => {
  const host = await startWithAda()
  const answer = await host.post('/sign-out', {}, { userId: 'ada' })
  t.equal(answer.status, 303)
  t.equal(answer.headers.get('location'), '/')
  t.same(answer.headers.getSetCookie(), ['session=; Max-Age=0'])
  t.same(host.events, ['sign out ada'])
  const again = await host.post('/sign-out', {})
  t.equal(again.status, 303)
  t.same(again.headers.getSetCookie(), [])
})

t.test('who is signed in sees their name and a way out', async (t) => {
  const host = await startWithAda()
  const page = await (await host.get('/', { userId: '<i>ada' })).text()
  t.match(page, 'Hello, &#60;i&#62;ada')
  t.match(page, '<form method="post" action="/.grove/login-password/sign-out">')
  t.notMatch(page, 'type="password"')
})

t.test('every page allows its own style and forms, nothing else, and is never stored', async (t) => {
  const host = await startWithAda()
  const pages = [
    await host.get('/'),
    await host.get('/', { userId: 'ada' }),
    await host.post('/sign-in', { username: 'ada', password: 'wrong' }),
  ]
  for (const page of pages) {
    const html = await page.text()
    const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    t.equal(
      page.headers.get('content-security-policy'),
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
    )
    t.equal(page.headers.get('cache-control'), 'no-store')
    t.equal(page.headers.get('x-content-type-options'), 'nosniff')
    t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
    t.notMatch(html, /<script| style="| on\w+="|https?:\/\//)
    t.match(html, '<meta name="viewport" content="width=device-width, initial-scale=1">')
  }
})

t.test('the form can be filled by a password manager and read by a screen reader', async (t) => {
  const html = await (await (await startWithAda()).get('/?next=/entries')).text()
  t.match(html, /<label for="username">[\s\S]*<input id="username" name="username"[^>]*autocomplete="username"/)
  t.match(html, /<label for="password">[\s\S]*<input id="password" name="password"[^>]*autocomplete="current-password"/)
  t.match(html, 'aria-live="assertive"')
  t.match(html, '<input type="hidden" name="next" value="/entries">')
  t.match(html, '<html lang="en">')
})

t.test('a request before the start is an error that names the plugin', async (t) => {
  const handler = loginPassword({ cost }).routes?.['POST /sign-in']
  t.throws(() => handler?.(new Request('https://blog.localhost/'), {} as never), { code: 'ERR_PLUGIN' })
})
