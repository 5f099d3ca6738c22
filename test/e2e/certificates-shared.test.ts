// Two Groves with one folder for certificates, and a CA whose questions reach one or the other by turns.

import { connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { decodeRecord } from '../../certs/managed-record.ts'
import { openVault } from '../../certs/open-vault.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { silent } from '../certs/acme/fixture.ts'
import { freePort } from '../services/free-port.ts'
import { startPebble } from '../services/pebble.ts'
import { folderOf } from './bucket.ts'
import { acmeOf, issued, rows, served } from './ca-host.ts'
import { type Harness, startGrove } from './harness.ts'

/** In every run a few; more by hand. */
const kills = Number(process.env['GROVE_KILL_ROUNDS'] ?? 3)
const names = Array.from({ length: 49 }, (_, index) => `name-${index}.example.test`)
/** The site has a name by itself, too. */
const all = [...names, 'many.grove.test']

t.test('two Groves order 50 names once, whichever is asked for proofs, and kills lose nothing', async (t) => {
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const
  // The first orders as soon as it is there, and the second is not in the DNS before it listens.
  const [http, tls] = [[ports[0] as number], [ports[1] as number]]
  const pebble = await startPebble(t, {
    httpPort: await alternate(t, http),
    tlsPort: await alternate(t, tls),
    badNonces: 5,
  })
  const folder = t.testdir({})
  const acme = [acmeOf(t, pebble)]
  const start = (http: number, https: number) =>
    startGrove(t, {
      config: {
        domain: 'grove.test',
        email: 'ops@grove.test',
        listen: { http, https },
        fronts: 1,
        log: { access: false },
        sites: { many: { authorities: names } },
        certs: { acme, folder },
      },
    })
  const groves = [await start(ports[0], ports[1]), await start(ports[2], ports[3])] as const
  http.push(ports[2])
  tls.push(ports[3])
  await Promise.all(
    groves.map((grove) => grove.json(['publish', folderOf(grove, 'many', { 'index.html': 'hi' }), '--site', 'many'])),
  )
  for (let round = 0; round < kills; round += 1) {
    // Not a wait for something: a random moment is what this is about.
    await pause(Math.random() * 4_000)
    const grove = groves[round % 2] as Harness
    const [pid] = await grove.pids('control').catch(() => [])
    if (pid === undefined) continue
    process.kill(pid, 'SIGKILL')
    // It comes back by itself.
    await grove.until(async () => (await grove.pids('control').catch(() => [])).some((now) => now !== pid))
  }
  for (const grove of groves)
    await grove.until(async () => {
      const now = await rows(grove).catch(() => [])
      return all.every((name) => now.some((row) => row.names.includes(name) && row.state === 'valid'))
    })
  const root = await pebble.manage('/roots/0')
  for (const name of [all[0], all[24], 'many.grove.test'] as string[]) {
    const [one, other] = [await served(groves[0], name, root), await served(groves[1], name, root)]
    t.equal(one.serialNumber, other.serialNumber, `both serve the same certificate of ${name}`)
  }

  const count = issued(pebble)
  const orders = pebble.said.match(/There are now (\d+) orders/g)?.length ?? 0
  t.comment(`${count} certificates of ${orders} orders for ${all.length} names with ${kills} kills`)
  // For each name under way when a kill came, eight at a time, at most the request whose answer was on its way.
  t.ok(count >= all.length && count <= all.length + kills, `${count} certificates`)
  t.ok(orders >= all.length && orders <= all.length + kills * 8, `${orders} orders`)
  t.strictSame([...new Set(pebble.said.match(/There are now \d+ accounts/g))], ['There are now 1 accounts'])

  // Each record is read in full, and its checksum compared.
  await using vault = await openVault({ env: nodeEnvironment, folder, log: silent })
  const kept = { certs: 0, accounts: 0, challenges: 0 }
  for await (const key of vault.list('')) {
    const record = await vault.read(key)
    const [kind] = key.split('/') as [keyof typeof kept]
    if (kind in kept) kept[kind] += 1
    if (kind === 'certs') t.ok(decodeRecord(record?.text ?? '')?.certificate, key)
  }
  t.match(kept, { certs: all.length, accounts: 1 })
})

/** A port whose connections lead to these by turns, as an address of two machines in the DNS does. */
async function alternate(t: Test, ports: readonly number[]): Promise<number> {
  const port = await freePort()
  let turn = 0
  const server = createServer((socket) => {
    const onward = connect(ports[turn++ % ports.length] as number, '127.0.0.1')
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      one.on('error', () => other.destroy())
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return port
}
