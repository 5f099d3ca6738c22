import t from 'tap'
import { checkRows, throws } from './rows.ts'

t.test('a TextEncoder makes UTF-8', async (t) => {
  await checkRows(t, [
    ['its encoding', `new TextEncoder().encoding`, 'utf-8'],
    ['nothing', `new TextEncoder().encode()`, []],
    ['undefined is nothing', `new TextEncoder().encode(undefined)`, []],
    ['null is a text', `new TextEncoder().encode(null).length`, 4],
    ['ASCII', `new TextEncoder().encode('a\\0~')`, [97, 0, 126]],
    [
      'two, three and four bytes',
      `new TextEncoder().encode('é€😀')`,
      [0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80],
    ],
    [
      'the borders',
      `new TextEncoder().encode('\\x7f\\x80\\u07ff\\u0800\\uffff\\u{10000}\\u{10ffff}')`,
      [
        0x7f, 0xc2, 0x80, 0xdf, 0xbf, 0xe0, 0xa0, 0x80, 0xef, 0xbf, 0xbf, 0xf0, 0x90, 0x80, 0x80, 0xf4, 0x8f, 0xbf,
        0xbf,
      ],
    ],
    ['lone surrogates', `new TextEncoder().encode('\\ud800a\\udc00')`, [0xef, 0xbf, 0xbd, 97, 0xef, 0xbf, 0xbd]],
    [
      'surrogates in the wrong order',
      `new TextEncoder().encode('\\udc00\\ud800')`,
      [0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd],
    ],
    [
      'a long text',
      `const text = 'aé€😀\\ud800'.repeat(3000); const bytes = new TextEncoder().encode(text); return [bytes.length, bytes instanceof Uint8Array, bytes.byteLength === bytes.buffer.byteLength]`,
      [39_000, true, true],
    ],
    ['a very long text', `new TextEncoder().encode('é'.repeat(1_000_000)).length`, 2_000_000],
    [
      'encodeInto',
      `const to = new Uint8Array(6); return [new TextEncoder().encodeInto('aé€😀', to), to]`,
      [{ read: 3, written: 6 }, [97, 0xc3, 0xa9, 0xe2, 0x82, 0xac]],
    ],
    [
      'encodeInto writes no half character',
      `const to = new Uint8Array(3); return [new TextEncoder().encodeInto('😀a', to), to]`,
      [{ read: 0, written: 0 }, [0, 0, 0]],
    ],
    [
      'encodeInto counts pairs as two',
      `new TextEncoder().encodeInto('😀', new Uint8Array(8))`,
      { read: 2, written: 4 },
    ],
    [
      'encodeInto replaces lone surrogates',
      `const to = new Uint8Array(4); return [new TextEncoder().encodeInto('\\ud800', to), to]`,
      [{ read: 1, written: 3 }, [0xef, 0xbf, 0xbd, 0]],
    ],
    [
      'encodeInto a part of a buffer',
      `const all = new Uint8Array(4); new TextEncoder().encodeInto('xyz', all.subarray(1, 3)); return all`,
      [0, 120, 121, 0],
    ],
    ['encodeInto wants a Uint8Array', `new TextEncoder().encodeInto('a', new Int8Array(1))`, throws('TypeError')],
    ['encodeInto wants two arguments', `new TextEncoder().encodeInto('a')`, throws('TypeError')],
    ['a method wants its object', `TextEncoder.prototype.encode.call({}, 'a')`, throws('TypeError')],
  ])
})

