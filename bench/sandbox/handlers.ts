/** The handlers that are measured, the same text for Grove and workerd. */

/** A handler, and how it is asked. */
export interface Measured {
  readonly name: string
  readonly path: string
  /** Bytes of JSON that are sent along; none for GET. */
  readonly bodyBytes: number
}

/** What is measured. */
export const measured: readonly Measured[] = [
  { name: 'hello world', path: '/hello', bodyBytes: 0 },
  { name: 'a JSON echo of 10 KB', path: '/echo', bodyBytes: 10_240 },
]

/** The code of the site. */
export const workerText = `export default {
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/echo') return Response.json(await request.json())
    if (pathname === '/hello') return new Response('hello world')
    return new Response('not found', { status: 404 })
  },
}
`

/** Code of about so many bytes once it is bundled: functions of a dozen lines, all of which are reached, as in a framework. */
export function largeWorker(bytes: number): string {
  const parts: string[] = []
  // What minifying leaves of one of them.
  const leftBytes = 535
  for (let i = 0; i * leftBytes < bytes; i += 1) parts.push(functionText(i))
  const table = parts.map((_, i) => `step${i}`).join(', ')
  return `${parts.join('')}const table = [${table}]
export default {
  fetch(request) {
    const state = { depth: 0, seen: new Map() }
    return new Response(String(table.length) + table[request.url.length % table.length](state, [...request.headers]))
  },
}
`
}

function functionText(i: number): string {
  return `function step${i}(state, entries) {
  const found = []
  for (const [name, value] of entries) {
    if (name.startsWith('x-step-${i}')) {
      state.seen.set(name, value)
      continue
    }
    switch (value.length % 4) {
      case 0: found.push({ name, value: value.slice(0, ${i % 90}), weight: state.depth * ${i + 1} }); break
      case 1: state.depth += ${(i % 7) + 1}; break
      default: found.push({ name: name.toUpperCase(), value: name + '=' + value + ';${i}', weight: 0 })
    }
  }
  const total = found.reduce((sum, { weight }) => sum + weight, ${i})
  return found.sort((a, b) => a.weight - b.weight).map(({ name, value }) => name + value).join('&') + total
}
`
}

/** JSON of about so many bytes. */
export function jsonOf(bytes: number): string {
  const items: unknown[] = []
  for (let length = 2; length < bytes; length += JSON.stringify(items.at(-1)).length + 1)
    items.push({ id: items.length, name: `item ${items.length}`, tags: ['a', 'b'], price: items.length * 1.5 })
  return JSON.stringify(items)
}
