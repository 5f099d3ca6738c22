import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import t from 'tap'
import { decodeLeaf } from '../../../certs/leaf-file.ts'
import { leafLifeMs } from '../../../certs/own-certificates.ts'
import { pemBlocks } from '../../../certs/pem.ts'
import { limits } from '../../../core/limits.ts'
import {
  clientOf,
  csrFor,
  derOf,
  freshName,
  jwkOf,
  newKey,
  obtain,
  order,
  origin,
  problemOf,
  readyOrder,
  register,
  setUp,
  signMessage,
  startResponder,
  thumbprintOf,
  until,
} from './fixture.ts'

t.test('the directory leads everywhere, and every answer leads to it', async (t) => {
  const { server } = await setUp(t)
  const client = clientOf(server)
  const { status, headers, body } = await client.get(`${origin}/directory`)
  t.equal(status, 200)
  t.match(headers, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  t.strictSame(body, {
    newNonce: `${origin}/acme/new-nonce`,
    newAccount: `${origin}/acme/new-account`,
    newOrder: `${origin}/acme/new-order`,
    revokeCert: `${origin}/acme/revoke-cert`,
    keyChange: `${origin}/acme/key-change`,
    renewalInfo: `${origin}/acme/renewal-info`,
    meta: { externalAccountRequired: false },
  })
  for (const [method, expected] of [
    ['HEAD', 200],
    ['GET', 204],
  ] as const) {
    const told = await client.get(body.newNonce, method)
    t.equal(told.status, expected)
    t.match(told.headers, { 'replay-nonce': /^[\w-]{22}$/, link: `<${origin}/directory>;rel="index"` })
  }
})

t.test('an account is made once for a key, found again, changed, and ended', async (t) => {
  const { server, open } = await setUp(t)
  const client = clientOf(server)
  const made = await client.register({ contact: ['mailto:ops@home.arpa'], termsOfServiceAgreed: true })
  t.match(made, { status: 201, body: { status: 'valid', contact: ['mailto:ops@home.arpa'] } })
  t.match(made.headers, { location: new RegExp(`^${origin}/acme/account/[0-9a-f]{32}$`) })
  for (const server of [open(), open()]) {
    const again = clientOf(server, client.key)
    t.match(await again.register({ onlyReturnExisting: true }), { status: 200 })
    t.equal(again.kid, client.kid, 'also by another process over the same vault')
  }
  const twice = newKey()
  const both = await Promise.all([clientOf(server, twice).register(), clientOf(open(), twice).register()])
  t.strictSame(both.map(({ status }) => status).sort(), [200, 201])
  t.equal(both[0].headers['location'], both[1].headers['location'], 'two that ask at once get one account')
  const changed = await client.post(client.kid ?? '', { contact: [] })
  t.match(changed, { status: 200, body: { status: 'valid', contact: [] } })
  t.match(await client.post(client.kid ?? ''), { body: { contact: [] } })
  t.match(await client.post(client.kid ?? '', { status: 'deactivated' }), { body: { status: 'deactivated' } })
  t.equal(problemOf(await client.post(client.kid ?? '')), 'unauthorized')
})

t.test('every kind of key can have an account and a certificate', async (t) => {
  const responder = await startResponder(t)
  const { server, ca, environment } = await setUp(t, { prove: { httpPort: responder.port } })
  const kinds = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    generateKeyPairSync('ed25519'),
  ]
  const root = new X509Certificate(ca.rootPem)
  for (const { privateKey } of kinds) {
    const client = await register(server, privateKey)
    const name = freshName()
    const key = privateKey.asymmetricKeyDetails?.namedCurve === 'secp521r1' ? newKey() : sameKind(privateKey)
    const { body } = await readyOrder(client, responder, name)
    const done = await client.post(body.finalize, { csr: await csrFor([name], { key }) })
    t.equal(done.status, 200, done.text)
    const { text, headers } = await client.post(done.body.certificate)
    t.equal(headers['content-type'], 'application/pem-certificate-chain')
    t.equal(pemBlocks(text).length, 2)
    const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
    t.ok(decodeLeaf(text + pem, name, root, environment.now()), String(privateKey.asymmetricKeyType))
  }
})

