import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type ConnectionOptions, connect, createServer } from 'node:tls'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createContexts } from '../../certs/contexts.ts'
import { type OwnCa, openOwnCa } from '../../certs/own-ca.ts'
import { type KeyedChain, SharedContexts } from '../../certs/shared-contexts.ts'
import { tlsParameters } from '../../certs/tls-parameters.ts'
import type { Leaf } from '../../core/messages.ts'
import { sniCallback } from '../../proxy/sni.ts'

type Kind = 'rsa' | 'p256' | 'p384' | 'ed25519'

function makeKeys(kind: Kind) {
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2_048 })
  if (kind === 'ed25519') return generateKeyPairSync('ed25519')
  return generateKeyPairSync('ec', { namedCurve: kind === 'p256' ? 'P-256' : 'P-384' })
}

/** A leaf of the own CA for a key of some kind. */
async function issue(ca: OwnCa, name: string, kind: Kind): Promise<KeyedChain> {
  const { publicKey, privateKey } = makeKeys(kind)
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
  const { chain } = await ca.sign([name], spki)
  return { chain, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/** A server whose certificates for every name are of these kinds, and the addresses that certificates were asked for. */
async function serve(t: Test, kinds: readonly Kind[]) {
  const ca = await openOwnCa(t.testdir({}))
  const addresses: (string | undefined)[] = []
  const request = async (name: string, address?: string): Promise<Leaf> => {
    addresses.push(address)
    const [first, ...others] = await Promise.all(kinds.map((kind) => issue(ca, name, kind)))
    const notAfterMs = Date.now() + 1_000_000
    return { name, ...(first as KeyedChain), others, notBeforeMs: 0, notAfterMs, renewAtMs: notAfterMs }
  }
  const contexts = createContexts({ request, log: pino({ level: 'silent' }) })
  const server = createServer({
    ...tlsParameters,
    SNICallback: sniCallback((name, asker) => contexts.get(name, asker)),
  })
  server.on('secureConnection', (socket) => socket.on('error', () => {}))
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  /** The kind of key that a client gets, or the error. */
  const shake = async (options: ConnectionOptions, servername = 'a.localhost') => {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: ca.rootPem, ...options })
    try {
      await once(socket, 'secureConnect')
      const { asymmetricKeyType, asymmetricKeyDetails } = socket.getPeerX509Certificate()?.publicKey ?? {}
      return asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    } finally {
      socket.destroy()
    }
  }
  return { shake, addresses }
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const
const only = (version: (typeof versions)[number], sigalgs?: string): ConnectionOptions => {
  return { minVersion: version, maxVersion: version, ...(sigalgs !== undefined && { sigalgs }) }
}

t.test('ECDSA comes first, and RSA for clients that need it, in both versions of TLS', async (t) => {
  const { shake, addresses } = await serve(t, ['p256', 'rsa'])
  for (const version of versions) {
    t.equal(await shake(only(version)), 'prime256v1', version)
    t.equal(await shake(only(version, 'ECDSA+SHA256:RSA-PSS+SHA256')), 'prime256v1')
    // The client's order does not count.
    t.equal(await shake(only(version, 'RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256')), 'prime256v1')
    t.equal(await shake(only(version, 'RSA-PSS+SHA256:RSA+SHA256')), 'rsa')
    t.match(await shake(only(version, 'Ed25519')), /HANDSHAKE_FAILURE|NO_SHARED/)
  }
  t.same(addresses, ['127.0.0.1'], 'control is told who asked first')
})

t.test('each kind of key is chosen by the signatures that it makes', async (t) => {
  const { shake } = await serve(t, ['ed25519', 'p384', 'rsa'])
  t.equal(await shake(only('TLSv1.3', 'Ed25519:RSA-PSS+SHA256:ECDSA+SHA256')), 'ed25519')
  t.equal(await shake(only('TLSv1.3', 'ECDSA+SHA384:ECDSA+SHA256:RSA-PSS+SHA256')), 'secp384r1')
  t.equal(await shake(only('TLSv1.3', 'ECDSA+SHA256:RSA-PSS+SHA256')), 'rsa', 'P-384 signs with SHA-384 alone')
})

t.test('one certificate serves whoever can check it, and fails for others', async (t) => {
  const { shake } = await serve(t, ['p256'])
  t.equal(await shake(only('TLSv1.2')), 'prime256v1')
  t.match(await shake(only('TLSv1.2', 'RSA-PSS+SHA256')), /HANDSHAKE_FAILURE/)
})

t.test('names that share a certificate share its context, as long as somebody has it', async (t) => {
  const ca = await openOwnCa(t.testdir({}))
  const shared = new SharedContexts()
  const one = await issue(ca, '*.a.localhost', 'p256')
  const two = await issue(ca, 'b.localhost', 'p256')
  const none = () => []
  const choice = shared.of([one])
  t.equal(shared.of([{ ...one }]), choice)
  t.not(shared.of([two]), choice)
  t.not(shared.of([one, two]), choice)
  t.equal(choice.for(none), shared.of([one]).for(none))
  t.throws(() => shared.of([]), RangeError)
  t.throws(() => shared.of([{ chain: one.chain, key: two.key }]), { code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' })

  let made = 0
  const leaf = { ...one, notBeforeMs: 0, notAfterMs: Date.now() + 100_000, renewAtMs: Date.now() + 100_000 }
  const contexts = createContexts({
    request: async (name) => {
      made += 1
      return { name, ...leaf }
    },
    log: pino({ level: 'silent' }),
  })
  const [x, y] = await Promise.all([contexts.get('x.a.localhost'), contexts.get('y.a.localhost')])
  t.ok(x)
  t.equal(x, y)
  t.equal(made, 2)
  t.equal(contexts.size, 2)
})

t.test('contexts that nobody has any more are let go of', async (t) => {
  const ca = await openOwnCa(t.testdir({}))
  const shared = new SharedContexts()
  const one = await issue(ca, 'a.localhost', 'p256')
  const gone = new WeakRef(shared.of([one]))
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const turn = promisify(setImmediate)
  while (gone.deref()) {
    await turn()
    collect()
  }
  await turn()
  t.ok(shared.of([one]), 'it is made anew')
})
