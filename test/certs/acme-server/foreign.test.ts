/** Programs of other people get certificates: lego and certbot of Debian, over real sockets and real DNS. */

import { execFile } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { listenAcme } from '../../../certs/acme-server/listener.ts'
import type { AcmeServerOptions } from '../../../certs/acme-server/server.ts'
import { pemBlocks } from '../../../certs/pem.ts'
import { freePort } from '../../services/free-port.ts'
import { type Pebble, startPebble } from '../../services/pebble.ts'
import { setUp } from './fixture.ts'

const log = pino({ level: 'silent' })

/** A listening ACME server whose proofs are asked for at free ports, and names at a DNS server of the test's. */
async function start(t: Test, pebble: Pebble, options: Partial<AcmeServerOptions> = {}) {
  const [httpPort, tlsPort] = [await freePort(), await freePort()]
  const prove = { httpPort, tlsPort, dnsServers: [pebble.dns] }
  const scene = await setUp(t, { prove, ...options })
  const { server, ca, environment, vault, folder } = scene
  const listener = await listenAcme({ server, ca, environment, log, port: 0, address: '127.0.0.1' })
  t.teardown(() => listener[Symbol.asyncDispose]())
  const directory = `https://localhost:${listener.port}/directory`
  const revoked = async (pem: string) => {
    const serial = new X509Certificate(pem).serialNumber.toLowerCase()
    const record = await vault.read(`acme-server/certificates/${serial}`)
    return JSON.parse(record?.text ?? '{}').revoked?.reason as number | undefined
  }
  return { directory, ca, folder, httpPort, tlsPort, revoked }
}

/** Runs a program; its words when it fails. */
async function run(command: string, args: readonly string[], env: Record<string, string>): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      timeout: 120_000,
    })
    return stdout + stderr
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}

/** Whether a client that trusts the root takes a server with the chain and key for a name. */
async function serves(t: Test, chain: string, key: string, root: string, name: string): Promise<void> {
  t.equal(pemBlocks(chain).length, 2, 'the leaf and the intermediate')
  t.ok(new X509Certificate(chain).checkPrivateKey(createPrivateKey(key)))
  const server = createServer({ cert: chain, key }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, servername: name, ca: root })
  await once(socket, 'secureConnect')
  t.equal(socket.authorized, true, name)
  socket.destroy()
  server.close()
}

/** What of lego is the same in all calls. */
function legoFor({ directory, ca, folder }: Awaited<ReturnType<typeof start>>, env: Record<string, string> = {}) {
  const path = join(folder, 'lego')
  const common = ['--server', directory, '--accept-tos', '--email', 'ops@home.internal', '--path', path]
  return {
    run: (...args: readonly string[]) =>
      run('lego', [...common, ...args], { LEGO_CA_CERTIFICATES: ca.rootFile, HOME: folder, ...env }),
    async read(name: string) {
      const file = join(path, 'certificates', name.replace('*', '_'))
      return { chain: await readFile(`${file}.crt`, 'utf8'), key: await readFile(`${file}.key`, 'utf8') }
    },
  }
}

t.test('lego gets a certificate by http-01, renews and revokes it', async (t) => {
  const pebble = await startPebble(t)
  const scene = await start(t, pebble)
  const lego = legoFor(scene)
  const proof = ['--http', '--http.port', `127.0.0.1:${scene.httpPort}`]
  const names = ['--domains', 'nas.home.arpa', '--domains', 'www.nas.home.arpa']
  await lego.run(...names, ...proof, 'run')
  const first = await lego.read('nas.home.arpa')
  for (const name of ['nas.home.arpa', 'www.nas.home.arpa'])
    await serves(t, first.chain, first.key, scene.ca.rootPem, name)
  await lego.run(...names, ...proof, 'renew', '--days', '30', '--no-random-sleep')
  const second = await lego.read('nas.home.arpa')
  t.not(second.chain, first.chain)
  await serves(t, second.chain, second.key, scene.ca.rootPem, 'nas.home.arpa')
  await lego.run(...names, 'revoke', '--reason', '4', '--keep')
  t.equal(await scene.revoked(second.chain), 4)
  t.equal(await scene.revoked(first.chain), undefined)
})

t.test('lego gets a certificate by tls-alpn-01, with RSA and with an external account', async (t) => {
  const pebble = await startPebble(t)
  const secret = 'c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ'
  const scene = await start(t, pebble, { externalAccounts: { nas: secret } })
  const lego = legoFor(scene)
  const args = [
    '--domains',
    'nas.internal',
    '--tls',
    '--tls.port',
    `127.0.0.1:${scene.tlsPort}`,
    '--key-type',
    'rsa2048',
  ]
  await t.rejects(lego.run(...args, 'run'), { message: /external account/i })
  await lego.run(...args, '--eab', '--kid', 'nas', '--hmac', secret, 'run')
  const { chain, key } = await lego.read('nas.internal')
  t.equal(createPrivateKey(key).asymmetricKeyType, 'rsa')
  await serves(t, chain, key, scene.ca.rootPem, 'nas.internal')
})