t.test('an order goes its way: pending, ready, valid, with a proof for each name, addresses too', async (t) => {
  const responder = await startResponder(t)
  const { server, ca, environment } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const name = freshName()
  const made = await order(client, name, '127.0.0.1', name.toUpperCase())
  t.match(made, { status: 201, body: { status: 'pending' } })
  t.strictSame(made.body.identifiers, [
    { type: 'dns', value: name },
    { type: 'ip', value: '127.0.0.1' },
  ])
  t.equal(made.body.authorizations.length, 2)
  t.equal(Date.parse(made.body.expires) > environment.now(), true)
  for (const url of made.body.authorizations) {
    const { body } = await client.post(url)
    t.equal(body.status, 'pending')
    t.strictSame(
      body.challenges.map(({ type, status }: { type: string; status: string }) => [type, status]),
      body.identifier.type === 'dns'
        ? [
            ['http-01', 'pending'],
            ['tls-alpn-01', 'pending'],
            ['dns-01', 'pending'],
          ]
        : [
            ['http-01', 'pending'],
            ['tls-alpn-01', 'pending'],
          ],
    )
    const [challenge] = body.challenges
    t.match(challenge.token, /^[\w-]{43}$/)
    responder.proofs.set(challenge.token, client.keyAuthorization(challenge.token))
    const tried = await client.post(challenge.url, {})
    t.match(tried, { status: 200, body: { status: /^(processing|valid)$/, url: challenge.url } })
    t.match(tried.headers['link'], `<${url}>;rel="up"`)
    await until(async () => (await client.post(url)).body.status === 'valid')
    const { body: proven } = await client.post(url)
    t.match(proven.challenges, [{ type: 'http-01', status: 'valid', validated: /^\d{4}-/ }])
    t.equal(proven.challenges.length, 1)
    t.match(await client.post(challenge.url, {}), { status: 200, body: { status: 'valid' } }, 'asked again')
  }
  t.match(await client.post(made.url), { body: { status: 'ready' } })
  const done = await client.post(made.body.finalize, { csr: await csrFor([name, '127.0.0.1']) })
  t.match(done, { status: 200, body: { status: 'valid' }, headers: { location: made.url } })
  const { text } = await client.post(done.body.certificate)
  const leaf = new X509Certificate(text)
  t.equal(leaf.subjectAltName, `DNS:${name}, IP Address:127.0.0.1`)
  t.ok(leaf.validToDate.getTime() <= environment.now() + leafLifeMs)
  t.equal(ca.permits(name), true)
  t.match(await client.post(`${client.kid}/orders`), { body: { orders: [made.url] } })
  t.ok(responder.asked.some((asked) => asked.startsWith('127.0.0.1:')))
})

t.test('a wrong proof ends the order, and says why without showing what was found', async (t) => {
  const responder = await startResponder(t)
  const { server } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const { body, url } = await order(client, freshName())
  const { body: authorization } = await client.post(body.authorizations[0])
  const [challenge] = authorization.challenges
  responder.proofs.set(challenge.token, `${challenge.token}.secret-page`)
  t.match(await client.post(challenge.url, {}), { headers: { 'retry-after': '1' }, body: { status: 'processing' } })
  t.equal((await client.post(body.authorizations[0])).headers['retry-after'], '1')
  await until(async () => (await client.post(url)).body.status === 'invalid')
  const { body: failed, text } = await client.post(body.authorizations[0])
  t.equal(failed.status, 'invalid')
  t.match(failed.challenges, [
    { status: 'invalid', error: { type: 'urn:ietf:params:acme:error:incorrectResponse', detail: /not show the key/ } },
  ])
  t.notMatch(text, /secret-page/)
})

