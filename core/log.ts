/**
 * Logs: JSON lines by pino on standard output, made readable when that is a terminal.
 *
 * Several processes share one standard output. A line is written with one write of at most 4,096 bytes, which POSIX
 * makes atomic on a pipe (PIPE_BUF), so lines of two processes never mix.
 */

import { destination, type Logger, type LoggerOptions, pino } from 'pino'
import pretty from 'pino-pretty'

/** The levels that a config can choose. */
export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug'

/** A logger of one process. `name` is the kind of process: `serve`, `control`, `front`. */
export function createLog(name: string, level: LogLevel, terminal: boolean = process.stdout.isTTY === true): Logger {
  const options: LoggerOptions = {
    name,
    level,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }), bindings: ({ pid, name }) => ({ process: name, pid }) },
  }
  if (terminal)
    return pino(
      options,
      pretty({ colorize: true, sync: true, singleLine: true, ignore: 'pid', translateTime: 'SYS:HH:MM:ss' }),
    )
  return pino(options, destination({ dest: 1, sync: false, minLength: 0, maxWrite: 4_096 }))
}
