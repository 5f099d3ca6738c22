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

const notes = ({ fresh }: Layout) => readdirSync(fresh)

t.test('what was noted and is not whole after a crash is removed; what is whole stays', async (t) => {
  const { layout, put } = prepare(t)
  const names = await openFreshNames(nodeEnvironment, layout)
  const [whole, torn] = [put('whole'), put('torn', 't\0rn')]
  await Promise.all([names.note([whole]), names.note([torn, hashOf('never came')]), names.note([])])
  t.equal(notes(layout).length, 1, 'notes at one time share a file')
  const repeated = names.note([whole])
  await Promise.all([repeated, names.note([torn]), names.note([whole])])
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
  await again.note([whole])
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
  await names.note([hashOf('a')])
  t.same(steps, ['write', 'sync', 'sync folder true'])
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
    await names.note([a, bad, hashOf('gone')])
    t.same(notes(layout), ['1'])
    nowMs += limits.store.freshMs + 1
    await names.note([b])
    t.same(notes(layout), [], 'none is left')
    t.same(synced, [blobFile(layout, a), blobFile(layout, b)])
    t.equal(existsSync(blobFile(layout, bad)), false)
    await names.note([a])
    t.same(notes(layout), ['3'])
    await names.flush()
    await names.flush()
    t.same(notes(layout), [])
  },
)

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
  await t.rejects(names.note([hashOf('a')]), { code: 'ERR_DATA_IO', message: /note contents of the cache/ })
  isFull = false
  await names.note([hashOf('a')])
  await t.rejects(openFreshNames(env, layout), { code: 'ERR_DATA_IO', message: /check contents of the cache/ })
})
