/**
 * Logs: JSON lines by pino on standard output, made readable when that is a terminal.
 *
 * Several processes share one standard output, and none of them ever waits for it: see log-writer.ts.
 */

import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { type Logger, type LoggerOptions, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { createLogWriter } from './log-writer.ts'

/** The levels that a config can choose. */
export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug'

const lastTries = 50
const lastTryMs = 10
/** Never woken: waiting for it is a sleep. */
const nobody = new Int32Array(new SharedArrayBuffer(4))

/** A logger of one process. `name` is the kind of process: `serve`, `control`, `front`. */
export function createLog(name: string, level: LogLevel, terminal: boolean = process.stdout.isTTY === true): Logger {
  const options: LoggerOptions = {
    name,
    level,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }), bindings: ({ pid, name }) => ({ process: name, pid }) },
  }
  const output = openOutput(terminal)
  const writer = createLogWriter({
    write: (bytes) => writeSync(output, bytes),
    dropped: (lines) => log.warn({ lines }, 'log lines were lost: whatever takes the log was slow, full or gone'),
  })
  const readable = prettyFactory({ colorize: true, singleLine: true, ignore: 'pid', translateTime: 'SYS:HH:MM:ss' })
  const log = pino(options, { write: (line) => writer.write(terminal ? readable(line) : line) })
  process.on('exit', () => {
    // What a moment ago was only slow gets a moment; what stalls does not hold up the end.
    for (let tries = 0; tries < lastTries && !writer.flush(); tries++) Atomics.wait(nobody, 0, 0, lastTryMs)
  })
  return log
}

/**
 * Standard output such that a write never waits. A pipe or a terminal is opened anew, because how its first opening
 * behaves is shared with every process that has it, and any of them can change that at any time. A file never waits.
 */
function openOutput(terminal: boolean): number {
  const standard = process.stdout.fd // Node makes a pipe or a socket non-blocking at this first use.
  if (!terminal && !fstatSync(standard).isFIFO()) return standard
  try {
    return openSync(`/proc/self/fd/${standard}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return standard // No /proc, or a pipe that another user made.
  }
}
