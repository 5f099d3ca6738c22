/**
 * What site code costs, beside workerd on the same handlers in the same run: `node bench/sandbox.ts`. Parts: `node
 * bench/sandbox.ts throughput`, `cold`, `many`, `attacked`; without a part all are run and bench/results/sandbox.md is
 * written. Needs two cores and Debian's wrk; workerd is installed from npm into ~/.cache the first time.
 *
 * For throughput every server has the first core, with all of its processes (Grove: parent, control, supervisor, a front
 * that ends TLS, and the tenant's process), and the load generator the second; then all have all.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { measured } from './sandbox/handlers.ts'
import type { Found } from './sandbox/load.ts'
import { workerd } from './sandbox/servers.ts'
import { measureAttacked, measureCold, measureFromNothing, measureLoad, measureMany } from './sandbox/tenants.ts'
import { measureThroughput, type Subject, subjects } from './sandbox/throughput.ts'

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'grove-bench-'))
const many = Number(process.env['BENCH_TENANTS'] ?? 500)
const say = (line: string) => void process.stdout.write(`${line}\n`)
const milliseconds = (ms: number) => `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`

function place(name: string): string {
  const made = join(folder, name)
  mkdirSync(made)
  return made
}

async function throughput(): Promise<string> {
  const oneCore = await throughputTable('one-core', 0)
  const allCores = await throughputTable('all-cores', -1)
  return `## Requests per second and latency

Per handler: requests per second with 64 connections; p50 / p99 with one connection, and with 8. All run at the same time and
are visited in turns, briefly and often; figures are medians, and so are the ratios of the rounds. Wanted: at least 0.67 of workerd's
plain HTTP; latency added p50 under 0.3 ms, p99 not above workerd's.

### Each server with all of its processes on one core, the load on the other

${oneCore}

### Servers and load on all cores

workerd has one thread for requests; Grove has a front, and a process for the site.

${allCores}
`
}

async function throughputTable(name: string, core: number): Promise<string> {
  const { rows, file } = await measureThroughput(place(name), core, say)
  const of = (subject: Subject, handler: string) =>
    rows.find((row) => row.subject === subject && row.handler.name === handler) ?? rows[0]
  const line = (subject: Subject) => {
    const cells = measured.map(({ name }) => {
      const own = of(subject, name)
      const ratio = subject === 'Grove' ? '' : ` (Grove: ${(own?.groveRatio ?? 0).toFixed(2)} of it)`
      const times = own ? [own.alone.p50Ms, own.alone.p99Ms, own.some.p50Ms, own.some.p99Ms].map(milliseconds) : []
      return `${Math.round(own?.perSecond ?? 0)}${ratio} | ${times.slice(0, 2).join(' / ')} | ${times.slice(2).join(' / ')}`
    })
    return `| ${subject} | ${cells.join(' | ')} |`
  }
  return `| | ${measured.map(({ name }) => `${name} | alone | of 8`).join(' | ')} |
|---|${measured.map(() => '---|---|---|').join('')}
${subjects.map(line).join('\n')}

A static file of 11 bytes through the same front, alone: ${milliseconds(file.p50Ms)} / ${milliseconds(file.p99Ms)}; so code adds ${milliseconds((of('Grove', 'hello world')?.alone.p50Ms ?? 0) - file.p50Ms)} to the p50.`
}

async function cold(): Promise<string> {
  const found = await measureCold(place('cold'))
  const nothing = await measureFromNothing(place('nothing'))
  const load = await measureLoad()
  return `## Cold starts

A bundle of ${Math.round(load.bundleBytes / 1_000)} KB that nobody has asked for. First bytes are the visitor's, through TLS on an open connection, where a static
file takes ${milliseconds(found.file.p50Ms)}.

| | p50 | p99 | wanted |
|---|---|---|---|
| loading it in a process that waits | ${milliseconds(load.p50Ms)} | ${milliseconds(load.p99Ms)} | 10 ms |
| first byte, a process waits | ${milliseconds(found.withSpare.p50Ms)} | ${milliseconds(found.withSpare.p99Ms)} | |
| first byte, no process waits | ${milliseconds(nothing.p50Ms)} | ${milliseconds(nothing.p99Ms)} | 250 ms |
`
}

async function tenants(): Promise<string> {
  const found = await measureMany(place('many'), many)
  return `## ${many} sites with code

| | |
|---|---|
| processes that run after each was asked once | ${found.processes} |
| sites that were refused | ${found.refused} |
| resident memory of one | ${found.residentMiB.toFixed(0)} MiB, ${found.uniqueMiB.toFixed(0)} MiB of it its own |
| first byte of each, the first time, p50 / p99 | ${milliseconds(found.first.p50Ms)} / ${milliseconds(found.first.p99Ms)} |
| the second time | ${milliseconds(found.again.p50Ms)} / ${milliseconds(found.again.p99Ms)} |
`
}

async function attacked(): Promise<string> {
  const apart = await measureAttacked(place('apart'), true)
  const together = await measureAttacked(place('together'), false)
  const row = (name: string, { p50Ms, p99Ms, perSecond }: Found) =>
    `| ${name} | ${milliseconds(p50Ms)} | ${milliseconds(p99Ms)} | ${Math.round(perSecond)} |`
  return `## A static file while another site's code loops

Two connections for the file. Four clients ask for \`for (;;);\`, and were answered ${apart.answers} and ${together.answers} times. Wanted: a p99
within 20 % of the undisturbed one where the sandboxes have the other core.

| | p50 | p99 | per second |
|---|---|---|---|
${row('undisturbed, the front and the load on one core', apart.calm)}
${row('attacked, the sandboxes on the other', apart.attacked)}
${row('undisturbed, all on both cores', together.calm)}
${row('attacked, all on both cores', together.attacked)}
`
}

const parts = { throughput, cold, many: tenants, attacked }
const chosen = process.argv[2]

try {
  const quiet = loadavg()[0] ?? 0
  const names = Object.keys(parts) as (keyof typeof parts)[]
  const texts: string[] = []
  for (const name of names) {
    if (chosen !== undefined && chosen !== name) continue
    const text = await parts[name]()
    say(`\n${text}`)
    texts.push(text)
  }
  const head = `# Site code

\`node bench/sandbox.ts\`: Grove on Node ${process.versions.node} beside workerd ${workerd().version}. ${cpus()[0]?.model}, ${cpus().length} cores,
${new Date().toISOString().slice(0, 10)}; load before ${quiet.toFixed(1)}.
`
  if (chosen === undefined) writeFileSync(join(root, 'bench/results/sandbox.md'), `${head}\n${texts.join('\n')}`)
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
