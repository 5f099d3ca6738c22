import { spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import t, { type Test } from 'tap'
import { decodeLeaf, leafFile } from '../../certs/leaf-file.ts'
import { openLeaves } from '../../certs/leaves.ts'
import { type OwnCa, openOwnCa } from '../../certs/own-ca.ts'
import { leafLifeMs } from '../../certs/own-certificates.ts'
import { limits } from '../../core/limits.ts'

const log = pino({ level: 'silent' })
const isLocal = (name: string) => name.endsWith('.localhost')

/** A CA that counts what it issues and can be told to fail. */
async function setUp(t: Test, nowMs = Date.now()) {
  const clock = { nowMs }
  const now = () => clock.nowMs
  const base = t.testdir({})
  const folder = join(base, 'leaves')
  const real = await openOwnCa(base, { now })
  const issued: string[] = []
  const state = { fails: false }
  const ca: OwnCa = {
    ...real,
    async issue(name) {
      issued.push(name)
      if (state.fails) throw new Error('cannot sign')
      return real.issue(name)
    },
  }
  const open = (options: { serves?: (name: string) => boolean; log?: Logger } = {}) =>
    openLeaves({ ca, folder, serves: isLocal, log, now, ...options })
  return { base, folder, clock, issued, state, ca, open }
}

t.test('a leaf is issued once, however many ask at once, and a restart reissues nothing', async (t) => {
  const { folder, issued, open } = await setUp(t)
  const leaves = open()
  const [first, ...others] = await Promise.all(Array.from({ length: 50 }, () => leaves.get('blog.localhost')))
  for (const leaf of others) t.equal(leaf, first)
  t.equal(await leaves.get('blog.localhost'), first)
  t.strictSame(await open().get('blog.localhost'), first)
  t.strictSame(issued, ['blog.localhost'])
  t.equal((await stat(leafFile(folder, 'blog.localhost'))).mode & 0o777, 0o600)
  t.equal((await stat(folder)).mode & 0o777, 0o700)
})

t.test('a name that no site has, or has any more, gets nothing', async (t) => {
  const { issued, open } = await setUp(t)
  const served = new Set(['blog.localhost'])
  const leaves = open({ serves: (name) => served.has(name) })
  await t.rejects(leaves.get('shop.localhost'), { code: 'ERR_CERT_NAME' })
  await leaves.get('blog.localhost')
  served.delete('blog.localhost')
  await t.rejects(leaves.get('blog.localhost'), { code: 'ERR_CERT_NAME' })
  t.strictSame(issued, ['blog.localhost'])
})

t.test('a leaf is renewed when it is due, from memory and from disk alike', async (t) => {
  const { clock, issued, open } = await setUp(t)
  const leaves = open()
  const first = await leaves.get('blog.localhost')
  clock.nowMs = first.renewAtMs - 1
  t.equal(await leaves.get('blog.localhost'), first)
  clock.nowMs = first.renewAtMs
  const second = await leaves.get('blog.localhost')
  t.ok(second.notAfterMs > first.notAfterMs)
  clock.nowMs = second.renewAtMs
  const third = await open().get('blog.localhost')
  t.ok(third.notAfterMs > second.notAfterMs)
  t.equal(issued.length, 3)
})

t.test(
  'a clock that is set back gets a leaf that is valid by it, and one that is right again keeps the first',
  async (t) => {
    const { clock, issued, open } = await setUp(t)
    const leaves = open()
    const rightMs = clock.nowMs
    clock.nowMs = rightMs + 30 * 86_400_000
    const ahead = await leaves.get('blog.localhost')
    t.ok(ahead.notBeforeMs > rightMs)
    clock.nowMs = rightMs
    const right = await leaves.get('blog.localhost')
    t.ok(right.notBeforeMs <= rightMs && rightMs < right.notAfterMs)
    t.equal(await leaves.get('blog.localhost'), right)
    t.equal(issued.length, 2)
  },
)

t.test('a leaf that is due but cannot be renewed serves until its end, then the error is told', async (t) => {
  const { clock, state, open } = await setUp(t)
  const leaves = open()
  const first = await leaves.get('blog.localhost')
  state.fails = true
  clock.nowMs = first.notAfterMs - 1
  t.equal(await leaves.get('blog.localhost'), first)
  t.strictSame(await open().get('blog.localhost'), first)
  clock.nowMs = first.notAfterMs
  await t.rejects(leaves.get('blog.localhost'), { message: 'cannot sign' })
  state.fails = false
  t.ok((await leaves.get('blog.localhost')).notAfterMs > first.notAfterMs)
})

t.test('damaged files are noticed and made again', async (t) => {
  const { ca, clock, folder, issued, open } = await setUp(t)
  const root = new X509Certificate(ca.rootPem)
  await open().get('blog.localhost')
  const file = leafFile(folder, 'blog.localhost')
  const whole = await readFile(file, 'utf8')
  const damages = ['', whole.slice(0, 700), whole.replace('MII', 'MIJ'), '\0'.repeat(100)]
  for (const text of damages) {
    await writeFile(file, text)
    await open().get('blog.localhost')
    t.ok(decodeLeaf(await readFile(file, 'utf8'), 'blog.localhost', root, clock.nowMs))
  }
  t.equal(issued.length, 1 + damages.length)
})

t.test('a disk that neither gives nor takes does not keep a name from being served', async (t) => {
  const { folder, issued, open } = await setUp(t)
  const lines: string[] = []
  const leaves = open({ log: pino({}, { write: (line: string) => lines.push(line) }) })
  // A folder in the file's place: not even root reads it or renames over it.
  await mkdir(join(leafFile(folder, 'blog.localhost'), 'x'), { recursive: true })
  const leaf = await leaves.get('blog.localhost')
  t.equal(await leaves.get('blog.localhost'), leaf)
  t.strictSame(issued, ['blog.localhost'])
  t.match(lines, [/cannot be read/, /cannot be kept/])
})

t.test('the number of names being issued at once is bounded, and a failure blocks nothing afterwards', async (t) => {
  const { ca, folder } = await setUp(t)
  const gate = Promise.withResolvers<void>()
  const held: OwnCa = {
    ...ca,
    async issue() {
      await gate.promise
      throw new Error('gone')
    },
  }
  const leaves = openLeaves({ ca: held, folder, serves: () => true })
  const names = Array.from({ length: limits.cert.issuing }, (_, i) => `n${i}.localhost`)
  const waiting = Promise.allSettled(names.map((name) => leaves.get(name)))
  await t.rejects(leaves.get('one-more.localhost'), { code: 'ERR_TOO_MANY' })
  gate.resolve()
  for (const { status } of await waiting) if (status !== 'rejected') t.fail('issued without a CA')
  await t.resolves(openLeaves({ ca, folder, serves: () => true }).get('one-more.localhost'))
})

t.test('a sweep removes what has ended, is damaged or was left by a killed writer, and nothing else', async (t) => {
  const { clock, folder, open } = await setUp(t)
  t.equal(await open().sweep(), 0)
  await open().get('old.localhost')
  clock.nowMs += leafLifeMs
  await open().get('new.localhost')
  await writeFile(join(folder, 'damaged.pem'), 'text')
  await writeFile(join(folder, 'notes.txt'), 'text')
  const leftover = join(folder, 'x.pem.0123456789abcdef.tmp')
  await writeFile(leftover, '')
  await utimes(leftover, 0, 0)
  t.equal(await open().sweep(), 3)
  t.strictSame((await readdir(folder)).sort(), [leafFile('', 'new.localhost'), 'notes.txt'].sort())
})

t.test('a process killed at any moment of issuing leaves whole leaves only', async (t) => {
  const { base, ca, folder } = await setUp(t)
  const root = new X509Certificate(ca.rootPem)
  const modules = ['own-ca', 'leaves'].map((name) => JSON.stringify(import.meta.resolve(`../../certs/${name}.ts`)))
  const program = `
    const [{ openOwnCa }, { openLeaves }] = await Promise.all([import(${modules[0]}), import(${modules[1]})])
    const [base, folder] = process.argv.slice(1)
    const leaves = openLeaves({ ca: await openOwnCa(base), folder, serves: () => true })
    for (let i = 0; ; i++) {
      await leaves.get(\`n\${i}.localhost\`)
      process.stdout.write('.')
    }`
  for (const leavesBefore of [1, 7, 20]) {
    const args = ['--input-type=module', '-e', program, base, folder]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = new Promise((resolve) => child.once('close', resolve))
    let issued = 0
    child.stdout.on('data', (dots: Buffer) => {
      issued += dots.length
      if (issued >= leavesBefore) child.kill('SIGKILL')
    })
    await closed
    t.ok(issued >= leavesBefore)
    for (let i = 0; i < issued; i++) {
      const text = await readFile(leafFile(folder, `n${i}.localhost`), 'utf8')
      t.ok(decodeLeaf(text, `n${i}.localhost`, root, Date.now()), `leaf ${i} was told and is there`)
    }
  }
  t.equal((await openOwnCa(base)).fingerprint, ca.fingerprint)
  const names = (await readdir(folder)).filter((name) => !name.endsWith('.tmp'))
  for (const name of names) t.match(await readFile(join(folder, name), 'utf8'), /-----END PRIVATE KEY-----\n$/)
})
