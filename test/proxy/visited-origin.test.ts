import t from 'tap'
import { isForeignRequest, visitedOrigin } from '../../proxy/visited-origin.ts'

t.test('the origin is where the visitor says to be', (t) => {
  const rows: ['https' | 'http', string[], number, string][] = [
    ['https', ['host', 'blog.localhost:8443'], 443, 'https://blog.localhost:8443'],
    ['https', ['host', 'blog.localhost'], 8443, 'https://blog.localhost'],
    ['https', ['host', 'blog.localhost:443'], 8443, 'https://blog.localhost'],
    ['https', [], 8443, 'https://blog.localhost:8443'],
    ['https', [], 443, 'https://blog.localhost'],
    ['http', [], 8443, 'http://blog.localhost'],
    ['http', ['host', 'blog.localhost:80'], 8443, 'http://blog.localhost'],
    ['http', ['host', 'blog.localhost:8080'], 8443, 'http://blog.localhost:8080'],
    ['https', ['host', 'blog.localhost:'], 8443, 'https://blog.localhost'],
    ['https', ['host', 'blog.localhost:0'], 8443, 'https://blog.localhost'],
    ['https', ['host', 'blog.localhost:70000'], 8443, 'https://blog.localhost'],
  ]
  for (const [scheme, headers, publicPort, expected] of rows) {
    const origin = visitedOrigin({ scheme, authority: 'blog.localhost', headers }, publicPort)
    t.equal(origin.text, expected, `${scheme} ${headers.join(': ')}`)
    t.equal(new URL(origin.text).host, origin.hostport)
  }
  const v6 = visitedOrigin({ scheme: 'https', authority: '[::1]', headers: ['host', '[::1]:8443'] }, 443)
  t.equal(v6.text, 'https://[::1]:8443')
  t.equal(v6.port, 8443)
  t.end()
})

t.test('which requests count as made by another origin', (t) => {
  const own = 'https://blog.localhost:8443'
  const sibling = 'https://evil.localhost:8443'
  const rows: [string, string, string[], boolean][] = [
    ['a link from elsewhere', 'GET', ['sec-fetch-site', 'cross-site'], false],
    ['a read by a sibling', 'HEAD', ['origin', sibling], false],
    ['a form of its own', 'POST', ['sec-fetch-site', 'same-origin', 'origin', own], false],
    ['typed by the visitor', 'POST', ['sec-fetch-site', 'none'], false],
    [
      'own, with an Origin hidden by a referrer policy',
      'POST',
      ['sec-fetch-site', 'same-origin', 'origin', 'null'],
      false,
    ],
    ['a form of a sibling', 'POST', ['sec-fetch-site', 'same-site', 'origin', sibling], true],
    ['a form from elsewhere', 'POST', ['sec-fetch-site', 'cross-site'], true],
    ['an unknown word', 'POST', ['sec-fetch-site', 'whatever'], true],
    ['an old browser, own', 'POST', ['origin', own], false],
    ['an old browser, another port of ours', 'POST', ['origin', 'https://blog.localhost'], false],
    ['an old browser, a sibling', 'POST', ['origin', sibling], true],
    ['an old browser, a name that ends the same', 'DELETE', ['origin', 'https://xblog.localhost'], true],
    ['an old browser, a sandboxed page', 'PUT', ['origin', 'null'], true],
    ['an Origin that is none', 'POST', ['origin', 'blog.localhost'], true],
    ['no browser', 'POST', [], false],
  ]
  for (const [title, method, headers, expected] of rows)
    t.equal(isForeignRequest({ method, authority: 'blog.localhost', headers }, false), expected, title)
  t.equal(isForeignRequest({ method: 'GET', authority: 'blog.localhost', headers: ['origin', sibling] }, true), true)
  t.equal(isForeignRequest({ method: 'GET', authority: 'blog.localhost', headers: ['origin', own] }, true), false)
  t.end()
})
