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

/** What a terminal would obey, and what would show the text around it in another order (UAX 9, UTR 36 section 2.6). */
const steering = /[^\P{Cc}\n]|\p{Bidi_Control}/gu

/** A text for people. What steers a terminal is shown as a sign, not sent: names and messages come from others. */
export function shownText(text: string): string {
  return text.replace(steering, '\ufffd')
}

/** Writes lines for people, each as {@link shownText} gives it. */
export function printLines(stream: Writable, lines: readonly string[]): void {
  for (const line of lines) stream.write(`${shownText(line)}\n`)
}

/** Writes one JSON text for machines. */
export function printJson(stream: Writable, value: unknown): void {
  stream.write(`${JSON.stringify(value, undefined, 2)}\n`)
}
