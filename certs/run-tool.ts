/** Running the system's own tools. */

import { execFile } from 'node:child_process'
import { limits } from '../core/limits.ts'

/** How a tool ended. */
export interface ToolResult {
  /** The exit code; undefined when the tool is not installed, or was ended by a signal or for taking too long. */
  readonly code: number | undefined
  /** The tool is not installed. */
  readonly isMissing: boolean
  /** What it wrote to its standard output and to its standard error, at most {@link limits}.trust.toolOutputBytes. */
  readonly output: string
  readonly errors: string
}

/** Runs a tool with arguments, without a shell and without input. Never rejects. */
export type RunTool = (command: string, args: readonly string[]) => Promise<ToolResult>

/** Runs a tool of this machine, for at most {@link limits}.trust.toolMs. Those in `/usr/sbin` are found also where PATH lacks it. */
export const runTool: RunTool = (command, args) =>
  new Promise((resolve) => {
    const path = [process.env['PATH'], '/usr/sbin', '/sbin'].filter(Boolean).join(':')
    const env = { ...process.env, PATH: path, LC_ALL: 'C' }
    const options = { timeout: limits.trust.toolMs, maxBuffer: limits.trust.toolOutputBytes, env }
    const child = execFile(command, args, options, (error, output, errors) => {
      const isMissing = error?.code === 'ENOENT'
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined
      resolve({ code, isMissing, output, errors })
    })
    // A tool that asks for a password finds the end of its input instead of waiting.
    child.stdin?.end()
  })

/** Why a tool failed: the last thing that it said, as a sentence. */
export function describeFailure(command: string, { code, isMissing, output, errors }: ToolResult): string {
  if (isMissing) return `${command} is not installed.`
  const said = (errors.trim() || output.trim()).split('\n').at(-1) ?? ''
  return `${command} ended with ${code ?? 'a signal'}${said && `: ${said.slice(0, 300)}`}.`
}

/** A command line that a person can paste into a shell, whatever stands in the words. */
export function commandLine(...words: readonly string[]): string {
  return words.map((word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
}
