// `npm test`: all tests, then line coverage, then one line that says it all: `N passed, N failed`.
// Ends with 0 only when tap did, no assertion failed, and enough lines are covered. Arguments go to tap.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const leastLinesPercent = 95
const coverageSummary = join(root, '.tap', 'report', 'coverage-summary.json')
const args = process.argv.slice(2)
const wholeSuite = args.length === 0
// With Node.js of devDependencies before any other, also when this was not started by npm.
const env = { ...process.env, PATH: join(root, 'node_modules', '.bin') + delimiter + process.env.PATH }

function run(command, commandArgs, stdio = 'inherit') {
  const { status, error } = spawnSync(command, commandArgs, { cwd: root, env, stdio })
  if (error) process.stderr.write(`cannot run ${command}: ${error.message}\n`)
  return status ?? 1
}

/** Runs tap, shows a line for each file and all about each failure, and answers how it ended and what it counted. */
async function runTap() {
  const tapArgs = ['run', '--reporter=tap', '--coverage-report=none', ...args]
  const tap = spawn('tap', tapArgs, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(tap, 'close')
  let totals
  let failureIndent
  for await (const line of createInterface({ input: tap.stdout })) {
    const [, indent, text] = /^( *)(.*)$/.exec(line)
    if (text === '' || text.startsWith('# Subtest') || text.startsWith('# time=')) continue
    const isResult = /^(?:not )?ok \d/.test(text)
    if (isResult || /^1\.\.\d/.test(text)) failureIndent = text.startsWith('not ok') ? indent.length : undefined
    if (indent === '' && text.startsWith('# {')) totals = text
    const isFileOrComment = (indent === '' && isResult) || text.startsWith('#')
    if (isFileOrComment || (failureIndent !== undefined && indent.length >= failureIndent))
      process.stdout.write(`${line}\n`)
  }
  const [code, signal] = await closed
  return { code, signal, counts: totals && readCounts(totals) }
}

/** The counts in tap's last line, `# { total: 12, pass: 11, fail: 1 }`. */
function readCounts(totals) {
  const count = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') }
}

/** Whether enough lines are covered. Says so either way. */
function checkCoverage() {
  rmSync(coverageSummary, { force: true })
  run('tap', ['report', 'json-summary'], ['ignore', 'ignore', 'inherit'])
  const { total } = JSON.parse(readFileSync(coverageSummary, 'utf8'))
  const enough = total.lines.pct >= leastLinesPercent
  if (!enough) run('tap', ['report', 'text'])
  process.stdout.write(`\nlines covered: ${total.lines.pct} %, at least ${leastLinesPercent} % wanted\n`)
  return enough
}

if (run('bash', ['scripts/debian-packages.sh']) !== 0) process.exit(1)
mkdirSync(join(root, '.tap'), { recursive: true })
const { code, signal, counts } = await runTap()
if (counts === undefined) {
  process.stderr.write(`\nthe test runner did not come to its end (${signal ?? `code ${code}`})\n`)
  process.exit(1)
}
const covered = wholeSuite ? checkCoverage() : true
const { passed, failed, skipped } = counts
const good = code === 0 && failed === 0 && passed > 0 && covered
if (!good && failed === 0) process.stderr.write('\nfailed without a failed assertion: see above\n')
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exitCode = good ? 0 : 1
