import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { Environment, Files } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { folderObjects } from '../../../store/objects/folder-objects.ts'
import { keysOf, objectsContract, sha256 } from './contract.ts'

/** The real disk with some calls changed. */
function diskWith(changed: Partial<Files>): Environment {
  return { ...nodeEnvironment, files: { ...nodeEnvironment.files, ...changed } }
}

function systemError(code: string, syscall = 'write'): Error {
  return Object.assign(new Error(`${code}: it failed, ${syscall}`), { code, syscall })
}

t.test('a folder', (t) => {
  objectsContract(t, async (t) => {
    t.teardown(() => rm(t.testdirName, { recursive: true, force: true }))
    return folderObjects(nodeEnvironment, join(t.testdirName, 'deep', 'objects'))
  })
  t.end()
})

t.test('a folder says what it is', async (t) => {
  const folder = t.testdir()
  const objects = await folderObjects(nodeEnvironment, folder)
  t.match(objects, { name: folder, isRemote: false, requests: {} })
  t.equal(objects.presign, undefined)
  await objects[Symbol.asyncDispose]()
})

t.test('what an earlier process had not finished goes at the opening, and what is no key is not listed', async (t) => {
  const folder = t.testdir({ '.new': { abc: 'half' }, a: { b: 'whole', '.x': 'stranger', B: 'stranger' } })
  const objects = await folderObjects(nodeEnvironment, folder)
  t.same(await readdir(join(folder, '.new')), [])
  t.same(await keysOf(objects, ''), ['a/b'])
  t.equal((await objects.read('a/b')).toString(), 'whole')
})

t.test('in a shared folder only what was begun long ago goes, by the clock of the disk', async (t) => {
  const folder = t.testdir({ '.new': { old: 'half', fresh: 'being written' } })
  const [old, fresh] = [join(folder, '.new/old'), join(folder, '.new/fresh')]
  const nowS = Date.now() / 1000
  await utimes(old, nowS, nowS - limits.objects.abandonedMs / 1000 - 60)
  await utimes(fresh, nowS, nowS - limits.objects.abandonedMs / 1000 + 60)
  const elsewhere = { ...nodeEnvironment, now: () => 0 }
  const one = await folderObjects(elsewhere, folder, { isShared: true })
  t.same(await readdir(join(folder, '.new')), ['fresh'])
  const other = await folderObjects(nodeEnvironment, folder, { isShared: true })
  t.equal(await one.create('a', { bytes: Buffer.from('1') }), 'created')
  await t.rejects(other.create('a', { bytes: Buffer.from('2') }), { code: 'ERR_OBJECTS', details: { reason: 'taken' } })
})

t.test('a file that is durable gets a second name, where that is possible', async (t) => {
  const folder = t.testdir({ file: 'content' })
  const file = join(folder, 'file')
  const source = { file, length: 7, sha256: sha256(Buffer.from('content')), isDurable: true }
  const objects = await folderObjects(nodeEnvironment, join(folder, 'objects'))
  await objects.create('linked', source)
  t.equal((await stat(join(folder, 'objects/linked'))).ino, (await stat(file)).ino)
  await objects.create('copied', { ...source, isDurable: false })
  t.not((await stat(join(folder, 'objects/copied'))).ino, (await stat(file)).ino)

  const elsewhere = diskWith({
    link: async (from, to) => {
      if (from === file) throw systemError('EXDEV', 'link')
      await nodeEnvironment.files.link(from, to)
    },
  })
  const other = await folderObjects(elsewhere, join(folder, 'other'))
  t.equal(await other.create('copied', source), 'created')
  t.equal(await readFile(join(folder, 'other/copied'), 'utf8'), 'content')
})

t.test('everything is on the disk before a create is answered: bytes, name, and folders', async (t) => {
  const folder = join(t.testdir(), 'objects')
  const done: string[] = []
  const { files } = nodeEnvironment
  const env = diskWith({
    async create(path) {
      const writer = await files.create(path)
      return {
        write: async (bytes) => {
          done.push('write')
          await writer.write(bytes)
        },
        sync: async () => {
          done.push('sync')
          await writer.sync()
        },
        close: () => writer.close(),
      }
    },
    async link(from, to) {
      done.push(`link ${to.slice(folder.length)}`)
      await files.link(from, to)
    },
    async makeFolder(path) {
      done.push(`folder ${path.slice(folder.length)}`)
      await files.makeFolder(path)
    },
    async syncFolder(path) {
      done.push(`sync ${path.slice(folder.length)}`)
      await files.syncFolder(path)
    },
    async rename(from, to) {
      done.push(`rename ${to.slice(folder.length)}`)
      await files.rename(from, to)
    },
  })
  const objects = await folderObjects(env, folder)
  done.length = 0
  await objects.create('a/b/c', { bytes: Buffer.from('x') })
  t.same(done, ['folder /a', 'sync ', 'folder /a/b', 'sync /a', 'write', 'sync', 'link /a/b/c', 'sync /a/b'])
  done.length = 0
  await objects.create('a/b/d', { bytes: Buffer.from('x') })
  t.same(done, ['write', 'sync', 'link /a/b/d', 'sync /a/b'], 'folders that are durable are not made again')
  done.length = 0
  await objects.create('a/b/d', { bytes: Buffer.from('x') })
  t.same(done, ['sync /a/b'], 'a name of somebody else may not be durable yet')
  done.length = 0
  await objects.replace('a/b/d', Buffer.from('y'))
  t.same(done, ['write', 'sync', 'rename /a/b/d', 'sync /a/b'])
})

