import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { encodeRecord, mostObjectBytes, objectOf } from '../../certs/vault-record.ts'
import { limits } from '../../core/limits.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { filesIn, startMachine, watched } from './fixtures/vaults.ts'

const fileOf = (folder: string, key: string, number: number) => join(folder, objectOf(key, { number, isGone: false }))
const seal = { env, isPlainTaken: true }

/** What can happen to the file of record `a` with the number 2. */
const damages: [name: string, harm: (file: string) => Promise<void>][] = [
  ['is empty', (file) => truncate(file, 0)],
  ['is half there', (file) => truncate(file, 90)],
  ['lacks its last byte', async (file) => truncate(file, (await env.files.read(file)).length - 1)],
  ['is zeros', async (file) => writeFile(file, Buffer.alloc(200))],
  ['is of another program', (file) => writeFile(file, 'hello')],
  ['is longer than any', (file) => truncate(file, mostObjectBytes + 1)],
  ['is that of another key', (file) => writeFile(file, encodeRecord('b', 2, 'b', seal))],
  ['is one of another number', (file) => writeFile(file, encodeRecord('a', 9, 'old', seal))],
  ['looks sealed', (file) => writeFile(file, `GROVESLD${'x'.repeat(20)}`)],
]

for (const [name, harm] of damages)
  t.test(`when the newest record ${name}, the one before is used, and the next write heals it`, async (t) => {
    const folder = t.testdir()
    const { vault, logged } = await startMachine(t, folder)
    const first = await vault.write('a', '1', 0)
    const second = await vault.write('a', '2', first)
    await harm(fileOf(folder, 'a', second))
    t.strictSame(await vault.read('a'), { text: '1', number: second })
    t.match(logged.join(''), /record of the vault is damaged/)
    t.strictSame(await vault.read('a', second), { text: '1', number: second }, 'also when a list has told its number')
    t.same(await Array.fromAsync(vault.list('')), ['a'])
    const third = await vault.write('a', '3', second)
    t.strictSame(await vault.read('a'), { text: '3', number: third })
  })

for (const [name, harm] of damages)
  t.test(`when the only record ${name}, that is said, and it is not taken for none`, async (t) => {
    const folder = t.testdir()
    const { vault } = await startMachine(t, folder)
    const number = await vault.write('a', '1', 0)
    await harm(fileOf(folder, 'a', number))
    const fault = {
      code: 'ERR_CERT',
      message: /record \S*a\.\d+ of the vault is damaged: /,
      details: { reason: 'damaged' },
    }
    await t.rejects(vault.read('a'), fault)
    await t.rejects(vault.write('a', '2', 0), { code: 'ERR_CERT_RACED' })
    await vault.remove('a')
    t.equal(await vault.read('a'), undefined)
    await vault.write('a', '2', 0)
    t.match(await vault.read('a'), { text: '2' })
  })

t.test('what was removed does not come back through damage', async (t) => {
  const folder = t.testdir()
  const { vault } = await startMachine(t, folder)
  await vault.write('a', 'secret', 0)
  await vault.remove('a')
  // As if the removal had been killed between its two steps.
  await writeFile(fileOf(folder, 'a', 1), encodeRecord('a', 1, 'secret', seal))
  t.equal(await vault.read('a'), undefined)
  const number = await vault.write('a', 'new', 0)
  await writeFile(fileOf(folder, 'a', 1), encodeRecord('a', 1, 'secret', seal))
  await truncate(fileOf(folder, 'a', number), 10)
  await t.rejects(vault.read('a'), { code: 'ERR_CERT', details: { reason: 'damaged' } })
})

t.test('a disk that fails is not taken for damage', async (t) => {
  t.testdir()
  const objects = await folderObjects(env, join(t.testdirName, 'bucket'))
  let isBroken = false
  const remote = watched(objects, (call) => {
    if (isBroken && call === 'read') throw new Error('input/output error')
  })
  const one = await startMachine(t, join(t.testdirName, 'one'), { remote })
  const other = await startMachine(t, join(t.testdirName, 'other'), { remote: objects })
  const number = await other.vault.write('a', '1', 0)
  await other.vault.write('a', '2', number)
  isBroken = true
  await t.rejects(one.vault.read('a'), { message: 'input/output error' })
})

t.test('a record that is replaced while it is read is read as the newer one', async (t) => {
  t.testdir()
  const objects = await folderObjects(env, join(t.testdirName, 'bucket'))
  const other = await startMachine(t, join(t.testdirName, 'other'), { remote: objects })
  let number = await other.vault.write('a', '1', 0)
  let rounds = 3
  const remote = watched(objects, async (call, key) => {
    if (call !== 'read' || !key.includes('/a.') || rounds === 0) return
    rounds -= 1
    for (const text of ['x', 'y', `round ${rounds}`]) number = await other.vault.write('a', text, number)
  })
  const one = await startMachine(t, join(t.testdirName, 'one'), { remote })
  t.strictSame(await one.vault.read('a'), { text: 'round 0', number })
})

t.test('one that never stands still is given up', async (t) => {
  t.testdir()
  const objects = await folderObjects(env, join(t.testdirName, 'bucket'))
  const other = await startMachine(t, join(t.testdirName, 'other'), { remote: objects })
  let number = await other.vault.write('a', '1', 0)
  let rounds = 0
  const remote = watched(objects, async (call, key) => {
    if (call !== 'read' || !key.includes('/a.')) return
    rounds += 1
    for (const text of ['x', 'y']) number = await other.vault.write('a', text, number)
  })
  const one = await startMachine(t, join(t.testdirName, 'one'), { remote })
  await t.rejects(one.vault.read('a'), { code: 'ERR_CERT_RACED', message: /faster/ })
  t.equal(rounds, limits.cert.recordTries)
})

t.test('what cannot be removed yet does no harm, and is removed later', async (t) => {
  t.testdir()
  const folder = join(t.testdirName, 'bucket')
  const objects = await folderObjects(env, folder)
  let isStuck = true
  const remote = watched(objects, (call) => {
    if (isStuck && call === 'remove') throw new Error('not now')
  })
  const { vault, logged } = await startMachine(t, join(t.testdirName, 'one'), { remote })
  let number = 0
  for (const text of ['1', '2', '3', '4']) number = await vault.write('a', text, number)
  t.equal((await filesIn(folder)).length, 4)
  t.match(logged.join(''), /cannot be removed yet/)
  t.strictSame(await vault.read('a'), { text: '4', number })
  isStuck = false
  await vault.write('a', '5', number)
  t.equal((await filesIn(folder)).length, 2)
})
