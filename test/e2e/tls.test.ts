import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { makeClientCa } from '../proxy/fixtures/client-ca.ts'
import { type Harness, startGrove } from './harness.ts'

// What docs/tls.md says, as other people's programs see it.

const run = promisify(execFile)

/** What `openssl s_client` says of a handshake and the answer to one request, however it ends. */
async function openssl(
  grove: Harness,
  args: readonly string[] = [],
  name = 'blog.localhost',
  input = `GET /here HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`,
): Promise<string> {
  const target = ['-connect', `127.0.0.1:${grove.httpsPort}`, '-CAfile', grove.rootFile]
  const child = spawn('openssl', [
    's_client',
    ...target,
    ...(name ? ['-servername', name] : ['-noservername']),
    ...args,
  ])
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  child.stdin.on('error', () => {})
  child.stdin.write(input)
  await new Promise((resolve) => child.once('close', resolve))
  return text
}

async function startBlog(t: Test, config: Record<string, unknown> = {}): Promise<Harness> {
  const grove = await startGrove(t, { config: { fronts: 2, ...config } })
  await grove.publish('blog', t.testdir({ 'index.html': 'home' }))
  return grove
}

t.test('handshakes agree on what the documentation says', async (t) => {
  const grove = await startBlog(t)

  await t.test('versions and ciphers', async (t) => {
    const modern = await openssl(grove, ['-tls1_3'])
    t.match(modern, /TLSv1\.3, Cipher is TLS_AES_128_GCM_SHA256/)
    t.match(modern, /Verify return code: 0 \(ok\)/)
    t.match(modern, /HTTP\/1\.1 404/)
    t.match(await openssl(grove, ['-tls1_2']), /TLSv1\.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256/)
    for (const [suite, cipher] of [
      ['TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'],
      ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'],
    ] as const)
      t.match(await openssl(grove, ['-tls1_3', '-ciphersuites', suite]), new RegExp(`Cipher is ${cipher}`))
    for (const old of ['-tls1', '-tls1_1'])
      t.match(await openssl(grove, [old, '-cipher', 'DEFAULT@SECLEVEL=0']), /alert protocol version/, old)
    for (const weak of [
      'ECDHE-ECDSA-AES128-SHA',
      'ECDHE-ECDSA-AES256-SHA384',
      'AES128-GCM-SHA256',
      'DHE-RSA-AES128-GCM-SHA256',
    ])
      t.match(await openssl(grove, ['-tls1_2', '-cipher', `${weak}:@SECLEVEL=0`]), /alert handshake failure/, weak)
    t.match(await openssl(grove, ['-tls1_2']), /Compression: NONE/)
  })

  await t.test('ALPN', async (t) => {
    t.match(await openssl(grove, ['-alpn', 'http/1.1,h2']), /ALPN protocol: h2/, 'ours is the choice')
    t.match(await openssl(grove, ['-alpn', 'http/1.1']), /ALPN protocol: http\/1\.1/)
    t.match(await openssl(grove), /No ALPN negotiated[\s\S]*HTTP\/1\.1 404/)
    for (const strange of ['acme-tls/1', 'h3'])
      t.match(await openssl(grove, ['-alpn', strange]), /alert no application protocol/, strange)
  })

  await t.test('the chain, and names that have none', async (t) => {
    const text = await openssl(grove, ['-showcerts', '-verify_hostname', 'blog.localhost'])
    t.equal(text.match(/BEGIN CERTIFICATE/g)?.length, 2, 'leaf and intermediate')
    t.match(text, /Verification: OK\nVerified peername: blog\.localhost/)
    t.match(text, /Peer signature type: ECDSA/)
    for (const name of ['', 'nobody.localhost', 'x.blog.localhost', 'blog.example'])
      t.match(await openssl(grove, [], name), /alert (?:handshake failure|unrecognized name|internal error)/, name)
  })

  await t.test('the key exchange', async (t) => {
    t.match(await openssl(grove, ['-groups', 'P-256']), /ECDH, prime256v1/)
    t.match(await openssl(grove, ['-groups', 'X25519']), /X25519/)
    const group = await new Promise((resolve, reject) => {
      const socket = connect({
        port: grove.httpsPort,
        host: '127.0.0.1',
        servername: 'blog.localhost',
        ca: readFileSync(grove.rootFile),
      })
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        resolve((socket.getEphemeralKeyInfo() as { name?: string } | null)?.name)
        socket.destroy()
      })
    })
    t.equal(group, 'X25519MLKEM768', 'a client that can gets the hybrid one')
  })

  await t.test('no renegotiation, and no data before the handshake is done', async (t) => {
    // A line that is R alone asks for a renegotiation.
    const text = await openssl(grove, ['-tls1_2'], 'blog.localhost', 'R\n')
    t.match(text, /RENEGOTIATING[\s\S]*no renegotiation/)
    const file = join(t.testdir({}), 'session.pem')
    await openssl(grove, ['-tls1_3', '-sess_out', file])
    const { stdout } = await run('openssl', ['sess_id', '-in', file, '-noout', '-text'])
    t.match(stdout, /Max Early Data: 0/)
  })

  await t.test('testssl.sh finds nothing but that certificates of the own CA are short-lived', async (t) => {
    const file = join(t.testdir({}), 'findings.json')
    const what = ['--protocols', '--std', '--pfs', '--server-defaults', '--vulnerable']
    const how = [
      '--quiet',
      '--color',
      '0',
      '--warnings',
      'off',
      '--add-ca',
      grove.rootFile,
      '--ip',
      '127.0.0.1',
      '--jsonfile',
      file,
    ]
    // It ends with the number of its findings.
    await run('testssl', [...how, ...what, `blog.localhost:${grove.httpsPort}`]).catch(() => {})
    const findings = JSON.parse(readFileSync(file, 'utf8')) as { id: string; severity: string; finding: string }[]
    const of = (id: string) => findings.find((one) => one.id === id)?.finding
    for (const id of ['SSLv2', 'SSLv3', 'TLS1', 'TLS1_1']) t.match(of(id), /not offered/, id)
    for (const id of ['TLS1_2', 'TLS1_3']) t.match(of(id), /offered/, id)
    t.match(of('ALPN_HTTP2'), /h2/)
    t.match(of('PFS'), /offered/)
    t.match(of('cert_keySize'), /EC 256/)
    // Leaves live for a week, so nobody has to ask whether one was revoked.
    const known = ['cert_expirationStatus', 'cert_notAfter', 'cert_revocation']
    const bad = findings.filter(
      ({ id, severity }) => ['MEDIUM', 'HIGH', 'CRITICAL'].includes(severity) && !known.includes(id),
    )
    t.same(
      bad.map(({ id, finding }) => `${id}: ${finding}`),
      [],
    )
  })

  await t.test('tickets resume on every front', async (t) => {
    for (const version of ['-tls1_2', '-tls1_3']) {
      const file = join(t.testdir({}), 'session.pem')
      t.match(await openssl(grove, [version, '-sess_out', file]), /New, TLSv1\.[23]/)
      const answered = () => new Set(grove.logLines.filter(({ path }) => path === '/here').map(({ pid }) => pid)).size
      let resumed = 0
      await grove.until(async () => {
        if (!/Reused, TLSv1\.[23]/.test(await openssl(grove, [version, '-sess_in', file])))
          throw new Error(`${version}: a front did not resume a session`)
        resumed += 1
        return resumed >= 4 && answered() === 2
      })
      t.pass(`${version}: ${resumed} times`)
    }
  })

  await t.test(
    'curl is redirected, speaks both versions of HTTP, and is kept to the name of its connection',
    async (t) => {
      const curl = async (...args: string[]) => {
        const names = ['blog', 'shop'].flatMap((name) =>
          [grove.httpsPort, grove.httpPort].flatMap((port) => ['--resolve', `${name}.localhost:${port}:127.0.0.1`]),
        )
        const form = '%{http_code} %{http_version} %{redirect_url}'
        const { stdout } = await run('curl', [
          '-sS',
          '-o',
          '/dev/null',
          '-w',
          form,
          '--cacert',
          grove.rootFile,
          ...names,
          ...args,
        ])
        return stdout.trim()
      }
      const https = grove.url('blog')
      t.equal(await curl(https), '200 2')
      t.equal(await curl('--http1.1', https), '200 1.1')
      t.equal(await curl('--tls-max', '1.2', https), '200 2')
      t.equal(await curl(`http://blog.localhost:${grove.httpPort}/a?b`), `308 1.1 ${grove.url('blog', '/a?b')}`)
      for (const version of ['--http1.1', '--http2'])
        t.match(await curl(version, '-H', 'Host: shop.localhost', https), /^421 /)
      await t.rejects(curl('--tls-max', '1.1', https))
    },
  )
})