t.test('a proof that a restart cut short is looked at again when the client asks', async (t) => {
  const responder = await startResponder(t)
  const { server, open } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const { body } = await order(client, freshName())
  const [url] = body.authorizations
  const [challenge] = (await client.post(url)).body.challenges
  const asked = Promise.withResolvers<void>()
  responder.answer = () => asked.resolve() // And never answers.
  await client.post(challenge.url, {})
  await asked.promise
  await server[Symbol.asyncDispose]()
  responder.answer = undefined
  responder.proofs.set(challenge.token, client.keyAuthorization(challenge.token))
  const next = clientOf(open(), client.key)
  next.kid = client.kid
  t.match((await next.post(url)).body, { status: 'pending', challenges: [{ status: 'processing' }, {}, {}] })
  await until(async () => (await next.post(url)).body.status === 'valid')
})

t.test('an account gets another key, and the old one is no more', async (t) => {
  const { server } = await setUp(t)
  const client = await register(server)
  const next = newKey()
  const url = `${origin}/acme/key-change`
  const inner = (from: typeof next, to: typeof next) =>
    signMessage({ alg: 'ES256', jwk: jwkOf(to), url }, JSON.stringify({ account: client.kid, oldKey: jwkOf(from) }), to)
  t.match(await client.post(url, inner(client.key, next)), { status: 200, body: { status: 'valid' } })
  t.equal(problemOf(await client.post(client.kid ?? '')), 'unauthorized', 'the old key')
  const renewed = clientOf(server, next)
  t.match(await renewed.register({ onlyReturnExisting: true }), { status: 200 })
  t.equal(renewed.kid, client.kid)
  t.match(await clientOf(server, client.key).register(), { status: 201 }, 'the old key is free for another account')
  t.match(await renewed.post(url, inner(next, client.key)), { status: 409, headers: { location: /account/ } })
})

t.test('a change of keys that was cut short takes the new key from nobody', async (t) => {
  const { server, vault } = await setUp(t)
  const client = await register(server)
  const next = newKey()
  const record = `acme-server/keys/${createHash('sha256').update(thumbprintOf(next)).digest('hex')}`
  await vault.write(record, client.kid?.split('/').at(-1) ?? '', 0)
  const other = clientOf(server, next)
  t.match(await other.register(), { status: 201 })
  t.not(other.kid, client.kid)
})

t.test('clients are told when to renew: at two thirds of the life, and at once when it was revoked', async (t) => {
  const responder = await startResponder(t)
  const { server, environment } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const chain = await obtain(client, responder, freshName())
  const leaf = new X509Certificate(chain)
  const serial = Buffer.from(leaf.serialNumber, 'hex').toString('base64url')
  const url = `${origin}/acme/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.${serial}`
  const { status, headers, body } = await client.get(url)
  t.equal(status, 200)
  t.match(headers['retry-after'], /^\d+$/)
  const start = Date.parse(body.suggestedWindow.start)
  const end = Date.parse(body.suggestedWindow.end)
  t.ok(environment.now() < start && start < end && end < leaf.validToDate.getTime())
  await client.post(`${origin}/acme/revoke-cert`, { certificate: derOf(chain) })
  t.ok(Date.parse((await client.get(url)).body.suggestedWindow.end) <= environment.now())
  for (const id of ['AAAA.AAAA', `${'A'.repeat(27)}.${'A'.repeat(22)}`, 'AAAA', '..', 'AAAA.AAAA.AAAA'])
    t.equal((await client.get(`${origin}/acme/renewal-info/${id}`)).status >= 400, true, id)
})

t.test('what has ended is swept away, and nothing else', async (t) => {
  const responder = await startResponder(t)
  const { server, vault, clock } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  await obtain(client, responder, freshName())
  await order(client, freshName())
  const { body: tried } = await order(client, freshName())
  const { body: authorization } = await client.post(tried.authorizations[0])
  await client.post(authorization.challenges[0].url, {})
  t.equal(await server.sweep(), 0)
  clock.aheadMs += limits.acmeServer.untouchedOrderMs - 1_000
  t.equal(await server.sweep(), 0)
  clock.aheadMs += 1_000
  t.equal(await server.sweep(), 1, 'the order for which nobody said that a proof is there')
  clock.aheadMs += limits.acmeServer.orderMs + limits.acmeServer.endedMs
  t.equal(await server.sweep(), 1, 'the order that was not proven')
  clock.aheadMs += leafLifeMs
  await vault.write(`acme-server/orders/${'0'.repeat(32)}/${'1'.repeat(32)}`, '{}', 0)
  t.equal(await server.sweep(), 3, 'the certificate, its order, and a record that nobody understands')
  const left = await Array.fromAsync(vault.list('acme-server/'))
  t.strictSame(left.map((key) => key.split('/')[1]).sort(), ['accounts', 'keys'])
  t.match(await client.post(client.kid ?? ''), { status: 200 })
})

