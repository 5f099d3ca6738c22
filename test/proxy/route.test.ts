import t from 'tap'
import type { CodeRoute } from '../../core/code-routes.ts'
import type { CompiledFile } from '../../core/compiled.ts'
import type { Body, Exchange } from '../../core/exchange.ts'
import type { HeaderList } from '../../core/headers.ts'
import type { SiteState } from '../../core/messages.ts'
import type { Session } from '../../core/session.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { BlobCache } from '../../proxy/blob-cache.ts'
import type { RemoteUpstream } from '../../proxy/remote-upstream.ts'
import { routeExchange } from '../../proxy/route.ts'
import { type SiteRuntime, siteRuntime } from '../../proxy/site-runtime.ts'
import { buildTable } from './fixtures/table.ts'

function file(path: string, personal: boolean): CompiledFile {
  const type = path.endsWith('.html') ? 'text/html; charset=utf-8' : 'text/css; charset=utf-8'
  return { path, hash: 'a'.repeat(64), bytes: 1, type, personal, compressible: false, headers: [], variants: [] }
}

function site(
  hasUpstream: boolean,
  files: readonly CompiledFile[] | undefined,
  more: Pick<SiteState, 'unavailable' | 'provesNames'> = {},
  routes?: readonly CodeRoute[],
): SiteRuntime {
  const rest = { upstreams: [], timeoutMs: 1_000, bodyBytes: 0, ...more }
  return siteRuntime({
    state: { name: 'blog', authorities: ['blog.localhost'], ...rest },
    table: files && buildTable({ site: 'blog', version: 1, files }),
    upstream: hasUpstream ? ({ name: 'upstream' } as RemoteUpstream) : undefined,
    code: routes && { upstream: { name: 'code' } as Upstream, routes },
    epoch: undefined,
    earlier: [],
    isSure: true,
  })
}

/** Who answers a request: `static`, `upstream`, `upstream as ada`, `reserved`, or a status of the front's own. */
function answeredBy(target: SiteRuntime, method: string, path: string, session?: Session): string {
  let by = ''
  const exchange = {
    id: 'x',
    method,
    path,
    target: path,
    query: '',
    headers: [],
    responded: false,
    note: undefined,
    respond(status: number, headers: HeaderList, _body?: Body) {
      by = headers.includes('grove-version') ? `static ${status}` : `${status}`
    },
  } as unknown as Exchange
  const content = { peek: () => Buffer.from('x') } as unknown as BlobCache
  routeExchange(exchange, target, {
    cache: content,
    sessionOf: () => session,
    dynamic: (_exchange, _site, { name }, who) => {
      by = who ? `${name} as ${who.userId}` : name
    },
    reserved: () => {
      by = 'reserved'
    },
  })
  return by
}

const ada: Session = { id: 'i', userId: 'ada', site: 'blog', issuedAtMs: 0, expiresAtMs: 1 }
const withUpstream = site(true, [file('index.html', true), file('a/index.html', true), file('main.css', false)])
const withoutUpstream = site(false, [file('index.html', false), file('main.css', false)])
const unpublished = site(true, undefined)

