/**
 * console (Console Standard). A line goes to the author's log; how long it may be and how many there are is bounded here, so
 * that a flood costs no more than it must, and by the host.
 */

import { bridgeLimits, logLevels, ops } from '../bridge.ts'
import { bounds } from './bounds.ts'
import { consoleTable } from './console-table.ts'
import { isObject, toDOMString } from './convert.ts'
import { call, current, limits, nowMs } from './host.ts'
import { inspect } from './inspect.ts'
import { arrays, maps, numbers, objects, reflect, strings } from './primordials.ts'

let groupDepth = 0
/** The request whose lines the host takes no more of. */
let mutedOwner = -1
const counts = new Map<string, number>()
const startedMs = new Map<string, number>()

function print(level: number, args: readonly unknown[]): void {
  if (current === mutedOwner || args.length === 0) return
  write(level, format(args, lineLimit()))
}

function write(level: number, text: string): void {
  if (current === mutedOwner) return
  const margin = strings.repeat('  ', groupDepth)
  const lines = groupDepth === 0 ? text : margin + arrays.join(strings.split(text, '\n'), `\n${margin}`)
  const answer = call(ops.log, current, level, shorten(lines))
  if (typeof answer === 'number' && answer < 0) mutedOwner = current
}

function lineLimit(): number {
  return numbers.min(limits.logLineChars, bridgeLimits.logChars)
}

function shorten(text: string): string {
  const most = lineLimit()
  return text.length <= most ? text : `${strings.slice(text, 0, most - 1)}…`
}

/** Console Standard, "Formatter": the specifiers of the first argument take the next ones, the rest follow. */
function format(args: readonly unknown[], most: number): string {
  let text = ''
  let next = 1
  const first = args[0]
  if (typeof first !== 'string' || args.length === 1) text = inspect(first, most)
  else {
    let from = 0
    for (;;) {
      const at = strings.indexOf(first, '%', from)
      if (at === -1 || at + 1 >= first.length || text.length > most) break
      const kind = strings.slice(first, at + 1, at + 2)
      const isSpecifier = strings.includes('sdifoOcj%', kind)
      if (!isSpecifier || (kind !== '%' && next >= args.length)) text += strings.slice(first, from, at + 2)
      else {
        text += strings.slice(first, from, at)
        text += kind === '%' ? '%' : specified(kind, args[next], most)
        if (kind !== '%') next++
      }
      from = at + 2
    }
    text += strings.slice(first, from, from + most)
  }
  for (; next < args.length && text.length < most; next++) text += ` ${inspect(args[next], most - text.length)}`
  return text
}

function specified(kind: string, value: unknown, most: number): string {
  switch (kind) {
    case 's':
      return inspect(value, most, 1)
    case 'd':
      return isObject(value) || typeof value === 'symbol'
        ? 'NaN'
        : `${typeof value === 'bigint' ? value : +(value as number)}`
    case 'i':
      return isObject(value) || typeof value === 'symbol' ? 'NaN' : `${numbers.trunc(numbers.of(value))}`
    case 'f':
      return isObject(value) || typeof value === 'symbol' ? 'NaN' : `${numbers.of(value)}`
    case 'c':
      return ''
    default:
      return inspect(value, most)
  }
}

function labelOf(label: unknown): string {
  return strings.slice(label === undefined ? 'default' : toDOMString(label), 0, 200)
}

/** Adds a label, unless there are too many. */
function keep(table: Map<string, number>, label: string, value: number): void {
  if (maps.size(table) < bounds.consoleLabels || maps.has(table, label)) maps.set(table, label, value)
}

const methods = {
  assert(condition: unknown = false, ...data: unknown[]): void {
    if (condition) return
    const first = data[0]
    if (typeof first === 'string') data[0] = `Assertion failed: ${first}`
    else arrays.unshift(data, 'Assertion failed')
    print(logLevels.error, data)
  },
  clear(): void {
    groupDepth = 0
  },
  debug(...data: unknown[]): void {
    print(logLevels.debug, data)
  },
  error(...data: unknown[]): void {
    print(logLevels.error, data)
  },
  info(...data: unknown[]): void {
    print(logLevels.info, data)
  },
  log(...data: unknown[]): void {
    print(logLevels.info, data)
  },
  table(data: unknown = undefined, columns: unknown = undefined): void {
    const text = isObject(data) ? consoleTable(data, columns, lineLimit()) : undefined
    if (text === undefined) print(logLevels.info, [data])
    else write(logLevels.info, text)
  },
  trace(...data: unknown[]): void {
    const { stack } = new Error()
    const lines = strings.split(typeof stack === 'string' ? stack : '', '\n')
    const title = data.length === 0 ? 'Trace' : `Trace: ${format(data, lineLimit())}`
    // The first two lines name the error and this method.
    write(logLevels.debug, `${title}\n${arrays.join(arrays.slice(lines, 2), '\n')}`)
  },
  warn(...data: unknown[]): void {
    print(logLevels.warn, data)
  },
  dir(item: unknown = undefined, _options: unknown = undefined): void {
    if (current !== mutedOwner) write(logLevels.info, inspect(item, lineLimit()))
  },
  dirxml(...data: unknown[]): void {
    print(logLevels.info, data)
  },
  count(label: unknown = 'default'): void {
    const name = labelOf(label)
    const count = (maps.get(counts, name) ?? 0) + 1
    keep(counts, name, count)
    write(logLevels.info, `${name}: ${count}`)
  },
  countReset(label: unknown = 'default'): void {
    const name = labelOf(label)
    if (maps.has(counts, name)) maps.set(counts, name, 0)
    else write(logLevels.warn, `there is no count "${name}"`)
  },
  group(...data: unknown[]): void {
    print(logLevels.info, data)
    if (groupDepth < bounds.consoleGroups) groupDepth++
  },
  groupCollapsed(...data: unknown[]): void {
    reflect.apply(methods.group, undefined, data)
  },
  groupEnd(): void {
    if (groupDepth > 0) groupDepth--
  },
  time(label: unknown = 'default'): void {
    const name = labelOf(label)
    if (maps.has(startedMs, name)) write(logLevels.warn, `there is a timer "${name}" already`)
    else keep(startedMs, name, nowMs)
  },
  timeLog(label: unknown = 'default', ...data: unknown[]): void {
    const name = labelOf(label)
    const from = maps.get(startedMs, name)
    if (from === undefined) write(logLevels.warn, `there is no timer "${name}"`)
    else {
      arrays.unshift(data, `${name}: ${nowMs - from}ms`)
      print(logLevels.info, data)
    }
  },
  timeEnd(label: unknown = 'default'): void {
    const name = labelOf(label)
    methods.timeLog(name)
    maps.delete(startedMs, name)
  },
}

/** The `console` of the site: a namespace of Web IDL, whose members are enumerable and can be called without it. */
export const guestConsole: object = objects.assign(objects.create({}), methods)
objects.defineProperty(guestConsole, Symbol.toStringTag, { value: 'console', configurable: true })
