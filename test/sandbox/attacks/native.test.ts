/**
 * What is left to code that has broken out of the isolate and out of Node: a program of the tenant's account, confined as
 * tenant processes are, that has Node without its permission model. Here the layers of the operating system are on
 * their own; a machine that lacks one skips what that one stops.
 */

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import t from 'tap'
import { confine, type LaunchPlan } from '../../../sandbox/supervisor/launch-line.ts'
import { layGround } from './host.ts'

const secret = 'alice-secret-41c7'

interface Attempt {
  readonly name: string
  /** Node code that calls `say` with what it has come to. */
  readonly code: string
  readonly expected: RegExp
  /** Whether the machine has the layer that stops it. */
  readonly needs: (plan: LaunchPlan) => boolean
}

const hasAccounts = ({ firstUid }: LaunchPlan) => firstUid !== undefined
const hasNamespaces = ({ namespaces }: LaunchPlan) => namespaces !== undefined
const hides = ({ hidden }: LaunchPlan) => hidden.length > 0
const hasBounds = ({ bounds }: LaunchPlan) => bounds
const hasNoPrivileges = ({ privileges }: LaunchPlan) => privileges === 'none'

/** `alice` is the neighbour's process, `data` the data folder, `socket` the supervisor's, `port` something that listens. */
const attempts: readonly Attempt[] = [
  {
    name: 'the environment of the other process',
    code: 'tryTo(() => fs.readFileSync("/proc/" + alice + "/environ"))',
    expected: /^EACCES|EPERM/,
    needs: hasAccounts,
  },
  {
    name: 'its memory',
    code: 'tryTo(() => fs.openSync("/proc/" + alice + "/mem"))',
    expected: /^EACCES|EPERM/,
    needs: hasAccounts,
  },
  {
    name: 'the map of its memory',
    code: 'tryTo(() => fs.readFileSync("/proc/" + alice + "/maps"))',
    expected: /^EACCES|EPERM/,
    needs: hasAccounts,
  },
  {
    name: 'its open files',
    code: 'tryTo(() => fs.readdirSync("/proc/" + alice + "/fd"))',
    expected: /^EACCES|EPERM/,
    needs: hasAccounts,
  },
  {
    name: 'its root folder',
    code: 'tryTo(() => fs.readdirSync("/proc/" + alice + "/root/"))',
    expected: /^EACCES|EPERM/,
    needs: hasAccounts,
  },
  { name: 'ending it', code: `tryTo(() => process.kill(alice, 'SIGKILL'))`, expected: /^EPERM/, needs: hasAccounts },
  { name: 'stopping it', code: `tryTo(() => process.kill(alice, 'SIGSTOP'))`, expected: /^EPERM/, needs: hasAccounts },
  {
    name: 'waking its inspector',
    code: `tryTo(() => process.kill(alice, 'SIGUSR1'))`,
    expected: /^EPERM/,
    needs: hasAccounts,
  },
  {
    name: 'ending the supervisor',
    code: `tryTo(() => process.kill(supervisor, 'SIGTERM'))`,
    expected: /^EPERM/,
    needs: hasAccounts,
  },
  {
    name: 'taking CPU from it',
    code: 'tryTo(() => os.setPriority(alice, 19))',
    expected: /^ERR_SYSTEM_ERROR|EPERM|EACCES/,
    needs: hasAccounts,
  },
  {
    name: 'becoming more important',
    code: 'tryTo(() => os.setPriority(process.pid, -10))',
    expected: /^ERR_SYSTEM_ERROR|EPERM|EACCES/,
    needs: hasAccounts,
  },
  { name: 'becoming root again', code: 'tryTo(() => process.setuid(0))', expected: /^EPERM/, needs: hasAccounts },
  {
    name: 'privileges',
    code: `say(fs.readFileSync('/proc/self/status', 'utf8').match(/CapEff:\\s*(\\w+)/)[1])`,
    expected: /^0+$/,
    needs: hasNoPrivileges,
  },
  {
    name: 'folders that are hidden, uncovered',
    code: `const made = child.spawnSync('unshare', ['-Urm', 'sh', '-c', 'umount "$0" && ls "$0"', data]); say(made.status === 0 ? 'uncovered ' + made.stdout : 'refused')`,
    expected: /^refused/,
    needs: hides,
  },
  {
    name: 'the data folder',
    code: 'tryTo(() => fs.readdirSync(data).join())',
    expected: /^(?:EACCES|ENOENT|)$/,
    needs: hides,
  },
  {
    name: 'the socket of the supervisor',
    code: `net.connect(socket).on('connect', () => say('connected')).on('error', ({ code }) => say(code))`,
    expected: /^ENOENT|EACCES|ECONNREFUSED/,
    needs: hides,
  },
  {
    name: 'a port of this machine',
    code: `net.connect(port, '127.0.0.1').on('connect', () => say('connected')).on('error', ({ code }) => say(code))`,
    expected: /^ENETUNREACH|ECONNREFUSED|EACCES/,
    needs: hasNamespaces,
  },
  {
    name: 'a server of the internet',
    code: `net.connect(53, '192.0.2.1').on('connect', () => say('connected')).on('error', ({ code }) => say(code))`,
    expected: /^ENETUNREACH|EACCES/,
    needs: hasNamespaces,
  },
  {
    // A folder that Grove itself lies in cannot be hidden: docs/security.md says where not to put it.
    name: 'a file',
    code: `const got = []; for (const folder of ['/tmp', '/dev/shm', '/var/tmp', '/run', '/', data]) if (!here.startsWith(folder + '/')) try { fs.closeSync(fs.openSync(folder + '/left-' + process.pid, 'w')); got.push(folder) } catch {} say(got.join() || 'none')`,
    expected: /^none$/,
    needs: hasBounds,
  },
  {
    name: 'many processes',
    code: `let count = 0; const all = []; for (let i = 0; i < 300; i++) { const made = child.spawn('sleep', ['5']); made.on('error', () => {}); if (made.pid) count++; all.push(made) } for (const made of all) made.kill('SIGKILL'); say(String(count < 100))`,
    expected: /^true$/,
    needs: (plan) => hasBounds(plan) && hasAccounts(plan),
  },
  {
    name: 'a core dump of itself',
    code: `say(fs.readFileSync('/proc/self/limits', 'utf8').match(/Max core file size +(\\S+) +(\\S+)/).slice(1).join())`,
    expected: /^0,0$/,
    needs: hasBounds,
  },
  {
    name: 'the environment of whoever started it',
    code: 'say(Object.keys(process.env).join())',
    // How the C library keeps memory: nothing of anybody.
    expected: /^(?:MALLOC_ARENA_MAX)?$/,
    needs: () => true,
  },
]