t.test('a record that cannot be looked at holds up the sweeping of no other one', async (t) => {
  const { server, vault, clock, open } = await setUp(t)
  const client = await register(server)
  const urls = [await order(client, freshName()), await order(client, freshName())].map(({ url }) => url)
  clock.aheadMs += limits.acmeServer.untouchedOrderMs
  const [bad = ''] = (await Array.fromAsync(vault.list('acme-server/orders/'))).sort()
  const broken = {
    ...vault,
    read: async (key: string) => {
      if (key === bad) throw new Error('I/O error')
      return vault.read(key)
    },
  }
  t.equal(await open({ vault: broken }).sweep(), 1)
  t.strictSame(await Array.fromAsync(vault.list('acme-server/orders/')), [bad])
  t.equal(await server.sweep(), 1, 'once it can be read again')
  for (const url of urls) t.equal((await client.post(url)).status, 404)
})

t.test('a name that a site gets while it is ordered is not signed any more', async (t) => {
  const responder = await startResponder(t)
  const served = new Set<string>()
  const { server, vault } = await setUp(t, {
    prove: { httpPort: responder.port },
    isServed: (name) => served.has(name),
  })
  const client = await register(server)
  const [name, other] = [freshName(), freshName()]
  const { body } = await readyOrder(client, responder, name, other)
  served.add(other)
  const told = await client.post(body.finalize, { csr: await csrFor([name, other]) })
  t.match(told, { status: 400, body: { identifier: { type: 'dns', value: other } } })
  t.equal(problemOf(told), 'rejectedIdentifier')
  t.strictSame(await Array.fromAsync(vault.list('acme-server/certificates/')), [])
  served.clear()
  t.equal((await client.post(body.finalize, { csr: await csrFor([name, other]) })).status, 200)
})

t.test('accounts that order nothing for very long are swept away, and can be made anew', async (t) => {
  const { server, vault, clock } = await setUp(t)
  const [idle, busy] = [await register(server), await register(server)]
  clock.aheadMs += limits.acmeServer.idleAccountMs - 1_000
  t.equal(await server.sweep(), 0)
  await order(busy, freshName())
  clock.aheadMs += 1_000
  await vault.write(`acme-server/accounts/${'0'.repeat(32)}`, 'no JSON', 0)
  t.equal(await server.sweep(), 2)
  t.equal(problemOf(await idle.post(idle.kid ?? '')), 'accountDoesNotExist')
  t.match(await busy.post(busy.kid ?? ''), { status: 200 })
  t.match(await clientOf(server, idle.key).register(), { status: 201 })
})

t.test('when the vault fails, the client is told no more than that', async (t) => {
  const { server, vault, open } = await setUp(t)
  const client = await register(server)
  const broken = {
    ...vault,
    async read(): Promise<never> {
      throw new Error('/var/lib/grove: I/O error')
    },
  }
  const failing = clientOf(open({ vault: broken }), client.key)
  failing.kid = client.kid
  const told = await failing.post(`${origin}/acme/new-order`, { identifiers: [{ type: 'dns', value: 'a.internal' }] })
  t.equal(told.status, 500)
  t.equal(problemOf(told), 'serverInternal')
  t.notMatch(told.text, /var\/lib/)
})

function sameKind(key: ReturnType<typeof newKey>): ReturnType<typeof newKey> {
  if (key.asymmetricKeyType === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  if (key.asymmetricKeyType === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  const isP384 = key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
  return generateKeyPairSync('ec', { namedCurve: isP384 ? 'P-384' : 'P-256' }).privateKey
}
