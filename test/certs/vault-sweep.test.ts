import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { encodeRecord, objectOf } from '../../certs/vault-record.ts'
import { limits } from '../../core/limits.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { filesIn, startMachine } from './fixtures/vaults.ts'

/** As if a file had been written so long ago. */
async function age(file: string, ms: number): Promise<void> {
  const thenS = (Date.now() - ms) / 1000
  await utimes(file, thenS, thenS)
}

const recordsIn = async (folder: string) => (await filesIn(folder)).filter((file) => !file.includes('holders/'))

t.test('what says that a record was removed goes when nobody can come late any more', async (t) => {
  const folder = t.testdir()
  // The wall clocks of machines say anything: the disk's counts.
  const { vault } = await startMachine(t, folder, { nowMs: 9e12 })
  for (const key of ['old', 'fresh', 'again']) {
    await vault.write(key, key, 0)
    await vault.remove(key)
  }
  await vault.write('again', 'again', 0)
  for (const file of await recordsIn(folder))
    await age(join(folder, file), limits.cert.goneKeptMs + (file.includes('fresh') ? -60_000 : 60_000))
  t.equal(await vault.sweep(), 1)
  t.notMatch(await recordsIn(folder), [/old/])
  t.equal((await recordsIn(folder)).filter((file) => file.includes('fresh')).length, 1)
  t.match(await vault.read('again'), { text: 'again' })
  t.equal(await vault.read('fresh'), undefined)
  t.ok((await vault.write('fresh', 'x', 0)) > 1, 'its numbers go on')
  t.equal(await vault.write('old', 'x', 0), 1)
})

t.test('older records that stayed behind go, the newest two stay', async (t) => {
  const folder = t.testdir()
  const { vault } = await startMachine(t, folder)
  let number = 0
  for (const text of ['1', '2', '3', '4']) number = await vault.write('certs/a', text, number)
  await vault.write('certs/b', 'b', 0)
  for (const old of [1, 2]) {
    const file = objectOf('certs/a', { number: old, isGone: false })
    await writeFile(join(folder, file), encodeRecord('certs/a', old, 'old', { env, isPlainTaken: true }))
  }
  t.equal(await vault.sweep(), 2)
  t.equal((await recordsIn(folder)).length, 3)
  t.strictSame(await vault.read('certs/a'), { text: '4', number })
  t.equal(await vault.sweep(), 0)
})

t.test('what was left of a removal that was killed goes', async (t) => {
  const folder = t.testdir()
  const { vault } = await startMachine(t, folder)
  await vault.write('a', 'secret', 0)
  await vault.remove('a')
  const file = join(folder, objectOf('a', { number: 1, isGone: false }))
  await writeFile(file, encodeRecord('a', 1, 'secret', { env, isPlainTaken: true }))
  t.equal(await vault.sweep(), 1)
  t.match(await recordsIn(folder), [/\.gone$/])
})

t.test('signs of life of processes that are long gone go, leases never', async (t) => {
  const folder = t.testdir()
  const dead = await startMachine(t, folder)
  const lease = await dead.vault.lease('orders/a')
  const holders = join(folder, 'holders')
  const [beat = ''] = await readdir(holders)
  await age(join(holders, beat), limits.cert.holderKeptMs + 60_000)
  const { vault, advance } = await startMachine(t, folder)
  t.equal(await vault.sweep(), 1)
  t.notOk((await readdir(holders)).includes(beat))
  t.equal(await vault.lease('orders/a'), undefined)
  advance(limits.cert.leaseDeadMs)
  const next = await vault.lease('orders/a')
  t.ok((next?.number ?? 0) > (lease?.number ?? 0))
})

t.test('copies of what the bucket has no more go', async (t) => {
  t.testdir()
  const remote = await folderObjects(env, join(t.testdirName, 'bucket'))
  const folder = join(t.testdirName, 'one')
  const one = await startMachine(t, folder, { remote })
  const other = await startMachine(t, join(t.testdirName, 'other'), { remote })
  const keys = ['accounts/a', 'certs/a', 'certs/a-b', 'certs/b', 'certs/c', 'tickets', 'z/y/x']
  for (const key of keys) await one.vault.write(key, key, 0)
  for (const key of ['certs/a', 'tickets', 'z/y/x']) await other.vault.remove(key)
  await other.vault.write('certs/b', 'newer', 1)
  t.equal((await recordsIn(folder)).length, 7)
  t.equal(await one.vault.sweep(), 3)
  const left = (await recordsIn(folder)).join()
  for (const key of ['accounts/a', 'certs/a-b', 'certs/b', 'certs/c'])
    t.ok(left.includes(objectOf(key, { number: 1, isGone: false })), key)
  t.match(await one.vault.readNear('certs/b'), { text: 'certs/b' })
  t.match(await one.vault.read('certs/b'), { text: 'newer' })
  t.equal(await one.vault.readNear('certs/a'), undefined)
})
