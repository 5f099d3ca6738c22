/**
 * Real name servers for tests: Debian's BIND, on a free port of 127.0.0.1, with zones of the test's and a key
 * that may change their TXT records.
 *
 * It runs in the foreground as a child, asks nobody else (the root is its own), and the kernel ends it with this process.
 */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

/** A running BIND. */
export interface Bind {
  readonly port: number
  /** `127.0.0.1:<port>`: for `setServers`, or as a resolver that knows the zones and nothing else. */
  readonly server: string
  /** May change TXT records in all zones. */
  readonly key: BindKey
  /** Is known and may do nothing. */
  readonly powerless: BindKey
  /** TXT records of a name, sorted; none when there are none. */
  texts(name: string): Promise<string[]>
  /** Ends it before the test does. */
  stop(): Promise<void>
}

/** A key as `tsig-keygen` writes it. */
export interface BindKey {
  readonly name: string
  readonly algorithm: 'hmac-sha256' | 'hmac-sha512'
  /** Base64. */
  readonly secret: string
}

/** How a BIND is started. */
export interface BindOptions {
  /** Records in the form of zone files, keyed by zone: `{ 'example.test': 'www A 127.0.0.1' }`. NS and SOA are made. */
  readonly zones: Readonly<Record<string, string>>
  /** Default: a free one. */
  readonly port?: number
  /** Name servers of every zone besides this one, keyed by name, with their addresses. Default: none. */
  readonly others?: Readonly<Record<string, string>>
  /** More of the `options` block. */
  readonly config?: string
}

const startMs = 30_000
const tries = 5

/** Starts a BIND that ends with the test. Throws with its last words when it does not start. */
export async function startBind(t: Pick<Test, 'teardown'>, options: BindOptions): Promise<Bind> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-bind-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const key: BindKey = { name: 'grove.key', algorithm: 'hmac-sha256', secret: randomBytes(32).toString('base64') }
  const powerless: BindKey = { name: 'other.key', algorithm: 'hmac-sha512', secret: randomBytes(32).toString('base64') }
  for (let round = 1; ; round += 1) {
    const port = options.port ?? 20_000 + (randomBytes(2).readUInt16BE() % 12_000)
    try {
      const stop = await start(join(folder, String(round)), { ...options, port, keys: [key, powerless] })
      t.teardown(stop)
      const server = `${address}:${port}`
      return { port, server, key, powerless, stop, texts: (name) => textsOf(server, name) }
    } catch (error) {
      // Somebody else may have the port.
      if (round === tries || options.port !== undefined) throw error
    }
  }
}

interface Start extends BindOptions {
  readonly port: number
  readonly keys: readonly [BindKey, BindKey]
}

/** BIND listens at addresses of interfaces only, so that this is the one that every machine has. */
const address = '127.0.0.1'

async function start(folder: string, options: Start): Promise<() => Promise<void>> {
  await mkdir(folder)
  await writeFile(join(folder, 'named.conf'), toConfig(folder, options))
  for (const [zone, records] of Object.entries({ '.': '', ...options.zones }))
    await writeFile(join(folder, fileOf(zone)), toZone(zone, records, options))
  const flags = ['--pdeathsig', 'KILL', 'named', '-g', '-n', '1', '-c', join(folder, 'named.conf')]
  const path = `${process.env['PATH']}:/usr/sbin`
  const child = spawn('setpriv', flags, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: path } })
  const exited = once(child, 'exit')
  const said: string[] = []
  const running = new Promise<void>((resolve) => {
    createInterface(child.stderr).on('line', (line) => {
      said.push(line)
      if (said.length > 200) said.shift()
      if (line.endsWith(' running')) resolve()
    })
  })
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), startMs)
  const failed = exited.then(([code]) => {
    throw new Error(`named ended with ${code}: ${said.slice(-15).join('\n')}`)
  })
  failed.catch(() => undefined) // It ends when the test is done with it.
  try {
    await Promise.race([running, failed])
  } finally {
    clearTimeout(timer)
  }
  // It goes on without an address that it cannot listen at.
  const deaf = said.find((line) => /could not listen|address in use/i.test(line))
  if (deaf === undefined) return stop
  await stop()
  throw new Error(deaf)
}

function toConfig(folder: string, { port, keys, zones, config = '' }: Start): string {
  const [key] = keys
  const keyBlocks = keys.map(
    ({ name, algorithm, secret }) => `key "${name}" { algorithm ${algorithm}; secret "${secret}"; };`,
  )
  const zoneBlocks = ['.', ...Object.keys(zones)].map((zone) => {
    const policy = zone === '.' ? '' : ` update-policy { grant ${key.name} zonesub TXT; };`
    return `zone "${zone}" { type primary; file "${fileOf(zone)}";${policy} };`
  })
  return `options {
  directory "${folder}";
  listen-on port ${port} { ${address}; };
  listen-on-v6 { none; };
  pid-file none;
  lock-file none;
  session-keyfile none;
  recursion yes;
  dnssec-validation no;
  empty-zones-enable no;
  notify no;
  ${config}
};
controls { };
${keyBlocks.join('\n')}
${zoneBlocks.join('\n')}
`
}

function toZone(zone: string, records: string, { others = {} }: Start): string {
  const origin = zone === '.' ? '.' : `${zone}.`
  const within = zone === '.' ? '' : `.${zone}`
  const servers = Object.entries({ [`ns1${within}`]: address, ...(zone === '.' ? {} : others) })
  const lines = servers.flatMap(([name, place]) => {
    const isInside = name.endsWith(within)
    const type = place.includes(':') ? 'AAAA' : 'A'
    return [`@ NS ${name}.`, ...(isInside && place !== '' ? [`${name}. ${type} ${place}`] : [])]
  })
  return `$ORIGIN ${origin}\n$TTL 1\n@ SOA ns1${within}. root${within}. 1 3600 600 86400 1\n${lines.join('\n')}\n${records}\n`
}

function fileOf(zone: string): string {
  return zone === '.' ? 'root.zone' : `${zone}.zone`
}

async function textsOf(server: string, name: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  resolver.setServers([server])
  try {
    return (await resolver.resolveTxt(name)).map((pieces) => pieces.join('')).sort()
  } catch (error) {
    if (['ENODATA', 'ENOTFOUND'].includes(String((error as NodeJS.ErrnoException).code))) return []
    throw error
  }
}
