import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { blobFile, type Layout, layoutOf } from '../../../core/layout.ts'
import { limits } from '../../../core/limits.ts'
import { openFreshNames } from '../../../store/contents/fresh-names.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'

const hashOf = (content: string) => createHash('sha256').update(content).digest('hex')

function prepare(t: Test): { layout: Layout; put(content: string, as?: string): string } {
  const layout = layoutOf(t.testdir())
  return {
    layout,
    put(content, as = content) {
      const file = blobFile(layout, hashOf(content))
      mkdirSync(join(file, '..'), { recursive: true })
      writeFileSync(file, as)
      return hashOf(content)
    },
  }
}

/** The names are there already. */
const given = async () => {}

const notes = ({ fresh }: Layout) => readdirSync(fresh)

t.test('what was noted and is not whole after a crash is removed; what is whole stays', async (t) => {
  const { layout, put } = prepare(t)
  const names = await openFreshNames(nodeEnvironment, layout)
  const [whole, torn] = [put('whole'), put('torn', 't\0rn')]
  await Promise.all([
    names.note([whole], given),
    names.note([torn, hashOf('never came')], given),
    names.note([], given),
  ])
  t.equal(notes(layout).length, 1, 'notes at one time share a file')
  const repeated = names.note([whole], given)
  await Promise.all([repeated, names.note([torn], given), names.note([whole], given)])
  t.equal(notes(layout).length, 2)
  const cut = put('was cut', '')
  const old = put('noted by nobody', 'nobody looks at this')
  writeFileSync(join(layout.fresh, '7'), `${cut}\n${whole}\nhalf a li`)
  writeFileSync(join(layout.fresh, 'readme'), old)
  const again = await openFreshNames(nodeEnvironment, layout)
  t.same(
    [whole, torn, cut, old].map((hash) => existsSync(blobFile(layout, hash))),
    [true, false, false, true],
  )
  t.same(notes(layout), ['readme'])
  await again.note([whole], given)
  t.same(notes(layout).sort(), ['8', 'readme'], 'numbers go on')
  t.equal(readFileSync(join(layout.fresh, '8'), 'utf8'), `${whole}\n`)
})

t.test('a name is noted, durably, before it is given', async (t) => {
  const { layout } = prepare(t)
  const steps: string[] = []
  const { files } = nodeEnvironment
  const env: Environment = {
    ...nodeEnvironment,
    files: {
      ...files,
      async create(path) {
        const writer = await files.create(path)
        return {
          ...writer,
          async write(bytes) {
            steps.push('write')
            await writer.write(bytes)
          },
          async sync() {
            steps.push('sync')
            await writer.sync()
          },
        }
      },
      async syncFolder(path) {
        steps.push(`sync folder ${path === layout.fresh}`)
        await files.syncFolder(path)
      },
    },
  }
  const names = await openFreshNames(env, layout)
  await names.note([hashOf('a')], given)
  t.same(steps, ['sync folder false', 'write', 'sync', 'sync folder true'])
})

t.test(
  'after a while contents are forced to disk and the note goes; one that the disk does not take goes, too',
  async (t) => {
    const { layout, put } = prepare(t)
    let nowMs = 0
    const synced: string[] = []
    const { files } = nodeEnvironment
    const bad = hashOf('bad')
    const env: Environment = {
      ...nodeEnvironment,
      monotonic: () => nowMs,
      files: {
        ...files,
        async syncFile(path) {
          if (path.endsWith(bad)) throw Object.assign(new Error('EIO'), { code: 'EIO' })
          await files.syncFile(path)
          synced.push(path)
        },
      },
    }
    const names = await openFreshNames(env, layout)
    const [a, b] = [put('a'), put('b')]
    put('bad')
    await names.note([a, bad, hashOf('gone')], given)
    t.same(notes(layout), ['1'])
    nowMs += limits.store.freshMs + 1
    await names.note([b], given)
    await names.flush()
    t.same(notes(layout), [], 'none is left')
    t.same(synced.sort(), [blobFile(layout, a), blobFile(layout, b)].sort())
    t.equal(existsSync(blobFile(layout, bad)), false)
    await names.note([a], given)
    t.same(notes(layout), ['3'])
    await names.flush()
    await names.flush()
    t.same(notes(layout), [])
  },
)

t.test('contents stay noted until they have their names, however late that is', async (t) => {
  const { layout, put } = prepare(t)
  let nowMs = 0
  const names = await openFreshNames({ ...nodeEnvironment, monotonic: () => nowMs }, layout)
  await names.note([hashOf('a')], given)
  nowMs += limits.store.freshMs + 1
  const named = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const slow = names.note([hashOf('late')], () => {
    begun.resolve()
    return named.promise
  })
  await begun.promise
  await names.note([hashOf('other')], given)
  const isNoted = () =>
    notes(layout).some((name) => readFileSync(join(layout.fresh, name), 'utf8').includes(hashOf('late')))
  t.ok(isNoted(), 'though it is time to force them to disk')
  put('late')
  named.resolve()
  await slow
  await names.flush()
  t.same(notes(layout), [])
  const failing = names.note([put('failed')], () => Promise.reject(new Error('no name')))
  await t.rejects(failing, /no name/)
  await names.flush()
  t.same(notes(layout), [], 'whoever fails is not waited for')
})

t.test('names of contents, and that some are gone, are on the disk before the note goes', async (t) => {
  const { layout, put } = prepare(t)
  const steps: string[] = []
  const { files } = nodeEnvironment
  const watched: Environment['files'] = {
    ...files,
    async syncFolder(path) {
      steps.push(`sync ${path.slice(layout.root.length)}`)
      await files.syncFolder(path)
    },
    async remove(path) {
      steps.push(`remove ${path.slice(layout.root.length)}`)
      return files.remove(path)
    },
  }
  const names = await openFreshNames({ ...nodeEnvironment, files: watched }, layout)
  const [kept, evicted] = [put('kept'), put('evicted')]
  await names.note([kept, evicted], given)
  await files.remove(blobFile(layout, evicted))
  steps.length = 0
  await names.flush()
  const folders = [kept, evicted].map((hash) => `sync /blobs/${hash.slice(0, 2)}`)
  t.same(steps.slice(0, 2).sort(), folders.sort())
  t.same(steps.slice(2), ['remove /fresh/1'])
})

t.test('a note that fails fails alone, and what cannot be checked is told', async (t) => {
  const { layout } = prepare(t)
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
  let isFull = true
  const { files } = nodeEnvironment
  const env: Environment = {
    ...nodeEnvironment,
    files: {
      ...files,
      async create(path) {
        if (isFull) throw full
        return files.create(path)
      },
      async read() {
        throw full
      },
    },
  }
  const names = await openFreshNames(env, layout)
  await t.rejects(names.note([hashOf('a')], given), { code: 'ERR_DATA_IO', message: /note contents of the cache/ })
  isFull = false
  await names.note([hashOf('a')], given)
  await t.rejects(openFreshNames(env, layout), { code: 'ERR_DATA_IO', message: /check contents of the cache/ })
})
