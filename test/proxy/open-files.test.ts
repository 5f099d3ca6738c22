import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { connectionsFor, openFileLimit } from '../../proxy/open-files.ts'

t.test('a quarter of the files that a front may open is kept for pages and upstreams', async (t) => {
  t.equal(connectionsFor(1_024), 720)
  t.equal(connectionsFor(4_096), 3_024)
  t.equal(connectionsFor(1_048_576), limits.http.connectionsPerFront)
  t.equal(connectionsFor(Number.POSITIVE_INFINITY), limits.http.connectionsPerFront)
  t.equal(connectionsFor(10), 1)
})

t.test('the limit is that of the process', async (t) => {
  const module = join(import.meta.dirname, '../../proxy/open-files.ts')
  const program = `import { openFileLimit } from ${JSON.stringify(module)}; console.log(openFileLimit())`
  const limited = ['-c', 'ulimit -n 200; exec "$0" --input-type=module -e "$1"', process.execPath, program]
  t.equal(execFileSync('/bin/sh', limited, { encoding: 'utf8' }).trim(), '200')
  t.ok(openFileLimit() >= 200)
})
