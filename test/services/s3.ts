/**
 * A real S3 server for tests: Ceph's RADOS Gateway over one monitor and one in-memory OSD, on free ports of 127.0.0.1,
 * ready in about a second. Each caller has its own.
 *
 * The daemons run in the foreground as children, and the kernel ends them with this process, however that ends.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import { freePort } from './free-port.ts'

/** A running S3 server. */
export interface S3Server {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Makes a new, empty bucket and answers its name. */
  bucket(): Promise<string>
}

const startMs = 60_000
const tries = 3
const accessKeyId = 'GROVETESTKEY'
const secretAccessKey = 'grove-test-secret-0123456789'

/** Starts an S3 server that ends with the test. Throws with the daemons' last words when it does not start. */
export async function startS3(t: Pick<Test, 'teardown'>): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-s3-'))
  const daemons: ChildProcess[] = []
  t.teardown(async () => {
    await endAll(daemons)
    await rm(folder, { recursive: true, force: true })
  })
  for (let round = 1; ; round += 1) {
    try {
      return await start(join(folder, String(round)), daemons)
    } catch (error) {
      // Somebody else may have taken a port between its choice and its use.
      await endAll(daemons)
      if (round === tries) throw error
    }
  }
}

async function start(folder: string, daemons: ChildProcess[]): Promise<S3Server> {
  for (const name of ['mon', 'osd', 'run', 'log']) await mkdir(join(folder, name), { recursive: true })
  const [monitorPort, gatewayPort] = [await freePort(), await freePort()]
  const config = join(folder, 'ceph.conf')
  const keyring = join(folder, 'keyring')
  const monitorMap = join(folder, 'monmap')
  const [cluster, osd] = [randomUUID(), randomUUID()]
  await writeFile(config, cephConfig({ folder, keyring, cluster, monitorPort, gatewayPort }))
  const environment = { PATH: process.env['PATH'] ?? '', HOME: folder, CEPH_CONF: config }
  const run = (command: string, ...args: string[]) =>
    promisify(execFile)(command, args, { env: environment, timeout: startMs })
  const daemon = (command: string, ...args: string[]) => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, '-f', ...args], {
      env: environment,
      stdio: 'ignore',
    })
    daemons.push(child)
    return child
  }
  try {
    await run('ceph-authtool', '--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *')
    const everything = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *']
    await run('ceph-authtool', keyring, '--gen-key', '-n', 'client.admin', ...everything)
    await run('ceph-authtool', keyring, '--gen-key', '-n', 'osd.0', ...everything)
    const monitor = `[v2:127.0.0.1:${monitorPort}]`
    await run('monmaptool', '--create', '--fsid', cluster, '--addv', 'a', monitor, monitorMap)
    await run('ceph-mon', '-i', 'a', '--mkfs', '--monmap', monitorMap, '--keyring', keyring)
    daemon('ceph-mon', '-i', 'a')
    await run('ceph', 'osd', 'new', osd, '0')
    await run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd, '--keyring', keyring)
    await run('ceph', 'osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=h')
    daemon('ceph-osd', '-i', '0')
    const keys = ['--access-key', accessKeyId, '--secret-key', secretAccessKey]
    await run('radosgw-admin', 'user', 'create', '--uid=t', '--display-name=t', '--max-buckets=0', ...keys)
    const gateway = daemon('radosgw', '-n', 'client.admin')
    await listening(gatewayPort, gateway)
  } catch (error) {
    throw new Error(`the S3 server does not start: ${String(error)}\n${await lastWords(folder)}`, { cause: error })
  }
  const endpoint = `http://127.0.0.1:${gatewayPort}`
  return { endpoint, accessKeyId, secretAccessKey, bucket: () => makeBucket(endpoint) }
}

interface Cluster {
  readonly folder: string
  readonly keyring: string
  readonly cluster: string
  readonly monitorPort: number
  readonly gatewayPort: number
}

function cephConfig({ folder, keyring, cluster, monitorPort, gatewayPort }: Cluster): string {
  // The short waits of paxos make the difference between 1 and 13 seconds: each pool of the gateway is a round of it.
  return `[global]
fsid = ${cluster}
mon host = v2:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = ${keyring}
paxos propose interval = 0.02
paxos min wait = 0.01
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
run dir = ${folder}/run
log file = ${folder}/log/$name.log
admin socket =
mon data avail warn = 1
mon data avail crit = 0
[mon.a]
mon data = ${folder}/mon
[osd.0]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
[client.admin]
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw thread pool size = 32
`
}

async function makeBucket(endpoint: string): Promise<string> {
  const credentials = { accessKeyId, secretAccessKey }
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  const name = `t-${randomBytes(8).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket: name }))
  client.destroy()
  return name
}

async function listening(port: number, daemon: ChildProcess): Promise<void> {
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
  throw new Error(`nothing listens on port ${port}`)
}

async function endAll(daemons: ChildProcess[]): Promise<void> {
  for (const child of daemons.splice(0).reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const exited = once(child, 'exit')
    // All is in memory and in a folder that goes: there is nothing to shut down in order.
    child.kill('SIGKILL')
    await exited
  }
}

async function lastWords(folder: string): Promise<string> {
  const logs = join(folder, 'log')
  const texts = (await readdir(logs).catch(() => [])).map(async (name) => {
    const text = await readFile(join(logs, name), 'utf8')
    return `${name}:\n${text.split('\n').slice(-15).join('\n')}`
  })
  return (await Promise.all(texts)).join('\n')
}
