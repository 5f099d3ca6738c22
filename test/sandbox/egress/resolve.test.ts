import t from 'tap'
import { createAddressCheck } from '../../../sandbox/egress/addresses.ts'
import { createNameResolver } from '../../../sandbox/egress/resolve.ts'
import { codes, startFaultyDns } from '../../services/faulty-dns.ts'
import { startNames } from './fixtures/web.ts'

const check = createAddressCheck({ alsoPublic: ['127.0.0.1'] })

t.test('addresses of a name, of both families', async (t) => {
  const dns = await startNames(t, {
    'both.example': [
      { type: 'A', data: '1.1.1.1' },
      { type: 'AAAA', data: '2606:4700:4700::1111' },
    ],
    'four.example': [
      { type: 'A', data: '1.1.1.1' },
      { type: 'A', data: '127.0.0.1' },
    ],
    'six.example': [{ type: 'AAAA', data: '2606:4700:4700::1111' }],
  })
  const names = createNameResolver({ check, servers: [dns.server] })
  t.same(await names.resolve('both.example'), [
    { address: '1.1.1.1', family: 4 },
    { address: '2606:4700:4700::1111', family: 6 },
  ])
  t.same(await names.resolve('four.example'), [
    { address: '1.1.1.1', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ])
  t.same(await names.resolve('six.example'), [{ address: '2606:4700:4700::1111', family: 6 }])
})

t.test('one inner address spoils a name, and it fails as a name fails that is not there', async (t) => {
  const dns = await startNames(t, {
    'mixed.example': [
      { type: 'A', data: '1.1.1.1' },
      { type: 'A', data: '10.0.0.1' },
    ],
    'mixed-six.example': [
      { type: 'A', data: '1.1.1.1' },
      { type: 'AAAA', data: '::1' },
    ],
    'mapped.example': [{ type: 'AAAA', data: '::ffff:7f00:1' }],
    'inner.example': [{ type: 'A', data: '192.168.1.1' }],
    'metadata.example': [{ type: 'A', data: '169.254.169.254' }],
    'empty.example': [],
    'many.example': Array.from({ length: 65 }, () => ({ type: 'A', data: '1.1.1.1' }) as const),
  })
  const names = createNameResolver({ check, servers: [dns.server] })
  for (const name of ['mixed', 'mixed-six', 'mapped', 'inner', 'metadata', 'empty', 'many'].map(
    (each) => `${each}.example`,
  ))
    await t.rejects(names.resolve(name), { code: 'ERR_FETCH_REFUSED', message: `${name} has no public address` }, name)
  await t.rejects(names.resolve('gone.test'), { code: 'ERR_FETCH_REFUSED', message: 'gone.test has no public address' })
})

t.test('a name with an alias is judged by where it leads', async (t) => {
  const dns = await startNames(t, {
    'alias.example': [{ type: 'A', name: 'inner.example', data: '10.0.0.1' }],
  })
  const names = createNameResolver({ check, servers: [dns.server] })
  await t.rejects(names.resolve('alias.example'), { code: 'ERR_FETCH_REFUSED' })
})

t.test('who asks at the same time, and soon after, gets the same answer', async (t) => {
  let asked = 0
  const dns = await startNames(t, {
    'a.example': () => {
      asked += 1
      return [{ type: 'A', data: '1.1.1.1' }]
    },
  })
  const names = createNameResolver({ check, servers: [dns.server] })
  await Promise.all([names.resolve('a.example'), names.resolve('a.example')])
  await names.resolve('a.example')
  t.equal(asked, 2, 'once for each family')
  const other = createNameResolver({ check, servers: [dns.server] })
  await other.resolve('a.example')
  t.equal(asked, 4, 'what another site has asked for is not known to it')
})

t.test('the machine’s own table of hosts is not read', async (t) => {
  const dns = await startNames(t, {})
  const names = createNameResolver({ check, servers: [dns.server] })
  await t.rejects(names.resolve('localhost'), { code: 'ERR_FETCH_REFUSED' })
  t.same(
    dns.questions.map((question) => question.split(' ')[1]),
    ['localhost', 'localhost'],
  )
})

t.test('servers that fail', async (t) => {
  const dns = await startFaultyDns(t, ({ name, type }) => {
    if (name === 'half.example')
      return type === 'A' ? { answers: [{ type: 'A', data: '1.1.1.1' }] } : { code: codes.servFail }
    if (name === 'silent.example') return 'silent'
    return { code: codes.servFail }
  })
  const names = createNameResolver({ check, servers: [dns.server] })
  t.same(await names.resolve('half.example'), [{ address: '1.1.1.1', family: 4 }], 'one family is enough')
  await t.rejects(names.resolve('broken.example'), {
    code: 'ERR_UPSTREAM_DOWN',
    message: /no name server could answer/,
  })
  await t.rejects(names.resolve('silent.example'), { code: 'ERR_UPSTREAM_SLOW' })
})

t.test('a flood of names is bounded', async (t) => {
  const dns = await startFaultyDns(t, () => ({ answers: [{ type: 'A', data: '1.1.1.1' }] }))
  const names = createNameResolver({ check, servers: [dns.server] })
  const results = await Promise.allSettled(Array.from({ length: 300 }, (_, i) => names.resolve(`n${i}.example`)))
  const failed = results.filter((result) => result.status === 'rejected')
  t.equal(failed.length, 44)
  t.match(failed[0], { reason: { code: 'ERR_TOO_MANY' } })
  t.ok(await names.resolve('n299.example'), 'and goes on after it')
})
