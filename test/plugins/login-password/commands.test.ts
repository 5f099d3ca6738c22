import t from 'tap'
import { parseConfig } from '../../../core/config.ts'
import { loginPassword } from '../../../plugins/login-password/login-password.ts'
import { type Kept, startPlugin } from './plugin-host.ts'

const cost = { memoryKiB: 64, passes: 1, lanes: 1 }
const start = (kept?: Kept, nowMs = 1_000) => startPlugin(loginPassword({ cost, now: () => nowMs }), kept)

t.test('accounts are added, listed, changed and removed, and are there after a restart', async (t) => {
  const first = await start()
  t.same(await first.command('list', {}), { users: [] })
  t.same(await first.command('add', { userId: ' Ada ', password: 'analytical' }), {
    userId: 'ada',
    sites: undefined,
    createdAtMs: 1_000,
    changedAtMs: 1_000,
  })
  await first.command('add', { userId: 'bob@example.org', password: 'builder bob', sites: ['shop', 'blog', 'shop'] })
  await first.command('add', { userId: 'eve', password: 'evesdrops', sites: [] })
  t.same(first.events, [], 'a new user has no sessions to end')

  const second = await start(first.kept, 2_000)
  t.same(await second.command('remove', { userId: 'eve' }), { userId: 'eve' })
  t.same(await second.command('passwd', { userId: 'ada', password: 'engine number 2' }), { userId: 'ada' })
  t.same([...new Set(second.events)], ['revoke eve', 'revoke ada'])
  t.equal(second.events.at(-1), 'revoke ada', 'sessions end after the password has changed')

  const third = await start(first.kept)
  t.same(JSON.parse(JSON.stringify(await third.command('list', undefined))), {
    users: [
      { userId: 'ada', createdAtMs: 1_000, changedAtMs: 2_000 },
      { userId: 'bob@example.org', sites: ['blog', 'shop'], createdAtMs: 1_000, changedAtMs: 1_000 },
    ],
  })
  t.equal((await third.post('/sign-in', { username: 'ada', password: 'engine number 2' })).status, 303)
  t.equal((await third.post('/sign-in', { username: 'ada', password: 'analytical' })).status, 401)
  t.equal((await third.post('/sign-in', { username: 'eve', password: 'evesdrops' })).status, 401)
  const text = JSON.stringify([...first.kept.logs])
  for (const secret of ['analytical', 'engine number 2', 'builder bob']) t.notMatch(text, secret)
})

t.test('a hostile or mistaken command is refused with a reason and changes nothing', async (t) => {
  const host = await start()
  await host.command('add', { userId: 'ada', password: 'analytical' })
  const before = JSON.stringify([...host.kept.logs])
  for (const [command, input, message] of [
    ['add', { userId: 'ada', password: 'another one' }, /there is a user "ada" already/],
    ['add', { userId: 'ADA', password: 'another one' }, /there is a user "ada" already/],
    ['add', { userId: '', password: 'another one' }, /"" is not a user id/],
    ['add', { userId: 'a b', password: 'another one' }, /"a b" is not a user id/],
    ['add', { userId: 'a\nb', password: 'another one' }, /"a\\nb" is not a user id/],
    ['add', { userId: 'ädä', password: 'another one' }, /is not a user id/],
    ['add', { userId: '../etc', password: 'another one' }, /is not a user id/],
    ['add', { userId: '<b>', password: 'another one' }, /is not a user id/],
    ['add', { userId: 'x'.repeat(65), password: 'another one' }, /is not a user id/],
    ['add', { userId: 'x'.repeat(100_000), password: 'another one' }, /^.{1,200}$/],
    ['add', { userId: 'bob', password: 'short77' }, /at least 8 characters, found 7/],
    ['add', { userId: 'bob', password: '🌳🌳🌳🌳🌳🌳🌳' }, /at least 8 characters, found 7/],
    ['add', { userId: 'bob', password: 'x'.repeat(257) }, /at most 256 bytes, found 257/],
    ['add', { userId: 'bob', password: 'ä'.repeat(129) }, /at most 256 bytes, found 258/],
    ['add', { userId: 'bob', password: 'lone \ud800 half' }, /valid Unicode/],
    ['add', { userId: 'bob', password: 'another one', sites: ['blog', 'nope', 'no'] }, /no site "nope", "no"/],
    ['add', { userId: 'bob', password: 12345678 }, /password: invalid input/],
    ['add', { userId: 'bob', password: 'another one', admin: true }, /unrecognized key/],
    ['add', { userId: 'bob' }, /password/],
    ['add', null, /the user command/],
    ['add', 'bob', /the user command/],
    ['passwd', { userId: 'bob', password: 'another one' }, /there is no user "bob"/],
    ['passwd', { userId: 'ada', password: 'short' }, /at least 8 characters/],
    ['passwd', { userId: '!', password: 'another one' }, /is not a user id/],
    ['remove', { userId: 'bob' }, /there is no user "bob"/],
    ['remove', { userId: '__proto__' }, /there is no user "__proto__"/],
    ['remove', {}, /userId/],
    ['list', { all: true }, /unrecognized key/],
  ] as const) {
    const name = `${command} ${JSON.stringify(input)?.slice(0, 60)}`
    const error = await host.command(command, input).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    t.match(error, { code: 'ERR_USER', message }, name)
    t.notMatch(String(error), /another one|short77|🌳|12345678/, `${name}: the password is not repeated`)
  }
  t.equal(JSON.stringify([...host.kept.logs]), before)
  t.same(host.events, [])
})

