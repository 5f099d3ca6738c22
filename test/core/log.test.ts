import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

const log = JSON.stringify(join(import.meta.dirname, '../../core/log.ts'))

/** A process that logs so many lines, says `done` on standard error and ends. */
function logger(lines: number, stdout: 'pipe' | number) {
  const program = `
    import { createLog } from ${log}
    const log = createLog('front 0', 'info')
    for (let line = 0; line < ${lines}; line++) {
      log.info({ line, filler: 'x'.repeat(200) }, 'request')
      if (line % 100 === 0) await new Promise(setImmediate)
    }
    process.stderr.write('done')
    process.exit(0)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', stdout, 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

t.test('a log that is read has every line, also those written just before the process ends', async (t) => {
  const child = logger(2_000, 'pipe')
  t.ok(child.stdout)
  if (!child.stdout) return
  const lines = (await text(child.stdout)).trimEnd().split('\n')
  t.equal(lines.length, 2_000)
  const last = JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
  t.match(last, { process: 'front 0', level: 'info', line: 1_999, msg: 'request' })
})

t.test('a log that nobody reads holds up neither the work nor the end of the process', async (t) => {
  const child = logger(20_000, 'pipe')
  child.stdout?.pause()
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})

t.test('nor does a log file on a full disk, or a reader that is gone', async (t) => {
  const full = logger(2_000, openSync('/dev/full', 'w'))
  t.strictSame(await once(full, 'exit'), [0, null])
  const alone = logger(2_000, 'pipe')
  alone.stdout?.destroy()
  t.strictSame(await once(alone, 'exit'), [0, null])
})
