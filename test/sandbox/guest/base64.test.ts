import t from 'tap'
import { checkRows, throws } from './rows.ts'

const bad = throws('InvalidCharacterError')

t.test('btoa codes bytes', async (t) => {
  await checkRows(t, [
    ['nothing', `btoa('')`, ''],
    ['one byte is padded twice', `btoa('f')`, 'Zg=='],
    ['two bytes are padded once', `btoa('fo')`, 'Zm8='],
    ['three bytes are not padded', `btoa('foo')`, 'Zm9v'],
    ['all bytes of the upper half', `btoa('\\u0080\\u00ff\\u00fe\\u00fd')`, 'gP/+/Q=='],
    ['a zero byte', `btoa('\\0')`, 'AA=='],
    ['a character that is no byte', `btoa('\\u0100')`, bad],
    ['an emoji', `btoa('😀')`, bad],
    ['null is a text', `btoa(null)`, 'bnVsbA=='],
    ['undefined is a text', `btoa(undefined)`, 'dW5kZWZpbmVk'],
    ['an object is made a text', `btoa({ toString: () => 'x' })`, 'eA=='],
    ['a symbol is not', `btoa(Symbol())`, throws('TypeError')],
    ['no argument', `btoa()`, throws('TypeError')],
    ['a long text', `btoa('abc'.repeat(50000)).length`, 200_000],
    ['its name and length', `[btoa.name, btoa.length]`, ['btoa', 1]],
  ])
})

t.test('atob decodes forgivingly', async (t) => {
  await checkRows(t, [
    ['nothing', `atob('')`, ''],
    ['spaces are passed over', `atob(' Zm\\t9\\nv\\f\\r ')`, 'foo'],
    ['a vertical tab is no space', `atob('Zm\\v9v')`, bad],
    ['a no-break space is none', `atob('Zm9v\\u00a0')`, bad],
    ['padding may be missing', `atob('Zg')`, 'f'],
    ['both paddings may be missing', `atob('Zm8')`, 'fo'],
    ['half of the padding is wrong', `atob('Zg=')`, bad],
    ['padding that is not needed is wrong', `atob('Zm9v=')`, bad],
    ['twice so', `atob('Zm9v==')`, bad],
    ['padding alone', `atob('=')`, bad],
    ['padding twice alone', `atob('==')`, bad],
    ['padding three times', `atob('A===')`, bad],
    ['padding in the middle', `atob('Zg==Zg==')`, bad],
    ['one character too many', `atob('Zm9vZ')`, bad],
    ['spaces between the padding', `atob('Zg= =')`, 'f'],
    ['bits that do not count are thrown away', `atob('Zh==')`, 'f'],
    ['the alphabet of URLs is not taken', `atob('-_-_')`, bad],
    ['the last characters of the alphabet', `[...atob('+/+/')].map((c) => c.charCodeAt(0))`, [251, 255, 191]],
    ['not ASCII', `atob('Zm9ő')`, bad],
    ['null is a text', `[...atob(null)].map((c) => c.charCodeAt(0))`, [158, 233, 101]],
    ['undefined has a good length, and is one', `atob('undefined')`, bad],
    ['no argument', `atob()`, throws('TypeError')],
    [
      'what was coded comes back',
      `const all = String.fromCharCode(...Array(256).keys()); return atob(btoa(all)) === all`,
      true,
    ],
    ['a long text', `atob(btoa('x'.repeat(100001))).length`, 100_001],
  ])
})
