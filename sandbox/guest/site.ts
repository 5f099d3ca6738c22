/**
 * The site's code inside the prelude: how it is loaded, and how its handler is called. A bundle gives a function to
 * {@link defineSite}, which is called under the prelude's own try; what it returns are the module's exports. Handlers are methods
 * of the default export; the older `addEventListener('fetch', …)` is not offered.
 */

import { type BridgeValue, failures, loadSteps, ops, requestFlags } from '../bridge.ts'
import type { LoadBegin } from '../bridge-shapes.ts'
import { isObject } from './convert.ts'
import { createEnvironment } from './env.ts'
import { describeJson } from './errors.ts'
import { createContext } from './execution-context.ts'
import { call, enter, setLimits } from './host.ts'
import { readJson } from './operations.ts'
import { arrays, maps, promises, reflect } from './primordials.ts'
import { createRequest } from './request.ts'
import { responseStateOf } from './response.ts'
import { VisitorRequest } from './visitor-request.ts'
import { compileUploaded } from './web-assembly.ts'

/** Handlers that a default export can have; the host is told which there are. */
const handlerNames = ['fetch', 'scheduled', 'pages', 'render'] as const

/** The bundle's function. It takes what gives it the modules of WebAssembly that it imports. */
type Define = (wasm: (name: unknown) => object | undefined) => unknown

const modules = new Map<string, object>()
let begin: LoadBegin | undefined
let define: Define | undefined
let site: object | undefined
let fetchHandler: unknown
let env: object = {}

/** Takes the bundle's function. The first one counts. */
export function defineSite(given: unknown): void {
  if (typeof given === 'function') define ??= given as Define
}

/** The guest's entry `load`. */
export function load(step: number, payload?: BridgeValue, content?: BridgeValue): void {
  enter(0)
  try {
    if (step === loadSteps.begin) beginLoading(payload)
    else if (step === loadSteps.wasm) addModule(payload, content)
    else if (step === loadSteps.run) call(ops.loaded, arrays.join(run(), ','))
  } catch (error) {
    call(ops.fail, 0, failures.load, describeJson(error), false)
  }
}

function beginLoading(payload: BridgeValue): void {
  begin = readJson<LoadBegin>(payload)
  if (begin !== undefined) setLimits(begin.limits)
}

function addModule(name: BridgeValue, content: BridgeValue): void {
  if (typeof name === 'string' && typeof content === 'object') maps.set(modules, name, compileUploaded(content))
}

/** Runs the module, and answers the names of its handlers. */
function run(): string[] {
  const given = define
  define = undefined
  if (begin === undefined || given === undefined) throw new TypeError('the bundle did not define the code')
  env = createEnvironment(begin, modules)
  fetchHandler = undefined
  const exported = given((name) => (typeof name === 'string' ? maps.get(modules, name) : undefined))
  const value = isObject(exported) ? (exported as { readonly default?: unknown }).default : undefined
  if (!isObject(value))
    throw new TypeError('the code has no default export: export default { async fetch(request, env, ctx) { … } }')
  const names: string[] = []
  for (let index = 0; index < handlerNames.length; index++) {
    const name = handlerNames[index] as (typeof handlerNames)[number]
    // Routers are often proxies that answer any name with a function; what they do not say that they have does not count.
    if (name !== 'fetch' && !(name in value)) continue
    const handler = (value as Readonly<Record<string, unknown>>)[name]
    if (typeof handler !== 'function') continue
    if (name === 'fetch') fetchHandler = handler
    arrays.push(names, name)
  }
  if (names.length === 0) throw new TypeError('the default export of the code has no fetch method')
  site = value
  return names
}

/** The guest's entry `dispatch`. */
export function dispatch(id: number, method: string, url: string, headers: string, flags: number): void {
  enter(id)
  const hasBody = (flags & requestFlags.hasBody) !== 0
  const isUpgrade = (flags & requestFlags.isUpgrade) !== 0
  const visit = new VisitorRequest({ id, method, url, headers, hasBody, isUpgrade })
  if (fetchHandler === undefined) {
    visit.refuse()
    return
  }
  let given: unknown
  try {
    given = reflect.apply(fetchHandler, site, [createRequest(visit.state), env, createContext(visit)])
  } catch (error) {
    visit.fail(error)
    return
  }
  if (!isObject(given) || responseStateOf(given) !== undefined) visit.give(given)
  else follow(visit, given)
}

/** Waits for a promise of the site's, or whatever else has a `then`. */
function follow(visit: VisitorRequest, given: object): void {
  const done = (value: unknown) => visit.give(value)
  const failed = (reason: unknown) => visit.fail(reason)
  try {
    void promises.then(given as Promise<unknown>, done, failed)
  } catch {
    // No promise of the language: a thenable, which a new promise adopts, or an object, which it takes for the result.
    void promises.then(promises.of(given), done, failed)
  }
}
