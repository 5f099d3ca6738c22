import t from 'tap'
import { createFrontAsks, type FrontAsksOptions } from '../../control/front-asks.ts'
import { GroveError } from '../../core/errors.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { usageOf } from './fixtures/usage.ts'

function create(options: Partial<FrontAsksOptions> = {}) {
  const done: unknown[] = []
  const ask = createFrontAsks({
    certificate: async ({ name }) => ({ name, chain: 'c', key: 'k', notBeforeMs: 0, notAfterMs: 2, renewAtMs: 1 }),
    content: async ({ hash }) => void done.push(hash),
    copy: async ({ coding }) => void done.push(coding),
    usage: async (usage) => void done.push(usage),
    log: silentLog,
    ...options,
  })
  return { ask, done }
}

const hash = 'a'.repeat(64)
const content = { kind: 'content', site: 'blog', hash, bytes: 5 } as const
const copy = { kind: 'copy', site: 'blog', hash, coding: 'br', bytes: 3, type: 'text/html' } as const

t.test('a front gets what it asks for, or the reason why not', async (t) => {
  const { ask, done } = create()
  t.match(await ask({ kind: 'certificate', name: 'blog.localhost' }), { name: 'blog.localhost', chain: 'c' })
  t.same(await ask(content), {})
  t.same(await ask(copy), {})
  const usage = [usageOf('blog', 1)]
  t.same(await ask({ kind: 'usage', usage }), {})
  t.same(done, [hash, 'br', usage])
  const refuse = async () => {
    throw new GroveError('ERR_BLOB_MISSING', 'nowhere')
  }
  const failing = create({ content: refuse, usage: refuse, copy: refuse })
  await t.rejects(failing.ask(content), { code: 'ERR_BLOB_MISSING' })
  await t.rejects(failing.ask({ kind: 'usage', usage }), { code: 'ERR_BLOB_MISSING' })
  t.same(await failing.ask(copy), {}, 'nobody waits for a copy')
})
