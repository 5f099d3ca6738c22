import t from 'tap'
import { limits } from '../../core/limits.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { encodeCodeRequest } from '../../proxy/code-request.ts'

const request: UpstreamRequest = {
  id: 'r-1',
  method: 'GET',
  authority: 'blog.localhost',
  target: '/a?b=1',
  headers: ['host', 'blog.localhost:8443', 'accept', '*/*'],
  body: undefined,
  signal: new AbortController().signal,
  timeoutMs: 1,
}
const urlOf = (more: Partial<UpstreamRequest>) =>
  JSON.parse(encodeCodeRequest({ ...request, ...more }, 1, false) ?? '').url

t.test('the URL is the one that the visitor asked for', async (t) => {
  t.equal(urlOf({}), 'https://blog.localhost:8443/a?b=1')
  t.equal(urlOf({ headers: ['host', 'blog.localhost'] }), 'https://blog.localhost/a?b=1')
  t.equal(urlOf({ headers: [] }), 'https://blog.localhost/a?b=1')
  t.equal(urlOf({ scheme: 'http', headers: ['host', 'blog.localhost:8080'] }), 'http://blog.localhost:8080/a?b=1')
})

t.test('a head that is too large is none', async (t) => {
  const { headBytes } = limits.sandboxLink
  t.ok(encodeCodeRequest({ ...request, headers: ['x', 'y'.repeat(headBytes - 1_000)] }, 1, false))
  t.equal(encodeCodeRequest({ ...request, headers: ['x', 'y'.repeat(headBytes)] }, 1, false), undefined)
  t.equal(encodeCodeRequest({ ...request, headers: ['x', 'ä'.repeat(headBytes / 2)] }, 1, false), undefined)
})
