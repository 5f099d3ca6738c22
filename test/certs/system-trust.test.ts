import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openOwnCa } from '../../certs/own-ca.ts'
import { type RunTool, runTool, type ToolResult } from '../../certs/run-tool.ts'
import { installInSystem, removeFromSystem } from '../../certs/system-trust.ts'
import type { TrustEnvironment } from '../../certs/trust-change.ts'

const done: ToolResult = { code: 0, isMissing: false, output: '', errors: '' }
const hasDebianTools = !(await runTool('update-ca-certificates', ['--help'])).isMissing

/** A root, and a system that consists of the given folders and writes down what is run. */
async function setUp(t: Test, folders: readonly string[], answer: (command: string) => ToolResult = () => done) {
  const base = t.testdir({ system: {} })
  const ca = await openOwnCa(join(base, 'certs'))
  const systemRoot = join(base, 'system')
  for (const folder of folders) await mkdir(join(systemRoot, folder), { recursive: true })
  const ran: string[] = []
  const run: RunTool = async (command, args) => {
    ran.push([command, ...args].join(' '))
    return answer(command)
  }
  const environment: TrustEnvironment = { platform: 'linux', home: base, isRoot: true, systemRoot, run }
  const root = { file: ca.rootFile, fingerprint: ca.fingerprint }
  const install = () => installInSystem(root, ca.rootPem, environment)
  const remove = () => removeFromSystem(root, environment)
  const name = `grove-${ca.fingerprint.slice(0, 16)}`
  return { base, ca, root, systemRoot, environment, ran, name, install, remove }
}

const systems = [
  {
    system: 'Alpine',
    folder: '/usr/local/share/ca-certificates',
    file: 'crt',
    add: 'update-ca-certificates',
    remove: 'update-ca-certificates --fresh',
  },
  {
    system: 'Fedora',
    folder: '/etc/pki/ca-trust/source/anchors',
    file: 'pem',
    add: 'update-ca-trust extract',
    remove: 'update-ca-trust extract',
  },
  {
    system: 'Arch',
    folder: '/etc/ca-certificates/trust-source/anchors',
    file: 'crt',
    add: 'update-ca-trust',
    remove: 'update-ca-trust',
  },
  {
    system: 'openSUSE',
    folder: '/etc/pki/trust/anchors',
    file: 'pem',
    add: 'update-ca-certificates',
    remove: 'update-ca-certificates --fresh',
  },
]
for (const { system, folder, file, add, remove: removing } of systems) {
  t.test(`on ${system} the root goes to its place and away again, twice with the same end`, async (t) => {
    const { ca, systemRoot, ran, name, install, remove } = await setUp(t, [folder])
    const path = join(systemRoot, folder, `${name}.${file}`)
    t.match(await install(), {
      outcome: 'changed',
      sentence: `Added to the system's store, as ${folder}/${name}.${file}.`,
    })
    t.equal(await readFile(path, 'utf8'), ca.rootPem)
    t.equal((await stat(path)).mode & 0o777, 0o644)
    t.match(await install(), { outcome: 'unchanged' })
    t.match(await remove(), { outcome: 'changed', sentence: new RegExp(`${name}.${file}`) })
    t.strictSame(await readdir(join(systemRoot, folder)), [])
    t.match(await remove(), { outcome: 'unchanged' })
    t.strictSame(ran, [add, add, removing, removing], 'the tool runs each time: a run before may have been cut short')
  })
}

t.test('removing leaves what others put there, and roots of other Groves', async (t) => {
  const folder = '/usr/local/share/ca-certificates'
  const { systemRoot, install, remove } = await setUp(t, [folder])
  const others = ['company.crt', 'grove-0123456789abcdef.crt']
  for (const name of others) await writeFile(join(systemRoot, folder, name), 'theirs')
  await install()
  await remove()
  t.strictSame((await readdir(join(systemRoot, folder))).sort(), others)
})

t.test('a file that was altered is put right', async (t) => {
  const folder = '/etc/pki/trust/anchors'
  const { ca, systemRoot, name, install } = await setUp(t, [folder])
  const path = join(systemRoot, folder, `${name}.pem`)
  await writeFile(path, 'damaged')
  t.match(await install(), { outcome: 'changed' })
  t.equal(await readFile(path, 'utf8'), ca.rootPem)
})

t.test('a tool that fails or is missing is told, with what it said', async (t) => {
  const folder = '/usr/local/share/ca-certificates'
  const failing = await setUp(t, [folder], () => ({
    code: 1,
    isMissing: false,
    output: '',
    errors: 'first\nno space\n',
  }))
  t.match(await failing.install(), { outcome: 'failed', sentence: /lies at .*ended with 1: no space\.$/ })
  t.match(await failing.remove(), { outcome: 'failed', sentence: /is gone, but .*ended with 1: no space\.$/ })
  const missing = await setUp(t, [folder], () => ({ ...done, code: undefined, isMissing: true }))
  t.match(await missing.install(), { outcome: 'failed', sentence: /not installed\.$/ })
})

t.test('a system without a known store is told so', async (t) => {
  const { environment, root, ca, install, remove } = await setUp(t, [])
  t.match(await install(), { outcome: 'skipped', sentence: /ca-certificates makes one/ })
  t.match(await remove(), { outcome: 'skipped' })
  const windows: TrustEnvironment = { ...environment, platform: 'win32' }
  t.match(await installInSystem(root, ca.rootPem, windows), { outcome: 'skipped', sentence: /win32.*root\.pem/ })
})

