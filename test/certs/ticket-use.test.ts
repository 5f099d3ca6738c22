import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type SecureVersion, type Server, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { useTicketKeys } from '../../certs/ticket-use.ts'
import type { TicketKeys } from '../../certs/tickets.ts'
import { quickCertificate } from './fixtures/quick-certificate.ts'

const key = () => randomBytes(48)
const nowMs = Date.now()
const { chain: cert, key: privateKey } = quickCertificate({
  names: ['a.example'],
  notBeforeMs: nowMs - 3_600_000,
  notAfterMs: nowMs + 3_600_000,
  serial: 'tickets',
})

async function serve(t: Test, keys: TicketKeys | undefined): Promise<{ server: Server; isFull: boolean }> {
  const server = createServer({ cert, key: privateKey, sessionIdContext: 'grove' }, (socket) => socket.end('x'))
  const isFull = keys !== undefined && useTicketKeys(server, keys)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, isFull }
}

/** Shakes hands, perhaps with a session, and answers whether it was resumed and the newest session. */
async function shake(
  server: Server,
  version: SecureVersion,
  session?: Buffer,
): Promise<{ resumed: boolean; session: Buffer }> {
  const { port } = server.address() as AddressInfo
  const versions = { minVersion: version, maxVersion: version }
  const socket: TLSSocket = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...versions,
    ...(session && { session }),
  })
  let newest = session
  socket.on('session', (ticket) => {
    newest = ticket
  })
  socket.resume()
  await once(socket, 'secureConnect')
  const resumed = socket.isSessionReused()
  // A ticket that is replaced while a session goes on is told by no event in TLS 1.2.
  if (version === 'TLSv1.2') newest = socket.getSession()
  await once(socket, 'close')
  return { resumed, session: newest ?? Buffer.alloc(0) }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(
    `${version}: a session goes on at another server, with the same key or one that it knows as previous`,
    async (t) => {
      const [old, current, other] = [key(), key(), key()]
      const one = await serve(t, { current: old, previous: [] })
      t.equal(one.isFull, true, 'this node opens tickets of several keys')
      const { session, resumed } = await shake(one.server, version)
      t.equal(resumed, false)
      const same = await serve(t, { current: old, previous: [] })
      t.equal((await shake(same.server, version, session)).resumed, true)
      const later = await serve(t, { current, previous: [other, old] })
      const renewed = await shake(later.server, version, session)
      t.equal(renewed.resumed, true)
      const stranger = await serve(t, { current: other, previous: [] })
      const begun = await shake(stranger.server, version, session)
      t.equal(begun.resumed, false, 'a key that it does not know')
      const last = await serve(t, { current, previous: [] })
      t.equal(
        (await shake(last.server, version, renewed.session)).resumed,
        true,
        'the ticket was replaced by one of the new key',
      )
    },
  )

  t.test(`${version}: keys change while it listens, and no session ends`, async (t) => {
    const keys = Array.from({ length: 6 }, key)
    const { server } = await serve(t, { current: keys[0] as Buffer, previous: [] })
    let { session } = await shake(server, version)
    for (let index = 1; index < keys.length; index += 1) {
      useTicketKeys(server, {
        current: keys[index] as Buffer,
        previous: keys.slice(Math.max(0, index - 3), index).reverse(),
      })
      const next = await shake(server, version, session)
      t.equal(next.resumed, true, `key ${index}`)
      session = next.session
    }
  })

  t.test(
    `${version}: each resumed session comes with a ticket for the next one, so that none is used twice`,
    async (t) => {
      const { server } = await serve(t, { current: key(), previous: [key()] })
      let { session } = await shake(server, version)
      for (let count = 1; count <= 4; count += 1) {
        const next = await shake(server, version, session)
        t.equal(next.resumed, true)
        t.notSame(next.session, session, `ticket ${count} is replaced`)
        session = next.session
      }
    },
  )

  t.test(`${version}: tickets have the format of Node's own, in both directions`, async (t) => {
    const shared = key()
    const ours = await serve(t, { current: shared, previous: [] })
    const nodes = await serve(t, undefined)
    nodes.server.setTicketKeys(shared)
    const [{ session: first }, { session: second }] = [
      await shake(ours.server, version),
      await shake(nodes.server, version),
    ]
    t.equal((await shake(nodes.server, version, first)).resumed, true)
    t.equal((await shake(ours.server, version, second)).resumed, true)
  })

  t.test(`${version}: a ticket that was tampered with begins a new session`, async (t) => {
    const { server } = await serve(t, { current: key(), previous: [key()] })
    const { session } = await shake(server, version)
    for (let at = 100; at < session.length; at += 41) {
      const changed = Buffer.from(session)
      changed[at] = (changed[at] ?? 0) ^ 1
      const answer = await shake(server, version, changed).catch(() => ({ resumed: false }))
      if (answer.resumed) t.pass('outside of the ticket')
    }
    t.equal((await shake(server, version, session)).resumed, true)
  })
}

t.test('no two tickets are sealed with the same vector', (t) => {
  type Context = { onticketkeycallback?: (name: Buffer, iv: Buffer, isSealing: boolean) => readonly unknown[] }
  const context: Context & { enableTicketKeyCallback(): void } = { enableTicketKeyCallback: () => {} }
  const server = { setTicketKeys: () => {}, _sharedCreds: { context } } as unknown as Server
  t.equal(useTicketKeys(server, { current: key(), previous: [] }), true)
  const vectors = new Set<string>()
  for (let count = 0; count < 2_000; count += 1) {
    const vector = context.onticketkeycallback?.(Buffer.alloc(16), Buffer.alloc(16), true)[4] as Buffer
    if (vector.length !== 16) t.fail('a vector has 16 bytes')
    vectors.add(vector.toString('hex'))
  }
  t.equal(vectors.size, 2_000)
  t.end()
})

t.test('without the function below Node one key is used, and the rest is as it was', async (t) => {
  const current = key()
  const given: Buffer[] = []
  const bare = { setTicketKeys: (keys: Buffer) => void given.push(keys) } as unknown as Server
  t.equal(useTicketKeys(bare, { current, previous: [key()] }), false)
  t.strictSame(given, [current])
})
