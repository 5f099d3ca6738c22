import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { acmeFacts } from '../../../certs/acme/acme-error.ts'
import type { Solver } from '../../../certs/acme/solver.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { startFaultyCa } from '../../services/faulty-ca.ts'
import { startPebble } from '../../services/pebble.ts'
import { alpnSolver, dnsSolver, httpSolver, idleSolver, makeIssuer, orderNow } from './fixture.ts'

const pebble = await startPebble(t)
const http = await httpSolver(t, pebble.httpPort)
const alpn = await alpnSolver(t, pebble.tlsPort)
const dns = dnsSolver(pebble)

for (const solver of [http, alpn, dns])
  t.test(`${solver.kind} leads to a certificate, and its answer is taken away again`, async (t) => {
    const issuer = await makeIssuer(t, pebble)
    const name = `one.${solver.kind}.example.com`
    const certificate = await orderNow(issuer, [name], [solver])
    t.strictSame(certificate.names, [name])
    t.equal(certificate.keyKind, 'ecdsa')
    t.equal(solver.presented.at(-1)?.name, name)
    t.equal(solver.open.size, 0)
    const [leaf, intermediate] = certificate.chain
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem) => new X509Certificate(pem))
    t.ok(intermediate && leaf?.checkIssued(intermediate), 'the chain is whole')
  })

t.test('a name and its wildcard are proven by DNS, both at once', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const { names } = await orderNow(issuer, ['*.wild.example.com', 'wild.example.com'], [dns, http])
  t.strictSame([...names].sort(), ['*.wild.example.com', 'wild.example.com'])
  t.strictSame(
    dns.presented.slice(-2).map(({ name }) => name),
    ['wild.example.com', 'wild.example.com'],
  )
})

t.test('with a solver for DNS nothing else is used', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const before = http.presented.length + alpn.presented.length
  await orderNow(issuer, ['dns-only.example.com'], [http, alpn, dns])
  t.equal(http.presented.length + alpn.presented.length, before)
})

t.test('an order has many names, and each is proven', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const names = Array.from({ length: 20 }, (_, index) => `n${index}.many.example.com`)
  const certificate = await orderNow(issuer, names, [http])
  t.strictSame([...certificate.names].sort(), [...names].sort())
})

t.test('an RSA key is made when it is wanted, and each order has a key of its own', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const rsa = await orderNow(issuer, ['rsa.example.com'], [http], { keyKind: 'rsa' })
  t.equal(rsa.keyKind, 'rsa')
  const first = await orderNow(issuer, ['keys.example.com'], [http])
  const second = await orderNow(issuer, ['keys.example.com'], [http], { replaces: first })
  t.not(first.key, second.key)
  t.not(first.id, second.id)
})

t.test(
  'when one kind of challenge fails, the other is tried with a new order, and comes first from then on',
  async (t) => {
    const ca = await startFaultyCa(t, pebble.directory)
    const issuer = await makeIssuer(t, ca)
    // Another program has the port of http-01.
    const broken = idleSolver('http-01')
    for (let round = 0; round < 8; round += 1) await orderNow(issuer, [`round${round}.example.com`], [broken, alpn])
    t.ok(broken.presented.length <= 1, 'what has failed once is not the first choice again')
    t.equal(ca.count('newOrder'), 8 + broken.presented.length)
    t.equal(broken.open.size, 0)
  },
)

t.test('the first choice between two kinds is one of chance', async (t) => {
  const kinds = new Set<string>()
  for (let round = 0; round < 20 && kinds.size < 2; round += 1) {
    const issuer = await makeIssuer(t, pebble)
    const [before] = [http.presented.length]
    await orderNow(issuer, [`chance${round}.example.com`], [http, alpn])
    kinds.add(http.presented.length > before ? 'http-01' : 'tls-alpn-01')
  }
  t.equal(kinds.size, 2)
})

