import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createFile, makePrivateFolder, readIfThere, removeLeftovers, replaceFile } from '../../core/private-file.ts'

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

t.test('a folder is its owner’s alone, also when it was open to others before', async (t) => {
  const root = t.testdir({ open: {} })
  await makePrivateFolder(join(root, 'a/b'))
  t.equal(await modeOf(join(root, 'a/b')), 0o700)
  await makePrivateFolder(join(root, 'open'))
  t.equal(await modeOf(join(root, 'open')), 0o700)
})

t.test('a file is replaced whole, with mode 0600 or the one asked for, and nothing is left beside it', async (t) => {
  const root = t.testdir({ keys: 'old' })
  await replaceFile(join(root, 'keys'), 'new')
  await replaceFile(join(root, 'public'), 'for all', 0o644)
  t.equal(await readFile(join(root, 'keys'), 'utf8'), 'new')
  t.equal(await modeOf(join(root, 'keys')), 0o600)
  t.equal(await modeOf(join(root, 'public')), 0o644)
  t.strictSame((await readdir(root)).sort(), ['keys', 'public'])
})

t.test('reading tells a file that is not there from one that cannot be read', async (t) => {
  const root = t.testdir({ file: 'text', folder: {} })
  t.equal(await readIfThere(join(root, 'file')), 'text')
  t.equal(await readIfThere(join(root, 'missing')), undefined)
  await t.rejects(readIfThere(join(root, 'folder')), { code: 'EISDIR' })
})

t.test('a replacement that cannot happen leaves nothing behind', async (t) => {
  const root = t.testdir({ folder: { inside: '' } })
  await t.rejects(replaceFile(join(root, 'folder'), 'text'))
  t.strictSame(await readdir(root), ['folder'])
})

t.test('of many that create one file at once, one does, and its content stays', async (t) => {
  const root = t.testdir({})
  const made = await Promise.all(Array.from({ length: 10 }, (_, i) => createFile(join(root, 'key'), `writer ${i}`)))
  t.equal(made.filter(Boolean).length, 1)
  t.equal(await readFile(join(root, 'key'), 'utf8'), `writer ${made.indexOf(true)}`)
  t.equal(await modeOf(join(root, 'key')), 0o600)
  t.strictSame(await readdir(root), ['key'])
})

t.test('creating a file where there can be none is an error, not an existing file', async (t) => {
  await t.rejects(createFile(join(t.testdir({}), 'no-folder/key'), ''), { code: 'ENOENT' })
})

t.test('leftovers of killed writers go after a minute; other files and fresh ones stay', async (t) => {
  const root = t.testdir({ 'key.0123456789abcdef.tmp': '', 'key.fedcba9876543210.tmp': '', 'notes.tmp': '' })
  const longAgo = new Date(Date.now() - 120_000)
  for (const name of ['key.0123456789abcdef.tmp', 'notes.tmp']) await utimes(join(root, name), longAgo, longAgo)
  await writeFile(join(root, 'key'), '')
  t.equal(await removeLeftovers(root), 1)
  t.strictSame((await readdir(root)).sort(), ['key', 'key.fedcba9876543210.tmp', 'notes.tmp'])
})
