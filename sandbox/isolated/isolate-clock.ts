/** What an isolate uses of the CPU: its own time by V8's clock, and that of the host's calls, during which it stands still. */

import type ivm from 'isolated-vm'
import type { HostCall } from '../bridge.ts'

/** The clock of one isolate. */
export class IsolateClock {
  readonly #isolate: ivm.Isolate
  /** CPU of the isolate that is accounted for, and what calls of the host have taken since. */
  #knownCpuNs = 0n
  #hostMs = 0

  constructor(isolate: ivm.Isolate) {
    this.#isolate = isolate
  }

  /** A call whose time is counted. */
  counted(call: HostCall): HostCall {
    return (op, a, b, c, d) => {
      const startedAt = performance.now()
      const answer = call(op, a, b, c, d)
      this.#hostMs += performance.now() - startedAt
      return answer
    }
  }

  /** Milliseconds that were used since the last time. An isolate that is gone does not say: then it is `wallMs`. */
  takeMs(wallMs: number): number {
    const hostMs = this.#hostMs
    this.#hostMs = 0
    if (this.#isolate.isDisposed) return wallMs
    const cpuNs = this.#isolate.cpuTime
    const usedMs = Number(cpuNs - this.#knownCpuNs) / 1e6
    this.#knownCpuNs = cpuNs
    return usedMs + hostMs
  }
}
