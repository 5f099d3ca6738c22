import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { blobFile, layoutOf } from '../../../core/layout.ts'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import type { Op } from '../../../core/sandbox-messages.ts'
import type { SupervisorToControl } from '../../../core/supervisor-messages.ts'
import type { LoadedCode } from '../../../sandbox/supervisor/codes.ts'
import { createHostOperations } from '../../../sandbox/supervisor/host-operations.ts'

const content = Buffer.from('a file')
const hash = createHash('sha256').update(content).digest('hex')
const code: LoadedCode = {
  site: 'a',
  version: 3,
  bundle: { hash, bytes: content.length },
  wasm: [],
  vars: {},
  secrets: [],
  placeheld: [],
  limits: defaultSandboxLimits,
  assets: true,
  data: true,
}

/** Operations whose control answers as a test wants. */
function operationsOf(t: Test, answer: (message: SupervisorToControl) => unknown) {
  const layout = layoutOf(t.testdir())
  const file = blobFile(layout, hash)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  const asked: SupervisorToControl[] = []
  const ended: string[] = []
  const operations = createHostOperations({
    layout,
    control: {
      call: async (message) => {
        asked.push(message)
        return answer(message)
      },
    },
    fetch: {
      run: async ({ op }) => ({ head: { status: 200, statusText: '', headers: [], url: op.url, redirected: false } }),
      ended: (process) => ended.push(process),
    },
  })
  const run = (op: Op, body?: Readable, more: Partial<LoadedCode> = {}) =>
    operations.run({ process: 'p', op, code: { ...code, ...more }, body, signal: new AbortController().signal })
  return { run, asked, ended, operations }
}

const base = { request: 'r', version: 3 }
const text = async (body: Readable | undefined) => Buffer.concat(await (body as Readable).toArray()).toString()

t.test('fetch goes to whoever does it', async (t) => {
  const { run, ended, operations } = operationsOf(t, () => {})
  const url = 'https://example.com/'
  const op: Op = { ...base, kind: 'fetch', method: 'GET', url, headers: [], redirect: 'follow', hasBody: false }
  t.match(await run(op), { head: { status: 200, url } })
  operations.ended?.('p')
  t.same(ended, ['p'])
})

t.test('data is asked of control, for the site of the process', async (t) => {
  const { run, asked } = operationsOf(t, ({ kind }) => ({
    answer: { found: true, tag: '1', hasBody: true },
    value: kind === 'data' ? Buffer.from('value').toString('base64') : undefined,
  }))
  const answer = await run({ ...base, kind: 'data', call: { method: 'get', key: 'k' }, hasBody: false })
  t.match(answer.head, { found: true, tag: '1' })
  t.equal(await text(answer.body), 'value')
  t.match(asked, [{ kind: 'data', site: 'a', call: { method: 'get', key: 'k' } }])
})

t.test('a value to put goes along, up to its bound', async (t) => {
  const { run, asked } = operationsOf(t, () => ({ answer: { done: true, tag: '2', hasBody: false } }))
  const put = { ...base, kind: 'data', call: { method: 'put', key: 'k' }, hasBody: true } as const
  t.match(await run(put, Readable.from([Buffer.from('val'), Buffer.from('ue')])), {
    head: { done: true },
    body: undefined,
  })
  t.match(asked, [{ value: Buffer.from('value').toString('base64') }])
  const large = Readable.from(Array.from({ length: 20 }, () => Buffer.alloc(65_536)))
  await t.rejects(run(put, large), { code: 'ERR_TOO_LARGE' })
  t.ok(large.destroyed)
  await t.rejects(run({ ...put, hasBody: false }), { code: 'ERR_BAD_REQUEST' })
  await t.rejects(run({ ...put, call: { method: 'get', key: 'k' } }, Readable.from([])), { code: 'ERR_BAD_REQUEST' })
})

t.test('an answer of control that does not fit is no answer', async (t) => {
  const { run } = operationsOf(t, () => ({ answer: { what: 1 } }))
  await t.rejects(run({ ...base, kind: 'data', call: { method: 'get', key: 'k' }, hasBody: false }))
})

t.test('a file is named by control and read from the disk', async (t) => {
  let bytes = content.length
  const { run, asked } = operationsOf(t, () => ({ status: 200, headers: ['x', 'y'], content: { hash, bytes } }))
  const op: Op = { ...base, kind: 'asset', method: 'GET', url: 'http://x/file', headers: [], hasBody: false }
  const answer = await run(op)
  t.match(answer.head, { status: 200, headers: ['x', 'y'], url: 'http://x/file' })
  t.equal(await text(answer.body), 'a file')
  t.match(asked, [{ kind: 'asset', site: 'a', version: 3, method: 'GET', url: 'http://x/file' }])
  t.equal((await run({ ...op, method: 'HEAD' })).body, undefined)
  bytes = 0
  t.equal((await run(op)).body, undefined)
})

t.test('a site without data or files gets none', async (t) => {
  const { run } = operationsOf(t, () => t.fail('nobody is asked'))
  const data: Op = { ...base, kind: 'data', call: { method: 'get', key: 'k' }, hasBody: false }
  await t.rejects(run(data, undefined, { data: false }), { code: 'ERR_DENIED' })
  const asset: Op = { ...base, kind: 'asset', method: 'GET', url: 'http://x/', headers: [], hasBody: false }
  await t.rejects(run(asset, undefined, { assets: false }), { code: 'ERR_DENIED' })
})