t.test('a proof that the CA does not find is told with its name, kind and problem type', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const wrong: Solver = { ...idleSolver('http-01') }
  const fault = await orderNow(issuer, ['unproven.example.com'], [wrong]).catch((error: unknown) => error)
  t.match(fault, { code: 'ERR_ACME', message: /unproven\.example\.com .*http-01/ })
  t.match(acmeFacts(fault), {
    reason: 'challenge',
    type: 'urn:ietf:params:acme:error:unauthorized',
    name: 'unproven.example.com',
    kind: 'http-01',
  })
  await t.resolves(orderNow(issuer, ['unproven.example.com'], [http]), 'the next try is a new order')
  t.equal(ca.count('newOrder'), 2)
})

t.test('one name that fails ends the order, and what is open at the CA is deactivated', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const half: Solver = {
    ...http,
    async present(challenge) {
      if (challenge.name.startsWith('bad')) throw new Error('the disk is full')
      await new Promise(() => undefined)
    },
  }
  const names = ['bad.example.com', 'good1.example.com', 'good2.example.com']
  await t.rejects(orderNow(issuer, names, [half]), {
    code: 'ERR_ACME',
    message: /bad\.example\.com cannot be published: the disk is full/,
    details: { reason: 'solver', name: 'bad.example.com' },
  })
  const deactivated = ca.seen.filter(
    ({ at, payload }) => at === 'authorization' && payload?.['status'] === 'deactivated',
  )
  t.equal(deactivated.length, 3)
})

t.test('an order that is given up rejects at once, stays noted, and is gone on with', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const stop = new AbortController()
  const reason = new Error('enough')
  const slow: Solver = {
    ...http,
    async present() {
      stop.abort(reason)
      await new Promise(() => undefined)
    },
  }
  await t.rejects(orderNow(issuer, ['given-up.example.com'], [slow], { signal: stop.signal }), reason)
  await orderNow(issuer, ['given-up.example.com'], [http])
  t.equal(ca.count('newOrder'), 1)
})

t.test('an answer that is published only after its order was given up is taken away again', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const stop = new AbortController()
  const late = Promise.withResolvers<void>()
  const removed: boolean[] = []
  const gone = Promise.withResolvers<void>()
  const slow: Solver = {
    kind: 'http-01',
    async present() {
      stop.abort(new Error('enough'))
      await late.promise
    },
    async remove() {
      removed.push(true)
      if (removed.length === 2) gone.resolve()
      throw new Error('not there')
    },
  }
  await t.rejects(orderNow(issuer, ['late.example.com'], [slow], { signal: stop.signal }), { message: 'enough' })
  t.equal(removed.length, 1)
  late.resolve()
  await gone.promise
})

t.test('an answer that cannot be published or taken away holds nobody up for ever', async (t) => {
  const never = () => new Promise<void>(() => undefined)
  const quick = (ms: number) => (ms >= limits.acme.removeMs ? 10 : ms)
  const environment = {
    ...nodeEnvironment,
    sleep: (ms: number, signal?: AbortSignal) => nodeEnvironment.sleep(quick(ms), signal),
  }
  const issuer = await makeIssuer(t, pebble, { environment })
  const deaf: Solver = { kind: 'http-01', present: never, remove: never }
  await t.rejects(orderNow(issuer, ['deaf.example.com'], [deaf]), {
    code: 'ERR_ACME',
    message: /publishing .* took longer than/,
    details: { reason: 'solver', name: 'deaf.example.com', kind: 'http-01' },
  })
})

t.test('a certificate that nobody stored is not ordered again, and one that is to be replaced is', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const first = await orderNow(issuer, ['stored.example.com'], [http])
  const again = await orderNow(issuer, ['stored.example.com'], [http])
  t.equal(again.id, first.id)
  t.equal(again.key, first.key)
  t.equal(ca.count('newOrder'), 1)
  const next = await orderNow(issuer, ['stored.example.com'], [http], { replaces: first })
  t.not(next.id, first.id)
})

