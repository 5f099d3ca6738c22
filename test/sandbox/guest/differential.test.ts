/** What the guest gives is what Node's own implementations give, for inputs that nobody has thought of. */

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { atob, btoa } from '../../../sandbox/guest/base64.ts'
import { TextDecoder, TextEncoder } from '../../../sandbox/guest/encoding.ts'
import { createForm, FormData } from '../../../sandbox/guest/form-data.ts'
import { parseMultipart, serializeMultipart } from '../../../sandbox/guest/multipart.ts'
import { structuredClone } from '../../../sandbox/guest/structured-clone.ts'
import { URL } from '../../../sandbox/guest/url.ts'
import { URLSearchParams } from '../../../sandbox/guest/url-search-params.ts'
import './node-host.ts'

const runs = { numRuns: 2_000 }

const urlPieces = [
  ...[
    'https://',
    'http://',
    'HTTPS:',
    '//',
    '/',
    '/',
    '.',
    '..',
    '/.',
    '/..',
    '%2e',
    '%2E',
    '\\',
    ':',
    ':80',
    ':443',
    ':8080',
    ':65536',
  ],
  ...[
    'a',
    'B',
    'example',
    '.com',
    '.example',
    'xn--',
    'xn--bcher-kva',
    '0x',
    '1',
    '.1',
    '09',
    '127.0.0.1',
    '[::1]',
    'é',
    'ß',
    '😀',
    '\ud800',
  ],
  ...[
    '?',
    '#',
    '?a=b',
    '#h',
    '@',
    'user:pass@',
    ' ',
    '\t',
    '\n',
    '\u00a0',
    '\u200d',
    "'",
    '"',
    '<',
    '|',
    '^',
    '`',
    '{',
    '~',
    '-',
    '_',
    '+',
    '=',
  ],
  ...['%', '%zz', '%41', '%c3', 'mailto:', 'file:', 'data:', 'ws:', '*', ',', ';', '(', ')', '!', '$', '&', '[', ']'],
]
const urlText = fc
  .tuple(
    fc.constantFrom('https://', 'http://', 'https://example.com', 'https://a.b-c.example/', ''),
    fc.array(fc.constantFrom(...urlPieces), { maxLength: 8 }),
  )
  .map(([start, rest]) => start + rest.join(''))

const parts = [
  'href',
  'origin',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
] as const

function partsOf(url: Readonly<Record<(typeof parts)[number], string>> | null): readonly string[] | null {
  return url === null ? null : parts.map((part) => url[part])
}

t.test('URLs are parsed as Node parses them', async () => {
  const bases = fc.constantFrom(undefined, 'https://example.com/a/b?c#d', 'mailto:x', 'nothing')
  fc.assert(
    fc.property(urlText, bases, (text, base) =>
      isDeepStrictEqual(partsOf(URL.parse(text, base)), partsOf(globalThis.URL.parse(text, base))),
    ),
    { numRuns: 20_000 },
  )
})

t.test('parts of URLs are set as Node sets them', async () => {
  const settable = fc.constantFrom(
    'protocol',
    'username',
    'password',
    'host',
    'hostname',
    'port',
    'pathname',
    'search',
    'hash',
  )
  const value = fc.array(fc.constantFrom(...urlPieces), { maxLength: 3 }).map((pieces) => pieces.join(''))
  const start = fc.constantFrom(
    'https://example.com/a?b#c',
    'https://u:p@example.com:8080/',
    'mailto:a@b',
    'file:///x',
    'foo://h/p',
  )
  fc.assert(
    fc.property(start, fc.array(fc.tuple(settable, value), { maxLength: 4 }), (text, changes) => {
      const ours = new URL(text)
      const theirs = new globalThis.URL(text)
      for (const [part, to] of changes) {
        Object.assign(ours, { [part]: to })
        Object.assign(theirs, { [part]: to })
      }
      return isDeepStrictEqual(partsOf(ours), partsOf(theirs))
    }),
    runs,
  )
})

// Node takes characters beside a bad escape for bytes, where the standard takes their UTF-8: the two are not mixed here.
const queryPieces = ['a', 'b', '=', '&', '+', '%20', '%C3%A9', '?', '#', ' ', '~', '*', "'", '(']
const queryText = fc
  .oneof(
    fc.array(fc.constantFrom(...queryPieces, '%', '%C3', '%ff', '%zz'), { maxLength: 12 }),
    fc.array(fc.constantFrom(...queryPieces, 'é', '😀', '\ud800'), { maxLength: 12 }),
  )
  .map((pieces) => pieces.join(''))

t.test('queries are read, changed and written as Node does it', async () => {
  const change = fc.tuple(
    fc.constantFrom('append', 'set', 'delete', 'sort'),
    fc.constantFrom('a', 'b', '', 'é'),
    queryText,
  )
  fc.assert(
    fc.property(queryText, fc.array(change, { maxLength: 4 }), (text, changes) => {
      const [ours, theirs] = [new URLSearchParams(text), new globalThis.URLSearchParams(text)]
      for (const params of [ours, theirs])
        for (const [method, name, value] of changes) {
          if (method === 'append' || method === 'set') params[method](name, value)
          else if (method === 'delete') params.delete(name)
          else params.sort()
        }
      const pairs = [...(ours as unknown as Iterable<[string, string]>)]
      return ours.toString() === theirs.toString() && isDeepStrictEqual(pairs, [...theirs])
    }),
    runs,
  )
})