t.test('two commands at once cannot make two accounts of one name', async (t) => {
  const host = await start()
  const results = await Promise.allSettled(
    [1, 2, 3].map((n) => host.command('add', { userId: 'ada', password: `password ${n}` })),
  )
  t.same(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected'])
  t.equal(host.kept.logs.get('accounts')?.length, 1)
})

t.test(
  'a password that is changed twice at once ends as one of the two, a user removed meanwhile stays removed',
  async (t) => {
    const host = await start()
    await host.command('add', { userId: 'ada', password: 'analytical' })
    await Promise.all([1, 2].map((n) => host.command('passwd', { userId: 'ada', password: `password ${n}` })))
    const statuses = await Promise.all(
      ['password 1', 'password 2'].map(
        async (password) => (await host.post('/sign-in', { username: 'ada', password })).status,
      ),
    )
    t.same(statuses.sort(), [303, 401])
    const change = host.command('passwd', { userId: 'ada', password: 'password 3' })
    await host.command('remove', { userId: 'ada' })
    await t.rejects(change, { code: 'ERR_USER', details: { reason: 'unknown' } })
    t.same(await host.command('list', {}), { users: [] })
  },
)

t.test('there is room for so many accounts and no more', async (t) => {
  const host = await startPlugin(loginPassword({ cost, maxAccounts: 2 }))
  await host.command('add', { userId: 'a', password: 'password a' })
  await host.command('add', { userId: 'b', password: 'password b' })
  await t.rejects(host.command('add', { userId: 'c', password: 'password c' }), { code: 'ERR_TOO_MANY' })
  await host.command('remove', { userId: 'a' })
  await host.command('add', { userId: 'c', password: 'password c' })
})

t.test('a change that cannot be written did not happen, and the next one can', async (t) => {
  const host = await start()
  await host.command('add', { userId: 'ada', password: 'analytical' })
  host.log.fails = true
  await t.rejects(host.command('add', { userId: 'bob', password: 'builder bob' }), { message: 'the disk is full' })
  await t.rejects(host.command('passwd', { userId: 'ada', password: 'another one' }), { message: 'the disk is full' })
  await t.rejects(host.command('remove', { userId: 'ada' }), { message: 'the disk is full' })
  host.log.fails = false
  t.equal((await host.post('/sign-in', { username: 'ada', password: 'analytical' })).status, 303)
  t.equal((await host.post('/sign-in', { username: 'bob', password: 'builder bob' })).status, 401)
  await host.command('add', { userId: 'bob', password: 'builder bob' })
})

for (const record of [{ kind: 'put', userId: 'ada' }, { kind: 'other' }, null, 'text']) {
  t.test(`a log with the record ${JSON.stringify(record)} stops the start`, async (t) => {
    await t.rejects(start({ logs: new Map([['accounts', [record]]]) }), { code: 'ERR_DATA_FORMAT' })
  })
}

for (const options of [
  { cost: { memoryKiB: 1, passes: 1, lanes: 1 } },
  { cost: { memoryKiB: 64 } },
  { accountLimit: { burst: 0, everyMs: 1 } },
  { maxAccounts: 0 },
  { now: 5 },
  { salt: 'x' },
  [],
]) {
  t.test(`options ${JSON.stringify(options)} are refused when the config is read`, async (t) => {
    t.throws(() => parseConfig({ plugins: [loginPassword(options as never)] }, 'the test'), {
      code: 'ERR_CONFIG_INVALID',
      message: /plugins\[0\]\.options.*: expected /,
    })
  })
}