t.test('who is not root gets the commands to run, and nothing is changed', async (t) => {
  const folder = '/usr/local/share/ca-certificates'
  const { root, ca, environment, systemRoot, ran, name, install } = await setUp(t, [folder])
  const person: TrustEnvironment = { ...environment, isRoot: false }
  const installed = () => installInSystem(root, ca.rootPem, person)
  const removed = () => removeFromSystem(root, person)
  const shown = `${folder}/${name}.crt`
  const add = `sudo install -m 644 ${root.file} ${shown} && sudo update-ca-certificates`
  t.match(await installed(), { outcome: 'skipped', sentence: new RegExp(`To add it: ${add}$`) })
  t.match(await removed(), { outcome: 'unchanged' })
  t.strictSame(await readdir(join(systemRoot, folder)), [])
  await install()
  t.match(await installed(), { outcome: 'unchanged' })
  t.match(await removed(), { outcome: 'skipped', sentence: `still has it, as ${shown}. Only root may` })
  t.strictSame(await readdir(join(systemRoot, folder)), [`${name}.crt`])
  t.equal(ran.length, 1)
})

t.test('on macOS the root goes to the system keychain and away again', async (t) => {
  const { environment, root, ca } = await setUp(t, [])
  const hash = ca.fingerprint.toUpperCase()
  const ran: string[] = []
  let isThere = false
  let code = 0
  const run: RunTool = async (command, args) => {
    ran.push([command, ...args].join(' '))
    if (args[0] === 'find-certificate') return { ...done, output: isThere ? `SHA-256 hash: ${hash}\n` : '' }
    if (code === 0) isThere = args[0] === 'add-trusted-cert'
    return { ...done, code, errors: code === 0 ? '' : 'not allowed' }
  }
  const mac: TrustEnvironment = { ...environment, platform: 'darwin', run }
  const install = () => installInSystem(root, ca.rootPem, mac)
  const remove = () => removeFromSystem(root, mac)
  const add = `security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${root.file}`
  const take = `security delete-certificate -Z ${hash} -t /Library/Keychains/System.keychain`
  t.match(await remove(), { outcome: 'unchanged' })
  t.match(await install(), { outcome: 'changed' })
  t.match(await install(), { outcome: 'unchanged' })
  t.match(await remove(), { outcome: 'changed' })
  t.strictSame(
    ran.filter((line) => !line.includes('find-certificate')),
    [add, take],
  )
  code = 1
  t.match(await install(), {
    outcome: 'failed',
    sentence: `security ended with 1: not allowed. As root it may work: sudo ${add}`,
  })
  isThere = true
  t.match(await remove(), { outcome: 'failed', sentence: new RegExp(`sudo ${take}$`) })
})

t.test('Debian’s own tool builds a bundle with the root, and one without it', { skip: !hasDebianTools }, async (t) => {
  const local = '/usr/local/share/ca-certificates'
  const { base, ca, root, systemRoot, environment, name } = await setUp(t, [
    local,
    '/etc/ssl/certs',
    '/hooks',
    '/packaged',
  ])
  await writeFile(join(systemRoot, 'etc/debian_version'), '12\n')
  await writeFile(join(systemRoot, 'etc/ca-certificates.conf'), '# none')
  const theirs = await openOwnCa(join(base, 'theirs'))
  await writeFile(join(systemRoot, local, 'company.crt'), theirs.rootPem)
  const heard = join(base, 'heard')
  await writeFile(join(systemRoot, 'hooks/listen'), `#!/bin/sh\ncat >> '${heard}'\n`, { mode: 0o755 })
  // The real tool, told to work on this system's folders instead of the machine's.
  const options = { localcertsdir: local, etccertsdir: '/etc/ssl/certs', hooksdir: '/hooks', certsdir: '/packaged' }
  const elsewhere = Object.entries(options).flatMap(([option, folder]) => [`--${option}`, join(systemRoot, folder)])
  const conf = ['--certsconf', join(systemRoot, 'etc/ca-certificates.conf')]
  const run: RunTool = (command, args) => runTool(command, [...conf, ...elsewhere, ...args])
  const real: TrustEnvironment = { ...environment, run }
  const leaf = join(base, 'leaf.pem')
  await writeFile(leaf, (await ca.issue('blog.localhost')).chain)
  const certs = join(systemRoot, 'etc/ssl/certs')
  const verify = (...store: string[]) =>
    execFileSync('openssl', ['verify', '-no-CAfile', '-no-CApath', '-no-CAstore', ...store, '-untrusted', leaf, leaf], {
      stdio: 'pipe',
    })

  t.match(await installInSystem(root, ca.rootPem, real), { outcome: 'changed' })
  t.match(verify('-CAfile', join(certs, 'ca-certificates.crt')).toString(), /leaf\.pem: OK/)
  t.match(verify('-CApath', certs).toString(), /leaf\.pem: OK/)
  t.match(await installInSystem(root, ca.rootPem, real), { outcome: 'unchanged' })
  t.match(await removeFromSystem(root, real), { outcome: 'changed' })
  t.throws(() => verify('-CApath', certs))
  t.equal(await readFile(join(certs, 'ca-certificates.crt'), 'utf8'), theirs.rootPem)
  t.notOk((await readdir(certs)).some((entry) => entry.includes(name)))
  const pem = join(certs, `${name}.pem`)
  const changes = (await readFile(heard, 'utf8')).split('\n').filter((line) => line.includes(name))
  t.strictSame(changes, [`+${pem}`, `-${pem}`], 'stores that others fill from this one hear of both')
  t.match(await removeFromSystem(root, real), { outcome: 'unchanged' })
})
