import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { openManaged } from '../../certs/managed.ts'
import { encodeRecord, newRecord, recordKey } from '../../certs/managed-record.ts'
import type { VaultRecord } from '../../certs/vault.ts'
import { limits } from '../../core/limits.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { silentLog } from '../control/fixtures/silent-log.ts'
import { plainVault } from './fixtures/plain-vault.ts'
import { quickCertificate } from './fixtures/quick-certificate.ts'

const dayMs = 86_400_000
const nowMs = Date.now()
const names = Array.from({ length: 20_000 }, (_, index) => `site-${index}.example.com`)

/** A vault that has a certificate for every name, and makes its record when it is read. */
function bigVault() {
  const life = { notBeforeMs: nowMs - dayMs, notAfterMs: nowMs + 89 * dayMs }
  const { chain, key } = quickCertificate({ names: ['*.example.com'], ...life, serial: 'many' })
  const byKey = new Map(names.map((name) => [recordKey(name), name]))
  const counts = { reads: 0, under: 0, most: 0 }
  const vault = plainVault(new Map())
  const read = async (recordAt: string): Promise<VaultRecord | undefined> => {
    counts.reads += 1
    counts.under += 1
    counts.most = Math.max(counts.most, counts.under)
    await turn()
    counts.under -= 1
    const name = byKey.get(recordAt)
    if (name === undefined) return undefined
    const certificate = { chain, key, id: `id of ${name}`, issuerId: 'i', directory: 'https://ca.test/dir', ...life }
    const renewal = { id: certificate.id, askAgainMs: nowMs + dayMs }
    return { number: 1, text: encodeRecord({ ...newRecord(name), certificate, renewal, obtainedAtMs: nowMs }) }
  }
  return { counts, vault: { ...vault, read, readNear: read } }
}

t.test('thousands of certificates are gone through in the background, a few at a time', async (t) => {
  const { counts, vault } = bigVault()
  const managed = openManaged({
    vault,
    environment: nodeEnvironment,
    log: silentLog,
    issuers: [],
    solvers: () => [],
    keyKind: 'ecdsa',
  })
  t.teardown(() => managed[Symbol.asyncDispose]())
  managed.want(names)
  t.ok(counts.reads <= limits.managed.reads, 'nothing waits for it')
  t.equal((await managed.find(names.at(-1) as string)).length, 1, 'the last one is there before it is gone through')
  t.ok(counts.reads < names.length / 10, `${counts.reads} reads until then`)
  while (managed.list().some(({ state }) => state !== 'valid'))
    for (let turns = 0; turns < 500; turns += 1) await turn()
  t.ok(counts.most <= limits.managed.reads + 1, `${counts.most} reads at once`)
  t.equal(counts.reads, names.length + 1, 'each once')
  t.equal(managed.list().length, names.length)
  const reads = counts.reads
  t.strictSame(await managed.find('nobody.example.org'), [])
  t.equal(counts.reads, reads, 'a name of nobody reads nothing')
})
