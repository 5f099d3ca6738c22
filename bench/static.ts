/**
 * How fast a published file leaves Grove, beside nginx and Caddy in the same run: `node bench/static.ts`.
 *
 * Each server has one core and one worker, TLS 1.3 with an ECDSA certificate, and serves the same 10 KB file; the load
 * generator has the other core. Each is measured three times in turn, and the median counts. Absolute figures belong to
 * the machine; the ratios are what is claimed. Needs two cores and Debian's nginx-light, caddy, wrk and nghttp2-client.
 */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'grove-bench-'))
/** A name that every system resolves: wrk takes SNI and address from the URL. */
const authority = 'localhost'
const seconds = Number(process.env['BENCH_SECONDS'] ?? 8)
const rounds = 3
const bodyBytes = 10_240

interface Server {
  readonly name: string
  readonly port: number
  readonly version: string
  readonly command: readonly string[]
}

interface Row {
  readonly name: string
  readonly version: string
  readonly http1: number
  readonly http2: number
}

/** Runs a program on one core. */
function onCore(core: number, command: readonly string[]): string[] {
  return ['taskset', '-c', String(core), ...command]
}

function version(command: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

/** The servers' files: a page that does not compress well, a certificate, and their configs. */
function prepare(): Server[] {
  chmodSync(folder, 0o755) // nginx gives up root before it reads.
  const site = join(folder, 'site')
  mkdirSync(site)
  const page = Buffer.alloc(bodyBytes)
  for (let index = 0; index < bodyBytes; index++) page[index] = 33 + ((index * 7919 + (index >> 5)) % 90)
  writeFileSync(join(site, 'page.html'), page)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${authority}`, '-addext', `subjectAltName=DNS:${authority}`, '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log; events { worker_connections 4096; }
http { include /etc/nginx/mime.types; sendfile on; tcp_nopush on; access_log off; keepalive_requests 1000000; open_file_cache max=100;
  server { listen 127.0.0.1:19444 ssl http2; server_name ${authority}; root ${site};
    ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3; } }\n`,
  )
  writeFileSync(
    join(folder, 'Caddyfile'),
    `{\n admin off\n auto_https off\n}\nhttps://${authority}:19445 {\n bind 127.0.0.1\n tls ${cert} ${key}\n root * ${site}\n file_server\n}\n`,
  )
  writeFileSync(
    join(folder, 'grove.config.json'),
    JSON.stringify({
      listen: { https: 19443, http: false },
      fronts: 1,
      sites: { bench: { authorities: [authority] } },
      log: { access: false, level: 'warn' },
    }),
  )
  const grove = [process.execPath, join(root, 'bin/grove.js'), 'serve', '--config', join(folder, 'grove.config.json')]
  return [
    { name: 'Grove', port: 19443, version: `Node ${process.versions.node}`, command: grove },
    {
      name: 'nginx',
      port: 19444,
      version: version('nginx', '-v'),
      command: ['nginx', '-c', join(folder, 'nginx.conf')],
    },
    {
      name: 'Caddy',
      port: 19445,
      version: version('caddy', 'version'),
      command: ['env', 'GOMAXPROCS=1', `HOME=${folder}`, 'caddy', 'run', '--config', join(folder, 'Caddyfile')],
    },
  ]
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

/** Starts a server on the first core, measures it from the second, ends it. */
async function measure(server: Server): Promise<{ http1: number; http2: number }> {
  const [program = '', ...args] = onCore(0, server.command)
  const child = spawn(program, args, { stdio: 'ignore', detached: true })
  try {
    for (let tries = 0; !(await accepts(server.port)); tries++) {
      if (tries > 200) throw new Error(`${server.name} does not listen`)
      await pause(50)
    }
    if (server.name === 'Grove') {
      const publish = [
        'publish',
        join(folder, 'site'),
        '--site',
        'bench',
        '--config',
        join(folder, 'grove.config.json'),
      ]
      execFileSync(process.execPath, [join(root, 'bin/grove.js'), ...publish], { stdio: 'ignore' })
      await pause(1_000) // Copies in other codings are made; nothing else must run while this is measured.
    }
    const url = `https://${authority}:${server.port}/page.html`
    loadHttp1(url, 1)
    const http1 = loadHttp1(url, seconds)
    return { http1, http2: median([loadHttp2(url), loadHttp2(url), loadHttp2(url)]) }
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    process.kill(-(child.pid ?? 0), 'SIGTERM')
    await ended
  }
}

/** Requests per second over HTTP/1.1, 64 connections that are kept. */
function loadHttp1(url: string, forSeconds: number): number {
  const [program = '', ...rest] = onCore(1, ['wrk', '-t1', '-c64', `-d${forSeconds}s`, url])
  const out = execFileSync(program, rest, { encoding: 'utf8' })
  if (/Non-2xx|Socket errors/.test(out)) throw new Error(out)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(out)?.[1])
}

/**
 * Requests per second over HTTP/2, 32 connections with 10 streams each. By count: Grove and nginx close a connection
 * after so many requests, as they should, and h2load opens no other.
 */
function loadHttp2(url: string): number {
  const [program = '', ...rest] = onCore(1, ['h2load', '-c32', '-m10', '-t1', '-n', String(32 * 960), url])
  const out = execFileSync(program, rest, { encoding: 'utf8' })
  if (!/ 0 failed, 0 errored/.test(out)) throw new Error(out)
  return Number(/finished in [\d.]+m?s, ([\d.]+) req\/s/.exec(out)?.[1])
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

function report(rows: readonly Row[]): string {
  const grove = rows[0] as Row
  const line = ({ name, version: v, http1, http2 }: Row) => {
    const ratio = (own: number, other: number) =>
      name === 'Grove' ? '' : ` (Grove: ${(own / other).toFixed(2)} of it)`
    return `| ${name} ${v} | ${Math.round(http1)}${ratio(grove.http1, http1)} | ${Math.round(http2)}${ratio(grove.http2, http2)} |`
  }
  return `# Static files: requests per second

\`node bench/static.ts\`: TLS 1.3, a ${bodyBytes / 1024} KB file, one core for the server, the other for the load generator;
HTTP/1.1 by wrk with 64 connections, HTTP/2 by h2load with 32 connections of 10 streams, 960 requests each; median of ${rounds} runs of ${seconds} s.
No server writes an access log. Caddy and nginx are Debian's, years older than what their makers ship today.
${cpus()[0]?.model}, ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}.

| server | HTTP/1.1 | HTTP/2 |
|---|---|---|
${rows.map(line).join('\n')}
`
}

try {
  const servers = prepare()
  const results = new Map(servers.map(({ name }) => [name, { http1: [] as number[], http2: [] as number[] }]))
  for (let round = 1; round <= rounds; round++) {
    for (const server of servers) {
      const { http1, http2 } = await measure(server)
      results.get(server.name)?.http1.push(http1)
      results.get(server.name)?.http2.push(http2)
      console.log(`${round}/${rounds} ${server.name}: ${Math.round(http1)} and ${Math.round(http2)} requests/s`)
    }
  }
  const rows = servers.map(({ name, version: v }) => {
    const { http1 = [], http2 = [] } = results.get(name) ?? {}
    return { name, version: v, http1: median(http1), http2: median(http2) }
  })
  const text = report(rows)
  writeFileSync(join(root, 'bench/results/static.md'), text)
  console.log(`\n${text}`)
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
