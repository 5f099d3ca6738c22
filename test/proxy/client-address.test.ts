import { BlockList } from 'node:net'
import t from 'tap'
import { clientAddress, clientScheme, isTrusted, plainAddress } from '../../proxy/client-address.ts'

const trusted = new BlockList()
trusted.addSubnet('10.0.0.0', 8, 'ipv4')
trusted.addSubnet('2001:db8::', 32, 'ipv6')

const rows: readonly { name: string; peer: string; said: readonly string[]; expected: string }[] = [
  { name: 'nothing said', peer: '192.0.2.1', said: [], expected: '192.0.2.1' },
  { name: 'an untrusted peer is not believed', peer: '192.0.2.1', said: ['6.6.6.6'], expected: '192.0.2.1' },
  { name: 'a trusted peer is', peer: '10.0.0.1', said: ['192.0.2.1'], expected: '192.0.2.1' },
  {
    name: 'the first from the right that is not trusted',
    peer: '10.0.0.1',
    said: ['6.6.6.6, 192.0.2.1, 10.9.9.9'],
    expected: '192.0.2.1',
  },
  {
    name: 'the lines are one list',
    peer: '10.0.0.1',
    said: ['6.6.6.6, 192.0.2.1', '10.2.2.2,10.3.3.3'],
    expected: '192.0.2.1',
  },
  { name: 'all are trusted: the farthest', peer: '10.0.0.1', said: ['10.1.1.1, 10.2.2.2'], expected: '10.1.1.1' },
  { name: 'IPv4 in IPv6 form', peer: '::ffff:10.0.0.1', said: ['::ffff:192.0.2.1'], expected: '192.0.2.1' },
  { name: 'IPv6', peer: '2001:db8::1', said: ['2001:DB9::7'], expected: '2001:db9::7' },
  { name: 'with a port', peer: '10.0.0.1', said: ['192.0.2.1:443'], expected: '192.0.2.1' },
  { name: 'IPv6 with a port', peer: '10.0.0.1', said: ['[2001:db9::7]:443'], expected: '2001:db9::7' },
  { name: 'a word', peer: '10.0.0.1', said: ['unknown'], expected: '10.0.0.1' },
  { name: 'a word behind a proxy', peer: '10.0.0.1', said: ['192.0.2.1, x, 10.2.2.2'], expected: '10.2.2.2' },
  { name: 'nothing between commas', peer: '10.0.0.1', said: ['192.0.2.1,'], expected: '10.0.0.1' },
  { name: 'an empty list', peer: '10.0.0.1', said: [''], expected: '10.0.0.1' },
  { name: 'leading zeros', peer: '10.0.0.1', said: ['010.0.0.1'], expected: '10.0.0.1' },
  { name: 'a zone', peer: '10.0.0.1', said: ['fe80::1%eth0'], expected: '10.0.0.1' },
  { name: 'a socket without an address', peer: '', said: ['192.0.2.1'], expected: '' },
  {
    name: 'a list without an end',
    peer: '10.0.0.1',
    said: [Array(1000).fill('10.0.0.2').join(',')],
    expected: '10.0.0.2',
  },
]

t.test("the visitor's address is the first from the right that is no trusted proxy", (t) => {
  for (const { name, peer, said, expected } of rows) {
    const headers = said.flatMap((value) => ['x-forwarded-for', value])
    t.equal(clientAddress(peer, ['host', 'x', ...headers], trusted), expected, name)
  }
  t.end()
})

t.test('only so many entries are read', (t) => {
  const list = ['192.0.2.1', ...Array(100).fill('10.0.0.2')].join(',')
  t.equal(clientAddress('10.0.0.1', ['x-forwarded-for', list], trusted), '10.0.0.2')
  t.end()
})

t.test('the scheme is that of the connection, or what a trusted peer says last', (t) => {
  const scheme = (peer: string, said: string[], secure = false) =>
    clientScheme(
      peer,
      said.flatMap((value) => ['x-forwarded-proto', value]),
      { secure, trusted },
    )
  t.equal(scheme('192.0.2.1', [], true), 'https')
  t.equal(scheme('192.0.2.1', ['http'], true), 'https', 'nobody talks TLS away')
  t.equal(scheme('192.0.2.1', ['https']), 'http', 'an untrusted peer')
  t.equal(scheme('10.0.0.1', []), 'http')
  t.equal(scheme('10.0.0.1', ['https']), 'https')
  t.equal(scheme('10.0.0.1', ['HTTPS ']), 'https')
  t.equal(scheme('10.0.0.1', ['https, http']), 'http')
  t.equal(scheme('10.0.0.1', ['http', 'https']), 'https')
  t.equal(scheme('10.0.0.1', ['wss']), 'http')
  t.end()
})

t.test('addresses are told apart', (t) => {
  t.equal(plainAddress('::ffff:1.2.3.4'), '1.2.3.4')
  t.equal(plainAddress('::ffff:1'), '::ffff:1')
  t.equal(isTrusted('10.1.1.1', trusted), true)
  t.equal(isTrusted('2001:db8::5', trusted), true)
  t.equal(isTrusted('localhost', trusted), false)
  t.end()
})
