import t from 'tap'
import { checkRows, throws } from './rows.ts'

t.test('a Blob holds bytes', async (t) => {
  await checkRows(t, [
    ['nothing', `const b = new Blob(); return [b.size, b.type, await b.text()]`, [0, '', '']],
    ['undefined', `new Blob(undefined).size`, 0],
    ['null', `new Blob(null)`, throws('TypeError')],
    ['a text', `new Blob('abc')`, throws('TypeError')],
    ['what is not iterable', `new Blob({})`, throws('TypeError')],
    ['any iterable', `await new Blob(new Set(['a', 'b'])).text()`, 'ab'],
    [
      'all kinds of parts',
      `await new Blob(['é', new Uint8Array([97]), new Uint8Array([98]).buffer, new DataView(new Uint8Array([99, 100]).buffer, 1), new Blob(['e']), 5, null]).text()`,
      'éabde5null',
    ],
    ['a view of a part', `await new Blob([new Uint8Array([97, 98, 99]).subarray(1, 2)]).text()`, 'b'],
    ['a view of wider elements', `new Blob([new Uint16Array(3)]).size`, 6],
    ['lone surrogates', `await new Blob(['\\ud800']).text()`, '\ufffd'],
    [
      'the bytes are copied',
      `const b = new Uint8Array([97]); const blob = new Blob([b]); b[0] = 98; return await blob.text()`,
      'a',
    ],
    [
      'also of parts before one that runs code',
      `const b = new Uint8Array([97]); const blob = new Blob([b, { toString() { b[0] = 98; return 'x' } }]); return await blob.text()`,
      'ax',
    ],
    ['a type', `new Blob([], { type: 'Text/PLAIN;charset=UTF-8' }).type`, 'text/plain;charset=utf-8'],
    [
      'a type with other characters',
      `[new Blob([], { type: 'te\\u00e9xt' }).type, new Blob([], { type: 'a\\n' }).type]`,
      ['', ''],
    ],
    ['a type that is null', `new Blob([], { type: null }).type`, 'null'],
    ['options that are no object', `new Blob([], 5)`, throws('TypeError')],
    ['endings', `await new Blob(['a\\r\\nb\\rc\\n'], { endings: 'native' }).text()`, 'a\nb\nc\n'],
    ['endings as they are', `await new Blob(['a\\r\\nb'], { endings: 'transparent' }).text()`, 'a\r\nb'],
    ['endings of another name', `new Blob([], { endings: 'x' })`, throws('TypeError')],
    [
      'as an ArrayBuffer',
      `const b = await new Blob(['ab']).arrayBuffer(); return [b instanceof ArrayBuffer, new Uint8Array(b)]`,
      [true, [97, 98]],
    ],
    ['as bytes', `await new Blob(['ab']).bytes()`, [97, 98]],
    ['each time others', `const b = new Blob(['ab']); (await b.bytes())[0] = 0; return await b.text()`, 'ab'],
    ['as a text without the byte order mark', `await new Blob(['\\ufeffa']).text()`, 'a'],
    [
      'as a stream',
      `const b = new Blob(['ab', 'c']); const reader = b.stream().getReader(); let text = ''; for (;;) { const { done, value } = await reader.read(); if (done) return text; text += new TextDecoder().decode(value) }`,
      'abc',
    ],
    ['the stream of nothing', `(await new Blob().stream().getReader().read()).done`, true],
    [
      'the stream takes buffers',
      `const r = new Blob(['abc']).stream().getReader({ mode: 'byob' }); const { value } = await r.read(new Uint8Array(2)); return value`,
      [97, 98],
    ],
    [
      'slices',
      `const b = new Blob(['abcdef']); return await Promise.all([b.slice(), b.slice(2), b.slice(1, 3), b.slice(-2), b.slice(1, -1), b.slice(4, 2), b.slice(100), b.slice(0, 100), b.slice(undefined, 2), b.slice(NaN, 1), b.slice(1.9, 2.4)].map((s) => s.text()))`,
      ['abcdef', 'cdef', 'bc', 'ef', 'bcde', '', '', 'abcdef', 'ab', 'a', ''],
    ],
    [
      'a slice has no type',
      `[new Blob([], { type: 'a/b' }).slice().type, new Blob([]).slice(0, 0, 'X/Y').type, new Blob([]).slice(0, 0, 'é').type]`,
      ['', 'x/y', ''],
    ],
    ['a slice of a slice', `await new Blob(['abcdef']).slice(1, 5).slice(1, 3).text()`, 'cd'],
    ['its tag, name and length', `[String(new Blob()), Blob.name, Blob.length]`, ['[object Blob]', 'Blob', 0]],
    ['a method wants a Blob', `await Blob.prototype.text.call({})`, throws('TypeError')],
    [
      'and rejects, it does not throw',
      `const p = Blob.prototype.text.call({}); p.catch(() => {}); return p instanceof Promise`,
      true,
    ],
  ])
})

t.test('a File is a Blob with a name', async (t) => {
  await checkRows(t, [
    [
      'its parts',
      `const f = new File(['ab'], 'n.txt', { type: 'text/plain', lastModified: 12 }); return [f.name, f.size, f.type, f.lastModified, f instanceof Blob, await f.text()]`,
      ['n.txt', 2, 'text/plain', 12, true, 'ab'],
    ],
    ['no arguments', `new File()`, throws('TypeError')],
    ['no name', `new File([])`, throws('TypeError')],
    ['parts that are undefined', `new File(undefined, 'n')`, throws('TypeError')],
    [
      'a name is made a text',
      `[new File([], 5).name, new File([], null).name, new File([], '\\ud800').name]`,
      ['5', 'null', '\ufffd'],
    ],
    ['now', `const f = new File([], 'n'); return Math.abs(f.lastModified - Date.now()) < 60000`, true],
    ['a time that is no number', `new File([], 'n', { lastModified: 'x' }).lastModified`, 0],
    ['a time of a date', `new File([], 'n', { lastModified: new Date(7) }).lastModified`, 7],
    [
      'a slice is a Blob',
      `const s = new File(['ab'], 'n').slice(1); return [s instanceof File, s instanceof Blob, await s.text()]`,
      [false, true, 'b'],
    ],
    ['its tag and length', `[String(new File([], 'n')), File.length]`, ['[object File]', 2]],
    [
      'a name wants a File',
      `Object.getOwnPropertyDescriptor(File.prototype, 'name').get.call(new Blob())`,
      throws('TypeError'),
    ],
  ])
})