t.test('a rehearsal goes to the staging endpoint, and nothing stays of it', async (t) => {
  const [real, staging] = [await startFaultyCa(t, pebble.directory), await startFaultyCa(t, pebble.directory)]
  const issuer = await makeIssuer(
    t,
    { directory: real.directory, roots: real.roots + staging.roots },
    {
      staging: staging.directory,
    },
  )
  for (const round of [1, 2]) {
    await orderNow(issuer, ['rehearsal.example.com'], [http], { isStaging: true })
    t.equal(staging.count('newOrder'), round)
  }
  t.equal(real.seen.length, 0)
  const notes: string[] = []
  for await (const key of issuer.vault.list('orders/')) notes.push(key)
  t.strictSame(notes, [])
  const lone = await makeIssuer(t, real)
  await t.rejects(orderNow(lone, ['a.example.com'], [http], { isStaging: true }), { code: 'ERR_INTERNAL' })
})

t.test('a profile is asked for where the CA has it, and refused where it has others', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  await orderNow(await makeIssuer(t, ca), ['p1.example.com'], [http], { profile: 'shortlived' })
  t.equal(ca.seen.find(({ at }) => at === 'newOrder')?.payload?.['profile'], undefined)
  ca.heal()
  ca.profiles = { classic: 'as ever', shortlived: 'six days' }
  await orderNow(await makeIssuer(t, ca), ['p2.example.com'], [http], { profile: 'shortlived' })
  t.equal(ca.seen.find(({ at }) => at === 'newOrder')?.payload?.['profile'], 'shortlived')
  await t.rejects(orderNow(await makeIssuer(t, ca), ['p3.example.com'], [http], { profile: 'constructor' }), {
    code: 'ERR_ACME',
    message: /no profile "constructor"; it has: classic, shortlived/,
    details: { reason: 'profile' },
  })
})

t.test('names that cannot be ordered are refused before the CA hears of them', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  const cases: readonly (readonly [names: readonly string[], message: RegExp])[] = [
    [[], /1 to 100 names, found 0/],
    [Array.from({ length: 101 }, (_, index) => `n${index}.example.com`), /found 101/],
    [['192.0.2.1'], /expected a DNS name/],
    [['[2001:db8::1]'], /expected a DNS name/],
    [['UPPER.example.com'], /expected a DNS name/],
    [['a..example.com'], /expected a DNS name/],
    [['a.example.com.'], /expected a DNS name/],
    [['a\0.example.com'], /expected a DNS name/],
    [['ä.example.com'], /expected a DNS name/],
    [['a.*.example.com'], /expected a DNS name/],
    [['*.*.example.com'], /expected a DNS name/],
    [['*'], /expected a DNS name/],
    [[`${'a'.repeat(64)}.example.com`], /expected a DNS name/],
    [['*.example.com'], /only be proven by DNS/],
  ]
  for (const [names, message] of cases)
    await t.rejects(
      orderNow(issuer, names, [http]),
      { code: 'ERR_ACME', message, details: { reason: 'names' } },
      JSON.stringify(names[0] ?? ''),
    )
  await t.rejects(orderNow(issuer, ['a.example.com'], []), { code: 'ERR_ACME', details: { reason: 'solver' } })
  t.equal(ca.seen.length, 0)
})

t.test('nonces come from earlier answers: few are asked for', async (t) => {
  const ca = await startFaultyCa(t, pebble.directory)
  const issuer = await makeIssuer(t, ca)
  await orderNow(issuer, ['nonce1.example.com'], [http])
  await orderNow(issuer, ['nonce2.example.com'], [http])
  t.equal(ca.count('newNonce'), 1)
  t.equal(ca.count('directory'), 1)
})

t.test('after its end an issuer orders nothing', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  await issuer.close()
  await t.rejects(orderNow(issuer, ['closed.example.com'], [http]), { name: 'AbortError' })
})
