import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Harness, isAlive, startGrove } from './harness.ts'

const diskBytes = 48_000_000

/** A Grove whose data folder is a small disk of its own. */
async function groveOnDisk(t: Test): Promise<{ grove: Harness; disk: string; site: string }> {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  await grove.stop()
  const disk = join(grove.folder, 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes},mode=0700`, 'tmpfs', disk])
  t.teardown(async () => {
    await grove.kill()
    execFileSync('umount', ['--lazy', disk])
  })
  grove.data = join(disk, 'data')
  grove.writeConfig({ fronts: 1 })
  await grove.start()
  const site = join(grove.folder, 'site')
  mkdirSync(site)
  writeFileSync(join(site, 'index.html'), 'v1')
  await grove.publish('blog', site)
  return { grove, disk, site }
}

/** Whether the disk could be mounted so: it cannot be made read-only while a file on it is open for writing. */
function remounts(disk: string, how: 'ro' | 'rw'): boolean {
  return spawnSync('mount', ['-o', `remount,${how}`, disk]).status === 0
}

async function page(grove: Harness): Promise<string> {
  return String((await grove.visitor.http1(grove.url('blog', '/index.html'))).body)
}

t.test(
  'on a full disk a publish is refused with the reason, visitors are served, and room is all that it takes',
  async (t) => {
    const { grove, disk, site } = await groveOnDisk(t)
    writeFileSync(join(site, 'large.bin'), randomBytes(12_000_000))
    writeFileSync(join(site, 'index.html'), 'v2')
    // What is left is too little for the content, or for its segment beside it: each is tried.
    for (const leftBytes of [20_000_000, 8_000_000, 200_000]) {
      const filler = join(disk, 'filler')
      const free = Number(execFileSync('stat', ['-f', '-c', '%a', disk])) * 4096
      writeFileSync(filler, Buffer.alloc(Math.max(0, free - leftBytes)))
      const { exitCode, out } = await grove.command(['publish', site, '--site', 'blog', '--json'])
      const { error } = JSON.parse(out)
      t.equal(exitCode, 1, `${leftBytes} bytes free`)
      t.match(error, { code: 'ERR_DATA_IO', message: /ENOSPC|full|no space/i, hint: /free/ })
      t.equal(await page(grove), 'v1', 'what is live is served on')
      t.match(await grove.json(['site', 'show', 'blog']), { live: 1, versions: 1 })
      rmSync(filler)
    }
    t.match(await grove.publish('blog', site), { version: 2 }, 'with room again it works at once')
    t.equal(await page(grove), 'v2')
    t.match(await grove.json(['store', 'verify']), { faults: [] })
  },
)

t.test(
  'when the disk has become read-only visitors are served on, the log says why, and nothing has to be repaired',
  async (t) => {
    const { grove, disk, site } = await groveOnDisk(t)
    t.equal(await page(grove), 'v1')
    // A disk that fails becomes read-only under its writers. By hand that can only be done while there are none: control
    // is killed, and its parent is held until the disk has turned.
    const [control = 0] = await grove.pids('control')
    process.kill(grove.pid, 'SIGSTOP')
    process.kill(control, 'SIGKILL')
    await grove.until(() => !isAlive(control))
    // A killed process lets go of its files a moment after it has stopped to run.
    await grove.until(() => remounts(disk, 'ro'))
    process.kill(grove.pid, 'SIGCONT')
    await grove.until(() => /EROFS|read-only/i.test(grove.log))
    t.equal(await page(grove), 'v1', 'what is live is served on')
    writeFileSync(join(site, 'index.html'), 'v2')
    t.equal((await grove.command(['publish', site, '--site', 'blog', '--json'])).exitCode, 1)
    t.ok(remounts(disk, 'rw'))
    await grove.until(() => grove.status().catch(() => undefined))
    t.match(await grove.publish('blog', site), { version: 2 }, 'control came back by itself')
    t.equal(await page(grove), 'v2')
    t.match(await grove.json(['store', 'verify']), { faults: [] })
  },
)
