/** Two processes on one folder and a real CA, killed while they order. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { decodeRecord } from '../../certs/managed-record.ts'
import { shareChallenges } from '../../control/shared-challenges.ts'
import { nodeEnvironment as environment } from '../../store/environment-node.ts'
import { startPebble } from '../services/pebble.ts'
import { httpSolver, makeVault, silent } from './acme/fixture.ts'
import type { ManagedChild } from './fixtures/managed-child.ts'

const names = Array.from({ length: 50 }, (_, index) => `site-${index}.example.com`)
const script = fileURLToPath(new URL('./fixtures/managed-child.ts', import.meta.url))
const kills = 8

t.test('50 names, one order each; a kill loses no account and at most the orders that were under way', async (t) => {
  const pebble = await startPebble(t, { badNonces: 5 })
  const folder = t.testdir({})
  const vault = await makeVault(t, folder)
  // As another machine's fronts would: what the children have to prove is answered here.
  const web = await httpSolver(t, pebble.httpPort)
  const answers = shareChallenges({ vault, own: () => [web], everyMs: 1_000, environment, log: silent })
  t.teardown(() => answers[Symbol.asyncDispose]())

  const { directory, roots } = pebble
  const told: ManagedChild = { directory, roots, folder, names }
  const running = new Set<ChildProcess>()
  t.teardown(() => {
    for (const child of running) child.kill('SIGKILL')
  })
  const start = () => {
    const child = spawn(process.execPath, [script, JSON.stringify(told)], { stdio: ['ignore', 'pipe', 'inherit'] })
    running.add(child)
    return child
  }
  const children = [start(), start()]
  for (let count = 0; count < kills; count += 1) {
    await pause(500 + Math.random() * 2_500)
    const index = Math.floor(Math.random() * children.length)
    const child = children[index] as ChildProcess
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    running.delete(child)
    children[index] = start()
  }
  const [first, second] = await Promise.all(children.map(({ stdout }) => linesOf(stdout)))
  t.match(first, /^\["[0-9a-f]{64}"/)
  t.equal(first, second, 'both have the same certificates')
  t.notMatch(first, 'null', 'for all names')

  const issued = pebble.said.match(/Issued certificate/g)?.length ?? 0
  t.comment(`${issued} certificates for ${names.length} names with ${kills} kills`)
  t.ok(issued >= names.length && issued <= names.length + kills, `${issued} certificates`)
  const accounts = pebble.said.match(/There are now \d+ accounts/g) ?? []
  t.strictSame([...new Set(accounts)], ['There are now 1 accounts'], 'one account at the CA')
  const kept = new Map<string, string | undefined>()
  for await (const key of vault.list('')) kept.set(key, (await vault.read(key))?.text)
  t.equal([...kept.keys()].filter((key) => key.startsWith('accounts/')).length, 1)
  const records = [...kept].filter(([key]) => key.startsWith('certs/'))
  t.equal(records.length, names.length)
  for (const [key, record] of records) t.ok(decodeRecord(record ?? '')?.certificate, key)
})

async function linesOf(stdout: ChildProcess['stdout']): Promise<string> {
  if (!stdout) throw new Error('the child has no output')
  const [line] = await Promise.race([once(stdout.setEncoding('utf8'), 'data'), text(stdout).then((all) => [all])])
  return String(line)
}
