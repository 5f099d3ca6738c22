/** Why control cannot be reached, and which of that passes. */

import { dirname } from 'node:path'
import { GroveError } from '../core/errors.ts'

const awayCodes = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ERR_CLOSED', 'ERR_STREAM_PREMATURE_CLOSE'])

/** Whether control was not there, or went before it had answered. */
export function isAway(error: unknown): boolean {
  return error instanceof Error && 'code' in error && awayCodes.has(String(error.code))
}

/** Whether nobody listened at a socket that is there. */
export function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
}

/** Keyed by the system's name of the error. */
const impossibleSockets: Readonly<Record<string, string>> = {
  EINVAL: 'the path is longer than that of a socket can be (107 bytes)',
  ENAMETOOLONG: 'the path is too long',
  ENOTDIR: 'the data folder is a file',
}

/** What is thrown when a socket cannot be reached, in words that say what to do; anything else as it is. */
export function explain(error: unknown, socket: string): unknown {
  if (error instanceof GroveError || !(error instanceof Error) || !('code' in error)) return error
  if (error.code === 'EACCES')
    return new GroveError('ERR_DENIED', `this user may not use ${socket}`, {
      cause: error,
      hint: 'run the command as the user who runs grove serve',
    })
  const impossible = impossibleSockets[String(error.code)]
  if (impossible !== undefined)
    return new GroveError('ERR_NOT_RUNNING', `no grove can be at ${socket}: ${impossible}`, {
      cause: error,
      hint: 'name the data folder of the grove that runs with --data',
    })
  if (!isAway(error)) return error
  return new GroveError('ERR_NOT_RUNNING', `no grove answers at ${socket}`, {
    cause: error,
    hint: `start it with: grove serve --data ${dirname(socket)} (or name its data folder with --data)`,
  })
}
