import { chmod, mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { openVault } from '../../certs/open-vault.ts'
import { objectOf } from '../../certs/vault-record.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { openKeyring } from '../../store/segments/keyring.ts'
import { filesIn, startMachine, until, watched } from './fixtures/vaults.ts'
import { vaultContract } from './vault-contract.ts'

const keyring = openKeyring([Buffer.alloc(32, 1)])

/** A folder that stands for a bucket: objects that several machines know. */
async function bucket(t: Test) {
  return folderObjects(nodeEnvironment, join(t.testdirName, 'bucket'))
}

t.test('in a folder that several share', (t) => {
  vaultContract(t, async (t, count) => {
    const folder = join(t.testdir(), 'deep', 'vault')
    const machines = Array.from({ length: count }, () => startMachine(t, folder))
    return (await Promise.all(machines)).map(({ vault }) => vault)
  })
  t.end()
})

t.test('sealed, behind a folder of each machine', (t) => {
  vaultContract(t, async (t, count) => {
    t.testdir()
    const remote = await bucket(t)
    const machines = Array.from({ length: count }, (_, index) =>
      startMachine(t, join(t.testdirName, String(index)), { remote, keyring }),
    )
    return (await Promise.all(machines)).map(({ vault }) => vault)
  })
  t.end()
})

t.test('only its owner reads what lies in it', async (t) => {
  const folder = join(t.testdir({ vault: {} }), 'vault')
  await chmod(folder, 0o755)
  const { vault } = await startMachine(t, folder)
  await vault.write('certs/a', 'a', 0)
  await vault.lease('a')
  t.equal((await stat(folder)).mode & 0o777, 0o700)
  const files = await filesIn(folder)
  t.equal(files.length, 3)
  for (const file of files) {
    t.equal((await stat(join(folder, file))).mode & 0o777, 0o600, file)
    t.equal((await stat(dirname(join(folder, file)))).mode & 0o777, 0o700)
  }
})

t.test('with a keyring no word of a record lies on the disk, and another keyring cannot read it', async (t) => {
  const folder = t.testdir()
  const { vault } = await startMachine(t, folder, { keyring })
  await vault.write('certs/a', 'a word of a key', 0)
  for (const file of await filesIn(folder))
    t.notOk((await nodeEnvironment.files.read(join(folder, file))).includes('word of a key'))
  const other = await startMachine(t, folder, { keyring: openKeyring([Buffer.alloc(32, 2)]) })
  await t.rejects(other.vault.read('certs/a'), { code: 'ERR_KEY_MISSING' })
  const none = await startMachine(t, folder)
  await t.rejects(none.vault.read('certs/a'), { code: 'ERR_KEY_MISSING' })
  const both = await startMachine(t, folder, { keyring: openKeyring([Buffer.alloc(32, 2), Buffer.alloc(32, 1)]) })
  t.match(await both.vault.read('certs/a'), { text: 'a word of a key' })
})

t.test('records from before there was a keyring are read from the folder, and refused in the bucket', async (t) => {
  t.testdir()
  const folder = join(t.testdirName, 'folder')
  await (await startMachine(t, folder)).vault.write('a', 'plain', 0)
  t.match(await (await startMachine(t, folder, { keyring })).vault.read('a'), { text: 'plain' })
  const remote = await bucket(t)
  const before = await startMachine(t, join(t.testdirName, 'before'), { remote })
  const number = await before.vault.write('a', 'plain', 0)
  const after = await startMachine(t, join(t.testdirName, 'after'), { remote, keyring })
  await t.rejects(after.vault.read('a'), { code: 'ERR_CERT', message: /not sealed/, details: { reason: 'damaged' } })
  await after.vault.write('a', 'sealed', number)
  t.match(await after.vault.read('a'), { text: 'sealed' })
})

t.test('no more than two objects of a record stay', async (t) => {
  const folder = t.testdir()
  const { vault } = await startMachine(t, folder)
  for (let number = 0, round = 0; round < 6; round += 1) number = await vault.write('certs/a', String(round), number)
  t.equal((await filesIn(folder)).length, 2)
  await vault.remove('certs/a')
  t.match(await filesIn(folder), [/\.gone$/])
})

t.test('the bucket is written first; what it does not take is nowhere', async (t) => {
  t.testdir()
  const failing = watched(await bucket(t), (call) => {
    if (call === 'create') throw new Error('the bucket is away')
  })
  const { vault } = await startMachine(t, join(t.testdirName, 'folder'), { remote: failing })
  await t.rejects(vault.write('a', 'a', 0), { message: 'the bucket is away' })
  t.equal(await vault.read('a'), undefined)
  t.equal(await vault.readNear('a'), undefined)
})

t.test('what this machine has is read without the bucket, what is newer only with it', async (t) => {
  t.testdir()
  const objects = await bucket(t)
  let isAway = false
  const asked: string[] = []
  const remote = watched(objects, (call) => {
    asked.push(call)
    if (isAway) throw new Error('the bucket is away')
  })
  const one = await startMachine(t, join(t.testdirName, 'one'), { remote })
  const other = await startMachine(t, join(t.testdirName, 'other'), { remote: objects })
  const first = await other.vault.write('certs/a', '1', 0)
  t.match(await one.vault.readNear('certs/a'), { text: '1' }, 'not had yet: the bucket is asked')
  asked.length = 0
  t.match(await one.vault.readNear('certs/a'), { text: '1' })
  t.same(asked, [], 'had: it is not')
  const second = await other.vault.write('certs/a', '2', first)
  isAway = true
  t.match(await one.vault.readNear('certs/a'), { text: '1' })
  await t.rejects(one.vault.read('certs/a'), { message: 'the bucket is away' })
  isAway = false
  t.strictSame(await one.vault.read('certs/a'), { text: '2', number: second })
  t.match(await one.vault.readNear('certs/a'), { text: '2' })
  t.equal((await filesIn(join(t.testdirName, 'one'))).length, 1, 'one copy of it stays')
  asked.length = 0
  await one.vault.read('certs/a')
  t.same(asked, ['list'], 'what was read once is not sent again')
})

t.test('a copy that is damaged is had from the bucket again', async (t) => {
  t.testdir()
  const folder = join(t.testdirName, 'folder')
  const { vault, logged } = await startMachine(t, folder, { remote: await bucket(t) })
  const number = await vault.write('a', 'text', 0)
  await writeFile(join(folder, objectOf('a', { number, isGone: false })), 'half')
  t.match(await vault.readNear('a'), { text: 'text' })
  t.match(logged.join(''), /copy of a record cannot be used/)
  t.match(await vault.readNear('a'), { text: 'text' })
})

t.test('a folder that cannot be written to takes away the copies, not the records', async (t) => {
  t.testdir()
  const folder = join(t.testdirName, 'folder')
  const { vault, logged } = await startMachine(t, folder, { remote: await bucket(t) })
  await writeFile(join(folder, dirname(objectOf('a', { number: 1, isGone: false }))), 'a file where a folder has to be')
  const number = await vault.write('a', 'text', 0)
  t.strictSame(await vault.read('a'), { text: 'text', number })
  await vault.remove('a')
  t.equal(await vault.read('a'), undefined)
  t.match(logged.join(''), /cannot be kept in the folder/)
})

t.test('who was passed while it wrote is told so, even when its number is free again', async (t) => {
  t.testdir()
  const objects = await bucket(t)
  const held = Promise.withResolvers<void>()
  let isHeld = false
  const slow = watched(objects, async (call) => {
    if (call !== 'create') return
    isHeld = true
    await held.promise
  })
  const one = await startMachine(t, join(t.testdirName, 'one'), { remote: slow })
  const other = await startMachine(t, join(t.testdirName, 'other'), { remote: objects })
  let number = await other.vault.write('a', '1', 0)
  const late = t.rejects(one.vault.write('a', 'late', number), { code: 'ERR_CERT_RACED' })
  await until(() => isHeld)
  for (const text of ['2', '3', '4', '5']) number = await other.vault.write('a', text, number)
  held.resolve()
  await late
  t.strictSame(await one.vault.read('a'), { text: '5', number })
  t.notMatch(await filesIn(join(t.testdirName, 'bucket')), /0000000000000002$/, 'and takes it back')
})

t.test('a list of many keys looks at none of them', async (t) => {
  const folder = t.testdir()
  const files = Array.from({ length: 5_000 }, (_, n) => objectOf(`certs/${n}`, { number: 1, isGone: false }))
  for (const made of new Set(files.map((file) => dirname(file)))) await mkdir(join(folder, made), { recursive: true })
  await Promise.all(files.map((file) => writeFile(join(folder, file), '')))
  const looked: string[] = []
  const look = (path: string): never => {
    looked.push(path)
    throw new Error('not needed')
  }
  const { files: disk } = nodeEnvironment
  const lookAtRecord = (path: string) => (path.includes('certs/') ? look(path) : disk.stat(path))
  const vault = await openVault({
    env: {
      ...nodeEnvironment,
      sleep: async () => {},
      files: { ...disk, read: look, readRange: look, stat: lookAtRecord },
    },
    folder,
    log: (await import('pino')).pino({ level: 'silent' }),
  })
  t.equal(new Set(await Array.fromAsync(vault.list('certs/'))).size, 5_000)
  t.equal(await vault.sweep(), 0)
  t.same(looked, [])
  await vault[Symbol.asyncDispose]()
})

t.test('what is no record is not listed and harms none', async (t) => {
  const folder = t.testdir()
  const { vault } = await startMachine(t, folder)
  await vault.write('certs/a', 'a', 0)
  const [file = ''] = await filesIn(folder)
  const strange = [
    'note',
    'note.txt',
    'certs/.hidden',
    `${file}.bak`,
    `${file.slice(0, -3)}`,
    'certs/zz/a.0000000000000009',
  ]
  await mkdir(join(folder, 'certs/zz'), { recursive: true })
  for (const name of strange) await writeFile(join(folder, name), 'x')
  t.same(await Array.fromAsync(vault.list('')), ['certs/a'])
  t.match(await vault.read('certs/a'), { text: 'a' })
  await vault.sweep()
  t.match(await vault.read('certs/a'), { text: 'a' })
})

t.test('a folder that cannot be one is refused', async (t) => {
  const folder = t.testdir({ file: 'x' })
  await t.rejects(startMachine(t, join(folder, 'file')), { code: 'ERR_DATA_IO' })
})
