/** Logs as the rules of writing find them. */

import { GroveError } from '../../core/errors.ts'
import { denied } from '../grants/denial.ts'
import { grantsLogPath } from '../grants/grant-changes.ts'
import type { LogRecord, Records } from './records.ts'

/** The record of a log that may be written to. Throws `ERR_NOT_FOUND`, and `ERR_DENIED` for one that the store writes. */
export function requireLog(records: Pick<Records, 'log'>, path: string): LogRecord {
  const log = records.log(path)
  if (!log) throw new GroveError('ERR_NOT_FOUND', `no log ${path}`)
  if (path === grantsLogPath) throw denied('rights', `${path} is written by the store alone`)
  return log
}
