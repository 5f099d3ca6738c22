import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { commandLine, describeFailure, runTool } from '../../certs/run-tool.ts'

t.test('a tool’s exit code and both outputs come back', async (t) => {
  const result = await runTool('sh', ['-c', 'echo out; echo err >&2; exit 3'])
  t.strictSame(result, { code: 3, isMissing: false, output: 'out\n', errors: 'err\n' })
  t.match(await runTool('true', []), { code: 0, isMissing: false })
})

t.test('a tool that is not installed is told from one that fails', async (t) => {
  t.match(await runTool('grove-no-such-tool', []), { code: undefined, isMissing: true })
  t.match(await runTool('sh', ['-c', 'kill -9 $$']), { code: undefined, isMissing: false })
})

t.test('a tool that waits for input finds its end', async (t) => {
  t.match(await runTool('cat', []), { code: 0, output: '' })
})

t.test('a tool gets its words as they are, without a shell', async (t) => {
  const tool = join(t.testdir({}), 'tool')
  await writeFile(tool, '#!/bin/sh\nprintf "%s|" "$@"\n')
  await chmod(tool, 0o755)
  t.match(await runTool(tool, ['a b', '$(id)', "'", '']), { output: "a b|$(id)|'||" })
})

t.test('a failure is told by the last thing that the tool said', async (t) => {
  const ended = { code: 1, isMissing: false, output: '', errors: '' }
  t.equal(describeFailure('x', { ...ended, isMissing: true }), 'x is not installed.')
  t.equal(describeFailure('x', ended), 'x ended with 1.')
  t.equal(describeFailure('x', { ...ended, output: 'a\nb\n' }), 'x ended with 1: b.')
  t.equal(describeFailure('x', { ...ended, code: undefined, output: 'a', errors: 'c\n' }), 'x ended with a signal: c.')
  t.ok(describeFailure('x', { ...ended, errors: 'y'.repeat(5_000) }).length < 400)
})

t.test('a command line survives being pasted into a shell', async (t) => {
  const words = ['/data/certs/root.pem', 'a b', "it's", '$(touch x)', '`id`', 'a;b', '-n', '', 'C,,', 'sql:/home/a']
  const { output } = await runTool('sh', ['-c', `for w in ${commandLine(...words)}; do printf '%s|' "$w"; done`])
  t.equal(output, words.map((word) => `${word}|`).join(''))
})
