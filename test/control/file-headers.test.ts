import fc from 'fast-check'
import t from 'tap'
import { mergeHeaders, pluginHeaders } from '../../control/file-headers.ts'
import { isValidHeader } from '../../core/headers.ts'
import { limits } from '../../core/limits.ts'
import type { FileInfo, Plugin } from '../../core/plugin.ts'

const file: FileInfo = { path: 'docs/a.html', hash: '0'.repeat(64), bytes: 1, type: 'text/html', personal: false }
const site = { name: 'blog', authorities: ['blog.localhost'] }
const plain = { personal: false, compressible: false }
const defaults = ['cache-control', 'public, max-age=0, must-revalidate', 'x-content-type-options', 'nosniff']

/** A plugin whose hook answers anything, as one in JavaScript may. */
const says = (answer: unknown): Plugin => ({ name: 'tags', headers: () => answer as string[] })

t.test('a file without plugins has the defaults, and Vary for what it depends on', (t) => {
  t.same(mergeHeaders(plain, []), defaults)
  t.same(mergeHeaders({ personal: false, compressible: true }, []), [...defaults, 'vary', 'Accept-Encoding'])
  t.same(mergeHeaders({ personal: true, compressible: true }, []), [...defaults, 'vary', 'Accept-Encoding, Cookie'])
  t.same(mergeHeaders({ personal: true, compressible: false }, []), [...defaults, 'vary', 'Cookie'])
  t.end()
})

t.test('what plugins say replaces defaults by name, and a later plugin what an earlier said', (t) => {
  const first = ['cache-control', 'max-age=60', 'link', '</a>', 'link', '</b>', 'xkey', 'a']
  const second = ['xkey', 'b', 'x-content-type-options', 'other']
  t.same(mergeHeaders(plain, [first, second]), [
    ...['cache-control', 'max-age=60', 'x-content-type-options', 'other'],
    ...['link', '</a>', 'link', '</b>', 'xkey', 'b'],
  ])
  t.end()
})

t.test('Vary only grows', (t) => {
  const traits = { personal: true, compressible: true }
  const vary = (...given: string[][]) => mergeHeaders(traits, given).at(-1)
  t.equal(vary(['vary', 'accept-language, ACCEPT-ENCODING']), 'Accept-Encoding, Cookie, accept-language')
  t.equal(vary(['vary', ''], ['vary', ','], ['vary', 'a', 'vary', 'b']), 'Accept-Encoding, Cookie, a, b')
  t.equal(vary(['vary', '*']), '*')
  t.end()
})

t.test('names come in lower case and values without spaces around them', (t) => {
  t.same(pluginHeaders(says(['X-Tag', ' a b\t', 'Empty', '']), file, site), ['x-tag', 'a b', 'empty', ''])
  t.same(pluginHeaders({ name: 'none' }, file, site), [])
  t.same(pluginHeaders(says([]), file, site), [])
  t.end()
})

t.test('what a plugin may not say is refused with plugin, path and header', (t) => {
  const rows: [answer: unknown, reason: RegExp][] = [
    [['content-length', '5'], /"content-length" cannot be set: it follows from the content/],
    [['Content-Encoding', 'gzip'], /"Content-Encoding" cannot be set/],
    [['content-range', 'bytes 0-1/2'], /"content-range" cannot be set/],
    [['accept-ranges', 'none'], /"accept-ranges" cannot be set/],
    [['transfer-encoding', 'chunked'], /"transfer-encoding" cannot be set: it is about one connection/],
    [['connection', 'close'], /"connection" cannot be set/],
    [['keep-alive', 'timeout=5'], /"keep-alive" cannot be set/],
    [['upgrade', 'h2c'], /"upgrade" cannot be set/],
    [['trailer', 'x'], /"trailer" cannot be set/],
    [['alt-svc', 'h3=":443"'], /"alt-svc" cannot be set/],
    [['date', 'now'], /"date" cannot be set: it is how caches/],
    [['ETag', '"x"'], /"ETag" cannot be set/],
    [['last-modified', 'now'], /"last-modified" cannot be set/],
    [['age', '5'], /"age" cannot be set/],
    [['grove-version', 'x@1'], /"grove-version" cannot be set/],
    [['set-cookie', 'a=b'], /"set-cookie" cannot be set: one cookie for every visitor/],
    [['host', 'evil'], /"host" cannot be set: it belongs to requests/],
    [['x-a', 'a\r\nset-cookie: b'], /"x-a" cannot be set: a header is a token/],
    [['x-a', 'a\0b'], /"x-a" cannot be set/],
    [['x-a', '€'], /"x-a" cannot be set/],
    [['x a', 'b'], /"x a" cannot be set/],
    [['x-a:', 'b'], /"x-a:" cannot be set/],
    [['', 'b'], /"" cannot be set/],
    [[':status', '500'], /":status" cannot be set/],
    [['x-a\r\n', 'b'], /"x-a\\r\\n" cannot be set/],
    [['Content-Type', 'a/b', 'content-type', 'c/d'], /"content-type" cannot be set: it may be there once only/],
    [['x-a'], /expected a flat list/],
    [['x-a', 5], /expected a flat list/],
    [[['x-a', 'b']], /expected a flat list/],
    [{ 'x-a': 'b' }, /expected a flat list/],
    [undefined, /expected a flat list/],
    [Promise.resolve([]), /expected a flat list/],
    [['x-a', 'x'.repeat(limits.plugin.fileHeaderBytes)], /more than 8192 bytes/],
  ]
  for (const [answer, reason] of rows) {
    const expected = { code: 'ERR_PLUGIN', message: reason, details: { plugin: 'tags', path: 'docs/a.html' } }
    t.throws(() => pluginHeaders(says(answer), file, site), expected, String(reason))
    t.throws(() => pluginHeaders(says(answer), file, site), { message: /plugin "tags" for docs\/a\.html: / })
  }
  t.end()
})

t.test('a hook that throws is named, and what it threw is kept', (t) => {
  const cause = new TypeError('no such tag')
  const plugin: Plugin = {
    name: 'tags',
    headers() {
      throw cause
    },
  }
  t.throws(() => pluginHeaders(plugin, file, site), {
    code: 'ERR_PLUGIN',
    message: 'headers of plugin "tags" for docs/a.html: no such tag',
    cause,
  })
  t.end()
})

t.test('whatever a plugin says, what comes through can be sent', (t) => {
  const text = fc.oneof(fc.constantFrom('x-a', 'Vary', 'ETAG', 'a', '', ' ', '*', 'a\n', 'é'), fc.string())
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), (answer) => {
      let list: readonly string[]
      try {
        list = pluginHeaders(says(answer), file, site)
      } catch {
        return
      }
      const merged = mergeHeaders({ personal: true, compressible: true }, [list])
      for (let i = 0; i < merged.length; i += 2)
        if (!isValidHeader(merged[i] as string, merged[i + 1] as string)) throw new Error(`${merged[i]}`)
      if (merged.filter((name, i) => i % 2 === 0 && name === 'vary').length !== 1) throw new Error('vary')
      if (merged.includes('etag')) throw new Error('etag')
    }),
    { numRuns: 1_000 },
  )
  t.end()
})