t.test('lego gets a wildcard by dns-01', async (t) => {
  const pebble = await startPebble(t)
  const scene = await start(t, pebble)
  const commands: string[] = []
  const script = join(scene.folder, 'dns.sh')
  // lego calls it with `present` or `cleanup`, the name and the value; the test carries that to the DNS server.
  await writeFile(
    script,
    `#!/bin/sh\necho "$@" >> ${scene.folder}/asked\nwhile [ ! -e "${scene.folder}/done-$1" ]; do sleep 0.05; done\n`,
  )
  await chmod(script, 0o755)
  const lego = legoFor(scene, { EXEC_PATH: script })
  const resolvers = ['--dns.resolvers', pebble.dns, '--dns.disable-cp']
  const ran = lego.run('--domains', '*.nas.internal', '--dns', 'exec', ...resolvers, 'run')
  ran.catch(() => {}) // Looked at below.
  for (const action of ['present', 'cleanup']) {
    const line = await Promise.race([lineOf(join(scene.folder, 'asked'), action), ran])
    commands.push(line)
    const [, name = '', value = ''] = line.trim().split(' ')
    await pebble.tellDns(action === 'present' ? 'set-txt' : 'clear-txt', { host: name, value })
    await writeFile(join(scene.folder, `done-${action}`), '')
  }
  await ran
  t.match(commands, [/^present _acme-challenge\.nas\.internal\. [\w-]{43}/, /^cleanup/])
  const { chain, key } = await lego.read('*.nas.internal')
  await serves(t, chain, key, scene.ca.rootPem, 'a.nas.internal')
})

t.test('lego is told why it gets no certificate', async (t) => {
  const pebble = await startPebble(t)
  const scene = await start(t, pebble)
  const lego = legoFor(scene)
  const proof = ['--http', '--http.port', `127.0.0.1:${scene.httpPort}`]
  await t.rejects(lego.run('--domains', 'example.com', ...proof, 'run'), { message: /rejectedIdentifier/ })
  const unreachable = ['--http', '--http.port', `127.0.0.1:${await freePort()}`]
  await t.rejects(lego.run('--domains', 'nas.internal', ...unreachable, 'run'), { message: /error:connection/ })
  await pebble.tellDns('add-a', { host: 'far.internal', addresses: ['203.0.113.1'] })
  await t.rejects(lego.run('--domains', 'far.internal', ...proof, 'run'), {
    message: /far\.internal leads to no address that this CA may ask/,
  })
})

t.test('certbot gets a certificate by http-01, renews and revokes it, and changes and ends its account', async (t) => {
  const pebble = await startPebble(t)
  const scene = await start(t, pebble)
  const { folder } = scene
  const folders = ['--config-dir', 'etc', '--work-dir', 'lib', '--logs-dir', 'log'].map((word) =>
    word.startsWith('--') ? word : join(folder, 'certbot', word),
  )
  const certbot = (command: string, ...args: readonly string[]) =>
    run('certbot', [command, '--non-interactive', '--server', scene.directory, ...folders, ...args], {
      REQUESTS_CA_BUNDLE: scene.ca.rootFile,
      HOME: folder,
    })
  const proof = ['--standalone', '--http-01-port', `${scene.httpPort}`, '--http-01-address', '127.0.0.1']
  await certbot(
    'certonly',
    '--agree-tos',
    '-m',
    'ops@home.arpa',
    ...proof,
    '-d',
    'mail.home.arpa',
    '-d',
    'imap.home.arpa',
  )
  const live = join(folder, 'certbot/etc/live/mail.home.arpa')
  const read = async () => ({
    chain: await readFile(join(live, 'fullchain.pem'), 'utf8'),
    key: await readFile(join(live, 'privkey.pem'), 'utf8'),
  })
  const first = await read()
  await serves(t, first.chain, first.key, scene.ca.rootPem, 'imap.home.arpa')
  await certbot('renew', '--force-renewal', '--no-random-sleep-on-renew')
  const second = await read()
  t.not(second.chain, first.chain)
  await serves(t, second.chain, second.key, scene.ca.rootPem, 'mail.home.arpa')
  await certbot('update_account', '-m', 'root@home.arpa')
  await certbot('revoke', '--cert-name', 'mail.home.arpa', '--reason', 'keycompromise', '--no-delete-after-revoke')
  t.equal(await scene.revoked(second.chain), 1)
  await certbot('unregister')
  await t.rejects(certbot('update_account', '-m', 'x@home.arpa'))
})

/** The line of a file that begins with a word, once it is there. */
async function lineOf(file: string, word: string): Promise<string> {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const line = text.split('\n').find((each) => each.startsWith(word))
    if (line !== undefined) return line
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
