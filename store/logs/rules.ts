/** The rule of each request. */

import { GroveError } from '../../core/errors.ts'
import { addGrant, dropKeys, revokeGrant, rotateKeys } from '../grants/grant-changes.ts'
import { listGrants, narrowedInfo, showGrant } from '../grants/grant-info.ts'
import { requireRight } from '../grants/grants.ts'
import { useQuota } from '../grants/quotas.ts'
import * as read from './read-rules.ts'
import type { Answers, Request, RequestKind, RequestOf } from './request.ts'
import type { Step } from './step.ts'
import { toLogPath, toPrefix } from './store-path.ts'
import { trim } from './trim-rules.ts'
import { append } from './write-rules.ts'

type Rule<Kind extends RequestKind> = (step: Step, request: RequestOf<Kind>) => Answers[Kind]
type Rules<Kind extends RequestKind> = { readonly [Each in Kind]: Rule<Each> }

/** A request that a rule does; a copy of the whole store is none. */
export type RuledRequest = Exclude<Request, { kind: 'copyTo' }>

type ReadKind = 'check' | 'grants' | 'head' | 'list' | 'lookup' | 'open' | 'page' | 'show' | 'stat' | 'whoami'

const readRules: Rules<ReadKind> = {
  check: read.check,
  grants: (step, { handle, prefix }) => listGrants(step, handle, toPrefix(prefix)),
  head: read.head,
  list: read.list,
  lookup: read.lookup,
  open: read.open,
  page: read.page,
  show: (step, { handle, target }) => showGrant(step, handle, target),
  stat: read.stat,
  whoami: read.whoami,
}

const writeRules: Rules<Exclude<RequestKind, ReadKind | 'copyTo'>> = {
  append,
  charge(step, { handle, path, claim }) {
    const chain = requireRight(step, handle, 'write', toPrefix(path), claim)
    useQuota(step, chain, claim.bytes ?? 0)
    return narrowedInfo(step, chain)
  },
  create(step, { handle, path, serialized }) {
    requireRight(step, handle, 'grant', toLogPath(path))
    requireRight(step, handle, 'write', path)
    if (step.records.log(path)) throw new GroveError('ERR_EXISTS', `log ${path} exists`)
    step.records.addLog(path, serialized)
    return undefined
  },
  dropKeys(step, { handle }) {
    const count = dropKeys(step, handle)
    if (count > 0) step.keysChanged()
    return count
  },
  grant: (step, { handle, options, id }) => addGrant(step, handle, options, id),
  revoke(step, { handle, target }) {
    const answer = revokeGrant(step, handle, target)
    step.rightsChanged()
    return answer
  },
  rotateKeys(step, { handle, key }) {
    const { kid } = rotateKeys(step, handle, key)
    step.keysChanged()
    return { kid }
  },
  trim,
}

const rules: Rules<Exclude<RequestKind, 'copyTo'>> = { ...readRules, ...writeRules }

/** Whether a request may change something. */
export function isWrite({ kind }: Request): boolean {
  return Object.hasOwn(writeRules, kind)
}

/** Does a request. Throws what its rule refuses with; then it has changed nothing. */
export function ruled(step: Step, request: RuledRequest): unknown {
  const rule = rules[request.kind] as (step: Step, request: Request) => unknown
  return rule(step, request)
}