t.test('a TextDecoder knows the encodings of the web', async (t) => {
  await checkRows(t, [
    ['the default', `const d = new TextDecoder(); return [d.encoding, d.fatal, d.ignoreBOM]`, ['utf-8', false, false]],
    [
      'options',
      `const d = new TextDecoder('utf8', { fatal: 1, ignoreBOM: 'x' }); return [d.fatal, d.ignoreBOM]`,
      [true, true],
    ],
    [
      'labels of UTF-8',
      `['utf-8', 'UTF8', ' utf-8\\n', 'unicode-1-1-utf-8', 'x-unicode20utf8', 'unicode11utf8', 'unicode20utf8'].map((label) => new TextDecoder(label).encoding)`,
      Array(7).fill('utf-8'),
    ],
    [
      'other labels',
      `['latin1', 'ascii', 'windows-1252', 'utf-16', 'utf-16be', 'shift_jis', 'sjis', 'gbk', 'gb18030', 'big5', 'euc-kr', 'koi8-r', 'macintosh', 'x-user-defined', 'iso-8859-2'].map((label) => new TextDecoder(label).encoding)`,
      [
        'windows-1252',
        'windows-1252',
        'windows-1252',
        'utf-16le',
        'utf-16be',
        'shift_jis',
        'shift_jis',
        'gbk',
        'gb18030',
        'big5',
        'euc-kr',
        'koi8-r',
        'macintosh',
        'x-user-defined',
        'iso-8859-2',
      ],
    ],
    ['a label that is none', `new TextDecoder('utf-7')`, throws('RangeError')],
    ['a label with another kind of space', `new TextDecoder('\\u00a0utf-8')`, throws('RangeError')],
    ['a label with a NUL', `new TextDecoder('utf-8\\0')`, throws('RangeError')],
    ['the encoding that replaces others', `new TextDecoder('replacement')`, throws('RangeError')],
    ['a label that is very long', `new TextDecoder('x'.repeat(100000))`, throws('RangeError')],
    ['options that are no object', `new TextDecoder('utf-8', 5)`, throws('TypeError')],
    ['windows-1252', `new TextDecoder('latin1').decode(new Uint8Array([0x80, 0xe9, 0x41]))`, '€éA'],
    ['UTF-16', `new TextDecoder('utf-16').decode(new Uint8Array([0xff, 0xfe, 0x41, 0, 0x3d, 0xd8, 0, 0xde]))`, 'A😀'],
    ['shift_jis', `new TextDecoder('shift_jis').decode(new Uint8Array([0x93, 0xfa, 0x96, 0x7b]))`, '日本'],
    [
      'a legacy encoding in pieces',
      `const d = new TextDecoder('shift_jis'); return d.decode(new Uint8Array([0x93]), { stream: true }) + d.decode(new Uint8Array([0xfa]), { stream: true }) + d.decode()`,
      '日',
    ],
    [
      'a legacy encoding that is fatal',
      `new TextDecoder('euc-kr', { fatal: true }).decode(new Uint8Array([0xff]))`,
      throws('TypeError'),
    ],
  ])
})

