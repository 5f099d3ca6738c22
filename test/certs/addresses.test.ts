import t from 'tap'
import { addressBytes, isLoopback, isWithin, maskOf, toAddress, toNetwork } from '../../certs/addresses.ts'

t.test('an address has one spelling, and what is none has nothing', async (t) => {
  const cases: [string, string | undefined][] = [
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['127.1', undefined],
    ['010.0.0.1', undefined],
    ['0x7f000001', undefined],
    ['256.0.0.1', undefined],
    ['fe80::1%eth0', undefined],
    ['[::1', undefined],
    ['::1\0', undefined],
    ['', undefined],
    ['localhost', undefined],
  ]
  for (const [text, expected] of cases) t.equal(toAddress(text), expected, JSON.stringify(text))
})

t.test('addresses become bytes', async (t) => {
  t.equal(addressBytes('192.168.0.255').toString('hex'), 'c0a800ff')
  t.equal(addressBytes('2001:db8::1').toString('hex'), '20010db8000000000000000000000001')
  t.equal(addressBytes('::').toString('hex'), '0'.repeat(32))
  t.equal(addressBytes('1:2:3:4:5:6:7:8').toString('hex'), '00010002000300040005000600070008')
  t.throws(() => addressBytes('localhost'), { code: 'ERR_CERT_NAME' })
})

t.test('a network holds the addresses that begin with its bits, and no others', async (t) => {
  const cases: [network: string, address: string, expected: boolean][] = [
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.9.9.9/8', '10.0.0.1', true],
    ['172.16.0.0/12', '172.31.255.255', true],
    ['172.16.0.0/12', '172.32.0.0', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['192.168.1.7', '192.168.1.7', true],
    ['192.168.1.7', '192.168.1.6', false],
    ['fc00::/7', 'fdff::1', true],
    ['fc00::/7', 'fe00::1', false],
    ['::/0', '127.0.0.1', false],
    ['0.0.0.0/0', '::ffff:127.0.0.1', false],
  ]
  for (const [text, address, expected] of cases) {
    const network = toNetwork(text)
    if (!network) t.fail(text)
    else t.equal(isWithin(addressBytes(address), network), expected, `${address} in ${text}`)
  }
})

t.test('what is no network is none', async (t) => {
  for (const text of [
    '',
    '/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    'a.example/8',
    '10.0.0.0/1e1',
  ])
    t.equal(toNetwork(text), undefined, JSON.stringify(text))
})

t.test('a mask has the first bits set', async (t) => {
  t.equal(maskOf(4, 0).toString('hex'), '00000000')
  t.equal(maskOf(4, 12).toString('hex'), 'fff00000')
  t.equal(maskOf(4, 32).toString('hex'), 'ffffffff')
  t.equal(maskOf(16, 7).toString('hex'), `fe${'00'.repeat(15)}`)
})

t.test('names and addresses that mean the machine that looks them up', async (t) => {
  for (const value of [
    'localhost',
    'a.b.localhost',
    '*.a.localhost',
    '127.0.0.1',
    '127.255.0.9',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
  ])
    t.equal(isLoopback(value), true, value)
  for (const value of [
    '',
    'notlocalhost',
    'localhost.internal',
    '128.0.0.1',
    '10.0.0.1',
    '::',
    '::2',
    '::ffff:10.0.0.1',
  ])
    t.equal(isLoopback(value), false, value)
})
