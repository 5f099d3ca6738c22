/**
 * Performance (High Resolution Time, and of User Timing marks and measures). The clock is that of the entry, of whole
 * milliseconds: it shows how long was waited, never how long was computed.
 */

import { bounds } from './bounds.ts'
import { isObject, requireArguments, toDictionary, toDOMString, toDouble } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { EventTarget } from './event-target.ts'
import { nowMs, originMs } from './host.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { arrays } from './primordials.ts'
import { structuredClone } from './structured-clone.ts'

interface EntryState {
  readonly name: string
  readonly startTime: number
  readonly duration: number
  readonly detail: unknown
}

let detailOf: (entry: PerformanceEntry) => unknown

/** Something that took, or was at, a time. */
export class PerformanceEntry {
  readonly #state: EntryState
  readonly #type: string

  constructor(key: unknown = undefined, type: unknown = '', state: unknown = undefined) {
    requireInternal(key)
    this.#type = type as string
    this.#state = state as EntryState
  }

  get name(): string {
    return this.#state.name
  }

  get entryType(): string {
    return this.#type
  }

  get startTime(): number {
    return this.#state.startTime
  }

  get duration(): number {
    return this.#state.duration
  }

  toJSON(): object {
    const { name, startTime, duration } = this.#state
    return { name, entryType: this.#type, startTime, duration }
  }

  static {
    detailOf = (entry) => entry.#state.detail
  }
}
defineInterface(PerformanceEntry)

/** A moment that was marked. */
export class PerformanceMark extends PerformanceEntry {
  constructor(name: unknown, options: unknown = undefined) {
    requireArguments(arguments.length, 1, 'PerformanceMark')
    const text = toDOMString(name)
    const { detail, startTime } = toDictionary(options, 'the options of a mark')
    const start = startTime === undefined ? nowMs - originMs : toDouble(startTime)
    if (start < 0) throw new TypeError('the time of a mark is negative')
    const state = { name: text, startTime: start, duration: 0, detail: cloneDetail(detail) }
    super(internal, 'mark', state)
  }

  get detail(): unknown {
    return detailOf(this)
  }
}
defineInterface(PerformanceMark)

/** What lies between two moments. */
export class PerformanceMeasure extends PerformanceEntry {
  get detail(): unknown {
    return detailOf(this)
  }
}
defineInterface(PerformanceMeasure)

function cloneDetail(detail: unknown): unknown {
  return detail === undefined || detail === null ? null : structuredClone(detail)
}

/** Time, as far as it can be seen. */
export class Performance extends EventTarget {
  /** The oldest are dropped. */
  #entries: PerformanceEntry[] = []

  constructor(key: unknown = undefined) {
    requireInternal(key)
    super()
  }

  now(): number {
    this.#entries
    return nowMs - originMs
  }

  get timeOrigin(): number {
    this.#entries
    return originMs
  }

  mark(name: unknown, options: unknown = undefined): PerformanceMark {
    const entries = this.#entries
    requireArguments(arguments.length, 1, 'Performance.mark')
    const mark = new PerformanceMark(name, options)
    add(entries, mark)
    return mark
  }

  measure(name: unknown, startOrOptions: unknown = undefined, endMark: unknown = undefined): PerformanceMeasure {
    const entries = this.#entries
    requireArguments(arguments.length, 1, 'Performance.measure')
    const text = toDOMString(name)
    const options = isObject(startOrOptions) ? (startOrOptions as Record<string, unknown>) : undefined
    const { start, end, duration } = options ?? { start: startOrOptions, end: endMark, duration: undefined }
    if (options !== undefined && endMark !== undefined) throw new TypeError('a measure with options takes no end mark')
    if (start !== undefined && end !== undefined && duration !== undefined)
      throw new TypeError('a measure has a start, an end and a duration')
    const known = duration === undefined ? undefined : toDouble(duration)
    const endTime =
      end !== undefined
        ? timeOf(entries, end)
        : start !== undefined && known !== undefined
          ? timeOf(entries, start) + known
          : nowMs - originMs
    const startTime = start !== undefined ? timeOf(entries, start) : known !== undefined ? endTime - known : 0
    const detail = cloneDetail(options?.['detail'])
    const state = { name: text, startTime, duration: endTime - startTime, detail }
    const measure = new PerformanceMeasure(internal, 'measure', state)
    add(entries, measure)
    return measure
  }

  clearMarks(name: unknown = undefined): void {
    this.#clear('mark', name)
  }

  clearMeasures(name: unknown = undefined): void {
    this.#clear('measure', name)
  }

  getEntries(): PerformanceEntry[] {
    return select(this.#entries, undefined, undefined)
  }

  getEntriesByType(type: unknown): PerformanceEntry[] {
    requireArguments(arguments.length, 1, 'Performance.getEntriesByType')
    return select(this.#entries, toDOMString(type), undefined)
  }

  getEntriesByName(name: unknown, type: unknown = undefined): PerformanceEntry[] {
    requireArguments(arguments.length, 1, 'Performance.getEntriesByName')
    return select(this.#entries, type === undefined ? undefined : toDOMString(type), toDOMString(name))
  }

  toJSON(): object {
    this.#entries
    return { timeOrigin: originMs }
  }

  #clear(type: string, name: unknown): void {
    const text = name === undefined ? undefined : toDOMString(name)
    const kept: PerformanceEntry[] = []
    for (let index = 0; index < this.#entries.length; index++) {
      const entry = this.#entries[index] as PerformanceEntry
      if (entry.entryType !== type || (text !== undefined && entry.name !== text)) arrays.push(kept, entry)
    }
    this.#entries = kept
  }
}
defineInterface(Performance)

/** The `performance` of the global. */
export const performance = new Performance(internal)

function add(entries: PerformanceEntry[], entry: PerformanceEntry): void {
  if (entries.length >= bounds.performanceEntries) arrays.shift(entries)
  arrays.push(entries, entry)
}

/** A time, or that of the latest mark of a name. Throws a `SyntaxError` for a mark that is not there. */
function timeOf(entries: readonly PerformanceEntry[], value: unknown): number {
  if (typeof value === 'number') return toDouble(value)
  const name = toDOMString(value)
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index]
    if (entry?.entryType === 'mark' && entry.name === name) return entry.startTime
  }
  throw new DOMException(`there is no mark "${name}"`, 'SyntaxError')
}

function select(entries: readonly PerformanceEntry[], type: string | undefined, name: string | undefined) {
  const list: PerformanceEntry[] = []
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] as PerformanceEntry
    if ((type === undefined || entry.entryType === type) && (name === undefined || entry.name === name))
      arrays.push(list, entry)
  }
  return arrays.sort(list, (a, b) => a.startTime - b.startTime)
}
