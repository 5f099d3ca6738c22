import t from 'tap'
import { matchRoute } from '../../control/plugin-routes.ts'
import type { Plugin } from '../../core/plugin.ts'

const handler = () => new Response()
const other = () => new Response()
const plugins: Plugin[] = [
  { name: 'data-only' },
  {
    name: 'login',
    routes: {
      'GET /': handler,
      'POST /sign-in': handler,
      'GET /both': handler,
      'HEAD /both': other,
      'PUT /both': other,
    },
  },
]

const cases = [
  { name: 'a handler by method and path', request: ['login', 'POST', '/sign-in'], expected: { handler } },
  { name: 'HEAD by the handler of GET', request: ['login', 'HEAD', '/'], expected: { handler } },
  { name: 'HEAD by its own handler first', request: ['login', 'HEAD', '/both'], expected: { handler: other } },
  {
    name: 'no handler, but methods',
    request: ['login', 'GET', '/sign-in'],
    expected: { handler: undefined, methods: ['POST'] },
  },
  {
    name: 'that HEAD is allowed where GET is',
    request: ['login', 'POST', '/'],
    expected: { handler: undefined, methods: ['GET', 'HEAD'] },
  },
  {
    name: 'each method once',
    request: ['login', 'PATCH', '/both'],
    expected: { handler: undefined, methods: ['GET', 'HEAD', 'PUT'] },
  },
  { name: 'no path', request: ['login', 'GET', '/sign-in/'], expected: { handler: undefined, methods: [] } },
  {
    name: 'no encoded spelling',
    request: ['login', 'POST', '/sign%2din'],
    expected: { handler: undefined, methods: [] },
  },
  { name: 'no empty path', request: ['login', 'GET', ''], expected: { handler: undefined, methods: [] } },
  {
    name: 'no plugin without routes',
    request: ['data-only', 'GET', '/'],
    expected: { handler: undefined, methods: [] },
  },
  { name: 'no unknown plugin', request: ['constructor', 'GET', '/'], expected: { handler: undefined, methods: [] } },
  {
    name: 'no lower-case method',
    request: ['login', 'post', '/sign-in'],
    expected: { handler: undefined, methods: ['POST'] },
  },
] as const
for (const { name, request, expected } of cases) {
  const [plugin, method, path] = request
  t.test(`finds ${name}`, async (t) => t.strictSame(matchRoute(plugins, plugin, method, path), expected))
}
