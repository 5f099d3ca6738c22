import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { installInBrowsers, removeFromBrowsers } from '../../certs/browser-trust.ts'
import { openOwnCa } from '../../certs/own-ca.ts'
import { type RunTool, runTool } from '../../certs/run-tool.ts'
import type { TrustEnvironment } from '../../certs/trust-change.ts'

const skip = (await runTool('certutil', ['-H'])).isMissing && 'certutil is not installed'

/** A root, and the home of somebody who has no browser yet. */
async function setUp(t: Test) {
  const base = t.testdir({ home: {} })
  const home = join(base, 'home')
  const ca = await openOwnCa(join(base, 'certs'))
  const root = { file: ca.rootFile, fingerprint: ca.fingerprint }
  const environment: TrustEnvironment = { platform: 'linux', home, isRoot: false, run: runTool }
  const nickname = `Grove Local CA ${ca.fingerprint.slice(0, 16)}`
  /** Nicknames with their trust, as certutil lists them. */
  async function list(database: string): Promise<string[]> {
    const { output } = await runTool('certutil', ['-L', '-d', `sql:${database}`])
    return output
      .split('\n')
      .slice(4)
      .filter(Boolean)
      .map((line) => line.trimEnd().replace(/ {2,}/, ' | '))
  }
  async function make(folder: string, ...options: string[]): Promise<string> {
    await mkdir(join(home, folder), { recursive: true })
    const password = options.length > 0 ? options : ['--empty-password']
    await runTool('certutil', ['-N', '-d', `sql:${join(home, folder)}`, ...password])
    return join(home, folder)
  }
  return {
    base,
    home,
    ca,
    root,
    environment,
    nickname,
    list,
    make,
    install: () => installInBrowsers(root, environment),
    remove: () => removeFromBrowsers(root, environment),
  }
}

t.test(
  'without a browser, Chromium’s database is made, and the root is in it for servers alone',
  { skip },
  async (t) => {
    const { home, ca, nickname, list, install, remove } = await setUp(t)
    const database = join(home, '.pki/nssdb')
    t.match(await remove(), [{ outcome: 'unchanged', sentence: /no database/ }])
    t.strictSame(await install(), [
      { outcome: 'changed', sentence: `Made the browser database ${database}.` },
      { outcome: 'changed', sentence: `Added to the browser database ${database}, as "${nickname}".` },
    ])
    t.equal((await stat(database)).mode & 0o777, 0o700)
    t.strictSame(await list(database), [`${nickname} | C,,`])
    const { output } = await runTool('certutil', ['-L', '-d', `sql:${database}`, '-n', nickname, '-a'])
    t.equal(createHash('sha256').update(new X509Certificate(output).raw).digest('hex'), ca.fingerprint)
    t.match(await install(), [{ outcome: 'unchanged' }])
    t.strictSame(await remove(), [
      { outcome: 'changed', sentence: `Removed from the browser database ${database}: "${nickname}".` },
    ])
    t.strictSame(await list(database), [])
    t.match(await remove(), [{ outcome: 'unchanged' }])
  },
)

t.test('every browser’s database is found, and no further one is made', { skip }, async (t) => {
  const { home, nickname, list, make, install, remove } = await setUp(t)
  const databases = [
    await make('.local/share/pki/nssdb'),
    await make('.mozilla/firefox/abc.default'),
    await make('.mozilla/firefox/xyz.work'),
    await make('snap/firefox/common/.mozilla/firefox/snap.default'),
  ]
  await writeFile(join(home, '.mozilla/firefox/profiles.ini'), '')
  const changes = await install()
  t.equal(changes.length, databases.length)
  for (const database of databases) t.strictSame(await list(database), [`${nickname} | C,,`])
  t.notOk((await readdir(home)).includes('.pki'))
  for (const { outcome } of await remove()) t.equal(outcome, 'changed')
  for (const database of databases) t.strictSame(await list(database), [])
})

t.test('other roots in a database stay, also one that was imported by hand', { skip }, async (t) => {
  const { base, make, install, remove, list } = await setUp(t)
  const database = await make('.pki/nssdb')
  const other = await openOwnCa(join(base, 'other'))
  const add = ['-A', '-d', `sql:${database}`, '-t', 'CT,C,', '-n', 'Company', '-i', other.rootFile]
  await runTool('certutil', add)
  await install()
  t.equal((await list(database)).length, 2)
  await remove()
  t.strictSame(await list(database), ['Company | CT,C,'])
})

