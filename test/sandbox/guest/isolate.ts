/**
 * The guest in an isolate: the prelude is built as it is for tenants, and code of a site runs behind it. What a host does
 * beyond text, URLs and randomness, a test brings itself.
 */

import '../fixtures/exit-at-once.ts'
import { mostSandboxLimits, type SandboxLimits } from '../../../core/sandbox-limits.ts'
import { pulled } from '../../../sandbox/bridge.ts'
import type { AnswerHead, GuestError } from '../../../sandbox/bridge-shapes.ts'
import type { Breach, EngineHost, EngineIsolate } from '../../../sandbox/engine.ts'
import { createIsolatedEngine } from '../../../sandbox/isolated/engine.ts'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'

/** What came of one request. */
export interface Outcome {
  head?: AnswerHead
  body: string
  error?: GuestError
  breach?: Breach
}

/** A line of the log. */
export interface Line {
  readonly level: number
  readonly text: string
}

/** A loaded site. */
export interface TestSite {
  readonly isolate: EngineIsolate
  readonly lines: Line[]
  readonly reports: GuestError[]
  /** Asks the site, and waits until the request is over. */
  ask(url: string): Promise<Outcome>
}

/** What a test may bring. */
export interface SiteOptions {
  readonly host?: Partial<EngineHost>
  readonly limits?: Partial<SandboxLimits>
  readonly wasm?: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  readonly vars?: Readonly<Record<string, string>>
}

let prelude: Promise<string> | undefined

/** Loads a site whose module is `code`, a script that leaves its exports in `groveSite`. Throws `LoadError`. */
export async function loadSite(code: string, options: SiteOptions = {}): Promise<TestSite> {
  prelude ??= buildPrelude()
  const lines: Line[] = []
  const reports: GuestError[] = []
  const waiting = new Map<number, { readonly outcome: Outcome; readonly resolve: (outcome: Outcome) => void }>()
  const over = (id: number) => {
    const waiter = waiting.get(id)
    waiting.delete(id)
    isolate.forget(id)
    // Not inside of the call: the isolate is entered.
    if (waiter) setImmediate(() => waiter.resolve(waiter.outcome))
    return 0
  }
  const add = (id: number, chunk: string | Uint8Array | undefined) => {
    const waiter = waiting.get(id)
    if (waiter && chunk !== undefined)
      waiter.outcome.body += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    return 1_000_000
  }
  const host: EngineHost = {
    respond(id, head, _text, body) {
      const waiter = waiting.get(id)
      if (waiter) waiter.outcome.head = head
      return add(id, body)
    },
    refuse: (id) => void over(id),
    send: add,
    end: () => 0,
    abort: () => 0,
    pull: () => pulled.ended,
    pullText: () => '',
    cancelBody: () => 0,
    fail(id, _kind, error) {
      const waiter = waiting.get(id)
      if (waiter) waiter.outcome.error = error
      return over(id)
    },
    done: over,
    start: () => -5,
    stop: () => 0,
    log(_owner, level, text) {
      lines.push({ level, text })
      return 0
    },
    report(_owner, error) {
      reports.push(error)
      return 0
    },
    message: () => 0,
    closeSocket: () => 0,
    breach(id, breach) {
      const waiter = waiting.get(id)
      if (waiter) waiter.outcome.breach = breach
      over(id)
    },
    unfit: () => {},
    lost(breach) {
      for (const [id, { outcome }] of waiting) {
        outcome.breach = breach
        over(id)
      }
    },
    ...options.host,
  }
  const engine = createIsolatedEngine({ prelude: await prelude, watch: { enter: () => {}, leave: () => {} } })
  const limits = { ...mostSandboxLimits, ...options.limits }
  const { wasm = [], vars = {} } = options
  const source = { site: 'test', version: 1, bundle: code, vars, wasm, assets: false, data: false, limits }
  const isolate: EngineIsolate = engine.load(source, host)
  let lastId = 0
  return {
    isolate,
    lines,
    reports,
    ask(url) {
      const id = ++lastId
      return new Promise((resolve) => {
        waiting.set(id, { outcome: { body: '' }, resolve })
        const request = { method: 'GET', url, headers: [], hasBody: false, isUpgrade: false, requestId: `r${id}` }
        isolate.dispatch(id, request)
      })
    },
  }
}