/** Bytes that are not UTF-8, and how many replacements they are (Encoding Standard, section 8.1.1). */
const malformed: readonly (readonly [bytes: number[], text: string])[] = [
  [[0xff], '\ufffd'],
  [[0x80], '\ufffd'],
  [[0xc0, 0x80], '\ufffd\ufffd'],
  [[0xc1, 0xbf], '\ufffd\ufffd'],
  [[0xc3], '\ufffd'],
  [[0xc3, 0x41], '\ufffdA'],
  [[0xe2, 0x82], '\ufffd'],
  [[0xe2, 0x82, 0x41], '\ufffdA'],
  [[0xe0, 0x80, 0x80], '\ufffd\ufffd\ufffd'],
  [[0xe0, 0x9f, 0xbf], '\ufffd\ufffd\ufffd'],
  [[0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
  [[0xed, 0xbf, 0xbf], '\ufffd\ufffd\ufffd'],
  [[0xf0, 0x9f, 0x98], '\ufffd'],
  [[0xf0, 0x9f, 0x98, 0x41], '\ufffdA'],
  [[0xf0, 0x8f, 0xbf, 0xbf], '\ufffd\ufffd\ufffd\ufffd'],
  [[0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
  [[0xf5, 0x80, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
  [[0xf8, 0x88, 0x80, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd\ufffd'],
  [[0x41, 0xe2, 0x82, 0xe2, 0x82, 0xac], 'A\ufffd€'],
  [[0xc3, 0xc3, 0xa9], '\ufffdé'],
  [[0xfe, 0xff, 0xfd, 0xef], '\ufffd\ufffd\ufffd\ufffd'],
]

t.test('what is malformed is replaced, or fatal', async (t) => {
  await checkRows(
    t,
    malformed.flatMap(([bytes, text]) => {
      const name = bytes.map((byte) => byte.toString(16)).join(' ')
      const source = `new Uint8Array(${JSON.stringify(bytes)})`
      return [
        [name, `new TextDecoder().decode(${source})`, text],
        [
          `${name}, long`,
          `const b = new Uint8Array(1100 + ${bytes.length}).fill(120); b.set(${source}, 1100); return new TextDecoder().decode(b).slice(1100)`,
          text,
        ],
        [
          `${name}, byte by byte`,
          `const d = new TextDecoder(); let text = ''; for (const byte of ${source}) text += d.decode(new Uint8Array([byte]), { stream: true }); return text + d.decode()`,
          text,
        ],
        [`${name}, fatal`, `new TextDecoder('utf-8', { fatal: true }).decode(${source})`, throws('TypeError')],
      ] as const
    }),
  )
})

t.test('UTF-8 is decoded', async (t) => {
  await checkRows(t, [
    ['nothing', `new TextDecoder().decode()`, ''],
    ['undefined', `new TextDecoder().decode(undefined, undefined)`, ''],
    ['null', `new TextDecoder().decode(null)`, throws('TypeError')],
    ['a text', `new TextDecoder().decode('x')`, throws('TypeError')],
    ['an ArrayBuffer', `new TextDecoder().decode(new Uint8Array([97]).buffer)`, 'a'],
    ['a DataView of a part', `new TextDecoder().decode(new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1))`, 'b'],
    ['a view of wider elements', `new TextDecoder().decode(new Uint16Array([0x6261]))`, 'ab'],
    [
      'all lengths',
      `new TextDecoder().decode(new Uint8Array([0x7f, 0xc2, 0x80, 0xdf, 0xbf, 0xe0, 0xa0, 0x80, 0xef, 0xbf, 0xbf, 0xf0, 0x90, 0x80, 0x80, 0xf4, 0x8f, 0xbf, 0xbf]))`,
      '\x7f\x80\u07ff\u0800\uffff\u{10000}\u{10ffff}',
    ],
    ['a byte order mark is taken off', `new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 97]))`, 'a'],
    ['once', `new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, 97]))`, '\ufeffa'],
    [
      'or kept',
      `new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 97]))`,
      '\ufeffa',
    ],
    [
      'each call begins anew',
      `const d = new TextDecoder(); const b = new Uint8Array([0xef, 0xbb, 0xbf, 97]); return d.decode(b) + d.decode(b)`,
      'aa',
    ],
    [
      'a mark in pieces',
      `const d = new TextDecoder(); return [0xef, 0xbb, 0xbf, 97].map((byte) => d.decode(new Uint8Array([byte]), { stream: true })).join('|') + d.decode()`,
      '|||a',
    ],
    [
      'a mark in the middle stays',
      `const d = new TextDecoder(); return d.decode(new Uint8Array([97]), { stream: true }) + d.decode(new Uint8Array([0xef, 0xbb, 0xbf]))`,
      'a\ufeff',
    ],
    [
      'a character in pieces',
      `const d = new TextDecoder(); return [0xf0, 0x9f, 0x98, 0x80].map((byte) => d.decode(new Uint8Array([byte]), { stream: true })).join('|') + d.decode()`,
      '|||😀',
    ],
    [
      'what is left at the end is malformed',
      `const d = new TextDecoder(); d.decode(new Uint8Array([0xf0, 0x9f]), { stream: true }); return d.decode()`,
      '\ufffd',
    ],
    [
      'after which the decoder is new',
      `const d = new TextDecoder(); d.decode(new Uint8Array([0xf0]), { stream: true }); d.decode(); return d.decode(new Uint8Array([0x9f, 97]))`,
      '\ufffda',
    ],
    [
      'a fatal stream',
      `const d = new TextDecoder('utf-8', { fatal: true }); d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }); return d.decode(new Uint8Array([0x41]))`,
      throws('TypeError'),
    ],
    [
      'which can be used again',
      `const d = new TextDecoder('utf-8', { fatal: true }); try { d.decode(new Uint8Array([0xff])) } catch {} return d.decode(new Uint8Array([97]))`,
      'a',
    ],
    [
      'a long text',
      `const text = 'aé€😀'.repeat(5000); return new TextDecoder().decode(new TextEncoder().encode(text)) === text`,
      true,
    ],
    [
      'a text above what crosses at once',
      `const text = 'é€😀x'.repeat(300000); return new TextDecoder().decode(new TextEncoder().encode(text)) === text`,
      true,
    ],
    [
      'bytes of a resizable buffer',
      `const b = new ArrayBuffer(1100, { maxByteLength: 5000 }); return new TextDecoder().decode(b).length`,
      1_100,
    ],
    [
      'a view of a larger buffer',
      `const b = new Uint8Array(5000).fill(97); return new TextDecoder().decode(b.subarray(10, 700)).length`,
      690,
    ],
    [
      'a detached buffer is empty',
      `const b = new ArrayBuffer(5); structuredClone(b, { transfer: [b] }); return new TextDecoder().decode(b)`,
      '',
    ],
  ])
})

const collect = `const collect = async (stream) => { const list = []; const reader = stream.getReader(); for (;;) { const { done, value } = await reader.read(); if (done) return list; list.push(value) } };
const feed = (stream, pieces) => { const writer = stream.writable.getWriter(); for (const piece of pieces) writer.write(piece).catch(() => {}); writer.close().catch(() => {}) };`

t.test('text is coded in streams', async (t) => {
  await checkRows(t, [
    [
      'encoding',
      `${collect} const s = new TextEncoderStream(); feed(s, ['a', 'é']); return await collect(s.readable)`,
      [[97], [0xc3, 0xa9]],
    ],
    [
      'a pair in two pieces',
      `${collect} const s = new TextEncoderStream(); feed(s, ['\\ud83d', '\\ude00']); return await collect(s.readable)`,
      [[0xf0, 0x9f, 0x98, 0x80]],
    ],
    [
      'half a pair at the end',
      `${collect} const s = new TextEncoderStream(); feed(s, ['a\\ud83d']); return await collect(s.readable)`,
      [[97], [0xef, 0xbf, 0xbd]],
    ],
    [
      'half a pair and something else',
      `${collect} const s = new TextEncoderStream(); feed(s, ['\\ud83d', 'a']); return await collect(s.readable)`,
      [[0xef, 0xbf, 0xbd, 97]],
    ],
    [
      'what is no text is made one',
      `${collect} const s = new TextEncoderStream(); feed(s, [5, null]); return await collect(s.readable)`,
      [[53], [110, 117, 108, 108]],
    ],
    [
      'empty pieces give nothing',
      `${collect} const s = new TextEncoderStream(); feed(s, ['', '']); return await collect(s.readable)`,
      [],
    ],
    ['its encoding', `new TextEncoderStream().encoding`, 'utf-8'],
    [
      'decoding',
      `${collect} const s = new TextDecoderStream(); feed(s, [new Uint8Array([0xc3]), new Uint8Array([0xa9, 97])]); return (await collect(s.readable)).join('|')`,
      'éa',
    ],
    [
      'decoding what is cut off',
      `${collect} const s = new TextDecoderStream(); feed(s, [new Uint8Array([97, 0xf0, 0x9f])]); return (await collect(s.readable)).join('|')`,
      'a|\ufffd',
    ],
    [
      'decoding what is malformed',
      `${collect} const s = new TextDecoderStream('utf-8', { fatal: true }); feed(s, [new Uint8Array([0xff])]); await collect(s.readable)`,
      throws('TypeError'),
    ],
    [
      'decoding what is no bytes',
      `${collect} const s = new TextDecoderStream(); feed(s, ['a']); await collect(s.readable)`,
      throws('TypeError'),
    ],
    [
      'its attributes',
      `const s = new TextDecoderStream('latin1', { fatal: true, ignoreBOM: true }); return [s.encoding, s.fatal, s.ignoreBOM, s.readable instanceof ReadableStream, s.writable instanceof WritableStream]`,
      ['windows-1252', true, true, true, true],
    ],
    ['a label that is none', `new TextDecoderStream('utf-7')`, throws('RangeError')],
    [
      'through pipes',
      `const s = new Blob(['aé€😀'.repeat(1000)]).stream().pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream()); return await new Response(s).text() === 'aé€😀'.repeat(1000)`,
      true,
    ],
  ])
})