t.test('another certificate under the same nickname is neither trusted nor taken away', { skip }, async (t) => {
  const { base, make, remove, list, nickname } = await setUp(t)
  const database = await make('.pki/nssdb')
  const other = await openOwnCa(join(base, 'other'))
  await runTool('certutil', ['-A', '-d', `sql:${database}`, '-t', ',,', '-n', nickname, '-i', other.rootFile])
  t.match(await remove(), [{ outcome: 'unchanged' }])
  t.strictSame(await list(database), [`${nickname} | ,,`])
})

t.test('a root that is there but not trusted becomes trusted', { skip }, async (t) => {
  const { root, make, install, list, nickname } = await setUp(t)
  const database = await make('.pki/nssdb')
  await runTool('certutil', ['-A', '-d', `sql:${database}`, '-t', ',,', '-n', nickname, '-i', root.file])
  t.match(await install(), [{ outcome: 'changed' }])
  t.strictSame(await list(database), [`${nickname} | C,,`])
})

t.test('a database with a password is left as it was, with the command to run by hand', { skip }, async (t) => {
  const { base, make, install, remove, list, nickname } = await setUp(t)
  await writeFile(join(base, 'password'), 'correct horse\n')
  const database = await make('.pki/nssdb', '-f', join(base, 'password'))
  const [change] = await install()
  t.match(change, {
    outcome: 'failed',
    sentence: /certutil ended with 255: .*BAD_PASSWORD.*By hand: certutil -A -d sql:/,
  })
  t.strictSame(await list(database), [])
  const byHand = change?.sentence.split('By hand: ')[1] ?? ''
  const pasted = await runTool('sh', ['-c', `${byHand} -f '${join(base, 'password')}'`])
  t.equal(pasted.code, 0)
  t.strictSame(await list(database), [`${nickname} | C,,`])
  t.match(await install(), [{ outcome: 'unchanged' }])
  t.match(await remove(), [{ outcome: 'changed' }])
})

t.test('a damaged database is told and does not keep the others from their change', { skip }, async (t) => {
  const { home, make, install, remove, list, nickname } = await setUp(t)
  const whole = await make('.mozilla/firefox/abc.default')
  await mkdir(join(home, '.pki/nssdb'), { recursive: true })
  await writeFile(join(home, '.pki/nssdb/cert9.db'), 'not a database')
  t.match(await install(), [{ outcome: 'failed', sentence: /\.pki\/nssdb was left alone/ }, { outcome: 'changed' }])
  t.strictSame(await list(whole), [`${nickname} | C,,`])
  t.match(await remove(), [{ outcome: 'unchanged' }, { outcome: 'changed' }])
})

t.test('a database that cannot be made is told', { skip }, async (t) => {
  const { home, environment, root } = await setUp(t)
  const run: RunTool = async (command, args) =>
    args[0] === '-N' ? { code: 1, isMissing: false, output: '', errors: 'disk full' } : runTool(command, args)
  t.match(await installInBrowsers(root, { ...environment, run }), [{ outcome: 'failed', sentence: /disk full/ }])
  t.strictSame(await readdir(join(home, '.pki/nssdb')), [])
})

t.test('a removal that does not take is told', { skip }, async (t) => {
  const { environment, root, install } = await setUp(t)
  await install()
  const run: RunTool = async (command, args) =>
    args[0] === '-D' ? { code: 255, isMissing: false, output: '', errors: 'locked' } : runTool(command, args)
  t.match(await removeFromBrowsers(root, { ...environment, run }), [
    { outcome: 'failed', sentence: /still has it: certutil ended with 255: locked\. By hand: certutil -D -d sql:/ },
  ])
})

t.test('a file that went away meanwhile is told', { skip }, async (t) => {
  const { root, install } = await setUp(t)
  await rename(root.file, `${root.file}.away`)
  t.match(await install(), [{ outcome: 'changed' }, { outcome: 'failed' }])
})

t.test('browsers are left alone where that is right, and the reason is told', async (t) => {
  const { home, root, environment } = await setUp(t)
  const missing: RunTool = async () => ({ code: undefined, isMissing: true, output: '', errors: '' })
  const cases: { name: string; given: TrustEnvironment; expected: object[] }[] = [
    { name: 'macOS', given: { ...environment, platform: 'darwin' }, expected: [] },
    {
      name: 'sudo',
      given: { ...environment, sudoUser: 'ada' },
      expected: [{ outcome: 'skipped', sentence: /ada .* without sudo/ }],
    },
    {
      name: 'no certutil',
      given: { ...environment, run: missing },
      expected: [{ outcome: 'skipped', sentence: /libnss3-tools on Debian/ }],
    },
  ]
  for (const { name, given, expected } of cases) {
    const changes = [await installInBrowsers(root, given), await removeFromBrowsers(root, given)]
    t.match(changes, [expected, expected], name)
    t.equal(changes.flat().length, expected.length * 2, name)
  }
  t.strictSame(await readdir(home), [])
})