t.test('what is the same for everyone is static, the rest goes to the upstream', (t) => {
  const table: [SiteRuntime, string, string, Session | undefined, string][] = [
    [withUpstream, 'GET', '/main.css', undefined, 'static 200'],
    [withUpstream, 'GET', '/main.css', ada, 'static 200'],
    [withUpstream, 'HEAD', '/main.css', ada, 'static 200'],
    [withUpstream, 'GET', '/', undefined, 'static 200'],
    [withUpstream, 'GET', '/', ada, 'upstream as ada'],
    [withUpstream, 'HEAD', '/', ada, 'upstream as ada'],
    [withUpstream, 'GET', '/a', undefined, 'static 308'],
    [withUpstream, 'POST', '/', undefined, 'upstream'],
    [withUpstream, 'POST', '/main.css', ada, 'upstream as ada'],
    [withUpstream, 'GET', '/unknown', undefined, 'upstream'],
    [withUpstream, 'DELETE', '/unknown', ada, 'upstream as ada'],
    [withUpstream, 'GET', '/.grove/jwks.json', undefined, 'reserved'],
    [withUpstream, 'GET', '/.grovel', undefined, 'upstream'],
    [unpublished, 'GET', '/', undefined, 'upstream'],
    [withoutUpstream, 'GET', '/', ada, 'static 200'],
    [withoutUpstream, 'GET', '/unknown', undefined, 'static 404'],
    [withoutUpstream, 'POST', '/', undefined, 'static 405'],
    [withoutUpstream, 'POST', '/unknown', undefined, 'static 404'],
    [site(false, undefined), 'GET', '/', undefined, '404'],
    [site(false, undefined, { unavailable: true }), 'GET', '/', undefined, '503'],
    [site(true, undefined, { unavailable: true }), 'HEAD', '/main.css', undefined, '503'],
    [site(true, undefined, { unavailable: true }), 'POST', '/', ada, 'upstream as ada'],
    [site(true, undefined, { unavailable: true }), 'GET', '/.grove/jwks.json', undefined, 'reserved'],
  ]
  for (const [target, method, path, session, expected] of table)
    t.equal(answeredBy(target, method, path, session), expected, `${method} ${path}`)
  t.end()
})

t.test('files win over code unless a route says so, and what has none goes to it', (t) => {
  const routes: CodeRoute[] = [
    { pattern: '/api/public/*', to: 'static' },
    { pattern: '/api/*', to: 'code' },
    { pattern: '/main.css', to: 'code' },
  ]
  const files = [file('index.html', false), file('main.css', false), file('api/x.css', false)]
  const plain = site(false, files, {}, [])
  const routed = site(false, files, {}, routes)
  const both = site(true, files, {}, routes)
  const table: [SiteRuntime, string, string, Session | undefined, string][] = [
    [plain, 'GET', '/', undefined, 'static 200'],
    [plain, 'GET', '/', ada, 'static 200'],
    [plain, 'GET', '/unknown', ada, 'code as ada'],
    [plain, 'POST', '/', undefined, 'code'],
    [plain, 'GET', '/api/x.css', undefined, 'static 200'],
    [routed, 'GET', '/api/x.css', undefined, 'code'],
    [routed, 'GET', '/main.css', undefined, 'code'],
    [routed, 'GET', '/api/public/unknown', undefined, 'static 404'],
    [routed, 'POST', '/api/public/unknown', undefined, 'static 404'],
    [routed, 'GET', '/.grove/x', undefined, 'reserved'],
    [both, 'GET', '/unknown', undefined, 'upstream'],
    [both, 'GET', '/api/unknown', undefined, 'code'],
    [both, 'GET', '/api/public/unknown', undefined, 'upstream'],
    [site(false, undefined, {}, []), 'GET', '/', undefined, 'code'],
  ]
  for (const [target, method, path, session, expected] of table)
    t.equal(answeredBy(target, method, path, session), expected, `${method} ${path}`)
  t.end()
})

t.test('where CAs look for proofs no site answers, unless the operator lets it', (t) => {
  const paths = ['.well-known/acme-challenge/tok', '.well-known/pki-validation/a.txt', '.well-known/security.txt']
  const files = paths.map((path) => file(path, false))
  const proofs = [
    ...paths.slice(0, 2).map((path) => `/${path}`),
    '/.well-known/acme-challenge/',
    '/.well-known/pki-validation/x/y',
  ]
  for (const hasUpstream of [false, true])
    for (const method of ['GET', 'HEAD', 'POST'])
      for (const path of proofs)
        t.equal(answeredBy(site(hasUpstream, files), method, path, ada), '404', `${method} ${path}`)
  const trusted = site(true, files, { provesNames: true })
  t.equal(answeredBy(trusted, 'GET', '/.well-known/acme-challenge/tok'), 'static 200')
  t.equal(answeredBy(trusted, 'GET', '/.well-known/acme-challenge/other'), 'upstream')
  t.equal(answeredBy(site(true, files), 'GET', '/.well-known/security.txt'), 'static 200')
  t.equal(answeredBy(site(true, files), 'GET', '/.well-known/other'), 'upstream')
  t.end()
})
