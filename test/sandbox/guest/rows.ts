/**
 * Tables of conformance: rows of code and what it gives, run in this process against the guest's modules, and in an isolate as
 * code of a site. The two must agree with the row.
 */

import type { Test } from 'tap'
import { attributes, interfaces, operations } from '../../../sandbox/guest/globals.ts'
import { loadSite, type SiteOptions, type TestSite } from './isolate.ts'
import './node-host.ts'

/** A title, an expression or the body of an async function, and what it gives as JSON; or the error that it throws. */
export type Row = readonly [title: string, code: string, gives: unknown]

/** What a row gives that throws: the name of the error. */
export function throws(name: string): { readonly threw: string } {
  return { threw: name }
}

/** Makes what a row gives plain: JSON has no undefined, NaN and the like. It is run on both sides, as text. */
const plainSource = `
  const plain = (value) => {
    if (value === undefined) return '<undefined>'
    if (typeof value === 'number' && !Number.isFinite(value)) return '<' + value + '>'
    if (Object.is(value, -0)) return '<-0>'
    if (typeof value === 'bigint') return value + 'n'
    if (typeof value === 'function' || typeof value === 'symbol') return '<' + typeof value + '>'
    if (typeof value !== 'object' || value === null) return value
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value, plain)
    if (Array.isArray(value)) return Array.from(value, plain)
    if (value instanceof Map) return ['<Map>', ...Array.from(value, plain)]
    if (value instanceof Set) return ['<Set>', ...Array.from(value, plain)]
    return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]))
  }
  const attempt = async (run) => {
    try {
      return { value: plain(await run()) }
    } catch (error) {
      return { threw: error === null || typeof error !== 'object' ? String(error) : error.name, message: String(error?.message) }
    }
  }
`

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<Given>

interface Given {
  readonly value?: unknown
  readonly threw?: string
  readonly message?: string
}

const scope: Readonly<Record<string, unknown>> = { ...interfaces, ...operations, ...attributes }

/** An expression gives its value; a body, which is none, says itself what it gives. */
function bodyOf(code: string): string {
  try {
    new AsyncFunction(`return (${code}\n)`)
    return `return (${code}\n)`
  } catch {
    return code
  }
}

/** Runs each row on both sides. `isolate: false` leaves out the isolate, for rows about what only Node's side has. */
export async function checkRows(
  t: Test,
  rows: readonly Row[],
  options: SiteOptions & { readonly isolate?: boolean; readonly node?: boolean } = {},
): Promise<void> {
  const site = options.isolate === false ? undefined : await loadSite(siteOf(rows), options)
  for (const [index, row] of rows.entries()) {
    if (options.node !== false) checkRow(t, row, await runHere(row), 'in Node')
    if (site) checkRow(t, row, await runThere(site, index), 'in an isolate')
  }
  site?.isolate.dispose()
}

function checkRow(t: Test, [title, , gives]: Row, given: Given, where: string): void {
  const expected = gives !== null && typeof gives === 'object' && 'threw' in gives ? gives : { value: gives }
  const found =
    'threw' in expected ? { threw: given.threw } : given.threw === undefined ? { value: given.value } : given
  t.strictSame(found, expected, `${title}, ${where}`)
}

async function runHere([, code]: Row): Promise<Given> {
  const names = Object.keys(scope)
  const source = `"use strict"; ${plainSource}; return attempt(async () => { ${bodyOf(code)}\n })`
  return JSON.parse(JSON.stringify(await new AsyncFunction(...names, source)(...names.map((name) => scope[name]))))
}

function siteOf(rows: readonly Row[]): string {
  const functions = rows.map(([, code]) => `async () => { ${bodyOf(code)}\n }`)
  return `${plainSource}
    const rows = [${functions.join(',\n')}]
    var groveSite = { default: { async fetch(request) {
      return Response.json(await attempt(rows[+new URL(request.url).pathname.slice(1)]))
    } } }`
}

async function runThere(site: TestSite, index: number): Promise<Given> {
  const { body, error, breach } = await site.ask(`https://rows.example/${index}`)
  if (body === '') return { threw: error?.name ?? breach?.limit ?? 'nothing', message: error?.message ?? '' }
  return JSON.parse(body)
}
