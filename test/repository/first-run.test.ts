import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { Visitor } from '../e2e/visitor.ts'

const root = join(import.meta.dirname, '../..')

/** The folder of the machine's own program, not of a package that was installed for this project. */
function ownFolderOf(program: string): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  for (const folder of folders) {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return folder
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`there is no ${program} on PATH`)
}

t.test('a fresh clone starts and tests itself with nothing but the Node.js and npm of the machine', async (t) => {
  const clone = mkdtempSync(join(tmpdir(), 'grove-clone-'))
  t.teardown(() => rmSync(clone, { recursive: true, force: true }))
  execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, clone])
  const programs = mkdtempSync(join(tmpdir(), 'grove-path-'))
  t.teardown(() => rmSync(programs, { recursive: true, force: true }))
  for (const program of ['node', 'npm']) symlinkSync(join(ownFolderOf(program), program), join(programs, program))
  const env: NodeJS.ProcessEnv = { PATH: [programs, '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(delimiter) }
  // Where the package registry is, and who may be asked for it, is the machine's matter.
  for (const [name, value] of Object.entries(process.env))
    if (!/^(PATH|NODE_OPTIONS|npm_|INIT_CWD|TAP|_TAP|NODE_V8|CI$)/i.test(name)) env[name] = value
  t.comment(`node ${execFileSync(join(programs, 'node'), ['--version'], { env, encoding: 'utf8' }).trim()}`)

  const child = spawn('npm', ['start', '--', '--https-port', '0', '--http-port', '0'], {
    cwd: clone,
    env,
    detached: true,
  })
  t.teardown(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended, as it should.
    }
  })
  let said = ''
  const welcomed = Promise.withResolvers<string>()
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const page = /public page\s+(https:\S+)/.exec(said)?.[1]
      if (page && said.includes('Ctrl-C')) welcomed.resolve(page)
    })
  child.once('exit', (code) => welcomed.reject(new Error(`npm start ended with ${code}:\n${said}`)))
  const page = await welcomed.promise
  t.match(said, /demo account\s+ada/)
  t.match(said, /npx grove publish/)
  t.match(said, /npx grove trust/)

  const visitor = new Visitor(readFileSync(join(clone, 'data/certs/root.pem'), 'utf8'), Number(new URL(page).port))
  t.teardown(() => visitor.close())
  const answer = await visitor.http2(page)
  t.equal(answer.status, 200)
  t.equal(answer.headers['grove-version'], 'guestbook@1')

  const published = execFileSync('npx', ['grove', 'publish', 'examples/guestbook/site', '--site', 'blog'], {
    cwd: clone,
    env,
    encoding: 'utf8',
  })
  t.match(published, /blog@1 is live: https:\/\/blog\.localhost:\d+\//)

  visitor.close()
  const ended = once(child, 'exit')
  // To the whole group, as Ctrl-C on a terminal does.
  process.kill(-(child.pid ?? 0), 'SIGINT')
  const [code, signal] = await ended
  t.ok(code === 0 || code === 130 || signal === 'SIGINT', `npm start ended with ${code ?? signal}`)

  const tested = execFileSync('npm', ['test', '--', 'test/core/errors.test.ts'], { cwd: clone, env, encoding: 'utf8' })
  t.match(tested.trimEnd().split('\n').at(-1), /^\d+ passed, 0 failed$/)
})
