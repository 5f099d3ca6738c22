import t from 'tap'
import { checkRows, type Row, throws } from './rows.ts'

const f = `const f = new FormData(); f.append('a', '1'); f.append('b', '2'); f.append('a', '3');`

t.test('FormData is a list of entries', async (t) => {
  await checkRows(t, [
    ['nothing', `[...new FormData()]`, []],
    ['undefined', `[...new FormData(undefined)]`, []],
    ['what is no form', `new FormData({})`, throws('TypeError')],
    ['null is no form', `new FormData(null)`, throws('TypeError')],
    [
      'append',
      `${f} return [...f]`,
      [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ],
    ],
    [
      'get, getAll, has',
      `${f} return [f.get('a'), f.get('x'), f.getAll('a'), f.getAll('x'), f.has('b'), f.has('x')]`,
      ['1', null, ['1', '3'], [], true, false],
    ],
    [
      'set',
      `${f} f.set('a', 'x'); f.set('c', 'y'); return [...f]`,
      [
        ['a', 'x'],
        ['b', '2'],
        ['c', 'y'],
      ],
    ],
    ['delete', `${f} f.delete('a'); return [...f]`, [['b', '2']]],
    [
      'values are made texts',
      `${f} f.append('c', null); f.append('d', 5); f.append('e', '\\ud800'); return [f.get('c'), f.get('d'), f.get('e')]`,
      ['null', '5', '\ufffd'],
    ],
    [
      'a Blob becomes a File',
      `${f} f.append('f', new Blob(['x'], { type: 'a/b' })); const v = f.get('f'); return [v instanceof File, v.name, v.type, await v.text()]`,
      [true, 'blob', 'a/b', 'x'],
    ],
    ['a file name', `${f} f.append('f', new Blob(['x']), 'n.txt'); return f.get('f').name`, 'n.txt'],
    [
      'a File stays itself',
      `${f} const file = new File(['x'], 'n'); f.append('f', file); return f.get('f') === file`,
      true,
    ],
    [
      'unless it gets another name',
      `${f} const file = new File(['x'], 'n', { lastModified: 5 }); f.append('f', file, 'm'); const v = f.get('f'); return [v === file, v.name, v.lastModified]`,
      [false, 'm', 5],
    ],
    [
      'set with a file',
      `${f} f.set('a', new Blob(['x']), 'q'); return [f.getAll('a').length, f.get('a').name]`,
      [1, 'q'],
    ],
    ['a file name of a text', `${f} f.append('a', 'b', 'c')`, throws('TypeError')],
    ['too few arguments', `${f} f.append('a')`, throws('TypeError')],
    ['too few of get', `${f} f.get()`, throws('TypeError')],
    [
      'keys, values, forEach',
      `${f} const seen = []; f.forEach((value, key, self) => seen.push([key, value, self === f])); return [[...f.keys()], [...f.values()], seen[0]]`,
      [
        ['a', 'b', 'a'],
        ['1', '2', '3'],
        ['a', '1', true],
      ],
    ],
    [
      'its tag and that of its iterator',
      `[String(new FormData()), String(new FormData().keys())]`,
      ['[object FormData]', '[object FormData Iterator]'],
    ],
    ['a method wants a form', `FormData.prototype.get.call(new Map(), 'a')`, throws('TypeError')],
  ])
})

/** A body that is read as multipart/form-data with the boundary `b`. */
function read(body: string, boundary = 'b'): string {
  return `const form = await new Response(${JSON.stringify(body)}, { headers: { 'content-type': 'multipart/form-data; boundary=${boundary}' } }).formData();
    const list = []; for (const [name, value] of form) list.push(typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()]); return list`
}

