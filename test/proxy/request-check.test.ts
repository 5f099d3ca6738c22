import fc from 'fast-check'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { checkHead, decodePath, parseAuthority, type RequestHead } from '../../proxy/request-check.ts'

const head = (changes: Partial<RequestHead>): RequestHead => ({
  method: 'GET',
  target: '/',
  httpVersion: '1.1',
  secure: false,
  rawHeaders: ['Host', 'blog.localhost'],
  ...changes,
})

t.test('a path is decoded once, or refused', (t) => {
  const rows: readonly [string, string | undefined][] = [
    ['/', '/'],
    ['/a/b.c/', '/a/b.c/'],
    ['//', '//'],
    ['/%41', '/A'],
    ['/%2541', '/%41'],
    ['/a%20b', '/a b'],
    ['/%E2%82%AC', '/€'],
    ['/e%CC%81', '/é'],
    ['/a;b=1', '/a;b=1'],
    ['/...', '/...'],
    ['/%2e%2e%2e', '/...'],
    ['/.well-known/x', '/.well-known/x'],
    ['', undefined],
    ['a', undefined],
    ['/.', undefined],
    ['/..', undefined],
    ['/./', undefined],
    ['/a/..', undefined],
    ['/%2e', undefined],
    ['/%2E%2e/', undefined],
    ['/a%2f..%2fb', undefined],
    ['/a%2Fb', undefined],
    ['/a%5Cb', undefined],
    ['/a\\b', undefined],
    ['/%00', undefined],
    ['/%0A', undefined],
    ['/%7f', undefined],
    ['/%C2%85', undefined],
    ['/%', undefined],
    ['/%4', undefined],
    ['/%gg', undefined],
    ['/%ff', undefined],
    ['/%C0%AE%C0%AE', undefined],
    ['/%ED%A0%80', undefined],
  ]
  for (const [raw, expected] of rows) t.equal(decodePath(raw), expected, raw)
  t.end()
})

t.test('no path that passes has a dot segment, a backslash or a control character', (t) => {
  const piece = fc.constantFrom('/', '.', '..', '%2e', '%2F', '%5c', '%25', '%00', 'a', '%CC%81', '%EF%BC%8E', '\\')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const path = decodePath(`/${pieces.join('')}`)
      if (path === undefined) return
      if (path.split('/').some((segment) => segment === '.' || segment === '..')) throw new Error(path)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      if (/[\\\x00-\x1f]/.test(path) || path !== path.normalize('NFC')) throw new Error(path)
    }),
  )
  t.end()
})

t.test('an authority is a name or an address, with a port or without', (t) => {
  const rows: readonly [string, string | undefined][] = [
    ['blog.localhost', 'blog.localhost'],
    ['BLOG.localhost.', 'blog.localhost'],
    ['blog.localhost:', 'blog.localhost'],
    ['blog.localhost:65535', 'blog.localhost'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['[::1]', '[::1]'],
    ['[::1]:8443', '[::1]'],
    ['', undefined],
    [':80', undefined],
    ['.', undefined],
    ['a..b', undefined],
    ['a.localhost..', undefined],
    ['a:b', undefined],
    ['a:80:80', undefined],
    ['a:+80', undefined],
    ['a:65536', undefined],
    ['a b', undefined],
    ['a,b', undefined],
    ['a/b', undefined],
    ['a@b', undefined],
    ['a_b', undefined],
    ['-a', undefined],
    ['[::1', undefined],
    ['[::1]x', undefined],
    ['::1', undefined],
    [`${'a'.repeat(64)}.b`, undefined],
    [Array(130).fill('a').join('.'), undefined],
  ]
  for (const [text, expected] of rows) t.equal(parseAuthority(text), expected, text)
  t.end()
})

t.test('aliases of names that decide something are dropped, all else is kept', (t) => {
  const rows: readonly [string, boolean][] = [
    ['Grove_User', false],
    ['grove.identity', false],
    ['X_Forwarded_For', false],
    ['x-forwarded_proto', false],
    ['X.Real.IP', false],
    ['Content_Length', false],
    ['transfer_encoding', false],
    ['Proxy', false],
    ['Proxy_Authorization', false],
    ['x_custom', true],
    ['my.header', true],
    ['Grove-User', true], // Its one spelling is the front's to drop.
    ['X-Forwarded-For', true],
  ]
  for (const [name, kept] of rows) {
    const checked = checkHead(head({ rawHeaders: ['Host', 'a', name, '1'] }), limits.http)
    t.equal('headers' in checked && checked.headers.includes(name.toLowerCase()), kept, name)
  }
  t.end()
})

t.test('the bounds of a head hold exactly', (t) => {
  const bounds = { headerBytes: 60, headerCount: 3, methodBytes: 4, targetBytes: 10 }
  const status = (changes: Partial<RequestHead>) => {
    const checked = checkHead(head({ rawHeaders: ['Host', 'a'], ...changes }), bounds)
    return 'status' in checked ? checked.status : 200
  }
  t.equal(status({ method: 'POST' }), 200)
  t.equal(status({ method: 'PATCH' }), 405)
  t.equal(status({ target: `/${'a'.repeat(9)}` }), 200)
  t.equal(status({ target: `/${'a'.repeat(10)}` }), 414)
  t.equal(status({ rawHeaders: ['Host', 'a', 'b', 'c', 'd', 'e'] }), 200)
  t.equal(status({ rawHeaders: ['Host', 'a', 'b', 'c', 'd', 'e', 'f', 'g'] }), 431)
  t.equal(status({ rawHeaders: ['Host', 'a', 'b', 'x'.repeat(46)] }), 200)
  t.equal(status({ rawHeaders: ['Host', 'a', 'b', 'x'.repeat(47)] }), 431)
  t.end()
})

t.test('HTTP/2 without :authority takes Host, and both have to agree', (t) => {
  const check = (changes: Partial<RequestHead>) =>
    checkHead(head({ httpVersion: '2.0', scheme: 'https', secure: true, ...changes }), limits.http)
  t.match(check({}), { authority: 'blog.localhost', httpVersion: '2.0' })
  t.match(check({ authority: 'Blog.Localhost:443' }), { authority: 'blog.localhost' })
  t.match(check({ authority: 'shop.localhost' }), { status: 400 })
  t.match(check({ authority: undefined, rawHeaders: [] }), { status: 400 })
  t.match(check({ authority: 'a', rawHeaders: ['transfer-encoding', 'chunked'] }), { status: 400 })
  t.match(check({ target: 'https://blog.localhost/' }), { status: 400 })
  t.end()
})
