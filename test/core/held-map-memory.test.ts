/**
 * What comes and goes is let go of at once. A process of its own with the exposed collector: a `Map` that has grown old keeps
 * what it has let go of through all quick collections, and this one has to show that ours do not.
 */

import { execFileSync } from 'node:child_process'
import t from 'tap'

const churn = (kind: 'Map' | 'HeldMap' | 'Set' | 'Roster') => `
import { HeldMap } from './core/held-map.ts'
import { Roster } from './core/roster.ts'
const map = new ${kind === 'HeldMap' ? 'HeldMap' : 'Map'}()
const set = new ${kind === 'Roster' ? 'Roster' : 'Set'}()
const minor = () => gc({ type: 'minor' })
const places = new Array(64)
function once(i) {
  const item = { text: 'x'.repeat(10) + i, rest: new Array(50).fill(i) }
  ${
    kind === 'Map' || kind === 'HeldMap'
      ? `map.set(i, item); map.delete(i - 64)`
      : kind === 'Set'
        ? `set.add(item); set.delete(places[i % 64]); places[i % 64] = item`
        : `places[i % 64]?.leave(); places[i % 64] = set.add(item)`
  }
}
for (let i = 0; i < 100; i += 1) once(i)
// From now on its table is an old one.
for (let i = 0; i < 4; i += 1) minor()
const before = process.memoryUsage().heapUsed
for (let i = 100; i < 40_100; i += 1) {
  once(i)
  if (i % 2_000 === 0) minor()
}
minor()
minor()
console.log(Math.round((process.memoryUsage().heapUsed - before) / 1_024))
`

const kibOf = (kind: 'Map' | 'HeldMap' | 'Set' | 'Roster') => {
  const args = ['--expose-gc', '--no-warnings', '--input-type=module', '--eval', churn(kind)]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

t.test('what is deleted does not survive quick collections', (t) => {
  const of = { Map: kibOf('Map'), HeldMap: kibOf('HeldMap'), Set: kibOf('Set'), Roster: kibOf('Roster') }
  t.comment(`KiB after 40,000 of them: ${JSON.stringify(of)}`)
  t.ok(of.HeldMap < 5_000 && of.Roster < 5_000, 'ours keep next to nothing')
  t.ok(of.Map > 10_000 && of.Set > 10_000, 'and this test can see what others keep')
  t.end()
})
