import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { startGrove } from './harness.ts'

const run = promisify(execFile)

const bundle = '/etc/ssl/certs/ca-certificates.crt'

// Only root may change the system's store; it is changed for the second that this test takes, and then as it was.
const isRoot = process.getuid?.() === 0

if (!isRoot)
  t.test('grove trust tells who is not root how to go on', async (t) => {
    const grove = await startGrove(t, { config: { fronts: 1 }, env: { HOME: t.testdir() } })
    t.match((await grove.command(['trust'])).out, /sudo/)
  })

if (isRoot)
  t.test('grove trust has the system believe the root, says what it changed, and takes it back', async (t) => {
    // A home of its own, so that the browsers of whoever runs this test are left alone.
    const home = t.testdir()
    const grove = await startGrove(t, { config: { fronts: 1 }, env: { HOME: home } })
    await grove.publish('blog', t.testdir({ 'index.html': 'trusted' }))
    const curl = () =>
      run('curl', ['-sS', '--resolve', `blog.localhost:${grove.httpsPort}:127.0.0.1`, grove.url('blog')]).then(
        ({ stdout }) => stdout,
        (error: { code: number }) => error.code,
      )
    const unknownIssuer = 60
    t.equal(await curl(), unknownIssuer)
    const before = readFileSync(bundle, 'utf8')
    t.teardown(() => grove.command(['trust', '--remove']))
    const trusted = await grove.json<{ changes: { outcome: string }[] }>(['trust'])
    t.ok(trusted.changes.some(({ outcome }) => outcome === 'changed'))
    t.equal(await curl(), 'trusted')
    const again = await grove.json<{ changes: { outcome: string }[] }>(['trust'])
    t.notOk(again.changes.some(({ outcome }) => outcome === 'changed' || outcome === 'failed'))
    const removed = await grove.command(['trust', '--remove'])
    t.match(removed, { exitCode: 0, out: /root\.pem \(SHA-256 [0-9a-f]{64}\)\n {2}\w/ })
    t.equal(await curl(), unknownIssuer)
    t.equal(readFileSync(bundle, 'utf8'), before, 'the system trusts exactly what it trusted before')
  })
