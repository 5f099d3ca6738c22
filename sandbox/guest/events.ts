/**
 * Event (DOM Standard, section 2.2) and the kinds that carry data. How one is dispatched stands in event-target.ts.
 */

import { requireArguments, toDictionary, toDOMString } from './convert.ts'
import { nowMs, originMs } from './host.ts'
import { defineInterface } from './idl.ts'
import { objects } from './primordials.ts'

/** What dispatching does to an event; site code cannot reach it. */
export interface EventControl {
  /** Sets the target and puts the event at it. */
  begin(event: Event, target: object): void
  /** Takes the event back from its target. */
  end(event: Event): void
  isDispatched(event: Event): boolean
  isStopped(event: Event): boolean
  isStoppedAtOnce(event: Event): boolean
  isCanceled(event: Event): boolean
  cancel(event: Event): void
  typeOf(event: Event): string
  setPassive(event: Event, passive: boolean): void
  setTrusted(event: Event, trusted: boolean): void
}

/** {@link EventControl} of all events. */
export let eventControl: EventControl
let isTrusted: (event: Event) => boolean

// Web IDL, [LegacyUnforgeable]: it is an own property that nobody can change.
const isTrustedDescriptor: PropertyDescriptor & ThisType<Event> = objects.assign(objects.create(null), {
  get(this: Event) {
    return isTrusted(this)
  },
  enumerable: true,
  configurable: false,
})

/** Something that happened. */
export class Event {
  readonly #timeStamp = nowMs - originMs
  #type: string
  #bubbles: boolean
  #cancelable: boolean
  readonly #composed: boolean
  #target: object | null = null
  #dispatched = false
  #passive = false
  #stopped = false
  #stoppedAtOnce = false
  #canceled = false
  #trusted = false

  constructor(type: unknown, init: unknown = undefined) {
    requireArguments(arguments.length, 1, 'Event')
    this.#type = toDOMString(type)
    const { bubbles, cancelable, composed } = toDictionary(init, 'the init of an event')
    this.#bubbles = !!bubbles
    this.#cancelable = !!cancelable
    this.#composed = !!composed
    objects.defineProperty(this, 'isTrusted', isTrustedDescriptor)
  }

  get type(): string {
    return this.#type
  }

  get target(): object | null {
    return this.#target
  }

  get srcElement(): object | null {
    return this.#target
  }

  get currentTarget(): object | null {
    return this.#dispatched ? this.#target : null
  }

  composedPath(): object[] {
    return this.#dispatched && this.#target !== null ? [this.#target] : []
  }

  get eventPhase(): number {
    return this.#dispatched ? 2 : 0
  }

  stopPropagation(): void {
    this.#stopped = true
  }

  get cancelBubble(): boolean {
    return this.#stopped
  }

  set cancelBubble(value: unknown) {
    if (value) this.#stopped = true
  }

  stopImmediatePropagation(): void {
    this.#stopped = true
    this.#stoppedAtOnce = true
  }

  get bubbles(): boolean {
    return this.#bubbles
  }

  get cancelable(): boolean {
    return this.#cancelable
  }

  get returnValue(): boolean {
    return !this.#canceled
  }

  set returnValue(value: unknown) {
    if (!value) this.#cancel()
  }

  preventDefault(): void {
    this.#cancel()
  }

  get defaultPrevented(): boolean {
    return this.#canceled
  }

  get composed(): boolean {
    return this.#composed
  }

  get timeStamp(): number {
    return this.#timeStamp
  }

  initEvent(type: unknown, bubbles: unknown = false, cancelable: unknown = false): void {
    requireArguments(arguments.length, 1, 'Event.initEvent')
    const name = toDOMString(type)
    if (this.#dispatched) return
    this.#type = name
    this.#bubbles = !!bubbles
    this.#cancelable = !!cancelable
    this.#target = null
    this.#trusted = false
    this.#stopped = false
    this.#stoppedAtOnce = false
    this.#canceled = false
  }

  #cancel(): void {
    if (this.#cancelable && !this.#passive) this.#canceled = true
  }

  static {
    isTrusted = (event) => event.#trusted
    eventControl = {
      begin(event, target) {
        event.#target = target
        event.#dispatched = true
      },
      end(event) {
        event.#dispatched = false
        event.#stopped = false
        event.#stoppedAtOnce = false
      },
      isDispatched: (event) => event.#dispatched,
      isStopped: (event) => event.#stopped,
      isStoppedAtOnce: (event) => event.#stoppedAtOnce,
      isCanceled: (event) => event.#canceled,
      cancel: (event) => event.#cancel(),
      typeOf: (event) => event.#type,
      setPassive(event, passive) {
        event.#passive = passive
      },
      setTrusted(event, trusted) {
        event.#trusted = trusted
      },
    }
  }
}
defineInterface(Event, { constants: { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 } })

/** An event of the site's own making, with a value of any kind. */
export class CustomEvent extends Event {
  #detail: unknown

  constructor(type: unknown, init: unknown = undefined) {
    requireArguments(arguments.length, 1, 'CustomEvent')
    super(type, init)
    const { detail } = toDictionary(init, 'the init of an event')
    this.#detail = detail === undefined ? null : detail
  }

  get detail(): unknown {
    return this.#detail
  }

  initCustomEvent(type: unknown, bubbles: unknown = false, cancelable: unknown = false, detail: unknown = null): void {
    requireArguments(arguments.length, 1, 'CustomEvent.initCustomEvent')
    if (eventControl.isDispatched(this)) return
    this.initEvent(type, bubbles, cancelable)
    this.#detail = detail
  }
}
defineInterface(CustomEvent)
