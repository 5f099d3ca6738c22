/**
 * `fetch` as the supervisor does it for tenant processes: one egress for each code that is loaded, one budget for each
 * visitor's request.
 *
 * A process may say that an operation is for any request; so a budget holds code that is what it was loaded as, and the
 * egress, which is the site's, holds whatever the process has become.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { setNewest } from '../../core/newest.ts'
import { createRedactor } from '../secrets.ts'
import type { LoadedCode } from '../supervisor/codes.ts'
import type { OperationAnswer, OperationRequest } from '../supervisor/operations.ts'
import { type Budget, createBudget } from './budget.ts'
import { createEgress, type Egress, type EgressOptions } from './fetch.ts'
import type { EgressPolicy } from './policy.ts'

/** What is the same for all sites. */
export type FetchOperationsOptions = Pick<EgressPolicy, 'own' | 'ports'> &
  Pick<EgressOptions, 'check' | 'servers' | 'ca'>

/** Does `fetch` for tenant processes. */
export interface FetchOperations extends AsyncDisposable {
  /** Does an operation of the kind `fetch`. Rejects as {@link Egress.fetch} does. */
  run(request: OperationRequest): Promise<OperationAnswer>
  /** A process has ended. */
  ended(process: string): void
}

/** Nothing was fetched yet. */
export function createFetchOperations(options: FetchOperationsOptions): FetchOperations {
  /** The one that was used last is the last. One that is forgotten finishes what it has under way; idle connections close by themselves. */
  const egresses = new Map<LoadedCode, Egress>()
  /** Keyed by process, then by request. */
  const budgets = new Map<string, Map<string, Budget>>()
  let isClosed = false

  const egressOf = (code: LoadedCode): Egress => {
    const egress = egresses.get(code) ?? openEgress(code, options)
    setNewest(egresses, code, egress, limits.egress.sites)
    return egress
  }

  const budgetOf = (process: string, request: string, { limits: most }: LoadedCode): Budget => {
    const ofProcess = budgets.get(process) ?? new Map<string, Budget>()
    budgets.set(process, ofProcess)
    const budget = ofProcess.get(request) ?? createBudget(most.subrequests, most.concurrentSubrequests)
    setNewest(ofProcess, request, budget, limits.egress.budgets)
    return budget
  }

  return {
    async run({ process, op, code, body, signal }) {
      if (op.kind !== 'fetch') throw new GroveError('ERR_INTERNAL', `no operation of the kind ${op.kind} is done here`)
      if (isClosed) throw new GroveError('ERR_CLOSED', 'nothing is fetched any more')
      const { method, url, headers, redirect, hops = 0, request } = op
      const budget = budgetOf(process, request, code)
      const asked = { method, url, headers, redirect, body, budget, hops }
      const { isRedirected, body: answerBody, ...rest } = await egressOf(code).fetch(asked, signal)
      return { head: { ...rest, headers: [...rest.headers], redirected: isRedirected }, body: answerBody }
    },
    ended: (process) => void budgets.delete(process),
    async [Symbol.asyncDispose]() {
      isClosed = true
      await Promise.all([...egresses.values()].map((egress) => egress.close()))
    },
  }
}

function openEgress(code: LoadedCode, { check, servers, ca, own, ports }: FetchOperationsOptions): Egress {
  const { site, allow, placeheld, secrets, limits: siteLimits } = code
  const redactor = createRedactor(secrets)
  return createEgress({
    check,
    servers,
    ca,
    redact: (text) => redactor.text(text),
    policy: { site, allow, ports, own, secrets: placeheld, limits: siteLimits },
  })
}
