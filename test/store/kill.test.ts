import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
import { layoutOf } from '../../core/layout.ts'
import { faultsOf, openNumberedSite, publishVersion } from './fixtures/numbered-site.ts'

// A kill leaves what the kernel was given; it does not show what a power failure would leave. That each step asks for
// the disk in the right order is what store/blobs.ts and store/drivers/sqlite-open.ts are read for.

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name)

t.setTimeout(180_000)

t.test('kill -9 at random moments loses no acknowledged version and shows no half one', async (t) => {
  const folder = t.testdir()
  let acknowledged = 0
  for (let kill = 0; kill < 30; kill += 1) {
    const child = spawn(process.execPath, [fixture('publish-forever.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const closed = once(child, 'close')
    const goal = acknowledged + 1 + (kill % 3)
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line)
      // A random moment within the next publish or two.
      if (acknowledged === goal) void after(Math.random() * 20).then(() => child.kill('SIGKILL'))
    }
    const [, signal] = await closed
    t.equal(signal, 'SIGKILL')
    await using site = await openNumberedSite(folder)
    t.same(await faultsOf(site, acknowledged), [], `kill ${kill + 1} after version ${acknowledged}`)
    t.same(readdirSync(layoutOf(folder).temporary), [], 'what was not finished is cleaned up')
    acknowledged = site.versions.live?.version ?? 0
  }
})

t.test('kill -9 before each single step of a publish leaves the old version or the new one', async (t) => {
  const folder = t.testdir({ before: {} })
  const before = join(folder, 'before')
  const publish = (folder: string, killAt: number) =>
    spawnSync(process.execPath, [fixture('publish-killed.ts'), folder, String(killAt)], { encoding: 'utf8' })
  t.match(publish(before, 0), { status: 0, stdout: /^1\n/ })
  const outcomes = new Set<string>()
  for (let killAt = 1; ; killAt += 1) {
    const place = join(folder, String(killAt))
    cpSync(before, place, { recursive: true })
    const { status, signal, stdout, stderr } = publish(place, killAt)
    if (status === 0) {
      t.ok(killAt > 20, `a publish has ${killAt - 1} steps`)
      break
    }
    t.equal(signal, 'SIGKILL', stderr)
    await using site = await openNumberedSite(place)
    const found = site.versions.live?.version ?? 0
    outcomes.add(`version ${found}${stdout && ', acknowledged'}`)
    t.same(await faultsOf(site, stdout ? 2 : 1), [], `killed before step ${killAt}`)
    t.equal(await publishVersion(site, 2), 2, 'and the retry of it')
    t.same(await faultsOf(site, 2), [])
    t.equal(site.versions.versions.length, 2, 'makes one version of both')
    rmSync(place, { recursive: true })
  }
  t.same(outcomes, new Set(['version 1', 'version 2']), 'kills came before and after the commit')
})