const program = (code: string, names: object) => `
const fs = require('node:fs'), os = require('node:os'), net = require('node:net'), child = require('node:child_process')
const { alice, supervisor, data, socket, port, here } = ${JSON.stringify(names)}
const say = (text) => { process.stdout.write(text, () => process.exit()) }
const tryTo = (work) => { try { say('done ' + (work() ?? '')) } catch (error) { say(error.code ?? String(error)) } }
${code}`

function run(plan: LaunchPlan, code: string): Promise<string> {
  // An account that no tenant has.
  const [file, ...args] = confine(plan, 2_000, [process.execPath, '-e', code])
  return new Promise((resolve, reject) => {
    const started = spawn(file as string, args, {
      cwd: '/',
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    })
    let said = ''
    let errors = ''
    started.stdout.on('data', (piece) => (said += piece))
    started.stderr.on('data', (piece) => (errors += piece))
    started.on('error', reject)
    started.on('close', (status) =>
      status === 0 ? resolve(said) : reject(new Error(`${status} ${errors.slice(-500)}`)),
    )
  })
}

t.test('a tenant that has become a program of its own', { skip: process.platform !== 'linux' }, async (t) => {
  const neighbour = { secrets: [{ name: 'TOKEN', value: secret, hosts: ['api.example'] }], vars: { V: 'x' } }
  const ground = await layGround(t, { neighbour })
  const listener = createServer().listen(0, '127.0.0.1')
  t.teardown(() => listener.close())
  await new Promise((resolve) => listener.once('listening', resolve))
  const alice = ground.pidOf('neighbour') as number
  const { port } = listener.address() as { port: number }
  const names = {
    alice,
    supervisor: process.pid,
    data: ground.layout.root,
    socket: ground.layout.supervisorSocket,
    port,
    here: import.meta.dirname,
  }
  for (const { name, code, expected, needs } of attempts)
    await t.test(name, { skip: !needs(ground.plan) && 'this machine does not have the layer' }, async (t) => {
      t.match(await run(ground.plan, program(code, names)), expected)
    })

  await t.test('what anybody may read of a tenant says nothing', (t) => {
    const files = ['cmdline', 'environ', 'comm', 'status', 'limits', 'mountinfo']
    for (const file of files) t.notMatch(readFileSync(`/proc/${alice}/${file}`, 'utf8'), new RegExp(secret), file)
    t.match(readFileSync(`/proc/${alice}/environ`, 'utf8'), /^(?:MALLOC_ARENA_MAX=\d+\0)?$/, 'it has no environment')
    t.end()
  })

  await t.test('it has no files of anybody else', (t) => {
    const open = readdirSync(`/proc/${alice}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${alice}/fd/${fd}`)]
      } catch {
        return []
      }
    })
    for (const target of open) t.match(target, /^(?:socket:|pipe:|anon_inode:|\/dev\/null|\/dev\/urandom)/, target)
    t.end()
  })

  await t.test('at the end', (t) => ground.endsWell(t))
})
