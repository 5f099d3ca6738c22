// `npm test`: all tests, then line coverage, then one line that says it all: `N passed, N failed`.
// Ends with 0 only when tap did, no assertion failed, and enough lines are covered. Arguments go to tap.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const leastLinesPercent = 95
const tapOutput = join(root, '.tap', 'output.tap')
const coverageSummary = join(root, '.tap', 'report', 'coverage-summary.json')
const args = process.argv.slice(2)
const wholeSuite = args.length === 0
// With Node.js of devDependencies before any other, also when this was not started by npm.
const env = { ...process.env, PATH: join(root, 'node_modules', '.bin') + delimiter + process.env.PATH }

function run(command, commandArgs, options = {}) {
  const { status, signal, error } = spawnSync(command, commandArgs, { cwd: root, env, stdio: 'inherit', ...options })
  if (error) process.stderr.write(`cannot run ${command}: ${error.message}\n`)
  return { status: status ?? 1, signal }
}

/** The counts that tap writes at the very end of its output, or undefined when it never came to it. */
function readCounts() {
  try {
    const totals = readFileSync(tapOutput, 'utf8')
      .match(/^# \{ total: .* \}$/gm)
      ?.at(-1)
    if (totals === undefined) return undefined
    const count = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
    return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') }
  } catch {
    return undefined
  }
}

/** Whether enough lines are covered. Says so either way. */
function checkCoverage() {
  if (run('tap', ['report', 'json-summary'], { stdio: ['ignore', 'ignore', 'inherit'] }).status > 1) return false
  const { total } = JSON.parse(readFileSync(coverageSummary, 'utf8'))
  const enough = total.lines.pct >= leastLinesPercent
  process.stdout.write(`\nlines covered: ${total.lines.pct} % (at least ${leastLinesPercent} % wanted)\n`)
  if (!enough) run('tap', ['report', 'text'])
  return enough
}

if (run('bash', ['scripts/debian-packages.sh']).status !== 0) process.exit(1)

mkdirSync(join(root, '.tap'), { recursive: true })
rmSync(tapOutput, { force: true })
rmSync(coverageSummary, { force: true })
const reporter = process.stdout.isTTY ? 'base' : 'terse'
const tap = run('tap', [
  'run',
  `--reporter=${reporter}`,
  `--output-file=${tapOutput}`,
  '--coverage-report=none',
  ...args,
])
const counts = readCounts()
const covered = wholeSuite ? checkCoverage() : true

if (counts === undefined) {
  process.stderr.write(`\nthe test runner did not come to its end (${tap.signal ?? `code ${tap.status}`})\n`)
  process.exit(1)
}
const { passed, failed, skipped } = counts
const good = tap.status === 0 && failed === 0 && passed > 0 && covered
if (!good && failed === 0) process.stderr.write(`\nfailed without a failed assertion: code ${tap.status}, see above\n`)
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exitCode = good ? 0 : 1
