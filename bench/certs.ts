/**
 * What certificates cost: `node bench/certs.ts`, or some of its parts: `node bench/certs.ts handshakes issuing many`.
 *
 * Handshakes per second beside nginx and Caddy, leaves of the own CA, and a host with 100,000 stored certificates; see the
 * files of bench/certs. BENCH_SECONDS and BENCH_CERTIFICATES make it shorter. A whole run writes
 * bench/results/certs.md, if the machine had nothing else to do; else the table is printed only. Needs two cores, some
 * gigabytes of disk, and Debian's nginx-light and caddy.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { kindName, kinds, kindsOfGrove, measureHandshakes, type Rate } from './certs/handshakes.ts'
import { type IssuingTimes, measureIssuing } from './certs/issuing.ts'
import { type Handshakes, type ManyCost, measureMany } from './certs/many.ts'
import { median, quantile } from './certs/quantiles.ts'
import { prepareServers, type Server } from './certs/servers.ts'

/** For each server and each kind of handshakes. */
const seconds = Number(process.env['BENCH_SECONDS'] ?? 24)
const certificates = Number(process.env['BENCH_CERTIFICATES'] ?? 100_000)
const leaves = 2_000
/** Above this something else was running. */
const quietLoad = 1.5

const parts = process.argv.slice(2)
const isWhole = parts.length === 0 && !['BENCH_SECONDS', 'BENCH_CERTIFICATES'].some((name) => process.env[name])
const wants = (part: string) => parts.length === 0 || parts.includes(part)
const tell = (line: string) => console.error(line)

async function handshakeTable(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'grove-bench-'))
  try {
    const servers = await prepareServers(folder)
    return toTable(servers, await measureHandshakes(servers, { seconds, tell }))
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function toTable(servers: readonly Server[], rates: ReadonlyMap<string, ReadonlyMap<string, readonly Rate[]>>): string {
  const cell = ({ name }: Server, kind: string) => {
    const [own, grove] = [rates.get(name)?.get(kind), rates.get('Grove')?.get(kind)]
    if (!own || !grove) return '–'
    const mid = (key: keyof Rate) => median(own.map((rate) => rate[key]))
    const ratios = own.map((rate, turn) => (grove[turn]?.perCpuSecond ?? 0) / rate.perCpuSecond)
    const ratio = name === 'Grove' ? '' : `, Grove: ${median(ratios).toFixed(2)} of it`
    return `${Math.round(mid('perCpuSecond'))} (${Math.round(mid('perSecond'))}/s at ${Math.round(mid('serverBusy') * 100)} %${ratio})`
  }
  const all = [...kinds, ...kindsOfGrove].map(kindName)
  const rows = servers.map(
    (server) => `| ${[`${server.name} (${server.version})`, ...all.map((kind) => cell(server, kind))].join(' | ')} |`,
  )
  return `## Handshakes of TLS 1.3 per second and core

ECDSA P-256, one intermediate, no request; the servers on one core, the visitors on the other. All three run, and are
visited in turns of half a second, ${seconds} s each for each kind; medians, also of the ratios of turns that followed each other.
Counted per second of the server's processor time, of all its processes, because visitors cost more than servers and one
core of them cannot keep the fastest busy. In brackets: handshakes per second that passed, and how busy the server was.
After a full handshake Grove and nginx send two tickets, as OpenSSL does, and Caddy one. Caddy and nginx are Debian's,
years older than what their makers ship today, and do not do the hybrid key exchange.

| server | ${all.join(' | ')} |
|---|${'---|'.repeat(all.length)}
${rows.join('\n')}
`
}

function issuingTable({ issued, kept }: IssuingTimes): string {
  return `## A leaf of the own CA, with a new key

${leaves} of each, one after the other. Wanted: under 5 ms.

| | median | p99 |
|---|---|---|
| issued | ${ms(median(issued))} | ${ms(quantile(issued, 0.99))} |
| issued and kept on disk | ${ms(median(kept))} | ${ms(quantile(kept, 0.99))} |
`
}

function manyTable({ count, without, stored, early, during, late }: ManyCost): string {
  const added = ({ cold, warm }: Handshakes) => cold.map((took, index) => took - (warm[index] ?? 0))
  const row = (...cells: string[]) => `| ${cells.join(' | ')} |`
  const shakes = (what: string, times: Handshakes) => {
    const [first, second, more] = [times.cold, times.warm, added(times)].map(
      (some) => `${ms(median(some))} / ${ms(quantile(some, 0.99))}`,
    ) as [string, string, string]
    return [
      row(`first handshake of a name, ${what}: median / p99`, first, ''),
      row('the second of the same names', second, ''),
      row('so it added', more, '< 20 ms'),
    ]
  }
  return `## ${count} stored certificates

A host with one front, and ${count} names, each with a certificate in the vault; beside it the same host without.

| | measured | wanted |
|---|---|---|
${[
  row('start until the first handshake is done', `${(stored.startMs / 1_000).toFixed(1)} s`, '< 3 s'),
  row('the same without certificates', `${(without.startMs / 1_000).toFixed(1)} s`, ''),
  row(
    'control, all gone through and none used',
    `${mib(stored.controlBytes)} (without: ${mib(without.controlBytes)})`,
    '+ 100 MiB',
  ),
  row('the front', `${mib(stored.frontBytes)} (without: ${mib(without.frontBytes)})`, ''),
  row('until all were gone through', `${Math.round(stored.settledMs / 1_000)} s`, ''),
  ...shakes('right after the start', early),
  ...shakes('while certificates are gone through', during),
  ...shakes('later', late),
].join('\n')}
`
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`
}

const [loadBefore = 0] = loadavg()
const sections: string[] = []
if (wants('issuing')) sections.push(issuingTable(await measureIssuing(leaves)))
if (wants('handshakes')) sections.unshift(await handshakeTable())
if (wants('many')) sections.push(manyTable(await measureMany(certificates, tell)))
const text = `# Certificates

\`node bench/certs.ts\`. ${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}.

${sections.join('\n')}`
console.log(text)
if (isWhole && loadBefore < quietLoad) writeFileSync(join(import.meta.dirname, 'results/certs.md'), text)
else
  console.error(
    `not written: ${isWhole ? `the machine was busy before (load ${loadBefore.toFixed(1)})` : 'this was not a whole run'}`,
  )
