import { networkInterfaces } from 'node:os'
import t from 'tap'
import { canonicalAddress, createAddressCheck, isPublicAddress } from '../../../sandbox/egress/addresses.ts'

t.test('addresses that are not of the public internet', (t) => {
  for (const address of [
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '10.255.255.255',
    '100.64.0.1',
    '100.100.100.200',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
    '168.63.129.16',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::7f00:1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    '2001:2::1',
    '2001:10::1',
    '2001:20::1',
    '2001:db8::1',
    '2002:7f00:1::1',
    '2002:c0a8:1::',
    '3ffe::1',
    '3fff::1',
    '3fff:fff::1',
    '4000::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '2600:1:2:3:0:5efe:7f00:1',
    '2600:1:2:3:200:5efe:a00:1',
    '2600::5efe:c0a8:101',
    // None at all.
    '',
    'localhost',
    '127.1',
    '0x7f000001',
    '8.8.8.8.8',
    '08.8.8.8',
    '2600:::1',
    'fe80::1%eth0',
    '2606:4700::1111%1',
  ])
    t.equal(isPublicAddress(address), false, address)
  t.end()
})

t.test('addresses that are', (t) => {
  for (const address of [
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.1',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.1',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '[2606:4700:4700::1111]',
    '2606:4700:4700:0:0:0:0:1111',
    '2001:200::1',
    '2a00:1450:4001:81b::200e',
    '2600:1:2:3:0:5efe:808:808',
  ])
    t.equal(isPublicAddress(address), true, address)
  t.end()
})

t.test('an address has one spelling', (t) => {
  t.equal(canonicalAddress('2606:4700:4700:0000::0001'), '2606:4700:4700::1')
  t.equal(canonicalAddress('[::FFFF:1.2.3.4]'), '::ffff:102:304')
  t.equal(canonicalAddress('1.2.3.4'), '1.2.3.4')
  t.equal(canonicalAddress('[1.2.3.4'), undefined)
  t.end()
})

t.test("the machine's own addresses are refused though they are public", (t) => {
  const check = createAddressCheck({ own: () => ['8.8.4.4', '2606:4700:4700:0:0:0:0:1001', 'fe80::1%eth0'] })
  t.equal(check.isAllowed('8.8.8.8'), true)
  t.equal(check.isAllowed('8.8.4.4'), false)
  t.equal(check.isAllowed('2606:4700:4700::1001'), false)
  t.equal(check.isAllowed('2606:4700:4700::1002'), true)
  t.end()
})

t.test('by default they are those of its interfaces', (t) => {
  const check = createAddressCheck()
  for (const { address } of Object.values(networkInterfaces()).flatMap((each) => each ?? []))
    t.equal(check.isAllowed(address), false, address)
  t.equal(check.isAllowed('1.1.1.1'), true)
  t.end()
})

t.test('networks that the operator denies', (t) => {
  const check = createAddressCheck({ denied: ['8.8.0.0/16', '1.1.1.1', '2606:4700::/32', '9.9.9.9'] })
  for (const address of ['8.8.8.8', '1.1.1.1', '9.9.9.9', '2606:4700:4700::1111'])
    t.equal(check.isAllowed(address), false, address)
  for (const address of ['8.9.8.8', '1.1.1.2', '2606:4701::1']) t.equal(check.isAllowed(address), true, address)
  for (const network of ['x', '8.8.8.8/33', '8.8.8.8/', '8.8.8.8/8/8', '8.8.8.8/-1', '::/129', '[::1]', '::1%1', ''])
    t.throws(() => createAddressCheck({ denied: [network] }), { code: 'ERR_CONFIG_INVALID' }, network)
  t.end()
})

t.test('a test may take chosen addresses for public ones, and those alone', (t) => {
  const check = createAddressCheck({ alsoPublic: ['127.0.0.1', '::1'] })
  t.equal(check.isAllowed('127.0.0.1'), true)
  t.equal(check.isAllowed('0:0:0:0:0:0:0:1'), true)
  t.equal(check.isAllowed('127.0.0.2'), false)
  t.equal(check.isAllowed('::ffff:127.0.0.1'), false)
  t.end()
})
