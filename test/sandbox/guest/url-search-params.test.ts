import t from 'tap'
import { checkRows, throws } from './rows.ts'

t.test('URLSearchParams is made of texts, lists and records', async (t) => {
  await checkRows(t, [
    ['nothing', `[...new URLSearchParams()]`, []],
    [
      'a text',
      `[...new URLSearchParams('a=b&c=d')]`,
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['a question mark at the start is dropped, once', `[...new URLSearchParams('??a=b')]`, [['?a', 'b']]],
    [
      'no value',
      `[...new URLSearchParams('a&b=&=c&=')]`,
      [
        ['a', ''],
        ['b', ''],
        ['', 'c'],
        ['', ''],
      ],
    ],
    ['empty pieces', `[...new URLSearchParams('&&a=b&')]`, [['a', 'b']]],
    ['equals signs in a value', `[...new URLSearchParams('a=b=c')]`, [['a', 'b=c']]],
    ['plus and escapes', `[...new URLSearchParams('a+b=c%20d%2B')]`, [['a b', 'c d+']]],
    [
      'UTF-8',
      `[...new URLSearchParams('%C3%A9=%E2%82%AC&é=😀')]`,
      [
        ['é', '€'],
        ['é', '😀'],
      ],
    ],
    [
      'bad escapes',
      `[...new URLSearchParams('a=%&b=%2&c=%zz&d=%2g%41')]`,
      [
        ['a', '%'],
        ['b', '%2'],
        ['c', '%zz'],
        ['d', '%2gA'],
      ],
    ],
    [
      'bad UTF-8',
      `[...new URLSearchParams('a=%ff%C3&b=é%ff')]`,
      [
        ['a', '\ufffd\ufffd'],
        ['b', 'é\ufffd'],
      ],
    ],
    ['a byte order mark stays', `new URLSearchParams('a=%EF%BB%BFb').get('a')`, '\ufeffb'],
    ['lone surrogates', `new URLSearchParams('a=\\ud800').get('a')`, '\ufffd'],
    ['a NUL', `new URLSearchParams('a=%00').get('a')`, '\0'],
    [
      'null and undefined',
      `[[...new URLSearchParams(null)], [...new URLSearchParams(undefined)]]`,
      [[['null', '']], []],
    ],
    ['a number', `[...new URLSearchParams(5)]`, [['5', '']]],
    [
      'a record',
      `[...new URLSearchParams({ a: 1, b: null })]`,
      [
        ['a', '1'],
        ['b', 'null'],
      ],
    ],
    [
      'a record keeps the order and the last of the same',
      `[...new URLSearchParams({ 'a\\ud800': 1, 'a\\ufffd': 2, c: 3 })]`,
      [
        ['a\ufffd', '2'],
        ['c', '3'],
      ],
    ],
    ['a record with a symbol', `new URLSearchParams({ [Symbol()]: 1 })`, throws('TypeError')],
    [
      'a record with what is not enumerable',
      `[...new URLSearchParams(Object.defineProperty({ a: 1 }, 'b', { value: 2 }))]`,
      [['a', '1']],
    ],
    [
      'a list',
      `[...new URLSearchParams([['a', 'b'], ['a', 'c']])]`,
      [
        ['a', 'b'],
        ['a', 'c'],
      ],
    ],
    ['any iterable of iterables', `[...new URLSearchParams(new Map([['a', 1]]))]`, [['a', '1']]],
    ['an iterable text as a pair', `[...new URLSearchParams(new Set([new Set(['a', 'b'])]))]`, [['a', 'b']]],
    ['a pair of three', `new URLSearchParams([['a', 'b', 'c']])`, throws('TypeError')],
    ['a pair of one', `new URLSearchParams([['a']])`, throws('TypeError')],
    ['a pair that is no object', `new URLSearchParams(['ab'])`, throws('TypeError')],
    [
      'itself',
      `const p = new URLSearchParams('a=b'); const q = new URLSearchParams(p); p.append('c', 'd'); return [...q]`,
      [['a', 'b']],
    ],
    ['a FormData', `const f = new FormData(); f.append('a', 'b'); return [...new URLSearchParams(f)]`, [['a', 'b']]],
    ['an iterator that is no function', `new URLSearchParams({ [Symbol.iterator]: 5 })`, throws('TypeError')],
    ['a function is a record', `[...new URLSearchParams(Object.assign(() => {}, { a: 1 }))]`, [['a', '1']]],
  ])
})

t.test('URLSearchParams is a list of names and values', async (t) => {
  const p = `const p = new URLSearchParams('a=1&b=2&a=3');`
  await checkRows(t, [
    ['get', `${p} return [p.get('a'), p.get('c'), p.get('constructor')]`, ['1', null, null]],
    ['getAll', `${p} return [p.getAll('a'), p.getAll('c')]`, [['1', '3'], []]],
    [
      'has',
      `${p} return [p.has('a'), p.has('c'), p.has('a', '3'), p.has('a', '2'), p.has('a', undefined)]`,
      [true, false, true, false, true],
    ],
    [
      'append',
      `${p} p.append('b', 4); return [...p]`,
      [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
        ['b', '4'],
      ],
    ],
    [
      'set replaces the first and deletes the others',
      `${p} p.set('a', 'x'); return [...p]`,
      [
        ['a', 'x'],
        ['b', '2'],
      ],
    ],
    ['set appends', `${p} p.set('c', 'x'); return p.toString()`, 'a=1&b=2&a=3&c=x'],
    ['delete', `${p} p.delete('a'); return [...p]`, [['b', '2']]],
    [
      'delete one value',
      `${p} p.delete('a', '3'); return [...p]`,
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['delete with undefined deletes all', `${p} p.delete('a', undefined); return [...p]`, [['b', '2']]],
    ['size', `${p} return p.size`, 3],
    [
      'sort by code units, stable',
      `const p = new URLSearchParams('z=1&ﬃ=2&😀=3&a=4&z=0'); p.sort(); return [...p]`,
      [
        ['a', '4'],
        ['z', '1'],
        ['z', '0'],
        ['😀', '3'],
        ['ﬃ', '2'],
      ],
    ],
    [
      'as a text',
      `new URLSearchParams([['a b', 'é&=+~*-._!\\'()'], ['', '%20']]).toString()`,
      'a+b=%C3%A9%26%3D%2B%7E*-._%21%27%28%29&=%2520',
    ],
    ['of nothing', `new URLSearchParams().toString()`, ''],
    ['a text of many spaces', `new URLSearchParams([['  ', ' x ']]).toString()`, '++=+x+'],
    [
      'there and back',
      `const all = Array.from({ length: 300 }, (_, i) => String.fromCharCode(i)).join(''); return new URLSearchParams(new URLSearchParams([[all, all]]).toString()).get(all) === all`,
      true,
    ],
    [
      'entries, keys, values',
      `${p} return [[...p.entries()], [...p.keys()], [...p.values()]]`,
      [
        [
          ['a', '1'],
          ['b', '2'],
          ['a', '3'],
        ],
        ['a', 'b', 'a'],
        ['1', '2', '3'],
      ],
    ],
    [
      'forEach',
      `${p} const seen = []; p.forEach(function (value, key, self) { seen.push(value, key, self === p, this.x) }, { x: 1 }); return seen.slice(0, 4)`,
      ['1', 'a', true, 1],
    ],
    ['forEach wants a function', `${p} p.forEach({})`, throws('TypeError')],
    [
      'a walk sees what is appended meanwhile',
      `${p} const seen = []; for (const [key] of p) { seen.push(key); if (seen.length === 1) p.append('c', 1) } return seen`,
      ['a', 'b', 'a', 'c'],
    ],
    [
      'and what is deleted',
      `${p} const seen = []; for (const [key] of p) { seen.push(key); p.delete(key) } return seen`,
      ['a'],
    ],
    [
      'the iterator',
      `${p} const i = p.entries(); return [Object.prototype.toString.call(i), i[Symbol.iterator]() === i, i.next(), typeof i.map]`,
      ['[object URLSearchParams Iterator]', true, { value: ['a', '1'], done: false }, 'function'],
    ],
    ['its next wants one of its own', `${p} p.entries().next.call({})`, throws('TypeError')],
    [
      'the default iterator is entries',
      `URLSearchParams.prototype[Symbol.iterator] === URLSearchParams.prototype.entries`,
      true,
    ],
    ['too few arguments', `${p} p.append('a')`, throws('TypeError')],
    ['too few arguments of get', `${p} p.get()`, throws('TypeError')],
    ['a method wants its object', `URLSearchParams.prototype.get.call(new Map(), 'a')`, throws('TypeError')],
    [
      'members are enumerable, the tag is not',
      `const keys = Object.keys(URLSearchParams.prototype); return [keys.includes('append'), keys.includes('size'), keys.includes('forEach'), keys.includes('constructor')]`,
      [true, true, true, false],
    ],
  ])
})
