/** `fetch` of tenants, each through an egress of its process and version: what one is allowed no other is by it. */

import { limits } from '../../core/limits.ts'
import { setNewest } from '../../core/newest.ts'
import type { AddressCheck } from '../egress/addresses.ts'
import { type Budget, createBudget } from '../egress/budget.ts'
import { createEgress, type Egress } from '../egress/fetch.ts'
import type { EgressPolicy } from '../egress/policy.ts'
import { createRedactor } from '../secrets.ts'
import type { LoadedCode } from './codes.ts'
import type { FetchOperations } from './host-operations.ts'

/** What the egresses of all tenants are made with. */
export interface EgressOperationsOptions {
  readonly check: AddressCheck
  /** Ports beside 80 and 443 that sites may be allowed. */
  readonly ports: readonly number[]
  /** Certificates (PEM) that are trusted beside the usual ones. */
  readonly ca?: string | undefined
  /** Name servers, `address` or `address:port`. @default those of the machine */
  readonly servers?: readonly string[] | undefined
  /** Where hosts are that this Grove serves itself, see `EgressPolicy.own`. @default there are none */
  readonly own?: EgressPolicy['own']
}

/** What is kept of one process. */
interface Kept {
  /** Keyed by the code of a version: one whose secrets have changed is another. */
  readonly egresses: Map<LoadedCode, Egress>
  /** Keyed by the visitor's request. */
  readonly budgets: Map<string, Budget>
}

/** Makes what does fetches. Nothing is open yet. */
export function createEgressOperations(options: EgressOperationsOptions): FetchOperations {
  const { check, ports, ca, servers, own } = options
  /** Keyed by process. */
  const processes = new Map<string, Kept>()

  function keptOf(process: string): Kept {
    const known = processes.get(process)
    if (known) return known
    const kept: Kept = { egresses: new Map(), budgets: new Map() }
    processes.set(process, kept)
    return kept
  }

  function egressOf({ egresses }: Kept, code: LoadedCode): Egress {
    const known = egresses.get(code)
    if (known) return known
    const { site, allow, placeheld: secrets } = code
    const redactor = createRedactor(code.secrets)
    const egress = createEgress({
      policy: { site, allow, ports, secrets, own, limits: code.limits },
      check,
      servers,
      redact: (text) => redactor.text(text),
      ca,
    })
    egresses.set(code, egress)
    // A process has so many codes at one time: what is beyond was unloaded.
    for (const [old, oldest] of egresses) {
      if (egresses.size <= limits.sandboxTenant.codes) break
      egresses.delete(old)
      void oldest.close()
    }
    return egress
  }

  function budgetOf({ budgets }: Kept, request: string, code: LoadedCode): Budget {
    const known = budgets.get(request)
    if (known) return known
    const { subrequests, concurrentSubrequests, concurrentRequests, queuedRequests } = code.limits
    const budget = createBudget(subrequests, concurrentSubrequests)
    // Requests that are over are forgotten by the next ones; all that can be under way are kept.
    setNewest(budgets, request, budget, (concurrentRequests + queuedRequests) * 4)
    return budget
  }

  return {
    async run({ process, op, code, body, signal }) {
      const kept = keptOf(process)
      const { method, url, headers, redirect, hops = 0, request } = op
      const budget = budgetOf(kept, request, code)
      const answer = await egressOf(kept, code).fetch({ method, url, headers, redirect, body, budget, hops }, signal)
      const { status, statusText, isRedirected: redirected } = answer
      return {
        head: { status, statusText, headers: [...answer.headers], url: answer.url, redirected },
        body: answer.body,
      }
    },
    ended(process) {
      const kept = processes.get(process)
      processes.delete(process)
      for (const egress of kept?.egresses.values() ?? []) void egress.close()
    },
  }
}