t.test('a site that wants certificates of clients tells its upstream who they are', async (t) => {
  const ca = await makeClientCa('CN=Clients')
  const seen: unknown[] = []
  const upstream = createServer((request, response) => {
    const { 'grove-client-subject': subject, 'client-cert': certificate } = request.headers
    seen.push({ subject, certificate })
    response.end('inside')
  }).listen(0, '127.0.0.1')
  t.teardown(() => upstream.close())
  await new Promise((resolve) => upstream.once('listening', resolve))
  const { port } = upstream.address() as AddressInfo
  // Not t.testdir, which each publish empties.
  const folder = mkdtempSync(join(tmpdir(), 'grove-clients-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'clients.pem'), ca.root)
  const upstreams = [`http://127.0.0.1:${port}`]
  const grove = await startBlog(t, {
    hsts: { maxAgeSeconds: 300 },
    sites: {
      inner: { upstreams, clientCertificates: { roots: join(folder, 'clients.pem') } },
      outer: { upstreams },
    },
  })
  const ada = await ca.issue('CN=Ada')
  writeFileSync(join(folder, 'ada.pem'), `${ada.cert}${ada.key}`)
  const curl = async (site: string, ...args: string[]) => {
    const resolve = ['--resolve', `${site}.localhost:${grove.httpsPort}:127.0.0.1`, '--cacert', grove.rootFile]
    const forged = ['-H', 'Grove-Client-Subject: CN=Eve', '-H', 'Client-Cert: :AAAA:', '-H', 'Client_Cert: x']
    const { stdout } = await run('curl', ['-sS', '-D', '-', ...resolve, ...forged, ...args, grove.url(site, '/x')])
    return stdout
  }
  const withKey = ['--cert', join(folder, 'ada.pem')]
  for (const version of ['--http1.1', '--http2']) {
    const text = await curl('inner', version, ...withKey)
    t.match(text, /inside$/)
    t.match(text, /strict-transport-security: max-age=300\r\n/)
    await t.rejects(curl('inner', version), version)
    t.match(await curl('outer', version, ...withKey), /inside$/)
  }
  const certificate = `:${ada.cert.replace(/-----[A-Z ]+-----|\s/g, '')}:`
  const inside = { subject: 'CN=Ada', certificate }
  const outside = { subject: undefined, certificate: undefined }
  t.strictSame(seen, [inside, outside, inside, outside])
  const text = await openssl(grove, ['-cert', join(folder, 'ada.pem')], 'inner.localhost')
  t.match(text, /Acceptable client certificate CA names\nCN = Clients/)

  // The same names, and no certificate any more, after a reload.
  grove.writeConfig({ fronts: 2, sites: { inner: { upstreams }, outer: { upstreams } } })
  await grove.reload()
  t.match(await curl('inner'), /inside$/)
})
