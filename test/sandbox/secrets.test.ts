import { inspect } from 'node:util'
import t from 'tap'
import { createRedactor, isRedactable } from '../../sandbox/secrets.ts'

const value = 'p@ss/wörd+ "4eC39\\HqL&jW'
const redactor = createRedactor([
  { name: 'API_KEY', value },
  { name: 'PLAIN', value: 'sk_live_4eC39HqLyjWDarjtT1zdp7dc' },
  { name: 'LONG', value: `sk_live_4eC39HqLyjWDarjtT1zdp7dc-and-more` },
])
const hidden = '[secret API_KEY]'

t.test('a secret in a text, however often', (t) => {
  t.equal(redactor.text(`a ${value} b ${value}${value}`), `a ${hidden} b ${hidden}${hidden}`)
  t.equal(redactor.text('nothing to hide'), 'nothing to hide')
  t.equal(redactor.text(''), '')
  t.equal(redactor.text(value.slice(0, -1)), value.slice(0, -1))
  t.end()
})

t.test('in the spellings of programs', (t) => {
  const bytes = Buffer.from(value)
  for (const spelling of [
    JSON.stringify({ key: value }),
    JSON.stringify(JSON.stringify({ key: value })),
    inspect({ key: value }),
    `https://a.example/?key=${encodeURIComponent(value)}`,
    encodeURIComponent(value).replace(/%../g, (each) => each.toLowerCase()),
    new URL(`https://a.example/?${new URLSearchParams({ key: value })}`).href,
    encodeURI(value),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    bytes.toString('latin1'),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    Buffer.from(`user:${value}`).toString('base64'),
    Buffer.from(`user2:${value}`).toString('base64'),
    Buffer.from(`user22:${value}x`).toString('base64'),
    Buffer.from(`user22:${value}xy`).toString('base64url'),
    [...bytes].map((byte) => `%${byte.toString(16)}`).join(''),
    '<b>p@ss/wörd+ &quot;4eC39\\HqL&amp;jW</b>',
    `Error: bad key ${value}\n    at x (file.js:1:1)`,
  ]) {
    const shown = redactor.text(spelling)
    t.match(shown, /\[secret API_KEY\]/, spelling)
    for (let i = 0; i + 12 <= value.length; i += 1) {
      const piece = value.slice(i, i + 12)
      t.notOk(shown.includes(piece) || shown.includes(Buffer.from(piece).toString('hex')), `${spelling}: ${piece}`)
    }
  }
  t.end()
})

t.test('secrets that overlap are taken out as one', (t) => {
  t.equal(redactor.text('x sk_live_4eC39HqLyjWDarjtT1zdp7dc-and-more y'), 'x [secret LONG] y')
  t.equal(redactor.text('x sk_live_4eC39HqLyjWDarjtT1zdp7dc-and y'), 'x [secret PLAIN]-and y')
  const two = createRedactor([
    { name: 'A', value: '12345678abcd' },
    { name: 'B', value: 'abcd87654321' },
  ])
  t.equal(two.text('<12345678abcd87654321>'), '<[secret A]>')
  t.end()
})

t.test('a secret of several lines, whole and line by line', (t) => {
  const key = '-----BEGIN KEY-----\nMHcCAQEEIDhPq8yC\r\nZ2v0q9k1u4t7\n\nabc\n-----END KEY-----\n'
  const pem = createRedactor([{ name: 'PEM', value: key }])
  t.notMatch(pem.text(`x ${key} y`), /MHcC|Z2v0/)
  t.equal(pem.text('only MHcCAQEEIDhPq8yC here'), 'only [secret PEM] here')
  t.notMatch(pem.text(JSON.stringify(key)), /MHcC|Z2v0/)
  t.notMatch(
    pem.text(Buffer.from(key).toString('base64')),
    new RegExp(Buffer.from('HcCAQEEIDhP').toString('base64').slice(2, 10)),
  )
  t.equal(pem.text('abc'), 'abc', 'lines that are too short are part of any text')
  t.end()
})

t.test('short values are left alone', (t) => {
  const short = createRedactor([{ name: 'S', value: 'abc1234' }])
  t.equal(isRedactable('abc1234'), false)
  t.equal(isRedactable('abc12345'), true)
  t.equal(short.text('abc1234'), 'abc1234')
  t.equal(createRedactor([]).text('x'), 'x')
  t.end()
})

t.test('across the borders of pieces, wherever they are', (t) => {
  const text = `first ${value} line\nsecond sk_live_4eC39HqLyjWDarjtT1zdp7dc\n\nlast ${Buffer.from(value).toString('base64')}`
  const whole = redactor.text(text)
  for (let size = 1; size <= 40; size += 1) {
    const stream = redactor.stream()
    let shown = ''
    for (let at = 0; at < text.length; at += size) shown += stream.push(text.slice(at, at + size))
    t.equal(shown + stream.end(), whole, `pieces of ${size}`)
    t.equal(stream.end(), '')
  }
  const stream = redactor.stream()
  t.equal(stream.push('no end yet '), '')
  t.equal(stream.push('but now\nand'), 'no end yet but now\n')
  t.equal(stream.end(), 'and')
  t.end()
})

t.test('a line without an end is not kept without end', (t) => {
  const stream = redactor.stream()
  const text = `${'x'.repeat(9_999)}${value}`.repeat(20)
  let shown = ''
  let mostHeld = 0
  for (let at = 0; at < text.length; at += 777) {
    shown += stream.push(text.slice(at, at + 777))
    mostHeld = Math.max(mostHeld, at + 777 - shown.length)
  }
  t.equal(shown + stream.end(), `${'x'.repeat(9_999)}${hidden}`.repeat(20))
  t.ok(mostHeld < 20_000, `${mostHeld}`)
  t.end()
})
