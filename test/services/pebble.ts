/**
 * A real ACME server for tests: Pebble 2.4, Let's Encrypt's test CA, with its challenge DNS server (pebble-challtestsrv),
 * both of Debian, on free ports of 127.0.0.1. Every name resolves to 127.0.0.1 unless it is told otherwise.
 *
 * The daemons run in the foreground as children, and the kernel ends them with this process, however that ends.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import { freePort } from './free-port.ts'

/** How a Pebble behaves. By default it does what is asked, at once. */
export interface PebbleOptions {
  /** Good nonces that are refused, in percent. @default 0 */
  readonly badNonces?: number
  /** Believes every proof without a look. @default false */
  readonly alwaysValid?: boolean
  /** Proofs of earlier orders that count again, in percent. @default 0 */
  readonly reused?: number
  /** Waits up to so many seconds before it looks at an answer. @default 0 */
  readonly sleepSeconds?: number
  /** Keys of external account bindings, base64url, keyed by id: then an account needs one. */
  readonly eab?: Readonly<Record<string, string>>
  /** Who is asked for names, `127.0.0.1:<port>`. Default: its own challenge DNS server. */
  readonly dnsServer?: string
  /** Ports where challenges are asked for. Default: free ones. */
  readonly httpPort?: number
  readonly tlsPort?: number
}

/** A running Pebble. */
export interface Pebble {
  /** `https://127.0.0.1:<port>/dir` */
  readonly directory: string
  /** The root that the directory's own certificate is trusted by, PEM. */
  readonly roots: string
  /** Where http-01 and tls-alpn-01 are asked for. */
  readonly httpPort: number
  readonly tlsPort: number
  /** Where the DNS answers, UDP and TCP: `127.0.0.1:<port>`. */
  readonly dns: string
  /** The address of the DNS server's management: `http://127.0.0.1:<port>`. */
  readonly dnsManagement: string
  /** Calls the DNS server's management: `set-txt`, `clear-txt`, `set-cname`, `add-a`, `set-servfail` … */
  tellDns(command: string, body: object): Promise<void>
  /** Reads from Pebble's management: `/roots/0` is the root that it signs with, anew at each start. */
  manage(path: string): Promise<string>
  /** What Pebble has printed. */
  readonly said: string
  /** Ends it, as if the CA were down. */
  stop(): Promise<void>
  /** Starts it again on the same ports. It has forgotten all accounts, orders and its root. */
  start(): Promise<void>
}

const startMs = 30_000

/** Starts a Pebble that ends with the test. Throws with its last words when it does not start. */
export async function startPebble(t: Pick<Test, 'teardown'>, options: PebbleOptions = {}): Promise<Pebble> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-pebble-'))
  const daemons: ChildProcess[] = []
  const said: Buffer[] = []
  const agent = new Agent({ connect: { rejectUnauthorized: false } })
  t.teardown(async () => {
    await endAll(daemons)
    await agent.destroy()
    await rm(folder, { recursive: true, force: true })
  })
  const [port, managementPort, dnsPort, dnsManagementPort] = await manyPorts(4)
  const [httpPort = 0, tlsPort = 0] = [options.httpPort ?? (await freePort()), options.tlsPort ?? (await freePort())]
  const roots = await makeCertificate(folder)
  const config = join(folder, 'pebble.json')
  await writeFile(config, JSON.stringify(pebbleConfig({ folder, port, managementPort, httpPort, tlsPort }, options)))

  const run = async (command: string, flags: readonly string[], ports: readonly number[]) => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...flags], {
      env: { PATH: process.env['PATH'] ?? '', ...environmentOf(options) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => said.push(piece))
    daemons.push(child)
    for (const one of ports) await listening(one, child, said)
    return child
  }
  const addresses = ['-dns01', `127.0.0.1:${dnsPort}`, '-management', `127.0.0.1:${dnsManagementPort}`]
  const others = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-defaultIPv4', '127.0.0.1', '-defaultIPv6', '']
  await run('pebble-challtestsrv', [...addresses, ...others], [dnsManagementPort])
  const startCa = () =>
    run(
      'pebble',
      ['-config', config, '-dnsserver', options.dnsServer ?? `127.0.0.1:${dnsPort}`],
      [port, managementPort],
    )
  let ca: ChildProcess | undefined = await startCa()

  return {
    directory: `https://127.0.0.1:${port}/dir`,
    roots,
    httpPort,
    tlsPort,
    dns: `127.0.0.1:${dnsPort}`,
    dnsManagement: `http://127.0.0.1:${dnsManagementPort}`,
    async tellDns(command, body) {
      const url = `http://127.0.0.1:${dnsManagementPort}/${command}`
      const answer = await request(url, { method: 'POST', body: JSON.stringify(body) })
      const text = await answer.body.text()
      if (answer.statusCode !== 200) throw new Error(`${command}: ${answer.statusCode} ${text}`)
    },
    async manage(path) {
      const answer = await request(`https://127.0.0.1:${managementPort}${path}`, { dispatcher: agent })
      return answer.body.text()
    },
    get said() {
      return Buffer.concat(said).toString()
    },
    async stop() {
      if (ca) await endAll(daemons.splice(daemons.indexOf(ca), 1))
      ca = undefined
    },
    async start() {
      ca ??= await startCa()
    },
  }
}

/** The variables that Pebble 2.4 knows; by themselves they are 5 % bad nonces, half of proofs reused, up to 15 s asleep. */
function environmentOf(options: PebbleOptions): Record<string, string> {
  const { badNonces = 0, alwaysValid = false, reused = 0, sleepSeconds = 0 } = options
  return {
    PEBBLE_WFE_NONCEREJECT: String(badNonces),
    PEBBLE_AUTHZREUSE: String(reused),
    ...(alwaysValid && { PEBBLE_VA_ALWAYS_VALID: '1' }),
    ...(sleepSeconds === 0 ? { PEBBLE_VA_NOSLEEP: '1' } : { PEBBLE_VA_SLEEPTIME: String(sleepSeconds) }),
  }
}

interface Places {
  readonly folder: string
  readonly port: number
  readonly managementPort: number
  readonly httpPort: number
  readonly tlsPort: number
}

function pebbleConfig({ folder, port, managementPort, httpPort, tlsPort }: Places, { eab }: PebbleOptions): object {
  return {
    pebble: {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${managementPort}`,
      certificate: join(folder, 'cert.pem'),
      privateKey: join(folder, 'key.pem'),
      httpPort,
      tlsPort,
      ocspResponderURL: '',
      externalAccountBindingRequired: eab !== undefined,
      ...(eab && { externalAccountMACKeys: eab }),
    },
  }
}

/** Makes a certificate for 127.0.0.1 that is its own root, and answers it. */
async function makeCertificate(folder: string): Promise<string> {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30']
  const names = ['-subj', '/CN=pebble', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert])
  return readFile(cert, 'utf8')
}

async function manyPorts(count: number): Promise<[number, number, number, number]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports] as [number, number, number, number]
}

async function listening(port: number, daemon: ChildProcess, said: readonly Buffer[]): Promise<void> {
  const end = Date.now() + startMs
  while (Date.now() < end && daemon.exitCode === null && daemon.signalCode === null) {
    const socket = connect(port, '127.0.0.1')
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (open) return
    await pause(20)
  }
  throw new Error(`nothing listens on port ${port}: ${Buffer.concat(said).toString().slice(-2_000)}`)
}

async function endAll(daemons: ChildProcess[]): Promise<void> {
  for (const child of daemons.splice(0).reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
}
