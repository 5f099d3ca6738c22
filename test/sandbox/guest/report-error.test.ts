import t from 'tap'
import type { ErrorEvent, PromiseRejectionEvent } from '../../../sandbox/guest/error-events.ts'
import { setHandler } from '../../../sandbox/guest/event-target.ts'
import { globalTarget, reportError, reportException, reportRejection } from '../../../sandbox/guest/report-error.ts'
import { nodeHost } from './node-host.ts'

function reports(run: () => void): string[] {
  nodeHost.reports.length = 0
  run()
  return nodeHost.reports.map(({ name, message }) => `${name}: ${message}`)
}

t.test('what nobody caught is told the host', async (t) => {
  t.strictSame(
    reports(() => reportException(new TypeError('why'))),
    ['TypeError: why'],
  )
  t.strictSame(
    reports(() => reportError('a text')),
    ['Error: thrown: a text'],
  )
  t.strictSame(
    reports(() => reportRejection(Promise.resolve(), new RangeError('late'))),
    ['RangeError: late'],
  )
  t.throws(() => (reportError as () => void)(), TypeError)
})

t.test('listeners are told first, and can prevent it', async (t) => {
  const seen: unknown[] = []
  const onError = (event: ErrorEvent) => {
    seen.push(event.message, event.error, event.lineno > 0, event.target === globalThis)
    event.preventDefault()
  }
  const error = new Error('why')
  globalTarget.addEventListener('error', onError)
  t.strictSame(
    reports(() => reportException(error)),
    [],
  )
  t.strictSame(seen, ['why', error, true, true])
  globalTarget.removeEventListener('error', onError)

  const promise = Promise.resolve()
  const onRejection = (event: PromiseRejectionEvent) => {
    seen.push(event.promise === promise, event.reason)
    event.preventDefault()
  }
  globalTarget.addEventListener('unhandledrejection', onRejection)
  t.strictSame(
    reports(() => reportRejection(promise, 5)),
    [],
  )
  t.strictSame(seen.slice(4), [true, 5])
  globalTarget.removeEventListener('unhandledrejection', onRejection)
})

t.test('what a listener throws is told as well, without further events', async (t) => {
  let calls = 0
  setHandler(globalTarget, 'error', () => {
    calls++
    throw new Error('in the handler')
  })
  t.strictSame(
    reports(() => reportException(new Error('first'))),
    ['Error: in the handler', 'Error: first'],
  )
  t.equal(calls, 1)
  setHandler(globalTarget, 'error', null)
})
