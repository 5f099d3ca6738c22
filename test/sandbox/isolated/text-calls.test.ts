import t from 'tap'
import { tenantLimits } from '../../../core/sandbox-limits.ts'
import { bridgeLimits, decodeFlags, faults, urlParts } from '../../../sandbox/bridge.ts'
import {
  createDecoders,
  decodeText,
  encodeText,
  encodingOf,
  parseUrl,
  setUrl,
} from '../../../sandbox/isolated/text-calls.ts'

t.test('a URL is answered as its eleven parts', (t) => {
  t.same(String(parseUrl('https://u:p@EXAMPLE.com:444/a b?c#d', undefined)).split('\n'), [
    'https://u:p@example.com:444/a%20b?c#d',
    'https://example.com:444',
    'https:',
    'u',
    'p',
    'example.com:444',
    'example.com',
    '444',
    '/a%20b',
    '?c',
    '#d',
  ])
  t.match(parseUrl('../x', 'https://a.example/b/c'), /^https:\/\/a\.example\/x\n/)
  t.match(parseUrl('https://a.example/\n\n\tx', undefined), /^https:\/\/a\.example\/x\n/, 'line breaks do not get in')
  t.end()
})

t.test('what is no URL is a fault', (t) => {
  t.equal(parseUrl('/x', undefined), faults.invalid)
  t.equal(parseUrl('https://a.example', 'nothing'), faults.invalid)
  t.equal(parseUrl(7, undefined), faults.argument)
  t.equal(parseUrl('a:b', 7), faults.argument)
  t.equal(parseUrl(`https://a.example/${'x'.repeat(bridgeLimits.urlChars)}`, undefined), faults.tooLarge)
  t.end()
})

t.test('each part of a URL can be set, and a setter that cannot leaves it', (t) => {
  const set = (part: number, value: string) => String(setUrl('https://a.example/p?q#h', part, value)).split('\n')[0]
  t.equal(set(urlParts.protocol, 'http'), 'http://a.example/p?q#h')
  t.equal(set(urlParts.username, 'me'), 'https://me@a.example/p?q#h')
  t.equal(set(urlParts.password, 'x'), 'https://:x@a.example/p?q#h')
  t.equal(set(urlParts.host, 'b.example:8'), 'https://b.example:8/p?q#h')
  t.equal(set(urlParts.hostname, 'b.example'), 'https://b.example/p?q#h')
  t.equal(set(urlParts.port, '81'), 'https://a.example:81/p?q#h')
  t.equal(set(urlParts.pathname, 'z'), 'https://a.example/z?q#h')
  t.equal(set(urlParts.search, 'z'), 'https://a.example/p?z#h')
  t.equal(set(urlParts.hash, 'z'), 'https://a.example/p?q#z')
  t.equal(set(urlParts.href, 'b:c'), 'b:c')
  t.equal(set(urlParts.host, '???'), 'https://a.example/p?q#h')
  t.equal(setUrl('https://a.example', urlParts.href, '/x'), faults.invalid)
  t.equal(setUrl('nothing', urlParts.hash, 'x'), faults.invalid)
  t.equal(setUrl('https://a.example', 99, 'x'), faults.argument)
  t.equal(setUrl('https://a.example', 'hash', 'x'), faults.argument)
  t.equal(setUrl('https://a.example', urlParts.hash, 'x'.repeat(2 * bridgeLimits.urlChars)), faults.tooLarge)
  t.end()
})

t.test('text is decoded by labels of the standard, and encoded', (t) => {
  t.equal(decodeText('Shift_JIS', new Uint8Array([0x82, 0xa0]), 0), 'あ')
  t.equal(decodeText('utf8', new Uint8Array([0xef, 0xbb, 0xbf, 0x61]), 0), 'a')
  t.equal(decodeText('utf8', new Uint8Array([0xef, 0xbb, 0xbf, 0x61]), decodeFlags.ignoreBom), '\ufeffa')
  t.equal(decodeText('utf8', new Uint8Array([0xff]), 0), '\ufffd')
  t.equal(decodeText('utf8', new Uint8Array([0xff]), decodeFlags.fatal), faults.invalid)
  t.equal(decodeText('no-label', new Uint8Array(1), 0), faults.invalid)
  t.equal(decodeText('utf8', 'x', 0), faults.argument)
  t.equal(decodeText('utf8', new Uint8Array(bridgeLimits.textBytes + 1), 0), faults.tooLarge)
  t.same(encodeText('a\ud800'), new Uint8Array([0x61, 0xef, 0xbf, 0xbd]))
  const bytes = encodeText('abc') as Uint8Array
  t.equal(bytes.buffer.byteLength, 3, 'nothing else lies in its buffer')
  t.equal(encodeText(7), faults.argument)
  t.equal(encodeText('x'.repeat(bridgeLimits.textBytes)), faults.tooLarge)
  t.equal(encodingOf('LATIN1'), 'windows-1252')
  t.equal(encodingOf('x'), faults.invalid)
  t.equal(encodingOf(undefined), faults.argument)
  t.end()
})

t.test('a decoder keeps its state between pieces, and ends with its last one or its request', (t) => {
  const decoders = createDecoders()
  const handle = decoders.open(1, 'utf-8', 0)
  t.equal(decoders.decode(handle, new Uint8Array([0xc3]), false), '')
  t.equal(decoders.decode(handle, new Uint8Array([0xa4]), false), 'ä')
  t.equal(decoders.decode(handle, new Uint8Array([0xc3]), true), '\ufffd')
  t.equal(decoders.decode(handle, new Uint8Array(1), true), faults.closed)
  const other = decoders.open(2, 'utf-8', decodeFlags.fatal)
  t.equal(decoders.decode(other, new Uint8Array([0xff]), false), faults.invalid)
  t.equal(decoders.decode(other, new Uint8Array(1), false), faults.closed, 'one that has failed is closed')
  const third = decoders.open(3, 'utf-8', 0)
  decoders.forget(3)
  t.equal(decoders.decode(third, new Uint8Array(1), false), faults.closed)
  t.equal(decoders.open(1, 'x', 0), faults.invalid)
  t.equal(decoders.open(1, 7, 0), faults.argument)
  t.equal(decoders.decode('x', new Uint8Array(1), false), faults.argument)
  t.equal(decoders.decode(1, new Uint8Array(bridgeLimits.textBytes + 1), false), faults.tooLarge)
  for (let i = 0; i < tenantLimits.decoders; i++) decoders.open(4, 'utf-8', 0)
  t.equal(decoders.open(5, 'utf-8', 0), faults.tooMany)
  t.end()
})
