/** Which handler of which plugin answers a request under `/.grove/<plugin>/`. */

import type { Handler, Plugin } from '../core/plugin.ts'

/** A handler, or the methods that the path knows (empty: the path is unknown). */
export type RouteMatch =
  | { readonly handler: Handler }
  | { readonly handler: undefined; readonly methods: readonly string[] }

/**
 * The handler for a method and a path behind the plugin's name, compared as sent: what is percent-encoded otherwise is
 * another path. HEAD falls to GET.
 */
export function matchRoute(plugins: readonly Plugin[], plugin: string, method: string, path: string): RouteMatch {
  const routes = plugins.find(({ name }) => name === plugin)?.routes ?? {}
  const keys = method === 'HEAD' ? [`HEAD ${path}`, `GET ${path}`] : [`${method} ${path}`]
  for (const key of keys) {
    const handler = Object.hasOwn(routes, key) ? routes[key] : undefined
    if (handler) return { handler }
  }
  const methods = Object.keys(routes)
    .filter((key) => key.slice(key.indexOf(' ') + 1) === path)
    .map((key) => key.slice(0, key.indexOf(' ')))
  if (methods.includes('GET') && !methods.includes('HEAD')) methods.push('HEAD')
  return { handler: undefined, methods: methods.sort() }
}
