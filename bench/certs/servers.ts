/** Grove, nginx and Caddy with one certificate, each on the first core, for handshakes.ts. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { openOwnCa } from '../../certs/own-ca.ts'
import { accepts } from '../../test/e2e/harness.ts'
import { cpuSecondsOf } from './processes.ts'

const root = join(import.meta.dirname, '../..')

/** The name that visitors ask for. */
export const authority = 'bench.internal'

/** How a server is started. */
export interface Server {
  readonly name: 'Grove' | 'nginx' | 'Caddy'
  /** With the TLS library, where it is not the server's own. */
  readonly version: string
  readonly port: number
  readonly command: readonly string[]
}

/** A server that runs. Disposing of it ends it. */
export interface RunningServer extends AsyncDisposable {
  /** Processor time that all of its processes have used, in seconds. */
  cpuSeconds(): number
}

/** Runs a program on one core. */
export function onCore(core: number, command: readonly string[]): string[] {
  return ['taskset', '-c', String(core), ...command]
}

/**
 * Writes certificate and configs into a folder. The certificate is of Grove's own CA, so it comes with an intermediate, as
 * those of public CAs do; P-256 throughout. Grove gets it as a file of the operator, like the others.
 */
export async function prepareServers(folder: string): Promise<Server[]> {
  chmodSync(folder, 0o755) // nginx gives up root before it reads.
  const { chain, key } = await (await openOwnCa(join(folder, 'ca'))).issue(authority)
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  writeFileSync(certFile, chain)
  writeFileSync(keyFile, key)
  const file = (name: string) => join(folder, name)
  writeFileSync(
    file('nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log crit; events { worker_connections 4096; }
http { access_log off;
  server { listen 127.0.0.1:19444 ssl; server_name ${authority};
    ssl_certificate ${certFile}; ssl_certificate_key ${keyFile}; ssl_protocols TLSv1.3; ssl_session_timeout 2h; } }\n`,
  )
  writeFileSync(
    file('Caddyfile'),
    `{\n admin off\n auto_https off\n}\nhttps://${authority}:19445 {\n bind 127.0.0.1\n tls ${certFile} ${keyFile}\n}\n`,
  )
  mkdirSync(file('grove'))
  writeFileSync(
    file('grove/grove.config.json'),
    JSON.stringify({
      listen: { https: 19443, http: false },
      fronts: 1,
      sites: { bench: { authorities: [authority] } },
      certs: { files: [{ cert: certFile, key: keyFile }] },
      log: { access: false, level: 'warn' },
    }),
  )
  const grove = [process.execPath, join(root, 'bin/grove.js'), 'serve', '--config', file('grove/grove.config.json')]
  const { node, openssl } = process.versions
  const nginx = spawnSync('nginx', ['-V'], { encoding: 'utf8' }).stderr
  const caddy = spawnSync('caddy', ['version'], { encoding: 'utf8' }).stdout
  return [
    { name: 'Grove', version: `Node ${node}, OpenSSL ${numberIn(openssl)}`, port: 19443, command: grove },
    {
      name: 'nginx',
      version: `${numberIn(nginx)}, OpenSSL ${numberIn(nginx.split('running with')[1] ?? nginx.split('OpenSSL')[1])}`,
      port: 19444,
      command: ['nginx', '-c', file('nginx.conf')],
    },
    {
      name: 'Caddy',
      version: numberIn(caddy),
      port: 19445,
      command: ['env', 'GOMAXPROCS=1', `HOME=${folder}`, 'caddy', 'run', '--config', file('Caddyfile')],
    },
  ]
}

/** Starts a server on the first core; resolves when it takes connections. */
export async function startServer({ name, port, command }: Server): Promise<RunningServer> {
  const [program = '', ...args] = onCore(0, command)
  const child = spawn(program, args, { stdio: 'ignore', detached: true })
  const group = child.pid ?? 0
  const ended = once(child, 'exit')
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-group, 'SIGTERM')
    await ended
  }
  for (let tries = 0; !(await accepts(port)); tries += 1) {
    if (tries > 400 || child.exitCode !== null) {
      await end()
      throw new Error(`${name} does not listen`)
    }
    await pause(50)
  }
  return { cpuSeconds: () => cpuSecondsOf(group), [Symbol.asyncDispose]: end }
}

function numberIn(text = ''): string {
  return /\d+\.\d+\.\d+/.exec(text)?.[0] ?? 'unknown'
}
