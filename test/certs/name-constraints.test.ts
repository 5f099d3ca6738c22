import t from 'tap'
import {
  constraintBytes,
  decodeConstraints,
  encodeConstraints,
  permits,
  toConstraints,
} from '../../certs/name-constraints.ts'

t.test(
  'names of one’s own network and configured ones are permitted, with all under them, and no others',
  async (t) => {
    const constraints = toConstraints(['example.com', 'a.example.com', '203.0.113.7', '100.64.0.0/10', '[2001:db8::1]'])
    const permitted = [
      'localhost',
      'blog.localhost',
      'a.b.home.arpa',
      'printer.local',
      'x.internal',
      'example.com',
      'blog.example.com',
      '*.example.com',
      '127.0.0.1',
      '::1',
      '10.1.2.3',
      '172.16.0.1',
      '192.168.178.1',
      'fd00::1',
      '203.0.113.7',
      '100.100.1.1',
      '2001:db8::1',
    ]
    for (const name of permitted) t.equal(permits(constraints, name), true, name)
    const refused = [
      'example.org',
      'badexample.com',
      'com',
      '*.com',
      'xlocalhost',
      'localhost.example.org',
      'arpa',
      '8.8.8.8',
      '203.0.113.8',
      '169.254.169.254',
      'fe80::1',
      '2001:db8::2',
      '::ffff:127.0.0.1',
      '',
    ]
    for (const name of refused) t.equal(permits(constraints, name), false, JSON.stringify(name))
  },
)

t.test('names under others and networks within others are left out, in one order', async (t) => {
  const one = toConstraints([
    'b.example',
    'a.b.example',
    'x.localhost',
    'b.example',
    '10.1.0.0/16',
    '10.0.0.0/8',
    '203.0.113.0/24',
    '203.0.113.7',
  ])
  t.strictSame(one.domains, ['b.example', 'home.arpa', 'internal', 'local', 'localhost'])
  t.strictSame(one.networks.length, toConstraints([]).networks.length + 1)
  t.ok(encodeConstraints(one).equals(encodeConstraints(toConstraints(['203.0.113.0/24', 'b.example']))))
})

t.test('the extension comes back as it went in, and any other is not understood', async (t) => {
  const constraints = toConstraints(['example.com', '203.0.113.7', '2001:db8::/33', '0.0.0.0/0'])
  const bytes = encodeConstraints(constraints)
  t.strictSame(decodeConstraints(bytes), constraints)
  const others = [
    '',
    '3000',
    '30020500',
    // Excluded subtrees.
    '300ea10c300a82086c6f63616c2e78',
    // A mask with a hole.
    '3010a00e300c8708ff000000ff00ff00',
    // An address of three bytes.
    '300ba00930078705ff0000ff00',
    `${bytes.toString('hex')}00`,
  ]
  for (const hex of others) t.equal(decodeConstraints(Buffer.from(hex, 'hex')), undefined, hex)
})

t.test('what is neither a name nor an address is refused, and so are too many', async (t) => {
  for (const name of ['*.example.com', 'a b', 'UPPER.example', '', 'example.com.', '10.0.0.0/99', 'a/8'])
    t.throws(() => toConstraints([name]), { code: 'ERR_CERT_NAME' }, JSON.stringify(name))
  const many = Array.from({ length: 1_000 }, (_, index) => `n${index}.example`)
  t.throws(() => toConstraints(many), {
    code: 'ERR_CERT',
    message: /bytes in each handshake/,
    hint: /certs\.own\.domains/,
  })
  t.equal(toConstraints([...many, 'example']).domains.length, 5)
  const long = Array.from({ length: 50 }, (_, index) => `${`${'x'.repeat(60)}.`.repeat(3)}n${index}.example`)
  t.throws(() => toConstraints(long), { code: 'ERR_CERT' }, 'few names that are long, too')
  const bytes = encodeConstraints(toConstraints([])).length
  for (const name of ['a.example', long[0] as string])
    t.ok(encodeConstraints(toConstraints([name])).length - bytes <= constraintBytes(name))
})