const part = (head: string, body: string) => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${body}\r\n`
const bad = throws('TypeError')

t.test('multipart/form-data is parsed', async (t) => {
  const rows: Row[] = [
    ['a field', read(`${part('name="a"', '1')}--b--\r\n`), [['a', '1']]],
    [
      'two fields of one name',
      read(`${part('name="a"', '1')}${part('name="a"', '2')}--b--`),
      [
        ['a', '1'],
        ['a', '2'],
      ],
    ],
    ['none', read('--b--\r\n'), []],
    ['an empty value', read(`${part('name="a"', '')}--b--`), [['a', '']]],
    ['an empty name', read(`${part('name=""', 'x')}--b--`), [['', 'x']]],
    [
      'a file',
      read(
        `--b\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--`,
      ),
      [['f', 'n.txt', 'text/html', '<p>']],
    ],
    ['a file without a type', read(`${part('name="f"; filename="n"', 'x')}--b--`), [['f', 'n', 'text/plain', 'x']]],
    ['a file without a name', read(`${part('name="f"; filename=""', '')}--b--`), [['f', '', 'text/plain', '']]],
    ['headers in other letters', read(`--b\r\ncontent-disposition:FORM-DATA;NAME="a"\r\n\r\n1\r\n--b--`), [['a', '1']]],
    [
      'other headers are passed over',
      read(`--b\r\nX-Y: z\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--`),
      [['a', '1']],
    ],
    ['a name without quotes', read(`${part('name=a', '1')}--b--`), [['a', '1']]],
    ['escapes in names', read(`${part('name="a%22%0D%0Ab%20%"', '1')}--b--`), [['a"\r\nb%20%', '1']]],
    ['UTF-8', read(`${part('name="é"; filename="😀.txt"', '€')}--b--`), [['é', '😀.txt', 'text/plain', '€']]],
    ['line breaks in a value', read(`${part('name="a"', '1\r\n\r\n2\n3')}--b--`), [['a', '1\r\n\r\n2\n3']]],
    ['what looks like a boundary', read(`${part('name="a"', '--b\r\n--c\r\n-b')}--b--`), [['a', '--b\r\n--c\r\n-b']]],
    ['a preamble and an epilogue', read(`hello\r\n${part('name="a"', '1')}--b--\r\nbye`), [['a', '1']]],
    [
      'spaces after a boundary',
      read(`--b \t\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--`),
      [['a', '1']],
    ],
    [
      'a boundary in quotes',
      read(`--b c\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b c--`, '\\"b c\\"'),
      [['a', '1']],
    ],
    ['another boundary', read(`${part('name="a"', '1')}--b--`, 'x'), bad],
    ['no end', read(part('name="a"', '1')), bad],
    ['nothing at all', read(''), bad],
    ['no name', read(`--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--`), bad],
    ['no disposition', read(`--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--`), bad],
    ['another disposition', read(`--b\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--b--`), bad],
    ['a header without a colon', read(`--b\r\nContent-Disposition\r\n\r\n1\r\n--b--`), bad],
    ['a header without an end', read(`--b\r\nContent-Disposition: form-data; name="a"`), bad],
    ['a disposition that is not closed', read(`${part('name="a', '1')}--b--`), bad],
    ['bare line feeds', read(`--b\nContent-Disposition: form-data; name="a"\n\n1\n--b--`), bad],
    ['a header that is too long', read(`${part(`name="${'a'.repeat(20_000)}"`, '1')}--b--`), bad],
    ['1001 entries', read(`${part('name="a"', '').repeat(1_001)}--b--`), bad],
    ['an own __proto__', read(`${part('name="__proto__"', '1')}--b--`), [['__proto__', '1']]],
    [
      'without a boundary',
      `await new Response('--b--', { headers: { 'content-type': 'multipart/form-data' } }).formData()`,
      bad,
    ],
    ['another type', `await new Response('a=b', { headers: { 'content-type': 'text/plain' } }).formData()`, bad],
    [
      'urlencoded',
      `[...await new Response('a=b+c&d=%C3%A9', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData()]`,
      [
        ['a', 'b c'],
        ['d', 'é'],
      ],
    ],
    [
      'urlencoded, 1001 entries',
      `await new Response('a&'.repeat(1001), { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData()`,
      bad,
    ],
    [
      'bytes that are no text',
      `const body = new Uint8Array([...new TextEncoder().encode('--b\\r\\nContent-Disposition: form-data; name="f"; filename="n"\\r\\n\\r\\n'), 0, 255, 13, 10, 45, 45, 98, 45, 45]); const form = await new Response(body, { headers: { 'content-type': 'multipart/form-data; boundary=b' } }).formData(); return await form.get('f').bytes()`,
      [0, 255],
    ],
  ]
  await checkRows(t, rows)
})

t.test('multipart/form-data is written', async (t) => {
  await checkRows(t, [
    [
      'its type names the boundary',
      `const r = new Response(new FormData()); return /^multipart\\/form-data; boundary=----grove[0-9a-f]{32}$/.test(r.headers.get('content-type'))`,
      true,
    ],
    [
      'each has another',
      `new Response(new FormData()).headers.get('content-type') === new Response(new FormData()).headers.get('content-type')`,
      false,
    ],
    [
      'a field',
      `const form = new FormData(); form.append('a', '1'); const r = new Response(form); const b = r.headers.get('content-type').split('=')[1]; return (await r.text()).replaceAll(b, 'B')`,
      '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n',
    ],
    [
      'a file',
      `const form = new FormData(); form.append('f', new File(['x'], 'n.txt')); const r = new Response(form); const b = r.headers.get('content-type').split('=')[1]; return (await r.text()).replaceAll(b, 'B')`,
      '--B\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n--B--\r\n',
    ],
    [
      'names are escaped',
      `const form = new FormData(); form.append('a"\\r\\n', new File([], 'q"\\n', { type: 'a/b' })); const text = await new Response(form).text(); return [text.includes('name="a%22%0D%0A"'), text.includes('filename="q%22%0A"'), text.includes('Content-Type: a/b')]`,
      [true, true, true],
    ],
    [
      'line breaks become CRLF',
      `const form = new FormData(); form.append('a\\nb', '1\\n2\\r3\\r\\n4'); const text = await new Response(form).text(); return [text.includes('name="a%0D%0Ab"'), text.includes('1\\r\\n2\\r\\n3\\r\\n4\\r\\n')]`,
      [true, true],
    ],
    [
      'there and back',
      `const form = new FormData(); form.append('é"', '€\\r\\n'); form.append('f', new File([new Uint8Array([0, 255, 13, 10])], '😀', { type: 'x/y' })); const back = await new Response(form).formData(); const file = back.get('f'); return [back.get('é"'), file.name, file.type, await file.bytes()]`,
      ['€\r\n', '😀', 'x/y', [0, 255, 13, 10]],
    ],
  ])
})
