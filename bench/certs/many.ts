/**
 * What many stored certificates cost a host: its start, its memory, and the first handshake of a name that nobody has
 * asked for since.
 *
 * The certificates are written straight into the vault's folder, as orders at a CA would have left them there: each of a
 * name of its own, all with one key, since making 100,000 keys would take longer than all else. Then a real Grove with
 * one front starts on them, whose sites have all the names. Nothing is due, and the CA of its config is not there. Before,
 * the same host starts with the same names and no certificate.
 */

import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'node:tls'
import { encodeRecord, newRecord, recordKey } from '../../certs/managed-record.ts'
import { openOwnCa } from '../../certs/own-ca.ts'
import { makeLeafKeys } from '../../certs/own-certificates.ts'
import { fingerprintOf } from '../../certs/pem.ts'
import { encodeRecord as encodeObject, firstNumber, objectOf } from '../../certs/vault-record.ts'
import { limits } from '../../core/limits.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { Harness } from '../../test/e2e/harness.ts'
import { freePort } from '../../test/services/free-port.ts'
import { cpuSecondsOf, residentBytes } from './processes.ts'

/** What one start showed. Memory in bytes. */
export interface HostCost {
  /** From the first process to the end of the first handshake, in milliseconds. */
  readonly startMs: number
  /** When nothing is under way any more. */
  readonly controlBytes: number
  readonly frontBytes: number
  /** How long after its start that was, in milliseconds. */
  readonly settledMs: number
}

/** All that was measured. Times of handshakes in milliseconds. */
export interface ManyCost {
  readonly count: number
  readonly without: HostCost
  readonly stored: HostCost
  /** Names that nobody had asked for, right after the start. */
  readonly early: Handshakes
  /** The same while certificates are gone through. */
  readonly during: Handshakes
  /** The same when nothing else is under way. */
  readonly late: Handshakes
}

/** One for each name. */
export interface Handshakes {
  readonly cold: readonly number[]
  /** The second ones of the same names. */
  readonly warm: readonly number[]
}

const namesPerSite = 100
const domain = 'bench.test'
/** Nobody listens there. */
const directory = 'https://127.0.0.1:9/directory'

/** The names of all sites, 100 of each. */
function nameOf(index: number): string {
  const site = `s${Math.floor(index / namesPerSite)}`
  return index % namesPerSite === 0 ? `${site}.${domain}` : `c${index}.customers.test`
}

/** Measures a host with so many names, without certificates and with one for each. */
export async function measureMany(count: number, tell: (line: string) => void): Promise<ManyCost> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-bench-'))
  try {
    const port = await freePort()
    const without = await measureHost({ folder: join(folder, 'without'), port, count, acme: false })
    tell(`without certificates: ${JSON.stringify(without.cost)}`)
    const host = join(folder, 'stored')
    const startedMs = performance.now()
    await storeCertificates(join(host, 'data/certs/vault'), join(folder, 'ca'), count)
    tell(`${count} certificates stored in ${Math.round((performance.now() - startedMs) / 1_000)} s`)
    const { cost, early, during, late } = await measureHost({
      folder: host,
      port,
      count,
      acme: [{ directory, staging: false }],
    })
    tell(`with certificates: ${JSON.stringify(cost)}`)
    return { count, without: without.cost, stored: cost, early, during, late }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Writes the records of all names as the vault lays them down, but without forcing each to disk. */
async function storeCertificates(vault: string, caFolder: string, count: number): Promise<void> {
  const ca = await openOwnCa(caFolder, { names: [domain, 'customers.test'] })
  const { key, spki } = await makeLeafKeys()
  const number = firstNumber(1)
  const issuerId = createHash('sha256').update(directory).digest('hex')
  await forEachParallel(Array(count).keys(), 16, async (index) => {
    const name = nameOf(index)
    const { chain, certificate, notBeforeMs, notAfterMs } = await ca.sign([name], spki)
    const id = fingerprintOf(new X509Certificate(certificate))
    const record = {
      ...newRecord(name),
      certificate: { chain, key, id, notBeforeMs, notAfterMs, issuerId, directory },
      obtainedAtMs: notBeforeMs,
      // As a CA says it: asked again some hours later, and the window is days away.
      renewal: { id, askAgainMs: Date.now() + 21_600_000 + index * 100 },
    }
    const object = objectOf(recordKey(name), { number, isGone: false })
    const bytes = encodeObject(recordKey(name), number, encodeRecord(record), {
      env,
      keyring: undefined,
      isPlainTaken: true,
    })
    const file = join(vault, object)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(file, bytes, { mode: 0o600 })
  })
}

interface HostOptions {
  readonly folder: string
  readonly port: number
  readonly count: number
  readonly acme: unknown
}

/** Starts a host, shakes hands with it, waits until it rests, and shakes hands again. */
async function measureHost({
  folder,
  port,
  count,
  acme,
}: HostOptions): Promise<{ cost: HostCost } & Pick<ManyCost, 'early' | 'during' | 'late'>> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'grove.config.ts'), configOf(port, count, acme))
  const grove = new Harness(folder, {})
  const names = sampleOf(count)
  const startedMs = performance.now()
  try {
    const [startMs] = await Promise.all([untilServed(port, () => performance.now() - startedMs), grove.start()])
    const [control = 0] = await grove.pids('control')
    const [front = 0] = await grove.pids('front')
    const early = await shakeWithAll(port, names.early)
    await pause(limits.managed.walkAfterMs - (performance.now() - startedMs - startMs) + 1_000)
    const during = await shakeWithAll(port, names.during)
    await untilIdle(grove.pid)
    const [controlBytes, frontBytes] = [residentBytes(control), residentBytes(front)]
    const settledMs = performance.now() - startedMs
    const late = await shakeWithAll(port, names.late)
    return { cost: { startMs, controlBytes, frontBytes, settledMs }, early, during, late }
  } catch (error) {
    throw new Error(`the host has failed; its log:\n${grove.log.slice(-4_000)}`, { cause: error })
  } finally {
    await grove.kill()
  }
}

