/** Where a command reads and writes: the process's own streams, or those of a test. */

import type { Readable, Writable } from 'node:stream'

/** A stream that may be a terminal. */
interface MaybeTerminal {
  readonly isTTY?: boolean
}

/** What a command runs in. */
export interface Terminal {
  /** The folder from which relative paths count. */
  readonly cwd: string
  readonly stdin: Readable & MaybeTerminal & { setRawMode?(raw: boolean): unknown }
  readonly stdout: Writable & MaybeTerminal
  readonly stderr: Writable & MaybeTerminal & { readonly columns?: number }
  /** Variables of the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** The streams of this process. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process
  return { cwd: process.cwd(), stdin, stdout, stderr, env }
}

/** Writes lines for people. What a terminal would obey is shown, not sent: names and messages come from others. */
export function printLines(stream: Writable, lines: readonly string[]): void {
  for (const line of lines) stream.write(`${line.replace(/[^\P{Cc}\n]/gu, '\ufffd')}\n`)
}

/** Writes one JSON text for machines. */
export function printJson(stream: Writable, value: unknown): void {
  stream.write(`${JSON.stringify(value, undefined, 2)}\n`)
}
