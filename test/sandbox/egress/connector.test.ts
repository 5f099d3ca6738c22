import { once } from 'node:events'
import { createServer } from 'node:net'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { createAddressCheck } from '../../../sandbox/egress/addresses.ts'
import { createEgressConnector, type EgressConnectorOptions } from '../../../sandbox/egress/connector.ts'
import { makeServerCertificate } from '../../services/test-certificates.ts'
import { listen, publicAddress, startSecureWeb } from './fixtures/web.ts'

/** The address at the other end of a connection to a host. Rejects as the connector does. */
async function connectTo(options: Partial<EgressConnectorOptions>, url: string): Promise<string | undefined> {
  const connect = createEgressConnector({
    check: createAddressCheck({ alsoPublic: [publicAddress] }),
    names: { resolve: async () => [{ address: publicAddress, family: 4 }] },
    ...options,
  })
  const { host, hostname, protocol, port } = new URL(url)
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket | import('node:net').Socket>()
  connect({ host, hostname, protocol, port }, (error, socket) => (error ? reject(error) : resolve(socket)))
  const socket = await promise
  const { remoteAddress } = socket
  socket.destroy()
  return remoteAddress
}

t.test('a connection goes to the address that was found, and nowhere else', async (t) => {
  const { port, connections } = await listen(t, createServer())
  t.equal(await connectTo({}, `http://a.example:${port}/`), publicAddress)
  t.equal(await connectTo({}, `http://${publicAddress}:${port}/`), publicAddress)
  t.equal(connections(), 2)
  await t.rejects(
    connectTo({ names: { resolve: async () => Promise.reject(new Error('no')) } }, `http://a.example:${port}/`),
    {
      message: 'no',
    },
  )
})

t.test('an inner address is refused, in a URL and behind a name, whoever let it through before', async (t) => {
  const server = createServer()
  const { port, connections } = await listen(t, server, '127.0.0.2')
  await t.rejects(connectTo({}, `http://127.0.0.2:${port}/`), { code: 'ERR_FETCH_REFUSED' })
  t.equal(connections(), 0)
  const arrived = once(server, 'connection')
  await t.rejects(
    connectTo({ names: { resolve: async () => [{ address: '127.0.0.2', family: 4 }] } }, `http://a.example:${port}/`),
    { code: 'ERR_FETCH_REFUSED' },
    'a resolver that is wrong is found out before a byte is sent',
  )
  const [socket] = await arrived
  t.equal((socket as import('node:net').Socket).bytesRead, 0)
})

t.test('TLS is verified against the name in the URL, at a front of our own, too', async (t) => {
  const pair = await makeServerCertificate(['shop.example'])
  const web = await startSecureWeb(t, pair, (_, response) => response.end())
  const own = () => ({ address: publicAddress, port: web.port })
  t.equal(await connectTo({ own, ca: pair.cert }, 'https://shop.example:8443/'), publicAddress)
  await t.rejects(connectTo({ own, ca: pair.cert }, 'https://other.example/'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  await t.rejects(connectTo({ own }, 'https://shop.example/'), { code: /SELF_SIGNED/ })
  t.equal(await connectTo({ ca: pair.cert }, `https://${publicAddress}:${web.port}/`), publicAddress)
})
