import t from 'tap'
import { toChallenge } from '../../../certs/acme/solver.ts'
import type { DnsBounds } from '../../../certs/dns/bounds.ts'
import { createDnsSolver, type DnsSolverOptions } from '../../../certs/dns/dns-solver.ts'
import { type DnsProvider, type DnsRecord, dnsError } from '../../../core/dns-provider.ts'
import { rfc2136Dns } from '../../../plugins/dns/rfc2136.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { type Bind, startBind } from '../../services/bind.ts'
import { codes, startFaultyDns } from '../../services/faulty-dns.ts'

const environment = nodeEnvironment
const bounds: Partial<DnsBounds> = { queryMs: 500, tries: 1, pollMs: 20, propagationMs: 5_000, removeRetryMs: 10 }

const solverAt = (bind: Bind, options: Partial<DnsSolverOptions> = {}) =>
  createDnsSolver({
    provider: rfc2136Dns({ server: bind.server, key: bind.key }),
    environment,
    resolvers: [bind.server],
    port: bind.port,
    bounds,
    ...options,
  })

/** A provider that remembers. */
function memoryProvider(change: Partial<DnsProvider> = {}) {
  const there = new Set<string>()
  const calls: string[] = []
  const key = ({ name, value }: DnsRecord) => `${name} ${value}`
  const provider: DnsProvider = {
    name: 'memory',
    async present(record) {
      calls.push(`present ${record.name}`)
      there.add(key(record))
    },
    async remove(record) {
      calls.push(`remove ${record.name}`)
      there.delete(key(record))
    },
    ...change,
  }
  return { provider, there, calls }
}

t.test('a challenge is answered by a record that the servers of the zone have, and taken away', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const solver = solverAt(bind)
  const challenge = toChallenge('www.example.test', 'token', 'token.thumb')
  t.equal(solver.kind, 'dns-01')
  await solver.present(challenge)
  t.same(await bind.texts('_acme-challenge.www.example.test'), [challenge.dnsValue])
  await solver.remove(challenge)
  t.same(await bind.texts('_acme-challenge.www.example.test'), [])
  await solver.remove(challenge)
})

t.test('a name and its wildcard have their values at one place at one time', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const solver = solverAt(bind)
  const challenges = ['one', 'two', 'three'].map((token) => toChallenge('a.example.test', token, token))
  await Promise.all(challenges.map((one) => solver.present(one)))
  const at = '_acme-challenge.a.example.test'
  t.same(await bind.texts(at), challenges.map(({ dnsValue }) => dnsValue).sort())
  const [first, ...others] = challenges
  if (first) await solver.remove(first)
  t.same(await bind.texts(at), others.map(({ dnsValue }) => dnsValue).sort())
  await Promise.all(others.map((one) => solver.remove(one)))
  t.same(await bind.texts(at), [])
})

t.test('a delegated challenge is answered where its aliases lead, in another zone', async (t) => {
  const bind = await startBind(t, {
    zones: {
      'example.test': '_acme-challenge.shop CNAME hop.other.test.\nNOT-allowed TXT x',
      'other.test': 'hop CNAME shop.example.test.acme.test.',
      'acme.test': '',
    },
  })
  const challenge = toChallenge('shop.example.test', 'token', 'token.thumb')
  await solverAt(bind).present(challenge)
  t.same(await bind.texts('shop.example.test.acme.test'), [challenge.dnsValue])
  // Another process, which remembers nothing, finds it as well.
  await solverAt(bind).remove(challenge)
  t.same(await bind.texts('shop.example.test.acme.test'), [])
})

t.test('a record is taken away where it was put, although its alias leads elsewhere by now', async (t) => {
  const zones = (target: string) => ({ 'example.test': `_acme-challenge CNAME ${target}.`, 'acme.test': '' })
  const bind = await startBind(t, { zones: zones('one.acme.test') })
  const { provider, there, calls } = memoryProvider()
  const challenge = toChallenge('example.test', 'token', 'x')
  const copy = rfc2136Dns({ server: bind.server, key: bind.key })
  const both: DnsProvider = {
    ...provider,
    async present(record, signal) {
      await provider.present(record, signal)
      await copy.present(record, signal)
    },
  }
  const solver = solverAt(bind, { provider: both })
  await solver.present(challenge)
  await bind.stop()
  await startBind(t, { zones: zones('two.acme.test'), port: bind.port })
  await solver.remove(challenge)
  t.same([...there], [])
  t.same(calls, ['present one.acme.test', 'remove one.acme.test'])
})

t.test('every server of the zone has to have it: one that comes late is waited for', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' }, others: { 'ns2.example.test': '127.0.0.2' } })
  const challenge = toChallenge('example.test', 'token', 'x')
  let asked = 0
  await startFaultyDns(
    t,
    () => {
      asked += 1
      return asked < 5 ? { code: codes.nxDomain } : { answers: [{ type: 'TXT', data: challenge.dnsValue }] }
    },
    { addresses: ['127.0.0.2'], port: bind.port },
  )
  await solverAt(bind).present(challenge)
  t.equal(asked, 5)
})

