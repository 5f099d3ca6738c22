/** Real Varnish for tests: Debian's varnishd with a VCL of the test's, on a free port of 127.0.0.1. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

/** A running Varnish. */
export interface Varnish extends AsyncDisposable {
  readonly port: number
  /** `http://127.0.0.1:<port>` */
  readonly url: string
}

/** How a Varnish is started. */
export interface VarnishOptions {
  /** An empty or absent folder for its files. */
  readonly folder: string
  /** The VCL as text; see {@link groveVcl}. */
  readonly vcl: string
  /** Default: a free one. */
  readonly port?: number
}

/** The plugin's own VCL with Grove's plain listener at another port, and what else a test changes in it. */
export async function groveVcl(backendPort: number, change: (vcl: string) => string = (vcl) => vcl): Promise<string> {
  const file = join(import.meta.dirname, '../../plugins/cdn-varnish/grove.vcl')
  const vcl = await readFile(file, 'utf8')
  return change(vcl.replace('.port = "8081"', `.port = "${backendPort}"`))
}

/** Starts a Varnish and resolves when it takes requests. Throws with what it said when it does not start. */
export async function startVarnish({ folder, vcl, port = 0 }: VarnishOptions): Promise<Varnish> {
  await mkdir(folder, { recursive: true })
  const vclFile = join(folder, 'test.vcl')
  const workFolder = join(folder, 'work')
  await writeFile(vclFile, vcl)
  const address = `127.0.0.1:${port}`
  // `-j none`: it runs as who runs the test, so that it can read a folder of the test's.
  const flags = ['-j', 'none', '-F', '-n', workFolder, '-f', vclFile, '-a', address, '-s', 'malloc,64m']
  const child = spawn('varnishd', flags, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said: string[] = []
  const exited = once(child, 'exit')
  const started = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        said.push(line)
        // The manager has the sockets open by then, and the child takes from them.
        if (line.includes('said Child starts')) resolve()
      })
  })
  const failed = exited.then(([code]) => {
    throw new Error(`varnishd ended with ${code}: ${said.join('\n')}`)
  })
  await Promise.race([started, failed])
  failed.catch(() => undefined) // It ends when the test is done with it.
  const { stdout } = await promisify(execFile)('varnishadm', ['-n', workFolder, 'debug.listen_address'])
  const realPort = Number(stdout.trim().split(/\s+/)[2])
  return {
    port: realPort,
    url: `http://127.0.0.1:${realPort}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