t.test('a disk that is full, read-only or broken is told with what to do, and leaves nothing', async (t) => {
  const folder = t.testdir({ file: 'x' })
  const source = { file: join(folder, 'file'), length: 1, sha256: sha256(Buffer.from('x')) }
  let failing: Partial<Record<keyof Files | 'write' | 'fsync', string>> = {}
  const fails = (call: keyof typeof failing) => {
    const code = failing[call]
    if (code !== undefined) throw systemError(code, call)
  }
  const { files } = nodeEnvironment
  const env = diskWith({
    async create(path) {
      fails('create')
      const writer = await files.create(path)
      return {
        write: async (bytes) => {
          fails('write')
          await writer.write(bytes)
        },
        sync: async () => {
          fails('fsync')
          await writer.sync()
        },
        close: () => writer.close(),
      }
    },
    async link(from, to) {
      fails('link')
      await files.link(from, to)
    },
    async rename(from, to) {
      fails('rename')
      await files.rename(from, to)
    },
    async stat(path) {
      fails('stat')
      return files.stat(path)
    },
    async readRange(path, offset, length) {
      fails('readRange')
      return files.readRange(path, offset, length)
    },
    async list(path) {
      fails('list')
      return files.list(path)
    },
    async remove(path) {
      fails('remove')
      return files.remove(path)
    },
  })
  const objects = await folderObjects(env, join(folder, 'objects'))
  await objects.create('here', source)
  const table: [Partial<typeof failing>, () => Promise<unknown>, RegExp][] = [
    [{ write: 'ENOSPC' }, () => objects.create('a', source), /free some space/],
    [{ fsync: 'EIO' }, () => objects.create('a', source), /the disk fails/],
    [{ create: 'EROFS' }, () => objects.create('a', source), /read-only/],
    [{ link: 'ENOSPC' }, () => objects.create('a', source), /free some space/],
    [{ write: 'ENOSPC' }, () => objects.replace('a', Buffer.from('x')), /free some space/],
    [{ rename: 'EROFS' }, () => objects.replace('a', Buffer.from('x')), /read-only/],
    [{ stat: 'EIO' }, () => objects.stat('here'), /the disk fails/],
    [{ readRange: 'EIO' }, () => objects.read('here'), /the disk fails/],
    [{ list: 'EIO' }, () => keysOf(objects, ''), /the disk fails/],
    [{ remove: 'EROFS' }, () => objects.remove(['here']), /read-only/],
  ]
  for (const [fault, act, hint] of table) {
    failing = fault
    await t.rejects(act(), { code: 'ERR_DATA_IO', hint }, JSON.stringify(fault))
  }
  failing = {}
  t.same(await keysOf(objects, ''), ['here'])
  t.same(await readdir(join(folder, 'objects/.new')), [])
  t.equal(await objects.create('a', source), 'created', 'and it goes on when the disk does')
})

t.test('a disk that failed to make a name durable is not believed again', async (t) => {
  const folder = join(t.testdir(), 'objects')
  let code: string | undefined
  const env = diskWith({
    async syncFolder(path) {
      if (code !== undefined) throw systemError(code, 'fsync')
      await nodeEnvironment.files.syncFolder(path)
    },
  })
  const objects = await folderObjects(env, folder)
  code = 'EMFILE'
  await t.rejects(objects.create('a', { bytes: Buffer.from('x') }), { code: 'ERR_DATA_IO', hint: /more files/ })
  code = undefined
  t.equal(await objects.create('a', { bytes: Buffer.from('x') }), 'exists', 'too many open files are no fault of it')
  code = 'EIO'
  await t.rejects(objects.create('b', { bytes: Buffer.from('x') }), { code: 'ERR_DATA_IO', hint: /the disk fails/ })
  code = undefined
  await t.rejects(objects.create('b', { bytes: Buffer.from('x') }), { code: 'ERR_DATA_IO', message: /not believed/ })
  t.equal((await objects.read('a')).toString(), 'x', 'reads go on')
})

t.test('a folder that can be none is told at the opening', async (t) => {
  const folder = t.testdir({ file: 'x' })
  await t.rejects(folderObjects(nodeEnvironment, join(folder, 'file')), { code: 'ERR_DATA_IO', hint: /./ })
})

t.test('an object that shrinks while it is read is short, not wrong', async (t) => {
  const folder = t.testdir({ a: 'content' })
  const env = diskWith({ readRange: async () => Buffer.from('cont') })
  const objects = await folderObjects(env, folder)
  await t.rejects(objects.read('a'), { code: 'ERR_OBJECTS', details: { reason: 'short' } })
})

t.test('more than fits into memory is not read at once', async (t) => {
  const folder = t.testdir({ a: 'content' })
  const env = diskWith({ stat: async () => ({ bytes: 2 ** 31, modifiedMs: 0, isFolder: false }) })
  const objects = await folderObjects(env, folder)
  await t.rejects(objects.read('a'), { code: 'ERR_TOO_LARGE' })
  await t.rejects(objects.read('a', { offset: 0, length: 2 ** 30 }), { code: 'ERR_TOO_LARGE' })
})
