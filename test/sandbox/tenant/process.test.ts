import { readdir } from 'node:fs/promises'
import t from 'tap'
import { bundleOf, smallPrelude } from '../fixtures/small-prelude.ts'
import { startTenant, type TestTenant } from '../fixtures/tenant-process.ts'

const url = 'https://a.example/'
const hang = 'Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)'

/** Resolves when no sign of life has come for a while: the process rests, and its watchdog has rested before. */
async function rests(tenant: TestTenant): Promise<void> {
  for (let beats = -1; beats !== tenant.beats(); await new Promise((resolve) => setTimeout(resolve, 400)))
    beats = tenant.beats()
}

t.test('a watchdog that rests is woken by an entry, and ends one that does not end', async (t) => {
  const tenant = await startTenant(smallPrelude)
  t.teardown(() => tenant.close())
  await tenant.load({
    bundle: bundleOf(`{ fetch: (request) => { if (request.url.endsWith('hang')) ${hang}; return { body: 'x' } } }`),
  })
  await rests(tenant)
  t.match(await tenant.request(url).answer, { body: 'x' })
  await rests(tenant)
  const { answer } = tenant.request(`${url}hang`)
  const end = await tenant.ended
  t.match(end, { signal: 'SIGKILL', words: { reason: 'cpu' } })
  t.ok((end.words?.limit ?? 0) >= 100, 'more while the machine is busy')
  t.ok((end.words?.value ?? 0) > 350)
  t.match(await answer, { cut: true })
})

t.test('memory above the bound ends the process, and says how much it was', async (t) => {
  const tenant = await startTenant(smallPrelude)
  t.teardown(() => tenant.close())
  const grow = `{ fetch() { globalThis.all ??= []; const buffer = new ArrayBuffer(0, { maxByteLength: 2 ** 24 }); buffer.resize(2 ** 24); new Uint8Array(buffer).fill(1); all.push(buffer); return {} } }`
  await tenant.load({ bundle: bundleOf(grow), limits: { processMiB: 256 } })
  let isCut = false
  while (!isCut) isCut = (await tenant.request(url).answer).cut
  const { words } = await tenant.ended
  t.match(words, { reason: 'memory', limit: 256 * 2 ** 20 })
  t.ok((words?.value ?? 0) > 256 * 2 ** 20)
})

t.test('a process has its links and nothing else, and ends with its supervisor', async (t) => {
  const tenant = await startTenant(smallPrelude, 2)
  t.teardown(() => tenant.close())
  await tenant.load({ bundle: bundleOf(`{ fetch: () => ({ body: 'x' }) }`) })
  t.match(await tenant.request(url, {}, 0).answer, { body: 'x' })
  t.match(await tenant.request(url, {}, 1).answer, { body: 'x' })
  const files: readonly string[] = await readdir(`/proc/${tenant.pid}/cwd/`).catch(() => [])
  t.ok(files.includes('proc'), 'it lies at the root')
  tenant.supervisor.close()
  t.match(await tenant.ended, { code: 0, signal: null })
})
