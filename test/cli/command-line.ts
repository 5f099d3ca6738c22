/** Runs the command line inside the test process, with streams that are kept. */

import { PassThrough, Readable } from 'node:stream'
import { main } from '../../cli/main.ts'

/** What a command did. */
export interface Ran {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

/** How to run it. */
export interface RunOptions {
  readonly cwd: string
  /** What standard input holds. */
  readonly input?: string
  /** Keys that are pressed, one by one, whenever a prompt has been written; makes all streams terminals. */
  readonly keys?: readonly string[]
  /** Variables of the environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** Runs `grove` with these arguments. */
export async function grove(args: readonly string[], { cwd, input, keys, env = {} }: RunOptions): Promise<Ran> {
  const isTTY = keys !== undefined
  const left = [...(keys ?? [])]
  const stdin: Readable & { isTTY?: boolean } = isTTY
    ? new PassThrough()
    : Readable.from(input === undefined ? [] : [Buffer.from(input)])
  const text = { out: '', err: '' }
  const collect = (name: 'out' | 'err') =>
    Object.assign(new PassThrough(), { isTTY, columns: 100 }).on('data', (chunk) => {
      text[name] += String(chunk)
      // A prompt is the only thing that ends in a colon and a space.
      if (stdin instanceof PassThrough && String(chunk).endsWith(': '))
        setImmediate(() => stdin.write(left.shift() ?? '\u0004'))
    })
  const terminal = {
    cwd,
    env,
    stdin: Object.assign(stdin, { isTTY, setRawMode: () => {} }),
    stdout: collect('out'),
    stderr: collect('err'),
  }
  const exitCode = await main(args, terminal)
  await new Promise((resolve) => setImmediate(resolve))
  return { exitCode, ...text }
}