t.test('a server that never gets it fails the challenge and is named, and nothing stays behind', async (t) => {
  const others = { 'ns2.example.test': '127.0.0.2', 'ns3.example.test': '127.0.0.3' }
  const bind = await startBind(t, { zones: { 'example.test': '' }, others })
  await startFaultyDns(t, () => ({ answers: [{ type: 'TXT', data: 'other' }] }), {
    addresses: ['127.0.0.2'],
    port: bind.port,
  })
  const challenge = toChallenge('example.test', 'token', 'x')
  await t.rejects(solverAt(bind, { bounds: { ...bounds, propagationMs: 300 } }).present(challenge), {
    code: 'ERR_DNS',
    details: { reason: 'propagation' },
    message:
      /servers of example\.test do not have .*: ns2\.example\.test \(127\.0\.0\.2\) has 1 other TXT records there; ns3/,
    hint: /provider/,
  })
  t.same(await bind.texts('_acme-challenge.example.test'), [])
})

t.test('a server that is down does not stop the others from being enough', async (t) => {
  const others = { 'ns2.example.test': '127.0.0.2', 'ns3.elsewhere.test': '', 'ns4.example.test': '::1' }
  const bind = await startBind(t, { zones: { 'example.test': '' }, others })
  const challenge = toChallenge('example.test', 'token', 'x')
  const warned: unknown[] = []
  const log = { warn: (...args: unknown[]) => warned.push(args) } as unknown as NonNullable<DnsSolverOptions['log']>
  await solverAt(bind, { log }).present(challenge)
  t.same(await bind.texts('_acme-challenge.example.test'), [challenge.dnsValue])
  t.match(warned, [[{ servers: [/ns2\.example\.test \(127\.0\.0\.2\)/, /ns4\.example\.test/] }, /do not answer/]])
})

t.test('a value that another writer lost is given to the provider again', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const real = rfc2136Dns({ server: bind.server, key: bind.key })
  let calls = 0
  const forgetful: DnsProvider = {
    ...real,
    async present(record, signal) {
      calls += 1
      if (calls > 1) await real.present(record, signal)
    },
  }
  await solverAt(bind, { provider: forgetful, bounds: { ...bounds, againMs: 50 } }).present(
    toChallenge('example.test', 't', 'x'),
  )
  t.equal(calls, 2)
})

t.test('whatever fails, the record is taken away, and the first failure is told', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const challenge = toChallenge('example.test', 'token', 'x')
  const table: [string, DnsProvider['present'], object][] = [
    [
      'a fault of the provider',
      () => Promise.reject(dnsError('refused', 'no')),
      { details: { reason: 'refused' }, message: 'no' },
    ],
    [
      'a provider with a bug',
      () => Promise.reject(new TypeError('oops')),
      { details: { reason: 'refused' }, message: /^memory \(present .*\): oops$/ },
    ],
    [
      'a provider that throws at once',
      () => {
        throw new RangeError('at once')
      },
      { details: { reason: 'refused' }, message: /at once/ },
    ],
    ['one that rejects with nothing', () => Promise.reject(undefined), { details: { reason: 'refused' } }],
    ['one that never ends', () => new Promise(() => undefined), { details: { reason: 'timeout' } }],
  ]
  for (const [what, present, expected] of table) {
    const { provider, there, calls } = memoryProvider({ present })
    there.add(`_acme-challenge.example.test ${challenge.dnsValue}`)
    const solver = solverAt(bind, { provider, bounds: { ...bounds, providerMs: 100 } })
    await t.rejects(solver.present(challenge), { code: 'ERR_DNS', ...expected }, what)
    t.same([...there], [], what)
    t.same(calls, ['remove _acme-challenge.example.test'], what)
  }
})

t.test('taking away is tried again when that may help, and only then', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const challenge = toChallenge('example.test', 'token', 'x')
  for (const [reason, tries] of [
    ['unavailable', 3],
    ['limited', 3],
    ['denied', 1],
    ['zone', 1],
  ] as const) {
    let calls = 0
    const { provider } = memoryProvider({
      remove() {
        calls += 1
        return Promise.reject(dnsError(reason, 'no'))
      },
    })
    await t.rejects(solverAt(bind, { provider }).remove(challenge), { code: 'ERR_DNS', details: { reason } })
    t.equal(calls, tries, reason)
  }
  let left = 2
  const { provider } = memoryProvider({
    async remove() {
      if (left-- > 0) throw dnsError('unavailable', 'not now')
    },
  })
  await solverAt(bind, { provider }).remove(challenge)
})

t.test('a solver that ends gives up at once, and still takes its record away', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const challenge = toChallenge('example.test', 'token', 'x')
  const control = new AbortController()
  const { provider, there, calls } = memoryProvider()
  const solver = solverAt(bind, { provider, signal: control.signal, bounds: { ...bounds, propagationMs: 600_000 } })
  const presented = solver.present(challenge)
  while (there.size === 0) await environment.sleep(5)
  const reason = new Error('the end')
  control.abort(reason)
  await t.rejects(presented, reason)
  t.same([...there], [])
  await t.rejects(solver.present(challenge), reason)
  await solver.remove(challenge)
  t.equal(calls.filter((call) => call.startsWith('remove')).length, 2)
})
