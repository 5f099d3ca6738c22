/** The supervisor on bad days: what it needs is not there, not whole, or it is killed itself. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { blobFile, type Layout } from '../../../core/layout.ts'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { startHost, until } from './fixtures/host.ts'

t.test('a program that cannot be started is told as a reason to come again', async (t) => {
  const host = await startHost(t, { entry: '/nowhere/tenant.js' })
  host.publish('a', 1, { do: 'text' })
  const front = await host.front()
  await t.rejects(front.need('a', 1), {
    code: 'ERR_SANDBOX_BUSY',
    message: /cannot be started/,
    details: { retryAfterMs: Number },
  })
  await until(() => host.supervisor.status.processes.length === 0)
})

t.test('a code that is not on the disk, or not whole, is asked of control', async (t) => {
  const asked: string[] = []
  let mend = (): void => {}
  let layout: Layout | undefined
  const host = await startHost(t, {
    laidOut: (made) => {
      layout = made
    },
    asked: (message) => {
      if (message.kind !== 'content') return undefined
      asked.push(message.hash)
      mend()
      return {}
    },
  })
  const first = host.publish('a', 1, { do: 'text', text: 'one' })
  const second = host.publish('a', 2, { do: 'text', text: 'two' })
  const third = host.publish('a', 3, { do: 'text', text: 'three' })
  const fileOf = (hash: string) => blobFile(layout as Layout, hash)
  rmSync(fileOf(first))
  mend = () => writeFileSync(fileOf(first), JSON.stringify({ do: 'text', text: 'one' }))
  const front = await host.front()
  t.equal((await front.get('a', 1)).body, 'one from 1')
  writeFileSync(fileOf(second), 'torn')
  mend = () => writeFileSync(fileOf(second), JSON.stringify({ do: 'text', text: 'two' }))
  t.equal((await front.get('a', 2)).body, 'two from 2')
  t.same(asked, [first, second])
  writeFileSync(fileOf(third), 'torn')
  mend = () => {}
  await t.rejects(front.need('a', 3), { code: 'ERR_BLOB_CORRUPT' })
})

t.test('a control that answers what is no code, or another’s, is not believed', async (t) => {
  let answer: unknown = { site: 'a' }
  const host = await startHost(t, { asked: ({ kind }) => (kind === 'code' ? answer : undefined) })
  const front = await host.front()
  await t.rejects(front.need('a', 1))
  const bundle = { hash: 'a'.repeat(64), bytes: 1 }
  answer = {
    site: 'b',
    version: 1,
    bundle,
    wasm: [],
    vars: {},
    secrets: [],
    limits: defaultSandboxLimits,
    assets: false,
    data: false,
  }
  await t.rejects(front.need('a', 1), { code: 'ERR_INTERNAL' })
  t.notOk(
    host.supervisor.status.processes.some(({ site }) => site === 'a'),
    'no process was taken for it',
  )
})

t.test('modules and a large bundle reach the process whole', async (t) => {
  const host = await startHost(t)
  const bytes = host.putContent(Buffer.alloc(700_000, 7))
  host.publish('a', 1, { do: 'text', text: 'x'.repeat(600_000) }, { wasm: [{ name: 'M', ...bytes }] })
  const front = await host.front()
  t.equal((await front.get('a', 1)).body.length, 600_000 + ' from 1'.length)
})

t.test('when the supervisor is killed its tenants go with it, also one that hangs', async (t) => {
  const program = join(import.meta.dirname, 'fixtures/doomed.ts')
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const pids = JSON.parse(line.toString()) as number[]
  t.ok(pids.length >= 2)
  child.kill('SIGKILL')
  await until(() => pids.every((pid) => !isAlive(pid)))
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
