/**
 * Errors that nobody caught (HTML Standard, section 8.1.4.6): an `error` event at the global, and if nobody prevents its
 * default, a line of the log.
 */

import { ops } from '../bridge.ts'
import { requireArguments } from './convert.ts'
import { ErrorEvent, PromiseRejectionEvent } from './error-events.ts'
import { describe, describeJson } from './errors.ts'
import { dispatch, EventTarget, hasListeners, onListenerError } from './event-target.ts'
import { call, current } from './host.ts'
import { regexps } from './primordials.ts'
import { onTimerError } from './timers.ts'

/** What listeners of the global object are kept in. */
export const globalTarget = new EventTarget()

let isReporting = false

/** Reports an error; what its listeners throw goes to the log without further events. */
export function reportException(thrown: unknown): void {
  if (!isReporting && hasListeners(globalTarget, 'error')) {
    isReporting = true
    try {
      const { message, stack } = describe(thrown)
      const found: Readonly<Record<number, string>> = regexps.exec(place, stack) ?? {}
      const { 1: filename = '', 2: lineno = '0', 3: colno = '0' } = found
      const init = { message, filename, lineno: +lineno, colno: +colno, error: thrown, cancelable: true }
      if (!dispatch(globalTarget, new ErrorEvent('error', init), globalThis)) return
    } finally {
      isReporting = false
    }
  }
  call(ops.report, current, describeJson(thrown))
}

const place = /([^\s(]+):(\d+):(\d+)\)?(?:\n|$)/

/** `reportError`. */
export function reportError(error: unknown): void {
  requireArguments(arguments.length, 1, 'reportError')
  reportException(error)
}

/**
 * Reports a promise of the prelude's own knowledge that was rejected while nobody listened: an `unhandledrejection` event, and
 * if nobody prevents its default, a line of the log.
 */
export function reportRejection(promise: object, reason: unknown): void {
  if (!isReporting && hasListeners(globalTarget, 'unhandledrejection')) {
    isReporting = true
    try {
      const event = new PromiseRejectionEvent('unhandledrejection', { promise, reason, cancelable: true })
      if (!dispatch(globalTarget, event, globalThis)) return
    } finally {
      isReporting = false
    }
  }
  call(ops.report, current, describeJson(reason))
}

onListenerError(reportException)
onTimerError(reportException)
