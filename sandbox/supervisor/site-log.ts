/** Lines of sites' logs on their way to control: without secrets, in batches, and no more than control takes. */

import type { SiteLogLine } from '../../core/supervisor-messages.ts'
import { createRedactor, type Redactor } from '../secrets.ts'
import type { ControlCalls, LoadedCode } from './codes.ts'
import { createLogBatches } from './log-batches.ts'

/** Takes lines of sites' logs. */
export interface SiteLog {
  /** Takes a line; `code` is whose secrets must not be in it. */
  readonly write: (line: SiteLogLine, code: LoadedCode | undefined) => void
  /** Sends what waits. */
  readonly flush: () => void
}

/** Makes the way. `lost` is told how many lines of all sites were left out. */
export function createSiteLog(control: Pick<ControlCalls, 'send'>, lost: (lines: number) => void): SiteLog {
  const redactors = new WeakMap<LoadedCode, Redactor>()
  const batches = createLogBatches((lines) => control.send({ kind: 'log', lines }), lost)

  function redactorOf(code: LoadedCode): Redactor {
    const known = redactors.get(code)
    if (known) return known
    const made = createRedactor(code.secrets)
    redactors.set(code, made)
    return made
  }

  return {
    write(line, code) {
      const needsNone = !code || code.secrets.length === 0
      batches.write(needsNone ? line : { ...line, text: redactorOf(code).text(line.text) })
    },
    flush: () => batches.flush(),
  }
}
