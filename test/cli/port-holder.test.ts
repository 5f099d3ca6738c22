import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { findPortHolder } from '../../cli/port-holder.ts'

const script = `
  const server = require('node:net').createServer()
  server.listen(0, process.argv[1], () => console.log(server.address().port))
`

const cases = [
  { listens: '127.0.0.1', asked: '127.0.0.1', found: true },
  { listens: '127.0.0.1', asked: '0.0.0.0', found: true },
  { listens: '127.0.0.1', asked: '::', found: true },
  { listens: '127.0.0.1', asked: '127.0.0.2', found: false },
  { listens: '127.0.0.1', asked: '::1', found: false },
  { listens: '0.0.0.0', asked: '127.0.0.1', found: true },
  { listens: '::', asked: '127.0.0.1', found: true },
  { listens: '::1', asked: '::1', found: true },
  { listens: '::ffff:127.0.0.1', asked: '127.0.0.1', found: true },
]

for (const { listens, asked, found } of cases) {
  t.test(`${listens} ${found ? 'holds' : 'leaves free'} a port of ${asked}`, async (t) => {
    const child = spawn(process.execPath, ['-e', script, listens], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    const [line] = await once(child.stdout.setEncoding('utf8'), 'data')
    const holder = findPortHolder(asked, Number(line))
    if (!found) {
      t.equal(holder, undefined)
      return
    }
    t.equal(holder?.pid, child.pid)
    t.match(holder?.command, /-e .*createServer/)
    t.ok((holder?.command.length ?? 0) <= 200)
  })
}

t.test('where there is no /proc, nobody is named', async (t) => {
  t.equal(findPortHolder('127.0.0.1', 80, t.testdir()), undefined)
})

t.test('a process that hides its descriptors is not named', async (t) => {
  const row = '0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1'
  const proc = t.testdir({
    net: { tcp: `head\n   ${row}\n` },
    1: {},
    2: { fd: { 0: t.fixture('symlink', '/dev/null'), 1: 'a file' }, cmdline: '' },
    3: { fd: { 5: t.fixture('symlink', 'socket:[4242]') }, cmdline: '', comm: 'short\n' },
  })
  t.strictSame(findPortHolder('127.0.0.1', 80, proc), { pid: 3, command: 'short' })
  t.equal(findPortHolder('127.0.0.1', 81, proc), undefined)
})
