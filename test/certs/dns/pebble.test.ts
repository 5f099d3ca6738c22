// The whole way by real sockets: an order at Pebble, records at BIND by dynamic update, and Pebble asking BIND.

import t from 'tap'
import { createDnsSolver } from '../../../certs/dns/dns-solver.ts'
import { rfc2136Dns } from '../../../plugins/dns/rfc2136.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { startBind } from '../../services/bind.ts'
import { startPebble } from '../../services/pebble.ts'
import { makeIssuer, orderNow } from '../acme/fixture.ts'

const bind = await startBind(t, {
  zones: {
    'example.com': '_acme-challenge.shop CNAME shop.acme.example.net.',
    // Only this one may be changed by the key of the tests, so the others need no key on this machine.
    'acme.example.net': '',
    'example.org': '',
  },
})
const pebble = await startPebble(t, { dnsServer: bind.server })
const solver = createDnsSolver({
  provider: rfc2136Dns({ server: bind.server, key: bind.key }),
  environment: nodeEnvironment,
  resolvers: [bind.server],
  port: bind.port,
  bounds: { pollMs: 50 },
})

t.test('a name and its wildcard are proven at one place, and nothing stays there', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const { names } = await orderNow(issuer, ['*.example.org', 'example.org'], [solver])
  t.same([...names].sort(), ['*.example.org', 'example.org'])
  t.same(await bind.texts('_acme-challenge.example.org'), [])
})

t.test('a delegated name is proven in the other zone', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const { names } = await orderNow(issuer, ['*.shop.example.com', 'shop.example.com'], [solver])
  t.same([...names].sort(), ['*.shop.example.com', 'shop.example.com'])
  t.same(await bind.texts('shop.acme.example.net'), [])
})

t.test('a key that may not change the zone fails the order with what to do, before the CA looks', async (t) => {
  const issuer = await makeIssuer(t, pebble)
  const powerless = createDnsSolver({
    provider: rfc2136Dns({ server: bind.server, key: bind.powerless }),
    environment: nodeEnvironment,
    resolvers: [bind.server],
    port: bind.port,
  })
  await t.rejects(orderNow(issuer, ['denied.example.org'], [powerless]), {
    code: 'ERR_ACME',
    message: /^the answer to dns-01 for denied\.example\.org cannot be published: .* REFUSED to an update/,
    hint: /update-policy/,
  })
})
