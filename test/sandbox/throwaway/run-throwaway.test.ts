import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { runThrowaway, type ThrowawayOptions } from '../../../sandbox/throwaway/run-throwaway.ts'

const serve = new URL('../../../sandbox/throwaway/serve-throwaway.ts', import.meta.url).href
const errors = new URL('../../../core/errors.ts', import.meta.url).href

/** Runs the text of a function `(input, ask)` as the work. */
function run(t: Pick<Test, 'testdir'>, work: string, options: Partial<ThrowawayOptions> = {}) {
  const folder = t.testdir({})
  const file = join(folder, 'work.mjs')
  writeFileSync(
    file,
    `import { spawn } from 'node:child_process'
import { GroveError } from '${errors}'
import { serveThrowaway } from '${serve}'
serveThrowaway(async (input, ask) => { ${work} })`,
  )
  return runThrowaway({
    module: pathToFileURL(file),
    what: 'the work',
    input: undefined,
    timeoutMs: 20_000,
    heapMiB: 64,
    ...options,
  })
}

/** Resolves when a process is gone. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}

t.test('work and its result, bytes and all', async (t) => {
  const result = await run(t, 'return { got: input.bytes, env: process.env, cwd: process.cwd() }', {
    input: { bytes: Uint8Array.of(1, 2, 3) },
    variables: { NAME: 'value' },
  })
  t.match(result, { got: Uint8Array.of(1, 2, 3), env: { NAME: 'value' } })
  t.notOk((result as { env: Record<string, string> }).env['PATH'], 'nothing of our environment')
})

t.test('it may ask', async (t) => {
  const sum = await run(t, 'const [a, b] = await Promise.all([ask(1), ask(2)]); return a + b', {
    answer: async (question) => Number(question) * 10,
  })
  t.equal(sum, 30)
  const failed = await run(t, 'try { await ask(1) } catch (error) { return error.message }', {
    answer: () => {
      throw new Error('no')
    },
  })
  t.equal(failed, 'no')
  t.equal(await run(t, 'return ask(1).catch((error) => error.message)'), 'the work may ask nothing')
})

t.test('errors of the work', async (t) => {
  await t.rejects(run(t, "throw new GroveError('ERR_CODE', 'bad', { details: { offset: 3 }, hint: 'do it better' })"), {
    code: 'ERR_CODE',
    message: 'bad',
    details: { offset: 3 },
    hint: 'do it better',
  })
  await t.rejects(run(t, "throw new TypeError('odd')"), { code: 'ERR_INTERNAL', message: 'odd' })
})

t.test('a process that crashes, or just ends', async (t) => {
  await t.rejects(run(t, 'process.abort()'), {
    code: 'ERR_CODE',
    message: /the work ended without a result \(SIGABRT\)/,
  })
  await t.rejects(run(t, 'process.exit(3)'), { code: 'ERR_CODE', message: /code 3/ })
  await t.rejects(run(t, 'const all = []; for (;;) all.push(new Array(1e6).fill(0))'), { code: 'ERR_CODE' })
  await t.rejects(
    runThrowaway({ module: new URL('file:///gone.ts'), what: 'x', input: 1, timeoutMs: 9_999, heapMiB: 64 }),
    {
      code: 'ERR_CODE',
      cause: { message: /Cannot find module/ },
    },
  )
})

t.test('work that never ends is ended, with all that it has started', async (t) => {
  let pid = 0
  await t.rejects(
    run(
      t,
      `const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
      await ask(child.pid)
      for (;;);`,
      {
        timeoutMs: 2_000,
        answer: (question) => {
          pid = Number(question)
        },
      },
    ),
    { code: 'ERR_CODE', message: 'the work took more than 2000 ms' },
  )
  t.not(pid, 0)
  await gone(pid)
})

t.test('nobody has to wait for it', async (t) => {
  const stop = new AbortController()
  const reason = new Error('gone')
  await t.rejects(run(t, 'await ask(1); for (;;);', { signal: stop.signal, answer: () => stop.abort(reason) }), reason)
  await t.rejects(run(t, 'return 1', { signal: stop.signal }), reason)
})
