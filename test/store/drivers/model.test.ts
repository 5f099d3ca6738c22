import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import type { Environment } from '../../../store/environment.ts'
import { createLocalStore } from '../../../store/logs/create-store.ts'
import type { Store } from '../../../store/store.ts'
import { fileRecords } from '../fixtures/drivers.ts'
import { prelude, runSteps, type Step, step } from '../fixtures/model-steps.ts'

// The memory driver is the model; whatever is asked of both, SQLite has to answer the same.

type Open = (env: Environment) => Promise<Store>

async function compare(t: Test, openOther: Open, numRuns: number, seen: Set<string>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 70, size: 'max' }), async (chosen: Step[]) => {
      const steps = [...prelude, ...chosen]
      const model = await runSteps((env) => openMemoryStore({ env }), steps)
      const other = await runSteps(openOther, steps)
      for (const [kind, code] of model) seen.add(`${kind},${code}`)
      if (JSON.stringify(model) !== JSON.stringify(other)) t.same(other, model)
    }),
    { numRuns },
  )
}

type Test = typeof t

/** Memory that looks like a disk, where there is any: these tests are about answers, and there are many files. */
function folderFor(t: Test): string {
  if (!existsSync('/dev/shm')) return t.testdir()
  const folder = mkdtempSync('/dev/shm/grove-test-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('SQLite answers what the model answers, whatever the steps', { timeout: 120_000 }, async (t) => {
  const folder = folderFor(t as Test)
  let count = 0
  const seen = new Set<string>()
  const inThisThread: Open = async (env) => createLocalStore(await fileRecords(join(folder, `${++count}.db`)), { env })
  await compare(t as Test, inThisThread, 250, seen)
  for (const kind of new Set(prelude.map(({ kind }) => kind))) t.ok(seen.has(`${kind},none`), `some ${kind} went well`)
  for (const kind of ['list', 'both', 'read', 'lookup', 'trim', 'merge', 'watch', 'stat', 'narrow', 'charge', 'check'])
    t.ok(seen.has(`${kind},none`), `some ${kind} went well`)
  const wanted = [
    'write,ERR_CONFLICT',
    'write,ERR_DENIED revoked',
    'write,ERR_DENIED expired',
    'write,ERR_DENIED quota',
    'charge,ERR_DENIED quota',
    'trim,ERR_BAD_REQUEST',
    'read,ERR_TRIMMED',
    'check,ERR_DENIED path',
    'check,ERR_DENIED rights',
  ]
  for (const code of wanted) t.ok(seen.has(code), `some steps came to ${code}`)
})

t.test('and so it does in its own thread', { timeout: 120_000 }, async (t) => {
  const folder = folderFor(t as Test)
  let count = 0
  await compare(t as Test, (env) => openSqliteStore(join(folder, `${++count}.db`), { env }), 12, new Set())
})
