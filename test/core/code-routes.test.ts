import t from 'tap'
import { codeRouteSchema, codeRoutesSchema, routeOf } from '../../core/code-routes.ts'

t.test('the first route that matches counts', async (t) => {
  const routes = codeRoutesSchema.parse([
    { pattern: '/api/docs/*', to: 'static' },
    { pattern: '/api/*', to: 'code' },
    { pattern: '/feed', to: 'code' },
    { pattern: '/about', to: 'static' },
  ])
  const rows: [string, 'code' | 'static' | undefined][] = [
    ['/api/docs/a', 'static'],
    ['/api/docs', 'code'],
    ['/api/', 'code'],
    ['/api', undefined],
    ['/feed', 'code'],
    ['/feed/', undefined],
    ['/feeds', undefined],
    ['/about', 'static'],
    ['/', undefined],
  ]
  for (const [path, to] of rows) t.equal(routeOf(routes, path), to, path)
  t.equal(routeOf([{ pattern: '/*', to: 'code' }], '/'), 'code', 'everything')
  t.equal(routeOf([], '/'), undefined)
})

t.test('what is no route is refused', async (t) => {
  const rows: unknown[] = [
    { pattern: 'api', to: 'code' },
    { pattern: '/a*b', to: 'code' },
    { pattern: '/**', to: 'code' },
    { pattern: '/a?b', to: 'code' },
    { pattern: '/a#b', to: 'code' },
    { pattern: '/\0', to: 'code' },
    { pattern: `/${'x'.repeat(256)}`, to: 'code' },
    { pattern: '/a', to: 'upstream' },
    { pattern: '/a', to: 'code', status: 200 },
  ]
  for (const row of rows) t.notOk(codeRouteSchema.safeParse(row).success, JSON.stringify(row))
  t.notOk(codeRoutesSchema.safeParse(Array.from({ length: 101 }, () => ({ pattern: '/a', to: 'code' }))).success)
})
