import { generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import {
  bindingOf,
  type Client,
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
  type Responder,
  readyOrder,
  register,
  type ServerUnderTest,
  setUp,
  signMessage,
  startResponder,
  type Told,
  until,
} from './fixture.ts'

const newOrderUrl = `${origin}/acme/new-order`
const newAccountUrl = `${origin}/acme/new-account`
const identifiers = [{ type: 'dns', value: 'blog.internal' }]

/** What a case finds: a server, and an account that exists. */
interface Scene extends ServerUnderTest {
  readonly client: Client
  readonly stranger: Client
}

interface Case {
  readonly name: string
  readonly run: (scene: Scene) => Promise<Told>
  readonly status: number
  readonly type: string
}

/** Messages that are not what RFC 8555 section 6 asks for. */
const messages: readonly Case[] = [
  {
    name: 'no body',
    run: ({ client }) => client.post(newOrderUrl, undefined, { message: () => undefined }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a body that is not JSON',
    run: ({ server }) =>
      clientOf({
        handle: (request) => server.handle({ ...request, body: Buffer.from('{') }),
      }).post(newOrderUrl),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'bytes that are not UTF-8',
    run: ({ server }) =>
      clientOf({ handle: (request) => server.handle({ ...request, body: Buffer.from([0x22, 0xff, 0x22]) }) }).post(
        newOrderUrl,
      ),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a list',
    run: ({ client }) => client.post(newOrderUrl, {}, { message: (message) => [message] }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'an unprotected header',
    run: ({ client }) =>
      client.post(newOrderUrl, {}, { message: (message) => ({ ...message, header: { alg: 'none' } }) }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'several signatures',
    run: ({ client }) =>
      client.post(newOrderUrl, {}, { message: ({ payload, ...one }) => ({ payload, signatures: [one, one] }) }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'the compact form',
    run: ({ client }) =>
      client.post(newOrderUrl, {}, { message: (all) => `${all.protected}.${all.payload}.${all.signature}` }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'base64 with padding',
    run: ({ client }) => client.post(newOrderUrl, {}, { message: (all) => ({ ...all, payload: `${all.payload}=` }) }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a second spelling of the same bytes',
    run: ({ client }) => client.post(newOrderUrl, {}, { message: (all) => ({ ...all, payload: 'e31' }) }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a protected header that is not JSON',
    run: ({ client }) => client.post(newOrderUrl, {}, { message: (all) => ({ ...all, protected: 'AAAA' }) }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a critical header that nobody understands',
    run: ({ client }) => client.post(newOrderUrl, {}, { header: { crit: ['b64'], b64: false } }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'another Content-Type',
    run: ({ client }) => client.post(newOrderUrl, {}, { contentType: 'application/json' }),
    status: 415,
    type: 'malformed',
  },
  {
    name: 'GET for what is asked for with POST',
    run: ({ client }) => client.get(newOrderUrl),
    status: 405,
    type: 'malformed',
  },
  {
    name: 'DELETE',
    run: ({ client }) => client.post(newOrderUrl, {}, { method: 'DELETE' }),
    status: 405,
    type: 'malformed',
  },
  {
    name: 'a path that is none',
    run: ({ client }) => client.post(`${origin}/acme/../etc/passwd`, {}),
    status: 404,
    type: 'malformed',
  },
  {
    name: 'alg none',
    run: ({ client }) =>
      client.post(
        newOrderUrl,
        { identifiers },
        { header: { alg: 'none' }, message: (all) => ({ ...all, signature: '' }) },
      ),
    status: 400,
    type: 'badSignatureAlgorithm',
  },
  {
    name: 'alg HS256 with the public key as the secret',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { header: { alg: 'HS256' } }),
    status: 400,
    type: 'badSignatureAlgorithm',
  },
  {
    name: 'alg __proto__',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { header: { alg: '__proto__' } }),
    status: 400,
    type: 'badSignatureAlgorithm',
  },
  {
    name: 'an algorithm of another key',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { header: { alg: 'RS256' } }),
    status: 400,
    type: 'badSignatureAlgorithm',
  },
  {
    name: 'no nonce',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { header: { nonce: undefined } }),
    status: 400,
    type: 'badNonce',
  },
  {
    name: 'a nonce that was never given',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { header: { nonce: 'AAAAAAAAAAAAAAAAAAAAAA' } }),
    status: 400,
    type: 'badNonce',
  },
  {
    name: 'a nonce that was used',
    run: async ({ client }) => {
      const nonce = await client.nonce()
      await client.post(newOrderUrl, { identifiers }, { header: { nonce } })
      return client.post(newOrderUrl, { identifiers }, { header: { nonce } })
    },
    status: 400,
    type: 'badNonce',
  },
  {
    name: 'a nonce of another server',
    run: async ({ client, open }) =>
      client.post(newOrderUrl, { identifiers }, { header: { nonce: await clientOf(open()).nonce() } }),
    status: 400,
    type: 'badNonce',
  },
  {
    name: 'another url than the one asked',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { header: { url: `${origin}/acme/key-change` } }),
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'the url of another server',
    run: ({ client }) =>
      client.post(newOrderUrl, { identifiers }, { header: { url: 'https://acme.example/acme/new-order' } }),
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'a key where an account is to sign',
    run: ({ stranger }) => stranger.post(newOrderUrl, { identifiers }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'both a key and an account',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { header: { jwk: jwkOf(client.key) } }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'an account where a key is to sign',
    run: ({ client }) => client.post(newAccountUrl, {}),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a kid that is no account',
    run: ({ client }) =>
      client.post(newOrderUrl, { identifiers }, { header: { kid: `${origin}/acme/account/${'0'.repeat(32)}` } }),
    status: 400,
    type: 'accountDoesNotExist',
  },
  {
    name: 'a kid that leads out of its folder',
    run: ({ client }) =>
      client.post(newOrderUrl, { identifiers }, { header: { kid: `${origin}/acme/account/../orders` } }),
    status: 400,
    type: 'accountDoesNotExist',
  },
  {
    name: 'the kid of another account',
    run: async ({ client, server }) =>
      client.post(newOrderUrl, { identifiers }, { header: { kid: (await register(server)).kid } }),
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'a signature by another key',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { signedBy: newKey() }),
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'a signature in DER',
    run: ({ client }) =>
      client.post(
        newOrderUrl,
        { identifiers },
        {
          message: (all) => ({
            ...all,
            signature: sign('sha256', Buffer.from(`${all.protected}.${all.payload}`), client.key).toString('base64url'),
          }),
        },
      ),
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'an empty signature',
    run: ({ client }) => client.post(newOrderUrl, { identifiers }, { message: (all) => ({ ...all, signature: '' }) }),
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'a payload that was changed',
    run: ({ client }) =>
      client.post(
        newOrderUrl,
        { identifiers },
        {
          message: (all) => ({ ...all, payload: Buffer.from('{"identifiers":[]}').toString('base64url') }),
        },
      ),
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'a payload that is not JSON',
    run: ({ client }) => client.post(newOrderUrl, undefined, { rawPayload: 'identifiers' }),
    status: 400,
    type: 'malformed',
  },
]

/** Keys and accounts that nobody should have. */
const accounts: readonly Case[] = [
  {
    name: 'a private key as jwk',
    run: ({ stranger }) => stranger.register({}, { header: { jwk: stranger.key.export({ format: 'jwk' }) } }),
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'an RSA key of 1024 bits',
    run: ({ server }) => clientOf(server, generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey).register(),
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'an RSA key with the exponent 3',
    run: ({ server }) =>
      clientOf(server, generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey).register(),
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'an RSA key with an exponent as long as its modulus',
    run: ({ stranger }) => {
      const { n } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
      const e = Buffer.alloc(255, 0x55).toString('base64url')
      return stranger.register({}, { header: { jwk: { kty: 'RSA', n, e } } })
    },
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'a key on a curve of its own',
    run: ({ stranger }) => stranger.register({}, { header: { jwk: { ...jwkOf(stranger.key), crv: 'secp256k1' } } }),
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'a point that is not on the curve',
    run: ({ stranger }) =>
      stranger.register(
        {},
        { header: { jwk: { ...jwkOf(stranger.key), x: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' } } },
      ),
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'a shared secret as key',
    run: ({ stranger }) => stranger.register({}, { header: { jwk: { kty: 'oct', k: 'AAAA' } } }),
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'a jwk that is a text',
    run: ({ stranger }) => stranger.register({}, { header: { jwk: 'key' } }),
    status: 400,
    type: 'badPublicKey',
  },
  {
    name: 'an account that is only to be found',
    run: ({ stranger }) => stranger.register({ onlyReturnExisting: true }),
    status: 400,
    type: 'accountDoesNotExist',
  },
  {
    name: 'a contact by telephone',
    run: ({ stranger }) => stranger.register({ contact: ['tel:+12025550123'] }),
    status: 400,
    type: 'unsupportedContact',
  },
  {
    name: 'a contact with two addresses',
    run: ({ stranger }) => stranger.register({ contact: ['mailto:a@b.example,c@d.example'] }),
    status: 400,
    type: 'invalidContact',
  },
  {
    name: 'too many contacts',
    run: ({ stranger }) => stranger.register({ contact: Array(11).fill('mailto:a@b.example') }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'contacts that are no list',
    run: ({ stranger }) => stranger.register({ contact: 'mailto:a@b.example' }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'the account of another one',
    run: async ({ client, server }) => client.post((await register(server)).kid ?? '', {}),
    status: 403,
    type: 'unauthorized',
  },
  {
    name: 'the orders of another account',
    run: async ({ client, server }) => client.post(`${(await register(server)).kid}/orders`),
    status: 403,
    type: 'unauthorized',
  },
  {
    name: 'a status that an account cannot be given',
    run: ({ client }) => client.post(client.kid ?? '', { status: 'revoked' }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a deactivated account',
    run: async ({ server }) => {
      const gone = await register(server)
      await gone.post(gone.kid ?? '', { status: 'deactivated' })
      return gone.post(newOrderUrl, { identifiers })
    },
    status: 401,
    type: 'unauthorized',
  },
  {
    name: 'a deactivated account that comes back',
    run: async ({ server }) => {
      const gone = await register(server)
      await gone.post(gone.kid ?? '', { status: 'deactivated' })
      return clientOf(server, gone.key).register()
    },
    status: 401,
    type: 'unauthorized',
  },
]

/** Changes of keys that would give an account away. */
const keyChanges: readonly Case[] = (() => {
  const url = `${origin}/acme/key-change`
  const change = async (
    client: Client,
    wrong: { header?: object; payload?: object; by?: ReturnType<typeof newKey> },
  ) => {
    const next = newKey()
    const header = { alg: 'ES256', jwk: jwkOf(next), url, ...wrong.header }
    const payload = { account: client.kid, oldKey: jwkOf(client.key), ...wrong.payload }
    return client.post(url, signMessage(header, JSON.stringify(payload), wrong.by ?? next))
  }
  return [
    {
      name: 'an inner message by another key',
      run: ({ client }) => change(client, { by: newKey() }),
      status: 401,
      type: 'unauthorized',
    },
    {
      name: 'an inner message with another url',
      run: ({ client }) => change(client, { header: { url: newOrderUrl } }),
      status: 400,
      type: 'malformed',
    },
    {
      name: 'an inner message with a nonce',
      run: ({ client }) => change(client, { header: { nonce: 'AAAA' } }),
      status: 400,
      type: 'malformed',
    },
    {
      name: 'a change for another account',
      run: async ({ client, server }) => change(client, { payload: { account: (await register(server)).kid } }),
      status: 400,
      type: 'malformed',
    },
    {
      name: 'a change for an account of that id at another server',
      run: ({ client }) => change(client, { payload: { account: client.kid?.replace('//', '//elsewhere.') } }),
      status: 400,
      type: 'malformed',
    },
    {
      name: 'a change from another key',
      run: ({ client }) => change(client, { payload: { oldKey: jwkOf(newKey()) } }),
      status: 400,
      type: 'malformed',
    },
    {
      name: 'a change to the key of another account',
      run: async ({ client, server }) => {
        const other = await register(server)
        return change(client, { header: { jwk: jwkOf(other.key) }, by: other.key })
      },
      status: 409,
      type: 'malformed',
    },
    {
      name: 'a change to the key that it has',
      run: ({ client }) => change(client, { header: { jwk: jwkOf(client.key) }, by: client.key }),
      status: 409,
      type: 'malformed',
    },
    { name: 'no inner message', run: ({ client }) => client.post(url, {}), status: 400, type: 'malformed' },
  ] satisfies Case[]
})()

/** Names that this CA must not sign, and orders that are none. */
const orders: readonly Case[] = [
  ...[
    ['a public name', 'dns', 'example.com', 'rejectedIdentifier'],
    ['a name that only ends alike', 'dns', 'notlocalhost', 'rejectedIdentifier'],
    ['a public address', 'ip', '8.8.8.8', 'rejectedIdentifier'],
    ['the address of a cloud’s secrets', 'ip', '169.254.169.254', 'rejectedIdentifier'],
    ['an address inside of IPv6', 'ip', '::ffff:127.0.0.1', 'rejectedIdentifier'],
    ['an address as a name', 'dns', '127.0.0.1', 'malformed'],
    ['a name as an address', 'ip', 'blog.internal', 'malformed'],
    ['an address in brackets', 'ip', '[::1]', 'malformed'],
    ['a short address', 'ip', '127.1', 'malformed'],
    ['a wildcard for everything', 'dns', '*', 'malformed'],
    ['a wildcard for a whole top-level name', 'dns', '*.internal', 'malformed'],
    ['a wildcard inside', 'dns', 'a.*.internal', 'malformed'],
    ['a wildcard for an address', 'ip', '*.0.0.1', 'malformed'],
    ['a NUL', 'dns', 'a\0.internal', 'malformed'],
    ['a space', 'dns', 'a b.internal', 'malformed'],
    ['a dot at the end', 'dns', 'a.internal.', 'malformed'],
    ['a letter whose lower case is ASCII', 'dns', '\u212Aelvin.internal', 'malformed'],
    ['a name that is too long', 'dns', `${'a.'.repeat(124)}internal`, 'malformed'],
    ['an empty name', 'dns', '', 'malformed'],
    ['a mail address', 'email', 'a@blog.internal', 'unsupportedIdentifier'],
    ['a name of a site of this Grove', 'dns', 'served.internal', 'rejectedIdentifier'],
  ].map(([name = '', type = '', value = '', problem = '']) => ({
    name,
    run: ({ client }: Scene) => client.post(newOrderUrl, { identifiers: [{ type, value }] }),
    status: 400,
    type: problem,
  })),
  {
    name: 'no names',
    run: ({ client }) => client.post(newOrderUrl, { identifiers: [] }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'too many names',
    run: ({ client }) => client.post(newOrderUrl, { identifiers: Array(101).fill(identifiers[0]) }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'a time of one’s own',
    run: ({ client }) => client.post(newOrderUrl, { identifiers, notAfter: '2099-01-01T00:00:00Z' }),
    status: 400,
    type: 'malformed',
  },
  {
    name: 'the order of another account',
    run: async ({ client, server }) => client.post((await order(await register(server), 'a.internal')).url),
    status: 403,
    type: 'unauthorized',
  },
  {
    name: 'the proof of another account',
    run: async ({ client, server }) => {
      const other = await register(server)
      const { body } = await order(other, 'a.internal')
      const { body: authorization } = await other.post(body.authorizations[0])
      return client.post(authorization.challenges[0].url, {})
    },
    status: 403,
    type: 'unauthorized',
  },
  {
    name: 'an order of another account under one’s own id',
    run: async ({ client, server }) => {
      const { url } = await order(await register(server), 'a.internal')
      return client.post(`${origin}/acme/order/${client.kid?.split('/').at(-1)}/${url.split('/').at(-1)}`)
    },
    status: 404,
    type: 'malformed',
  },
  {
    name: 'a kind of proof that is not offered',
    run: async ({ client }) => {
      const { body } = await order(client, '*.a.internal')
      const { body: authorization } = await client.post(body.authorizations[0])
      return client.post(authorization.challenges[0].url.replace('dns-01', 'http-01'), {})
    },
    status: 404,
    type: 'malformed',
  },
  {
    name: 'an authorization that is not there',
    run: async ({ client }) => {
      const { body } = await order(client, 'a.internal')
      return client.post(body.authorizations[0].replace(/0$/, '7'))
    },
    status: 404,
    type: 'malformed',
  },
  {
    name: 'an order that is not proven',
    run: async ({ client }) => {
      const { body } = await order(client, 'a.internal')
      return client.post(body.finalize, { csr: await csrFor(['a.internal']) })
    },
    status: 403,
    type: 'orderNotReady',
  },
  {
    name: 'an order that has expired',
    run: async ({ client, clock }) => {
      const { body } = await order(client, 'a.internal')
      const { body: authorization } = await client.post(body.authorizations[0])
      clock.aheadMs += limits.acmeServer.orderMs
      return client.post(authorization.challenges[0].url, {})
    },
    status: 400,
    type: 'malformed',
  },
  {
    name: 'an order whose proof was given up',
    run: async ({ client }) => {
      const { body } = await order(client, 'a.internal')
      await client.post(body.authorizations[0], { status: 'deactivated' })
      return client.post(body.finalize, { csr: await csrFor(['a.internal']) })
    },
    status: 403,
    type: 'orderNotReady',
  },
]

const tables = { messages, accounts, 'changes of keys': keyChanges, orders }
for (const [table, cases] of Object.entries(tables))
  t.test(`${table} that are wrong get the problem that they have, and leave the account as it was`, async (t) => {
    const scene = await setUp(t, { isServed: (name) => name === 'served.internal' })
    for (const { name, run, status, type } of cases) {
      const server = scene.open()
      const client = await register(server)
      const told = await run({ ...scene, server, client, stranger: clientOf(server) })
      t.equal(told.status, status, `${name}: ${told.text}`)
      t.equal(problemOf(told), type, name)
      t.match(told.headers, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }, name)
      t.equal(told.body.status, status, name)
      t.ok(told.body.detail.length > 0, name)
      t.match(
        await client.post(client.kid ?? ''),
        { status: 200, body: { status: 'valid' } },
        `${name}: the account goes on`,
      )
    }
  })

/** Signing requests for a proven order of one name that the CA must not sign. */
const requests: readonly {
  readonly name: string
  readonly csr: (own: string, client: Client) => Promise<unknown>
  readonly type: string
}[] = [
  { name: 'no request', csr: async () => undefined, type: 'malformed' },
  { name: 'an empty request', csr: async () => '', type: 'badCSR' },
  { name: 'not base64url', csr: async () => 'a+b/', type: 'badCSR' },
  { name: 'not DER', csr: async () => 'AAAA', type: 'badCSR' },
  { name: 'a cut request', csr: async (own) => (await csrFor([own])).slice(0, 200), type: 'badCSR' },
  { name: 'another name', csr: () => csrFor(['other.localhost']), type: 'badCSR' },
  { name: 'one name more', csr: (own) => csrFor([own, 'other.localhost']), type: 'badCSR' },
  { name: 'a public name more', csr: (own) => csrFor([own, 'example.com']), type: 'badCSR' },
  { name: 'a wildcard more', csr: (own) => csrFor([own, `*.${own}`]), type: 'badCSR' },
  { name: 'an address more', csr: (own) => csrFor([own, '127.0.0.1']), type: 'badCSR' },
  { name: 'no name', csr: () => csrFor([]), type: 'badCSR' },
  { name: 'another common name', csr: (own) => csrFor([own], { commonName: 'example.com' }), type: 'badCSR' },
  { name: 'a mail address', csr: (own) => csrFor([own], { email: 'a@b.example' }), type: 'badCSR' },
  { name: 'the key of the account', csr: (own, { key }) => csrFor([own], { key }), type: 'badCSR' },
  {
    name: 'a weak key',
    csr: (own) => csrFor([own], { key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey }),
    type: 'badPublicKey',
  },
  {
    name: 'a signature by nobody',
    csr: async (own) => {
      const request = Buffer.from(await csrFor([own]), 'base64url')
      // The last byte belongs to the signature.
      request[request.length - 1] = (request.at(-1) ?? 0) ^ 1
      return request.toString('base64url')
    },
    type: 'badCSR',
  },
]

t.test('requests that do not fit their order are not signed, and the order stays ready', async (t) => {
  const responder = await startResponder(t)
  const { server } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const own = freshName()
  const { body, url } = await readyOrder(client, responder, own)
  for (const { name, csr, type } of requests) {
    const told = await client.post(body.finalize, { csr: await csr(own, client) })
    t.equal(problemOf(told), type, `${name}: ${told.text}`)
    t.match(await client.post(url), { body: { status: 'ready' } }, name)
  }
  t.equal(
    (await client.post(body.finalize, { csr: await csrFor([own.toUpperCase()], { commonName: own }) })).status,
    200,
  )
  t.equal(
    problemOf(await client.post(body.finalize, { csr: await csrFor([own]) })),
    'orderNotReady',
    'signed once only',
  )
})

t.test('of requests for one order that come at once, one is signed', async (t) => {
  const responder = await startResponder(t)
  const { server, vault } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const own = freshName()
  const { body } = await readyOrder(client, responder, own)
  const csr = await csrFor([own])
  const told = await Promise.all(Array.from({ length: 5 }, () => client.post(body.finalize, { csr })))
  t.strictSame(told.map(({ status }) => status).sort(), [200, 403, 403, 403, 403])
  const kept = await Array.fromAsync(vault.list('acme-server/certificates/'))
  t.equal(kept.length, 1, 'the others are nobody’s')
})

t.test('a certificate is shown and revoked by whom it belongs to, and by nobody else', async (t) => {
  const responder = await startResponder(t)
  const { server } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const stranger = await register(server)
  const name = freshName()
  const { body } = await readyOrder(client, responder, name)
  const key = newKey()
  const { body: done } = await client.post(body.finalize, { csr: await csrFor([name], { key }) })
  const chain = (await client.post(done.certificate)).text
  t.equal(problemOf(await stranger.post(done.certificate)), 'unauthorized')
  const url = `${origin}/acme/revoke-cert`
  const revoke = (by: Client, payload: object) => by.post(url, payload)
  const certificate = derOf(chain)
  t.equal(problemOf(await revoke(stranger, { certificate })), 'unauthorized')
  t.equal(problemOf(await revoke(clientOf(server), { certificate })), 'unauthorized', 'any key')
  t.equal(problemOf(await revoke(client, { certificate: 'AAAA' })), 'malformed')
  t.equal(problemOf(await revoke(client, {})), 'malformed')
  const intermediate = chain.slice(chain.lastIndexOf('-----BEGIN'))
  t.equal(problemOf(await revoke(client, { certificate: derOf(intermediate) })), 'malformed', 'the intermediate')
  const changed = Buffer.from(certificate, 'base64url')
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  t.equal(problemOf(await revoke(client, { certificate: changed.toString('base64url') })), 'malformed', 'a copy')
  for (const reason of [2, 6, 8, 9, 10, -1, 99])
    t.equal(problemOf(await revoke(client, { certificate, reason })), 'badRevocationReason', `reason ${reason}`)
  t.equal((await revoke(clientOf(server, key), { certificate, reason: 1 })).status, 200, 'the certificate’s own key')
  t.equal(problemOf(await revoke(client, { certificate })), 'alreadyRevoked')
  const second = derOf(await obtain(client, responder, name))
  await readyOrder(stranger, responder, name)
  t.equal((await revoke(stranger, { certificate: second })).status, 200, 'who controls all the names now')
})

t.test('floods are refused with the time to wait, each for itself', async (t) => {
  const { server, clock } = await setUp(t)
  const client = await register(server)
  const stranger = await register(server)
  const { newOrders, newAccounts, requests: asked } = limits.acmeServer
  const ordered = []
  for (let index = 0; index <= newOrders.burst; index += 1) {
    clock.aheadMs += 200 // The address may ask that often.
    ordered.push(await order(client, 'a.internal'))
  }
  t.strictSame([...new Set(ordered.slice(0, -1).map(({ status }) => status))], [201])
  const last = ordered.at(-1)
  t.match(last, { status: 429, headers: { 'retry-after': /^\d+$/ } })
  t.equal((await order(stranger, 'a.internal')).status, 201, 'another account')
  clock.aheadMs += Number(last?.headers['retry-after']) * 1000
  t.equal((await order(client, 'a.internal')).status, 201, 'after the wait')
  clock.aheadMs += 3_600_000
  const made = []
  for (let index = 0; index <= newAccounts.burst; index += 1)
    made.push((await clientOf(server).register({}, { address: '2001:db8::1' })).status)
  t.equal(made.at(-1), 429)
  t.equal((await clientOf(server).register({}, { address: '2001:db8:0:0:ffff::2' })).status, 429, 'of the same network')
  t.equal((await clientOf(server).register({}, { address: '2001:db8:0:1::1' })).status, 201, 'of another one')
  const { status, headers } = await (async () => {
    for (let index = 0; ; index += 1) {
      const told = await clientOf(server).get(`${origin}/directory`)
      if (told.status !== 200 || index > asked.burst) return told
    }
  })()
  t.equal(status, 429)
  t.match(headers, { 'retry-after': /^\d+$/ })
})

t.test('the accounts of one small network order no more than that together', async (t) => {
  const { server, clock } = await setUp(t)
  const { newOrdersOfNetwork, newOrders } = limits.acmeServer
  const register = async (address: string) => {
    const client = clientOf(server)
    const { status } = await client.register({}, { address })
    t.equal(status, 201)
    return (value = 'a.internal') => client.post(newOrderUrl, { identifiers: [{ type: 'dns', value }] }, { address })
  }
  const count = Math.ceil(newOrdersOfNetwork.burst / newOrders.burst) + 1
  const near = await Promise.all(Array.from({ length: count }, (_, index) => register(`198.51.100.${index}`)))
  const told: Told[] = []
  while (told.at(-1)?.status !== 429 && told.length < count * newOrders.burst) {
    clock.aheadMs += 100 // The address may ask that often.
    told.push((await near[told.length % near.length]?.()) as Told)
  }
  const made = told.length - 1
  t.ok(made >= newOrdersOfNetwork.burst && made < newOrdersOfNetwork.burst + 10, `${made} orders`)
  t.match(told.at(-1), { status: 429, headers: { 'retry-after': /^\d+$/ }, body: { detail: /from this network/ } })
  t.equal((await (await register('198.51.101.1'))()).status, 201, 'another network')
  clock.aheadMs += Number(told.at(-1)?.headers['retry-after']) * 1000
  t.equal((await near[0]?.())?.status, 201, 'after the wait')
})

t.test('an account with many wrong proofs gets no further order for a while', async (t) => {
  const responder: Responder = await startResponder(t)
  const { server, clock } = await setUp(t, { prove: { httpPort: responder.port } })
  const client = await register(server)
  const names = Array.from({ length: limits.acmeServer.failures.burst }, (_, index) => `n${index}.localhost`)
  const { body } = await order(client, ...names)
  for (const url of body.authorizations) {
    clock.aheadMs += 1_000
    const { body: authorization } = await client.post(url)
    await client.post(authorization.challenges[0].url, {})
  }
  await until(async () => {
    clock.aheadMs += 500
    return (await order(client, 'a.localhost')).status === 429
  })
  t.equal(problemOf(await order(client, 'a.localhost')), 'rateLimited')
})

t.test('external accounts are asked for when there are any, and must be right', async (t) => {
  const secret = 'c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ'
  const { server } = await setUp(t, { externalAccounts: { laptop: secret } })
  t.match(await clientOf(server).get(`${origin}/directory`), { body: { meta: { externalAccountRequired: true } } })
  const stranger = newKey()
  const cases: [name: string, binding: (key: ReturnType<typeof newKey>) => unknown, type: string][] = [
    ['none', () => undefined, 'externalAccountRequired'],
    ['not a message', () => ({}), 'malformed'],
    ['an unknown account', (key) => bindingOf('desk', secret, key), 'unauthorized'],
    ['another secret', (key) => bindingOf('laptop', 'AAAA', key), 'unauthorized'],
    ['an empty secret', (key) => bindingOf('laptop', '', key), 'unauthorized'],
    ['the key of somebody else', () => bindingOf('laptop', secret, stranger), 'malformed'],
    ['another url', (key) => bindingOf('laptop', secret, key, { url: newOrderUrl }), 'malformed'],
    ['a nonce', (key) => bindingOf('laptop', secret, key, { nonce: 'AAAA' }), 'malformed'],
    ['alg none', (key) => bindingOf('laptop', secret, key, { alg: 'none' }), 'badSignatureAlgorithm'],
    ['another algorithm', (key) => bindingOf('laptop', secret, key, { alg: 'HS512' }), 'badSignatureAlgorithm'],
  ]
  for (const [name, binding, type] of cases) {
    const client = clientOf(server)
    const told = await client.register({ externalAccountBinding: binding(client.key) })
    t.equal(problemOf(told), type, `${name}: ${told.text}`)
  }
  const client = clientOf(server)
  t.equal((await client.register({ externalAccountBinding: bindingOf('laptop', secret, client.key) })).status, 201)
})
