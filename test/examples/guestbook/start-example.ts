/** The example under test: `examples/guestbook/start.ts` as a process of its own, as `npm start` runs it. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

const root = join(import.meta.dirname, '../../..')

/** A running example. */
export interface Example {
  readonly child: ChildProcess
  /** Resolves with the exit code and the signal. */
  readonly exited: Promise<unknown[]>
  /** What it said, in lines. */
  readonly lines: readonly string[]
  /** Where its site is, without a slash at the end. */
  readonly origin: string
}

/** Runs the example with its data in `folder` and any free ports, until it has said all. It ends after the test. */
export async function startExample(t: Test, folder: string): Promise<Example> {
  const ports = ['--https-port', '0', '--http-port', '0']
  const child = spawn(process.execPath, [join(root, 'examples/guestbook/start.ts'), '--data', folder, ...ports], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const lines: string[] = []
  const told = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        lines.push(line)
        if (line.includes('Ctrl-C stops it')) resolve()
      })
  })
  await Promise.race([told, exited])
  const origin = /public page\s+(https:\S+?)\/$/m.exec(lines.join('\n'))?.[1]
  if (origin === undefined) throw new Error(`the example did not start:\n${lines.join('\n')}`)
  return { child, exited, lines, origin }
}
