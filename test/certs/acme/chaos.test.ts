import t from 'tap'
import { startPebble } from '../../services/pebble.ts'
import { alpnSolver, dnsSolver, httpSolver, makeIssuer, orderNow } from './fixture.ts'

t.test(
  'orders succeed at a CA that refuses nonces, sleeps, and believes in earlier proofs when it likes',
  async (t) => {
    const pebble = await startPebble(t, { badNonces: 25, sleepSeconds: 2, reused: 50 })
    const solvers = [[await httpSolver(t, pebble.httpPort)], [await alpnSolver(t, pebble.tlsPort)], [dnsSolver(pebble)]]
    const issuer = await makeIssuer(t, pebble)
    for (const [round, [solver]] of [...solvers, ...solvers].entries()) {
      if (!solver) continue
      // One name of the first round is there again, so that its proof may be reused.
      const names = ['again.example.com', `round${round}.example.com`]
      const certificate = await orderNow(issuer, names, [solver])
      t.strictSame([...certificate.names].sort(), names)
    }
    t.match(pebble.said, /bad nonce|badNonce|Nonce/i)
  },
)

t.test('a CA that rejects each proof leads to an error, and then to nothing', async (t) => {
  const pebble = await startPebble(t, { badNonces: 10 })
  const http = await httpSolver(t, pebble.httpPort)
  const issuer = await makeIssuer(t, pebble)
  await pebble.tellDns('set-servfail', { host: 'broken.example.com' })
  await t.rejects(orderNow(issuer, ['broken.example.com'], [http]), {
    code: 'ERR_ACME',
    details: { reason: 'challenge', name: 'broken.example.com' },
  })
  await pebble.tellDns('clear-servfail', { host: 'broken.example.com' })
  await t.resolves(orderNow(issuer, ['broken.example.com'], [http]))
})

t.test('a CA that goes away and comes back with no memory gets the same account key, and signs again', async (t) => {
  const pebble = await startPebble(t)
  const http = await httpSolver(t, pebble.httpPort)
  const issuer = await makeIssuer(t, pebble)
  const first = await orderNow(issuer, ['back.example.com'], [http])
  const account = await issuer.vault.read(`accounts/${issuer.id}`)
  await pebble.stop()
  await t.rejects(orderNow(issuer, ['back.example.com'], [http], { replaces: first }), {
    code: 'ERR_ACME',
    details: { reason: 'network' },
  })
  await pebble.start()
  await orderNow(issuer, ['back.example.com'], [http], { replaces: first })
  const now = await issuer.vault.read(`accounts/${issuer.id}`)
  const keyOf = (text = '{}') => (JSON.parse(text) as { key?: string }).key
  t.equal(keyOf(now?.text), keyOf(account?.text))
})