/** Resolves with the time when a handshake has come to its end. */
async function untilServed(port: number, timeMs: () => number): Promise<number> {
  while (timeMs() < 120_000) {
    if (await shakeHands(port, nameOf(0)).catch(() => undefined)) return timeMs()
    await pause(20)
  }
  throw new Error('nothing was served within two minutes')
}

/** A program, because that many names in JSON would be most of the start. */
function configOf(port: number, count: number, acme: unknown): string {
  return `const sites: Record<string, { authorities: string[] }> = {}
for (let site = 0; site * ${namesPerSite} < ${count}; site += 1)
  sites[\`s\${site}\`] = {
    authorities: Array.from({ length: ${namesPerSite - 1} }, (_, index) => \`c\${site * ${namesPerSite} + index + 1}.customers.test\`),
  }
export default ${JSON.stringify({
    domain,
    listen: { https: port, http: false, addresses: ['127.0.0.1'] },
    fronts: 1,
    certs: { acme, own: { domains: ['customers.test'] } },
    log: { access: false, level: 'warn' },
  }).replace(/\}$/, ', sites }')}
`
}

/** Names from all over, each once. */
function sampleOf(count: number): Record<'early' | 'during' | 'late', string[]> {
  const most = Math.min(200, Math.floor(count / 6))
  const step = Math.floor(count / (3 * most))
  const pick = (first: number) => Array.from({ length: most }, (_, index) => nameOf((3 * index + first) * step + 1))
  return { early: pick(0), during: pick(1), late: pick(2) }
}

async function shakeWithAll(port: number, names: readonly string[]): Promise<Handshakes> {
  const [cold, warm]: [number[], number[]] = [[], []]
  for (const name of names) {
    cold.push(await shakeHands(port, name))
    warm.push(await shakeHands(port, name))
  }
  return { cold, warm }
}

/** A full handshake. Answers how long it took, the connection included. */
async function shakeHands(port: number, servername: string): Promise<number> {
  const startedMs = performance.now()
  const socket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect')
    const tookMs = performance.now() - startedMs
    const { subjectaltname } = socket.getPeerCertificate()
    if (subjectaltname !== `DNS:${servername}`)
      throw new Error(`${servername} got the certificate of ${subjectaltname}`)
    return tookMs
  } finally {
    socket.destroy()
  }
}

/** Until all processes of a group together take less than a fiftieth of a core for some seconds. */
async function untilIdle(group: number): Promise<void> {
  let quietRounds = 0
  let before = cpuSecondsOf(group)
  while (quietRounds < 3) {
    await pause(1_000)
    const now = cpuSecondsOf(group)
    quietRounds = now - before < 0.02 ? quietRounds + 1 : 0
    before = now
  }
}