const unit = fc.constantFrom(
  ...[
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbb, 0xbf, 0xc0, 0xc2, 0xc3, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0,
    0xf4, 0xf5, 0xff,
  ],
)
const someBytes = fc.array(unit, { maxLength: 24 }).map((list) => new Uint8Array(list))

t.test('UTF-8 is decoded as Node decodes it, whole and in pieces', async () => {
  fc.assert(
    fc.property(fc.array(someBytes, { maxLength: 5 }), fc.boolean(), fc.boolean(), (pieces, fatal, ignoreBOM) => {
      const results = [TextDecoder, globalThis.TextDecoder].map((Decoder) => {
        const decoder = new Decoder('utf-8', { fatal, ignoreBOM })
        try {
          return [...pieces.map((piece) => decoder.decode(piece, { stream: true })), decoder.decode()].join('')
        } catch (error) {
          return (error as Error).name
        }
      })
      return results[0] === results[1]
    }),
    runs,
  )
  fc.assert(
    fc.property(someBytes, fc.nat(2_000), (bytes, padding) => {
      const all = new Uint8Array(padding + bytes.length).fill(0x61)
      all.set(bytes, padding)
      return new TextDecoder().decode(all) === new globalThis.TextDecoder().decode(all)
    }),
    runs,
  )
})

t.test('UTF-8 is encoded as Node encodes it', async () => {
  const pieces = ['a', '\0', '\x7f', '\x80', 'é', '\u07ff', '\u0800', '€', '\uffff', '😀', '\ud800', '\udc00']
  const short = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((list) => list.join(''))
  const long = fc.array(fc.constantFrom(...pieces, 'x'.repeat(600)), { maxLength: 12 }).map((list) => list.join(''))
  fc.assert(
    fc.property(long, (text) =>
      isDeepStrictEqual(new TextEncoder().encode(text), new globalThis.TextEncoder().encode(text)),
    ),
    runs,
  )
  // Of long texts, Node does not always write as much as fits.
  fc.assert(
    fc.property(short, fc.nat(20), (text, size) => {
      const [ours, theirs] = [new Uint8Array(size), new Uint8Array(size)]
      const counts = new TextEncoder().encodeInto(text, ours)
      return isDeepStrictEqual([counts, ours], [new globalThis.TextEncoder().encodeInto(text, theirs), theirs])
    }),
    runs,
  )
})

t.test('Base64 is coded as Node codes it', async () => {
  const text = fc
    .array(fc.constantFrom('A', 'b', '9', '+', '/', '=', ' ', '\n', '\v', '-', 'é', 'Zm9v'), { maxLength: 10 })
    .map((pieces) => pieces.join(''))
  const attempt = (run: () => string) => {
    try {
      return run()
    } catch (error) {
      return `! ${(error as Error).name}`
    }
  }
  fc.assert(
    fc.property(text, (text) => attempt(() => atob(text)) === attempt(() => globalThis.atob(text))),
    runs,
  )
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      (text) => attempt(() => btoa(text)) === attempt(() => globalThis.btoa(text)),
    ),
    runs,
  )
})

t.test('values are cloned as Node clones them', async () => {
  const value = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withBoxedValues: true,
    withNullPrototype: true,
    withUnicodeString: true,
  })
  fc.assert(
    fc.property(value, (value) => isDeepStrictEqual(structuredClone(value), globalThis.structuredClone(value))),
    runs,
  )
})

t.test('Node reads the forms that are written, and the guest reads those that Node writes', async () => {
  const name = fc
    .array(fc.constantFrom('a', 'é', '"', '\r\n', '\n', '\r', '%', ';', ' ', '😀', '='), { maxLength: 6 })
    .map((pieces) => pieces.join(''))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, name), { maxLength: 4 }), async (entries) => {
      const normal = (text: string) => text.replaceAll(/\r\n|\r|\n/g, '\r\n')
      const expected = entries.map(([key, value]) => [normal(key), normal(value)])
      const { boundary, bytes } = serializeMultipart(createForm(entries))
      const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
      const read = [...(await new globalThis.Response(bytes, { headers }).formData())]
      const form = new globalThis.FormData()
      for (const [key, value] of entries) form.append(key, value)
      const written = new globalThis.Response(form)
      const theirBoundary = /boundary=(.*)/.exec(written.headers.get('content-type') ?? '')?.[1] ?? ''
      const back = parseMultipart(new Uint8Array(await written.arrayBuffer()), theirBoundary)
      const list = [...(back as unknown as Iterable<[string, string]>)]
      return isDeepStrictEqual(read, expected) && isDeepStrictEqual(list, expected) && back instanceof FormData
    }),
    { numRuns: 300 },
  )
})
