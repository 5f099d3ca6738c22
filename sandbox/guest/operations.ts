/**
 * What is under way between the guest and its host: requests and operations by their numbers, and what arrives for each.
 * A number that is not known is ignored: it was never ours, or is over.
 */

import { type BridgeValue, faults, ops } from '../bridge.ts'
import type { BridgeError } from '../bridge-shapes.ts'
import { DOMException } from './dom-exception.ts'
import { HeldMap } from './held-map.ts'
import { call, current, enter, limits } from './host.ts'
import { jsonOf } from './json-text.ts'
import { json, sets } from './primordials.ts'

/** Takes what arrives for one number. */
export interface Receiver {
  /** The request that it is charged to. */
  readonly owner: number
  /** `kind` is one of `deliveries`. */
  receive(kind: number, payload: BridgeValue, bytes: BridgeValue): void
}

const receivers = new HeldMap<Receiver>()
/** Numbers of the operations under way, by the request that they belong to. */
const operationsOf = new HeldMap<Set<number>>()
/** Operations that were not answered yet: somebody may wait for them. */
const unanswered = new Set<number>()
/** Requests under way, in the order they came in. */
const requests = new Set<number>()
/** What is to be done when all operations of a request are answered. Keyed by request. */
const whenAnsweredOf = new HeldMap<() => void>()

/** The guest's entry `deliver`. */
export function deliver(id: number, kind: number, payload?: BridgeValue, bytes?: BridgeValue): void {
  const receiver = receivers.get(id)
  if (receiver === undefined) return
  enter(receiver.owner)
  receiver.receive(kind, payload, bytes)
  if (sets.delete(unanswered, id)) checkAnswered(receiver.owner)
}

/**
 * The request that what begins now belongs to: the current one or, if that is over, another. Whose continuation it is that
 * runs cannot be seen: a request that has waited for a promise of another goes on in an entry of that other.
 */
export function ownerNow(): number {
  return sets.has(requests, current) ? current : (otherRequest(current) ?? current)
}

/** Another request that is under way, the latest; undefined if there is none. */
export function otherRequest(id: number): number | undefined {
  let other: number | undefined
  sets.forEach(requests, (request) => {
    if (request !== id) other = request
  })
  return other
}

/**
 * Calls `then` when no other request can wait for an answer that this one has asked for: at once if all of its operations are
 * answered, or it is the only one.
 */
export function whenAnswered(id: number, then: () => void): void {
  if (operationsOf.has(id)) {
    whenAnsweredOf.set(id, then)
    checkAnswered(id)
  } else then()
}

/** Whether a request has asked for anything that it may still be told of. */
export function hasOperations(id: number): boolean {
  return operationsOf.has(id)
}

function checkAnswered(id: number): void {
  const then = whenAnsweredOf.get(id)
  if (then === undefined) return
  let waits = false
  const owned = operationsOf.get(id)
  if (owned !== undefined && otherRequest(id) !== undefined)
    sets.forEach(owned, (operation) => {
      waits ||= sets.has(unanswered, operation)
    })
  if (waits) return
  whenAnsweredOf.delete(id)
  then()
}

/** From now on `receiver` takes what arrives for a request. */
export function openRequest(id: number, receiver: Receiver): void {
  receivers.set(id, receiver)
  sets.add(requests, id)
}

/** Forgets a request and all its operations: nothing arrives for them any more. */
export function forgetRequest(id: number): void {
  receivers.delete(id)
  sets.delete(requests, id)
  whenAnsweredOf.delete(id)
  const owned = operationsOf.get(id)
  if (owned === undefined) return
  operationsOf.delete(id)
  sets.forEach(owned, (operation) => {
    receivers.delete(operation)
    sets.delete(unanswered, operation)
  })
}

/**
 * Starts an operation for the current request. `receiver` takes what arrives for it, with `owner` as it is given here. Answers
 * its number. Throws a `QuotaExceededError` where a bound is used up and a TypeError where there is no request to charge it to.
 */
export function startOperation(
  kind: number,
  args: unknown,
  body: Uint8Array | undefined,
  receive: Receiver['receive'],
): number {
  const owner = ownerNow()
  if (owner === 0) throw new DOMException('this cannot be done while the code loads', 'NotAllowedError')
  const known = operationsOf.get(owner)
  if (known !== undefined && sets.size(known) >= limits.operations) throw faultError(faults.tooMany)
  const id = call(ops.start, owner, kind, jsonOf(args), body)
  if (typeof id !== 'number' || id <= 0) throw faultError(id)
  receivers.set(id, { owner, receive })
  sets.add(unanswered, id)
  if (known !== undefined) sets.add(known, id)
  else operationsOf.set(owner, sets.add(new Set<number>(), id))
  return id
}

/** Forgets an operation that is over; nothing happens if it was forgotten before. */
export function forgetOperation(id: number): void {
  const receiver = receivers.get(id)
  if (receiver === undefined) return
  receivers.delete(id)
  const owned = operationsOf.get(receiver.owner)
  if (owned !== undefined) sets.delete(owned, id)
  if (sets.delete(unanswered, id)) checkAnswered(receiver.owner)
}

/** Whether something may still arrive for a number. */
export function isUnderWay(id: number): boolean {
  return receivers.has(id)
}

/** Tells the host that an operation is not wanted any more, and forgets it. */
export function stopOperation(id: number): void {
  if (!receivers.has(id)) return
  forgetOperation(id)
  call(ops.stop, id)
}

/** What to throw for a fault of the host. */
export function faultError(fault: BridgeValue): Error | DOMException {
  switch (fault) {
    case faults.closed:
      return new TypeError('the request that this belongs to is over')
    case faults.tooMany:
      return new DOMException(`more than ${limits.operations} operations are under way`, 'QuotaExceededError')
    case faults.tooLarge:
      return new DOMException('there is too much of it for one operation', 'QuotaExceededError')
    case faults.denied:
      return new DOMException('this cannot be done here', 'NotAllowedError')
    case faults.spent:
      return new DOMException('the request has used up what it may do of this', 'QuotaExceededError')
    default:
      return new TypeError('the operation was refused')
  }
}

/** The error that a host tells, as a site sees it: TypeError, RangeError or a DOMException. */
export function toError(payload: BridgeValue): Error | DOMException {
  const { name, message } = readJson<Partial<BridgeError>>(payload) ?? {}
  if (name === 'TypeError') return new TypeError(message)
  if (name === 'RangeError') return new RangeError(message)
  return new DOMException(message ?? 'the operation failed', name ?? 'OperationError')
}

/** The JSON of a payload; undefined for what is none. */
export function readJson<T>(payload: BridgeValue): T | undefined {
  return typeof payload === 'string' ? (json.parse(payload) as T) : undefined
}
