import t from 'tap'
import {
  compilePatterns,
  hostPatternSchema,
  isAmong,
  isHostName,
  toHostPattern,
} from '../../../sandbox/egress/host-pattern.ts'

t.test('patterns of hosts', (t) => {
  for (const [text, pattern] of [
    ['api.example.com', { name: 'api.example.com', isBelow: false, port: undefined }],
    ['API.Example.COM:8443', { name: 'api.example.com', isBelow: false, port: 8443 }],
    ['*.example.com', { name: 'example.com', isBelow: true, port: undefined }],
    ['*.com', { name: 'com', isBelow: true, port: undefined }],
    ['bücher.example', { name: 'xn--bcher-kva.example', isBelow: false, port: undefined }],
    ['203.0.113.5', { name: '203.0.113.5', isBelow: false, port: undefined }],
    ['[2001:DB8:0::1]:444', { name: '2001:db8::1', isBelow: false, port: 444 }],
    ['_dmarc.example.com', { name: '_dmarc.example.com', isBelow: false, port: undefined }],
  ] as const)
    t.same(toHostPattern(text), pattern, text)
  for (const text of [
    '',
    '*',
    '*.',
    '**.example.com',
    'a.*.example.com',
    '*example.com',
    'https://example.com',
    'example.com/',
    'example.com/path',
    'user@example.com',
    'example.com:0',
    'example.com:65536',
    'example.com:',
    'example.com:https',
    'example.com.',
    '.example.com',
    'exa mple.com',
    'example..com',
    '*.203.0.113.5',
    '[::1',
    '::1',
    '1.2.3',
    '0x7f.1',
    'a'.repeat(64),
    `${'a.'.repeat(127)}a`,
    '-a.example',
    'a%2e.example',
  ])
    t.equal(toHostPattern(text), undefined, text)
  t.end()
})

t.test('what a pattern stands for', (t) => {
  const patterns = compilePatterns(['api.example.com', '*.example.org', 'other.example.com:8443', '203.0.113.5'])
  for (const [hostname, port, expected] of [
    ['api.example.com', 443, true],
    ['api.example.com', 80, true],
    ['api.example.com', 8443, false],
    ['x.api.example.com', 443, false],
    ['example.com', 443, false],
    ['notapi.example.com', 443, false],
    ['a.example.org', 443, true],
    ['a.b.example.org', 443, true],
    ['example.org', 443, false],
    ['badexample.org', 443, false],
    ['other.example.com', 8443, true],
    ['other.example.com', 443, false],
    ['203.0.113.5', 443, true],
  ] as const)
    t.equal(isAmong(patterns, { hostname, port }), expected, `${hostname}:${port}`)
  t.equal(isAmong([], { hostname: 'api.example.com', port: 443 }), false)
  t.throws(() => compilePatterns(['good.example', 'bad/']), { code: 'ERR_CONFIG_INVALID', message: /bad\// })
  t.end()
})

t.test('names of hosts', (t) => {
  for (const name of ['example.com', 'a', 'a-b.c', 'xn--bcher-kva.example', '1a.example', '1.example'])
    t.equal(isHostName(name), true, name)
  for (const name of ['', 'a.', '.a', 'a..b', 'A.example', 'a.1', '1', 'bücher.example', 'a.-b', `${'a'.repeat(64)}.b`])
    t.equal(isHostName(name), false, name)
  t.end()
})

t.test('the schema says what is expected', (t) => {
  t.equal(hostPatternSchema.parse('*.example.com'), '*.example.com')
  t.match(hostPatternSchema.safeParse('http://x').error?.issues[0]?.message, /expected a host such as/)
  t.equal(hostPatternSchema.safeParse('a'.repeat(400)).success, false)
  t.end()
})
