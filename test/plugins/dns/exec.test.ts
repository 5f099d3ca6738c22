import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { DnsRecord } from '../../../core/dns-provider.ts'
import { type ExecDnsOptions, execDns } from '../../../plugins/dns/exec.ts'

const never = new AbortController().signal
const record: DnsRecord = { name: '_acme-challenge.example.test', type: 'TXT', value: 'the-value', ttlSeconds: 60 }

async function program(t: Test, script: string, options: Omit<ExecDnsOptions, 'command'> = {}) {
  const folder = t.testdir()
  const command = join(folder, 'program')
  await writeFile(command, `#!/bin/sh\ncd ${folder}\n${script}\n`)
  await chmod(command, 0o755)
  return { folder, command, provider: execDns({ command, ...options }) }
}

t.test('a program gets the record and what is named, and nothing else of the environment', async (t) => {
  process.env['GROVE_TEST_SECRET'] = 'not for programs'
  t.teardown(() => delete process.env['GROVE_TEST_SECRET'])
  const { folder, provider } = await program(
    t,
    'env -0 > env; [ "$#" = 2 ] && [ "$2" = "; rm -rf /" ] && ! read -r line',
    {
      args: ['$HOME', '; rm -rf /'],
      env: { API_URL: 'https://a b' },
    },
  )
  await provider.present(record, never)
  const names = (await readFile(join(folder, 'env'), 'utf8')).split('\0').filter(Boolean).sort()
  // Those of the test runner come by themselves.
  const allowed = /^(?:NODE_OPTIONS|_TAPJS\w*|PATH|HOME|LANG|TZ|PWD|OLDPWD|SHLVL|_|API_URL|GROVE_DNS_\w+)=/
  t.same(
    names.filter((line) => !allowed.test(line)),
    [],
  )
  t.same(
    names.filter((line) => line.startsWith('GROVE_DNS')),
    [
      'GROVE_DNS_ACTION=present',
      'GROVE_DNS_NAME=_acme-challenge.example.test',
      'GROVE_DNS_TTL=60',
      'GROVE_DNS_TYPE=TXT',
      'GROVE_DNS_VALUE=the-value',
    ],
  )
})

t.test('how a program ends is told, with its last line', async (t) => {
  const table: [string, RegExp][] = [
    ['exit 7', /program ended with 7 \(remove _acme-challenge\.example\.test\)$/],
    ['echo one; echo two >&2; sleep 0; exit 1', /: (?:one|two)$/],
    ['kill -TERM $$', /program was ended by SIGTERM/],
    ['printf "\\033[31mred\\n\\n"; exit 1', /: \[31mred$/],
    ['exec /nonexistent', /ended with \d+/],
  ]
  for (const [script, message] of table) {
    const { provider } = await program(t, script)
    await t.rejects(
      provider.remove(record, never),
      { code: 'ERR_DNS', details: { reason: 'refused' }, message },
      script,
    )
  }
  await t.rejects(execDns({ command: '/nonexistent/program' }).present(record, never), {
    message: /cannot be run: ENOENT/,
    hint: 'is the path right?',
  })
})

t.test('a program that never stops talking is read, and only the end is kept', async (t) => {
  const { provider } = await program(t, 'head -c 50000000 /dev/zero | tr "\\0" x; echo; echo the end; exit 1')
  await t.rejects(provider.present(record, never), { message: /: the end$/ })
  const flood = await program(t, 'head -c 100000 /dev/zero | tr "\\0" x; exit 1')
  await t.rejects(
    flood.provider.present(record, never),
    { message: /test\)$/ },
    'one line without its beginning is not told',
  )
})

t.test('secrets are not told, also line by line', async (t) => {
  const secret = 'line-one\nline-two\nline-three'
  process.env['GROVE_TEST_KEY'] = secret
  t.teardown(() => delete process.env['GROVE_TEST_KEY'])
  const { provider } = await program(t, 'printf "%s\\n" "$KEY" >&2; echo "$KEY" | tail -n 1 >&2; exit 1', {
    env: { KEY: { env: 'GROVE_TEST_KEY' }, MODE: 'a' },
  })
  const error = await provider.present(record, never).catch((thrown) => thrown)
  t.match(error.message, /: •••$/)
  t.notMatch(error.message, /line-(?:one|two|three)/)
  const nul = execDns({ command: '/bin/true', env: { KEY: 'secret\0' } })
  await t.rejects(nul.present(record, never), { code: 'ERR_DNS', message: /^exec: env\.KEY has a NUL/ })
  const none = execDns({ command: '/bin/true', env: { KEY: { env: 'GROVE_TEST_NONE' } } })
  await t.rejects(none.present(record, never), { code: 'ERR_DNS', message: /KEY.*GROVE_TEST_NONE is not set/ })
})

t.test(
  'what a program leaves in the background is not waited for, and a slow one is ended with all that it started',
  async (t) => {
    const { folder, provider } = await program(t, 'sleep 300 & echo $! > pid; exit 0')
    await provider.present(record, never)
    process.kill(Number(await readFile(join(folder, 'pid'), 'utf8')))
    const slow = await program(t, 'sleep 300 & echo $! > pid; wait', { timeoutMs: 300 })
    await t.rejects(slow.provider.present(record, never), {
      details: { reason: 'timeout' },
      message: /was ended after 300 ms/,
    })
    const pid = Number(await readFile(join(slow.folder, 'pid'), 'utf8'))
    // It may be a zombie for a moment, until its new parent has seen its end.
    const isGone = async () => (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ' Z ')).includes(' Z ')
    while (!(await isGone())) await new Promise((resolve) => setTimeout(resolve, 10))
  },
)

t.test('so many at a time, and the others wait', async (t) => {
  const { folder, provider } = await program(t, 'echo x >> running; sleep 0.1; echo y >> running')
  await Promise.all(Array.from({ length: 8 }, () => provider.present(record, never)))
  let running = 0
  let most = 0
  for (const line of (await readFile(join(folder, 'running'), 'utf8')).trim().split('\n')) {
    running += line === 'x' ? 1 : -1
    most = Math.max(most, running)
  }
  t.ok(most <= 4, `${most} at once`)
})
