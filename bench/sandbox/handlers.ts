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

/** Code of about so many bytes once it is bundled, whose functions are all reached. */
export function largeWorker(bytes: number): string {
  const parts: string[] = []
  let length = 0
  for (let i = 0; length < bytes; i += 1) {
    const part = `export const f${i} = (a, b) => { const list = [a, b, ${i}]; return list.map((x) => x * ${i + 1}).reduce((x, y) => x + y, 'seed${i}'.length) }\n`
    parts.push(part)
    length += part.length
  }
  const table = parts.map((_, i) => `f${i}`).join(',')
  return `${parts.join('')}const table = [${table}]
export default { fetch: (request) => new Response(String(table.length) + table[request.url.length % table.length](1, 2)) }
`
}

/** JSON of about so many bytes. */
export function jsonOf(bytes: number): string {
  const items: unknown[] = []
  for (let length = 2; length < bytes; length += JSON.stringify(items.at(-1)).length + 1)
    items.push({ id: items.length, name: `item ${items.length}`, tags: ['a', 'b'], price: items.length * 1.5 })
  return JSON.stringify(items)
}
