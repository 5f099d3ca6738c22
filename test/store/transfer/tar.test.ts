import fc from 'fast-check'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { readTar } from '../../../store/transfer/tar-read.ts'
import { checksumOf, tarEnd, tarHeader, tarPadding } from '../../../store/transfer/tar-write.ts'

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function pack(files: readonly (readonly [name: string, content: Buffer])[]): Buffer {
  const parts = files.flatMap(([name, content]) => [
    tarHeader(name, content.length, 1e12),
    content,
    tarPadding(content.length),
  ])
  return Buffer.concat([...parts, tarEnd()])
}

async function unpack(bytes: Buffer, size = 1_000): Promise<(readonly [name: string, content: Buffer])[]> {
  const files: (readonly [string, Buffer])[] = []
  for await (const { name, body } of readTar(inPieces(bytes, size)))
    files.push([name, Buffer.concat(await Array.fromAsync(body))])
  return files
}

t.test('what is packed is unpacked, however the bytes come', async (t) => {
  const file = fc.tuple(fc.stringMatching(/^[a-z/.]{1,100}$/), fc.uint8Array({ maxLength: 2_000 }).map(Buffer.from))
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 5 }), fc.integer({ min: 1, max: 3_000 }), async (files, size) => {
      t.strictSame(await unpack(pack(files), size), files)
    }),
    { numRuns: 100 },
  )
})

t.test('a file that nobody wants is passed over, wholly or from where it was left', async (t) => {
  const bytes = pack([
    ['a', Buffer.alloc(5_000, 'a')],
    ['b', Buffer.alloc(5_000, 'b')],
    ['c', Buffer.from('c')],
  ])
  const names: string[] = []
  for await (const { name, body } of readTar(inPieces(bytes, 300))) {
    names.push(name)
    if (name === 'b') await body.next()
  }
  t.same(names, ['a', 'b', 'c'])
})

t.test('the source is let go of when reading ends early', async (t) => {
  let isEnded = false
  async function* source() {
    try {
      yield pack([['a', Buffer.from('a')]])
      yield Buffer.alloc(1)
    } finally {
      isEnded = true
    }
  }
  for await (const _ of readTar(source())) break
  t.ok(isEnded)
})

/** A header with some bytes changed, and a sum that fits. */
function header(at: number, bytes: string | Buffer): Buffer {
  const made = tarHeader('a', 0, 0)
  Buffer.from(bytes as string, 'latin1').copy(made, at)
  made.write(`${checksumOf(made).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return made
}

const hostile: readonly { readonly name: string; readonly bytes: Buffer; readonly reason: RegExp }[] = [
  { name: 'nothing', bytes: Buffer.alloc(0), reason: /too early/ },
  { name: 'one empty block', bytes: Buffer.alloc(512), reason: /too early/ },
  { name: 'half a header', bytes: tarHeader('a', 0, 0).subarray(0, 300), reason: /too early/ },
  { name: 'no end', bytes: tarHeader('a', 0, 0), reason: /too early/ },
  {
    name: 'half a file',
    bytes: Buffer.concat([tarHeader('a', 600, 0), Buffer.alloc(512)]),
    reason: /middle of a file/,
  },
  {
    name: 'a file without what fills it up',
    bytes: Buffer.concat([tarHeader('a', 1, 0), Buffer.alloc(1)]),
    reason: /too early/,
  },
  {
    name: 'a file after one empty block',
    bytes: Buffer.concat([Buffer.alloc(512), tarHeader('a', 0, 0), tarEnd()]),
    reason: /one empty block/,
  },
  {
    name: 'something after the end',
    bytes: Buffer.concat([tarEnd(), Buffer.from('x')]),
    reason: /follows after its end/,
  },
  {
    name: 'zeros without end',
    bytes: Buffer.alloc(limits.transfer.paddingBytes + 4_096),
    reason: /goes on after its end/,
  },
  { name: 'other text', bytes: Buffer.alloc(1_024, 'GET / HTTP/1.1\n'), reason: /ustar/ },
  { name: 'gzip', bytes: Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(1_022, 1)]), reason: /ustar/ },
  { name: 'the form of GNU', bytes: Buffer.concat([header(257, 'ustar  \0'), tarEnd()]), reason: /ustar/ },
  { name: 'a wrong sum', bytes: Buffer.concat([header(0, 'b').fill('c', 0, 1), tarEnd()]), reason: /damaged/ },
  { name: 'no sum', bytes: Buffer.concat([tarHeader('a', 0, 0).fill(' ', 148, 156), tarEnd()]), reason: /damaged/ },
  ...['1', '2', '3', '4', '5', '6', '7', 'x', 'g', 'L', 'K', 'S', '\x80'].map((type) => ({
    name: `an entry of type ${JSON.stringify(type)}`,
    bytes: Buffer.concat([header(156, type), tarEnd()]),
    reason: /not a plain file/,
  })),
  { name: 'the target of a link', bytes: Buffer.concat([header(157, '/etc/passwd'), tarEnd()]), reason: /has a link/ },
  { name: 'a name in two parts', bytes: Buffer.concat([header(345, 'etc'), tarEnd()]), reason: /two parts/ },
  {
    name: 'a length in another base',
    bytes: Buffer.concat([header(124, '\x80\0\0\0\0\0\0\0\0\0\0\x01'), tarEnd()]),
    reason: /without a length/,
  },
  {
    name: 'a negative length',
    bytes: Buffer.concat([header(124, '-0000000001\0'), tarEnd()]),
    reason: /without a length/,
  },
  {
    name: 'the greatest length there is',
    bytes: Buffer.concat([header(124, '77777777777\0'), tarEnd()]),
    reason: /middle of a file/,
  },
]

for (const { name, bytes, reason } of hostile)
  t.test(`${name} is no tar file of plain files`, async (t) => {
    await t.rejects(unpack(bytes), { code: 'ERR_BAD_REQUEST', message: reason })
    await t.rejects(unpack(bytes, bytes.length > 10_000 ? 50_000 : 1), { code: 'ERR_BAD_REQUEST', message: reason })
  })

t.test('bytes by chance do no harm', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3_000 }), async (bytes) => {
      await unpack(Buffer.from(bytes)).catch((error) => {
        if (error.code !== 'ERR_BAD_REQUEST') throw error
      })
    }),
  )
})

t.test('names and lengths that no header can hold are not written', (t) => {
  t.throws(() => tarHeader('x'.repeat(101), 1, 0), /name/)
  t.throws(() => tarHeader('ü', 1, 0), /name/)
  t.throws(() => tarHeader('a', 2 ** 33, 0), /length/)
  t.end()
})
