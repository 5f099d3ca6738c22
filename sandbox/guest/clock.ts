/**
 * The language's own clocks, made to show the time of the entry: `Date`, and what of `Intl` and `Temporal` takes the present by
 * itself. Code that cannot read the time while it runs cannot measure what lies in a cache beside it.
 */

import { nowMs } from './host.ts'
import { objects, reflect, uncurry, uncurryGetter, weakMaps } from './primordials.ts'

const NativeDate = Date
const dateText = uncurry(Date.prototype.toString) as (date: Date) => string

/** Puts clocks that show the time of the entry in the place of the language's. Called once, before any code of the site runs. */
export function freezeClocks(): void {
  freezeDate()
  freezeIntl()
  freezeTemporal()
}

function freezeDate(): void {
  const now = { now: () => nowMs }.now
  const replacement = function (...args: unknown[]): unknown {
    if (new.target === undefined) return dateText(new NativeDate(nowMs))
    return reflect.construct(NativeDate, args.length === 0 ? [nowMs] : (args as []), new.target)
  }
  for (const key of ['parse', 'UTC', 'length', 'name'])
    objects.defineProperty(replacement, key, objects.getOwnPropertyDescriptor(NativeDate, key) ?? {})
  define(replacement, 'now', now)
  const { prototype } = NativeDate
  objects.defineProperty(replacement, 'prototype', { value: prototype, writable: false })
  define(prototype, 'constructor', replacement)
  define(globalThis, 'Date', replacement)
}

type Formatter = (date?: unknown) => unknown

function freezeIntl(): void {
  const { prototype } = Intl.DateTimeFormat
  const formatOf = uncurryGetter<Intl.DateTimeFormat, Formatter>(prototype, 'format')
  const toParts = uncurry(prototype.formatToParts) as (format: Intl.DateTimeFormat, date: unknown) => unknown
  const bound = new WeakMap<object, Formatter>()
  const members = {
    get format(): Formatter {
      const self = this as unknown as Intl.DateTimeFormat
      const native = formatOf(self)
      const known = weakMaps.get(bound, native)
      if (known !== undefined) return known
      const frozen: Formatter = (date) => native(date === undefined ? nowMs : date)
      objects.defineProperty(frozen, 'name', { value: '', configurable: true })
      weakMaps.set(bound, native, frozen)
      return frozen
    },
    formatToParts(date: unknown): unknown {
      return toParts(this as unknown as Intl.DateTimeFormat, date === undefined ? nowMs : date)
    },
  }
  const descriptor = objects.getOwnPropertyDescriptor(members, 'format')
  objects.defineProperty(prototype, 'format', { ...descriptor, enumerable: false })
  define(prototype, 'formatToParts', members.formatToParts)
}

/** What of `Temporal` is used here; older engines have none. */
interface TemporalNamespace {
  readonly Now: Record<string, unknown>
  readonly Instant: { fromEpochMilliseconds(ms: number): { toZonedDateTimeISO(zone: unknown): ZonedDateTime } }
}

interface ZonedDateTime {
  toPlainDateTime(): unknown
  toPlainDate(): unknown
  toPlainTime(): unknown
}

function freezeTemporal(): void {
  const temporal = objects.getOwnPropertyDescriptor(globalThis, 'Temporal')?.value as TemporalNamespace | undefined
  if (temporal === undefined) return
  const { Now, Instant } = temporal
  const fromMs = Instant.fromEpochMilliseconds
  const now = () => reflect.apply(fromMs, Instant, [nowMs]) as ReturnType<typeof fromMs>
  const zoneOf = Now['timeZoneId'] as () => string
  const inZone = uncurry(now().toZonedDateTimeISO) as (instant: object, zone: unknown) => ZonedDateTime
  const sample = inZone(now(), 'UTC')
  const zoned = (zone: unknown) => inZone(now(), zone === undefined ? zoneOf() : zone)
  const dateTimeOf = uncurry(sample.toPlainDateTime) as (date: ZonedDateTime) => unknown
  const dateOf = uncurry(sample.toPlainDate) as (date: ZonedDateTime) => unknown
  const timeOf = uncurry(sample.toPlainTime) as (date: ZonedDateTime) => unknown
  const members = {
    instant: () => now(),
    zonedDateTimeISO: (zone: unknown = undefined) => zoned(zone),
    plainDateTimeISO: (zone: unknown = undefined) => dateTimeOf(zoned(zone)),
    plainDateISO: (zone: unknown = undefined) => dateOf(zoned(zone)),
    plainTimeISO: (zone: unknown = undefined) => timeOf(zoned(zone)),
  }
  for (const [name, member] of objects.entries<unknown>(members)) define(Now, name, member)
}

function define(owner: object, key: string, value: unknown): void {
  objects.defineProperty(owner, key, { value, writable: true, enumerable: false, configurable: true })
}
