import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createWeb, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsWeb } from 'node:https'
import { type AddressInfo, createServer as createRaw, type Socket } from 'node:net'
import { createServer as createTls } from 'node:tls'
import {
  BasicConstraintsExtension,
  Extension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import t, { type Test } from 'tap'
import { createValidator, type ProveOptions } from '../../../certs/acme-server/prove.ts'
import type { Proof } from '../../../certs/acme-server/validations.ts'
import { permits, toConstraints } from '../../../certs/name-constraints.ts'
import { freePort } from '../../services/free-port.ts'
import { startPebble } from '../../services/pebble.ts'

const mayAsk = (address: string) => permits(toConstraints([]), address)
const token = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA'
const keyAuthorization = `${token}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI`
const proof = (more: Partial<Proof> = {}): Proof => ({
  kind: 'http-01',
  type: 'dns',
  value: 'nas.localhost',
  token,
  keyAuthorization,
  ...more,
})

/** What is found: `right`, or the problem's type and sentence. */
async function look(
  options: Partial<ProveOptions>,
  what: Proof,
  signal = AbortSignal.timeout(20_000),
): Promise<string> {
  try {
    await createValidator({ mayAsk, ...options })(what, signal)
    return 'right'
  } catch (error) {
    const { code, details, message } = error as { code?: string; details?: { type?: string }; message: string }
    return code === 'ERR_ACME' ? `${details?.type}: ${message}` : `thrown: ${message}`
  }
}

async function listen(t: Test, server: ReturnType<typeof createRaw>): Promise<number> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

t.test('http-01: the file is asked for at the name, and is right or wrong', async (t) => {
  let handler: Handler = () => {}
  const seen: (string | undefined)[] = []
  const take: Handler = (request, response) => {
    seen.push(`${request.method} ${request.headers.host} ${request.url}`)
    handler(request, response)
  }
  const httpPort = await listen(t, createWeb(take))
  const { cert, key } = await makeProofCertificate({})
  const tlsPort = await listen(t, createTlsWeb({ cert, key }, take))
  const show: Handler = (_, response) => response.end(keyAuthorization)
  const nobody = await freePort()
  const redirect =
    (location: string, status = 302): Handler =>
    (request, response) =>
      request.url?.startsWith('/.well-known')
        ? response.writeHead(status, { location }).end()
        : response.end(keyAuthorization)
  const cases: { name: string; handler: Handler; found: RegExp }[] = [
    { name: 'the proof', handler: show, found: /^right$/ },
    { name: 'with a line feed', handler: (_, response) => response.end(`${keyAuthorization}\r\n`), found: /^right$/ },
    {
      name: 'another proof',
      handler: (_, response) => response.end(`${token}.other`),
      found: /^incorrectResponse: .*not show the key authorization/,
    },
    { name: 'nothing', handler: (_, response) => response.end(), found: /^incorrectResponse/ },
    {
      name: 'the proof and more',
      handler: (_, response) => response.end(keyAuthorization + 'x'.repeat(5_000)),
      found: /^incorrectResponse/,
    },
    { name: 'an endless body', handler: (_, response) => void endless(response), found: /^incorrectResponse/ },
    {
      name: '404 with the proof',
      handler: (_, response) => response.writeHead(404).end(keyAuthorization),
      found: /^incorrectResponse/,
    },
    { name: 'a redirect to another path', handler: redirect('/other'), found: /^right$/ },
    { name: 'a redirect to https', handler: redirect(`https://nas.localhost:${tlsPort}/other`, 308), found: /^right$/ },
    { name: 'a redirect to itself', handler: redirect('', 301), found: /^connection: .*too often/ },
    {
      name: 'a redirect without a place',
      handler: (_, response) => response.writeHead(302).end(),
      found: /^incorrectResponse/,
    },
    { name: 'a redirect to a file', handler: redirect('file:///etc/passwd'), found: /^connection: .*not on the web/ },
    { name: 'a redirect to nonsense', handler: redirect('http://:::'), found: /^connection: .*not on the web/ },
    {
      name: 'a redirect to another port',
      handler: redirect('http://nas.localhost:22/'),
      found: /^connection: .*port 22/,
    },
    {
      name: 'a redirect to another name',
      handler: redirect('http://10.0.0.1/admin'),
      found: /^connection: .*another name/,
    },
    {
      name: 'a redirect to another name’s challenge with a question',
      handler: redirect(`http://10.0.0.1/.well-known/acme-challenge/${token}?reset=1`),
      found: /^connection: .*another name/,
    },
    {
      name: 'a redirect out of another name’s challenges',
      handler: redirect('http://10.0.0.1/.well-known/acme-challenge/..%2fadmin'),
      found: /^connection: .*another name/,
    },
    ...[
      '203.0.113.1',
      '169.254.169.254',
      '2852039166',
      '[fd00:ec2::254]',
      '[fd20:ce::254]',
      '[::ffff:169.254.169.254]',
      '[::]',
      'nothing.invalid',
      `127.0.0.1:${nobody}`,
    ].map((authority) => ({
      name: `a redirect to the challenges of ${authority}`,
      handler: redirect(`http://${authority}/.well-known/acme-challenge/other`),
      // Whatever is there, and whether anything is, is told by the same sentence.
      found: /^connection: the server redirects to where this CA gets no answer$/,
    })),
    { name: 'no answer', handler: ({ socket }) => void socket.destroy(), found: /^connection: / },
    { name: 'no HTTP', handler: ({ socket }) => void socket.end('220 mail.example ESMTP\r\n'), found: /^connection/ },
  ]
  for (const one of cases) {
    handler = one.handler
    const found = await look({ httpPort, tlsPort: one.name.endsWith(`:${nobody}`) ? nobody : tlsPort }, proof())
    t.match(found, one.found, one.name)
    t.notMatch(found, /\d+\.\d+\.\d+\.\d+|E[A-Z]{5,}/, `${one.name}: no addresses and no codes`)
  }
  t.equal(seen[0], `GET nas.localhost:${httpPort} /.well-known/acme-challenge/${token}`)
  handler = show
  t.equal(await look({ httpPort }, proof({ type: 'ip', value: '127.0.0.1' })), 'right', 'an address')
  t.match(await look({ httpPort: nobody }, proof()), /^connection: the server does not answer as one does$/)
  handler = () => {}
  const soon = AbortSignal.timeout(100)
  t.match(await look({ httpPort }, proof(), soon), /^connection: .*in time/, 'a server that hangs')
})

t.test('tls-alpn-01: the certificate of the handshake is the proof', async (t) => {
  const tls = proof({ kind: 'tls-alpn-01' })
  const cases: { name: string; made: Made; found: RegExp; what?: Proof }[] = [
    { name: 'the proof', made: {}, found: /^right$/ },
    { name: 'upper case', made: { names: ['NAS.localhost'] }, found: /^right$/ },
    { name: 'another proof', made: { proof: 'other' }, found: /^incorrectResponse: .*another proof/ },
    { name: 'not critical', made: { isCritical: false }, found: /^incorrectResponse: .*another proof/ },
    { name: 'no proof', made: { proof: undefined }, found: /^incorrectResponse: .*another proof/ },
    { name: 'bytes behind the proof', made: { extra: Buffer.from([0]) }, found: /^incorrectResponse: .*another proof/ },
    {
      name: 'another name',
      made: { names: ['other.localhost'] },
      found: /^incorrectResponse: .*not for nas\.localhost alone/,
    },
    { name: 'two names', made: { names: ['nas.localhost', 'other.localhost'] }, found: /^incorrectResponse: .*alone/ },
    { name: 'no name', made: { names: [] }, found: /^incorrectResponse: .*alone/ },
    { name: 'an address for a name', made: { names: ['127.0.0.1'] }, found: /^incorrectResponse: .*alone/ },
    { name: 'issued by another', made: { issuer: 'CN=somebody' }, found: /^incorrectResponse: .*self-signed/ },
    { name: 'without the protocol', made: { protocols: ['h2'] }, found: /^tls: / },
    { name: 'without any protocol', made: { protocols: undefined }, found: /^tls: .*acme-tls\/1/ },
    {
      name: 'an address',
      made: { names: ['127.0.0.1'], expects: '1.0.0.127.in-addr.arpa' },
      found: /^right$/,
      what: { ...tls, type: 'ip', value: '127.0.0.1' },
    },
  ]
  for (const { name, made, found, what = tls } of cases) {
    const { cert, key } = await makeProofCertificate(made)
    const { protocols = 'protocols' in made ? undefined : ['acme-tls/1'], expects = 'nas.localhost' } = made
    const asked: string[] = []
    const server = createTls({
      cert,
      key,
      ...(protocols && { ALPNProtocols: protocols }),
      SNICallback(name, done) {
        asked.push(name)
        done(null)
      },
    })
    server.on('tlsClientError', () => {})
    const tlsPort = await listen(t, server)
    t.match(await look({ tlsPort }, what), found, name)
    if (found.test('right')) t.strictSame(asked, [expects], name)
  }
  t.match(await look({ tlsPort: await freePort() }, tls), /^connection: the server does not answer/)
  const plain = await listen(
    t,
    createRaw((socket) => void socket.end('220 mail.example ESMTP\r\n')),
  )
  t.match(await look({ tlsPort: plain }, tls), /^tls: /, 'no TLS')
  const closing = await listen(
    t,
    createRaw((socket) => void socket.destroy()),
  )
  t.match(await look({ tlsPort: closing }, tls), /^connection: the server does not answer/, 'a server that hangs up')
  const silent = await listen(
    t,
    createRaw(() => {}),
  )
  t.match(
    await look({ tlsPort: silent }, tls, AbortSignal.timeout(100)),
    /^connection: .*in time|too long/,
    'a server that hangs',
  )
})

t.test('dns-01 and addresses: what the DNS says counts, and leads nowhere else', async (t) => {
  const pebble = await startPebble(t)
  const httpPort = await listen(
    t,
    createWeb((_, response) => response.end(keyAuthorization)),
  )
  const options = { dnsServers: [pebble.dns], httpPort }
  const value = createHash('sha256').update(keyAuthorization).digest('base64url')
  const dns = proof({ kind: 'dns-01', value: 'nas.internal' })
  t.match(await look(options, dns), /^(dns|incorrectResponse): .*_acme-challenge\.nas\.internal/, 'no record')
  await pebble.tellDns('set-txt', { host: '_acme-challenge.nas.internal.', value: 'other' })
  t.match(await look(options, dns), /^incorrectResponse: none of the 1 TXT/, 'another record')
  await pebble.tellDns('set-txt', { host: '_acme-challenge.nas.internal.', value })
  t.equal(await look(options, dns), 'right', 'one of several')
  await pebble.tellDns('set-servfail', { host: '_acme-challenge.bad.internal.' })
  t.match(await look(options, { ...dns, value: 'bad.internal' }), /^dns: .*ESERVFAIL/)
  const nobody = { dnsServers: [`127.0.0.1:${await freePort()}`] }
  t.match(
    await look(nobody, dns, AbortSignal.timeout(3_000)),
    /^dns: .*(ECONNREFUSED|ETIMEOUT|ECANCELLED)/,
    'no DNS server',
  )

  t.equal(await look(options, proof({ value: 'nas.internal' })), 'right', 'every name leads to 127.0.0.1 there')
  await pebble.tellDns('add-a', { host: 'far.internal', addresses: ['203.0.113.1'] })
  t.match(
    await look(options, proof({ value: 'far.internal' })),
    /^rejectedIdentifier: far\.internal leads to no address/,
  )
  await pebble.tellDns('add-a', { host: 'both.internal', addresses: ['203.0.113.1', '127.0.0.1'] })
  t.equal(await look(options, proof({ value: 'both.internal' })), 'right', 'only the near one is asked')
  await pebble.tellDns('set-servfail', { host: 'gone.internal' })
  t.match(await look(options, proof({ value: 'gone.internal' })), /^dns: /)
  // Only the system reads that as an address.
  t.equal(await look({ httpPort }, proof({ value: '127.1' })), 'right', 'the system’s own way')
  t.match(await look({ httpPort }, proof({ value: 'nothing.invalid' })), /^dns: nothing\.invalid/)
})

t.test(
  'a redirect by the same name is asked at the address that sent it, whatever the name leads to by then',
  async (t) => {
    const pebble = await startPebble(t)
    const asked: string[] = []
    const web = createWeb((request, response) => {
      const { localAddress = '', localPort = 0 } = request.socket
      asked.push(`${localAddress} ${request.url}`)
      if (request.url === '/elsewhere') return void response.end(keyAuthorization)
      pebble
        .tellDns('add-a', { host: 'nas.internal', addresses: ['127.0.0.2'] })
        .then(() => response.writeHead(302, { location: `http://nas.internal:${localPort}/elsewhere` }).end())
        .catch(() => response.destroy())
    })
    web.listen(0, '0.0.0.0')
    await once(web, 'listening')
    t.teardown(() => web.close())
    const httpPort = (web.address() as AddressInfo).port
    await pebble.tellDns('add-a', { host: 'nas.internal', addresses: ['127.0.0.1'] })
    t.equal(await look({ dnsServers: [pebble.dns], httpPort }, proof({ value: 'nas.internal' })), 'right')
    t.strictSame(asked, [`127.0.0.1 /.well-known/acme-challenge/${token}`, '127.0.0.1 /elsewhere'])
  },
)

t.test('the files of challenges of another name are asked for, but not at this machine', async (t) => {
  const pebble = await startPebble(t)
  const asked: string[] = []
  const httpPort = await listen(
    t,
    createWeb((request, response) => {
      asked.push(request.headers.host ?? '')
      const location = `http://other.internal:${httpPort}/.well-known/acme-challenge/moved`
      if (request.url?.endsWith('/moved')) response.end(keyAuthorization)
      else response.writeHead(307, { location }).end()
    }),
  )
  const options = { dnsServers: [pebble.dns], httpPort }
  t.match(await look(options, proof({ value: 'nas.internal' })), /^connection: .*gets no answer/)
  t.strictSame(asked, [`nas.internal:${httpPort}`], 'every name leads to 127.0.0.1 there')
  t.equal(await look(options, proof()), 'right', 'for who proves a name of this machine itself')
  t.equal(asked.at(-1), `other.internal:${httpPort}`)
})

t.test('places where clouds keep secrets are never asked, whatever the CA may sign for', async (t) => {
  const mayAsk = () => true
  for (const value of [
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    'fd00:ec2::254',
    'fd20:ce::254',
    'fe80::1',
  ])
    for (const kind of ['http-01', 'tls-alpn-01'] as const) {
      const found = await look({ mayAsk }, proof({ kind, type: 'ip', value }), AbortSignal.timeout(5_000))
      t.match(found, /^rejectedIdentifier: /, `${kind} ${value}`)
    }
  const mapped = proof({ type: 'ip', value: '::ffff:a9fe:a9fe' })
  t.match(await look({ mayAsk }, mapped, AbortSignal.timeout(5_000)), /^rejectedIdentifier: /, 'one inside of IPv6')
})

async function endless(response: ServerResponse): Promise<void> {
  response.on('error', () => {})
  while (!response.destroyed) {
    response.write('x'.repeat(10_000))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** What is other than right with a certificate for the challenge. */
interface Made {
  readonly names?: readonly string[]
  readonly proof?: string | undefined
  readonly extra?: Buffer
  readonly isCritical?: boolean
  readonly issuer?: string
  readonly protocols?: string[] | undefined
  /** The name that SNI has to have. */
  readonly expects?: string
}

async function makeProofCertificate(made: Made): Promise<{ cert: string; key: string }> {
  const { names = ['nas.localhost'], isCritical = true, issuer = 'CN=proof', extra = Buffer.of() } = made
  const text = 'proof' in made ? made.proof : keyAuthorization
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const hash = text === undefined ? undefined : createHash('sha256').update(text).digest()
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=proof',
    issuer,
    serialNumber: '4711',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    signingKey: keys.privateKey,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      ...(names.length === 0
        ? []
        : [
            new SubjectAlternativeNameExtension(
              names.map((value) => ({ type: /^[\d.]+$/.test(value) ? ('ip' as const) : ('dns' as const), value })),
            ),
          ]),
      ...(hash
        ? [
            new Extension(
              '1.3.6.1.5.5.7.1.31',
              isCritical,
              new Uint8Array(Buffer.concat([Buffer.from([4, 32]), hash, extra])),
            ),
          ]
        : []),
    ],
  })
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { cert: certificate.toString('pem'), key }
}
