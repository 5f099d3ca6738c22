/** Another program of one's own network gets certificates from a running Grove: lego of Debian. */

import { execFile } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startPebble } from '../services/pebble.ts'
import { folderOf } from './bucket.ts'
import { type Harness, startGrove } from './harness.ts'

const secret = 'c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ'

/** A Grove with an ACME server that looks names up at a DNS server of the test's, and lego with a script for that. */
async function startHost(t: Test) {
  const pebble = await startPebble(t)
  const keys = t.testdir({ 'nas.key': `${secret}\n` })
  const own = { server: { port: 0, address: '127.0.0.1', accounts: { nas: { file: join(keys, 'nas.key') } } } }
  const grove = await startGrove(t, {
    config: { domain: 'home.internal', certs: { acme: false, own, lookups: { resolvers: [pebble.dns] } } },
  })
  const told = await grove.until(() => /ACME server of the own CA: (https:[^" ]+)/.exec(grove.log)?.[1])
  // Nobody tells the DNS of this machine where home.internal is.
  const directory = told.replace('home.internal', 'localhost')
  const script = join(grove.folder, 'dns.sh')
  // lego calls it with `present` or `cleanup`, the name and the value; the test carries that to the DNS server.
  await writeFile(script, `#!/bin/sh\necho "$@" >> ${grove.folder}/asked\nwhile [ ! -e "$3" ]; do sleep 0.05; done\n`)
  await chmod(script, 0o755)
  const path = join(grove.folder, 'lego')
  const carried = new Set<string>()
  /** Does what the script was told, until lego has ended. */
  async function carry(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const text = await readFile(join(grove.folder, 'asked'), 'utf8').catch(() => '')
      for (const line of text.split('\n').filter((one) => one !== '' && !carried.has(one))) {
        carried.add(line)
        const [action, host = '', value = ''] = line.split(' ')
        await pebble.tellDns(action === 'present' ? 'set-txt' : 'clear-txt', { host, value })
        await writeFile(join(grove.folder, value), '')
      }
      await pause(20)
    }
  }
  const lego = async (name: string, ...args: readonly string[]) => {
    const ended = new AbortController()
    const carrying = carry(ended.signal)
    const common = ['--server', directory, '--accept-tos', '--email', 'ops@home.internal', '--path', path]
    const dns = ['--dns', 'exec', '--dns.resolvers', pebble.dns, '--dns.disable-cp', '--domains', name]
    const env = { PATH: process.env['PATH'] ?? '', HOME: grove.folder, EXEC_PATH: script }
    try {
      await promisify(execFile)('lego', [...common, ...dns, ...args, 'run'], {
        cwd: grove.folder,
        env: { ...env, LEGO_CA_CERTIFICATES: grove.rootFile },
        timeout: 120_000,
      })
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string }
      throw new Error(`lego ${name}: ${stdout}${stderr}`)
    } finally {
      ended.abort()
      await carrying
    }
    const file = join(path, 'certificates', name.replace('*', '_'))
    return { chain: await readFile(`${file}.crt`, 'utf8'), key: await readFile(`${file}.key`, 'utf8') }
  }
  return { grove, lego, told, directory }
}

async function publish(grove: Harness, site: string): Promise<void> {
  await grove.json(['publish', folderOf(grove, site, { 'index.html': site }), '--site', site])
}

t.test('lego gets certificates of the own CA from a running Grove, and none for names that are Grove’s', async (t) => {
  const { grove, lego, told, directory } = await startHost(t)
  t.match(told, /^https:\/\/home\.internal:\d+\/directory$/)
  await t.rejects(lego('nas.internal'), { message: /external account/i })
  const binding = ['--eab', '--kid', 'nas', '--hmac', secret]
  const { chain, key } = await lego('*.nas.internal', ...binding)
  const leaf = new X509Certificate(chain)
  t.ok(leaf.checkHost('a.nas.internal'))
  t.ok(leaf.checkPrivateKey(createPrivateKey(key)))

  await publish(grove, 'blog')
  await t.rejects(lego('blog.home.internal', ...binding), { message: /rejectedIdentifier/ })
  await t.rejects(lego('*.home.internal', ...binding), { message: /rejectedIdentifier/ })

  await t.test('a port that is taken is told, and nothing is left running', async (t) => {
    const port = Number(new URL(directory).port)
    const other = startGrove(t, { config: { certs: { acme: false, own: { server: { port, address: '127.0.0.1' } } } } })
    await t.rejects(other, { message: new RegExp(`cannot listen on port ${port} for the ACME server`) })
  })
})
