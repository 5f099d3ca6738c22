import t from 'tap'
import { readClientHello } from '../../proxy/client-hello.ts'
import { clientHelloOf, splitRecords } from './fixtures/client-hello.ts'

const options = { servername: 'Blog.Example.com', ALPNProtocols: ['acme-tls/1'] }

t.test('a whole ClientHello names its server and its protocols, in TLS 1.2 and 1.3', async (t) => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const hello = await clientHelloOf({ ...options, minVersion: version, maxVersion: version })
    t.same(readClientHello(hello), { serverName: 'blog.example.com', protocols: ['acme-tls/1'] }, version)
    t.same(readClientHello(Buffer.concat([hello, Buffer.from('more')])), undefined, 'what follows is no record')
    t.match(
      readClientHello(Buffer.concat([hello, hello])),
      { serverName: 'blog.example.com' },
      'what follows is not read',
    )
  }
  const bare = await clientHelloOf({})
  t.same(readClientHello(bare), { serverName: undefined, protocols: [] })
  const two = await clientHelloOf({ ...options, ALPNProtocols: ['h2', 'acme-tls/1'] })
  t.match(readClientHello(two), { protocols: ['h2', 'acme-tls/1'] })
})

t.test('a ClientHello that is split over records, or that is not all there, is put together', async (t) => {
  const hello = await clientHelloOf(options)
  for (const recordBytes of [hello.length, 1_000, 400, 150])
    t.match(
      readClientHello(splitRecords(hello, recordBytes)),
      { protocols: ['acme-tls/1'] },
      `${recordBytes} bytes each`,
    )
  t.equal(readClientHello(splitRecords(hello, 20)), undefined, 'so many records are not looked through')
  const split = splitRecords(hello, 300)
  const answers = new Set<unknown>()
  for (let length = 0; length < split.length; length += 1) answers.add(readClientHello(split.subarray(0, length)))
  t.same([...answers], ['more'])
})

/** A record of handshake messages. */
const record = (content: Buffer) =>
  Buffer.concat([Buffer.from([22, 3, 1, content.length >> 8, content.length & 255]), content])
const vector = (lengthBytes: 1 | 2 | 3, content: Buffer) => {
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(content.length, 0, lengthBytes)
  return Buffer.concat([length, content])
}
const extension = (type: number, content: Buffer) => Buffer.concat([Buffer.from([0, type]), vector(2, content)])
const hello = (...extensions: Buffer[]) =>
  record(
    Buffer.concat([
      Buffer.from([1]),
      vector(
        3,
        Buffer.concat([
          Buffer.alloc(34, 3),
          vector(1, Buffer.alloc(32)),
          vector(2, Buffer.from([19, 1])),
          vector(1, Buffer.from([0])),
          vector(2, Buffer.concat(extensions)),
        ]),
      ),
    ]),
  )
const name = (text: string, kind = 0) =>
  extension(0, vector(2, Buffer.concat([Buffer.from([kind]), vector(2, Buffer.from(text, 'latin1'))])))
const alpn = (...protocols: string[]) =>
  extension(16, vector(2, Buffer.concat(protocols.map((one) => vector(1, Buffer.from(one))))))

t.test('what is no ClientHello, or a faulty one, is nothing', async (t) => {
  t.same(readClientHello(hello(name('A.test'), alpn('acme-tls/1'))), {
    serverName: 'a.test',
    protocols: ['acme-tls/1'],
  })
  const good = hello(name('a.test'), alpn('acme-tls/1'))
  const longer = (by: number) => {
    const bytes = Buffer.from(good)
    bytes.writeUIntBE(bytes.readUIntBE(6, 3) + by, 6, 3)
    return bytes
  }
  const cases: Readonly<Record<string, [Buffer, unknown]>> = {
    HTTP: [Buffer.from('GET / HTTP/1.1\r\n\r\n'), undefined],
    'an alert': [Buffer.from([21, 3, 1, 0, 2, 1, 0]), undefined],
    'SSL 2': [Buffer.from([0x80, 0x2e, 1, 3, 1]), undefined],
    'another version of records': [Buffer.from([22, 2, 0, 0, 4, 1, 0, 0, 0]), undefined],
    'an empty record': [Buffer.from([22, 3, 1, 0, 0]), undefined],
    'a record that is too long': [Buffer.from([22, 3, 1, 0x40, 1, 1]), undefined],
    'another handshake message': [record(Buffer.from([2, 0, 0, 1, 0])), undefined],
    'a message of 16 MB': [record(Buffer.from([1, 255, 255, 255, 0])), undefined],
    'a message that ends early': [longer(-3), undefined],
    'a message that goes on': [longer(3), 'more'],
    'no bytes': [Buffer.alloc(0), 'more'],
    'an empty message': [record(Buffer.from([1, 0, 0, 0])), undefined],
    'one name twice': [hello(name('a.test'), name('b.test')), undefined],
    'protocols twice': [hello(alpn('acme-tls/1'), alpn('acme-tls/1')), undefined],
    'an extension that ends early': [hello(Buffer.from([0, 16, 0, 9, 0])), undefined],
    'half an extension': [hello(Buffer.from([0])), undefined],
  }
  for (const [what, [bytes, expected]] of Object.entries(cases)) t.same(readClientHello(bytes), expected, what)
})

t.test('a name or a list of protocols that is faulty is none', async (t) => {
  const cases: Readonly<Record<string, [Buffer, unknown]>> = {
    'a name of another kind': [hello(name('a.test', 1)), { serverName: undefined }],
    'two names in one list': [
      hello(extension(0, vector(2, Buffer.from('\0\0\x01a\0\0\x01b', 'latin1')))),
      { serverName: undefined },
    ],
    'a name that ends early': [
      hello(extension(0, vector(2, Buffer.from('\0\0\x09a', 'latin1')))),
      { serverName: undefined },
    ],
    'a protocol that ends early': [hello(extension(16, vector(2, Buffer.from([9, 97])))), { protocols: [] }],
    'an empty list': [hello(alpn()), { protocols: [] }],
    'a name with NUL': [hello(name('a.test\0.b')), { serverName: 'a.test\0.b' }],
    'a Kelvin sign is no k': [hello(name('\u212a.test')), { serverName: '*.test' }],
  }
  for (const [what, [bytes, expected]] of Object.entries(cases)) t.match(readClientHello(bytes), expected, what)
})

t.test('no bytes make it throw', async (t) => {
  const real = splitRecords(await clientHelloOf(options), 500)
  for (let at = 0; at < real.length; at += 1) {
    for (const value of [0, 1, 127, 255]) {
      const bytes = Buffer.from(real)
      bytes[at] = value
      readClientHello(bytes)
    }
  }
  t.pass()
})
