import { fstatSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { multipartBody } from '../../proxy/multipart.ts'
import type { ByteRange } from '../../proxy/ranges.ts'

/** The parts of a multipart body, read as a client does: by the delimiter and the parts' own headers. */
function parse(body: Buffer, type: string): { range: string; type: string; content: Buffer }[] {
  const delimiter = Buffer.from(`--${/boundary=(.*)$/.exec(type)?.[1]}`)
  const parts = []
  let at = 0
  while (true) {
    if (!body.subarray(at, at + delimiter.length).equals(delimiter)) throw new Error(`no delimiter at ${at}`)
    at += delimiter.length
    if (body.subarray(at).equals(Buffer.from('--\r\n'))) return parts
    const headEnd = body.indexOf('\r\n\r\n', at)
    const head = body.toString('latin1', at, headEnd)
    const [, type = '', range = ''] = /^\r\ncontent-type: (.*)\r\ncontent-range: bytes (.*)$/.exec(head) ?? []
    const end = body.indexOf(Buffer.concat([Buffer.from('\r\n'), delimiter]), headEnd + 4)
    if (end === -1) throw new Error('part without an end')
    parts.push({ range, type, content: body.subarray(headEnd + 4, end) })
    at = end + 2
  }
}

const cases = fc.uint8Array({ minLength: 1, maxLength: 300 }).chain((content) =>
  fc.record({
    content: fc.constant(Buffer.from(content)),
    ranges: fc.array(
      fc
        .tuple(fc.nat(content.length - 1), fc.nat(content.length - 1))
        .map(([a, b]): ByteRange => ({ first: Math.min(a, b), last: Math.max(a, b) })),
      { minLength: 2, maxLength: 16 },
    ),
  }),
)

function check(body: Buffer, type: string, bytes: number, content: Buffer, ranges: readonly ByteRange[]): void {
  if (body.length !== bytes) throw new Error(`${body.length} bytes, said ${bytes}`)
  const parts = parse(body, type)
  if (parts.length !== ranges.length) throw new Error(`${parts.length} parts`)
  for (const [index, { first, last }] of ranges.entries()) {
    const part = parts[index]
    if (part?.range !== `${first}-${last}/${content.length}` || part.type !== 'text/x') throw new Error('wrong head')
    if (!part.content.equals(content.subarray(first, last + 1))) throw new Error('wrong content')
  }
}

t.test('parts of bytes in memory are what they say', (t) => {
  fc.assert(
    fc.property(cases, ({ content, ranges }) => {
      const { body, type, bytes } = multipartBody(content, ranges, content.length, 'text/x')
      if (!Buffer.isBuffer(body)) throw new Error('expected bytes')
      check(body, type, bytes, content, ranges)
    }),
  )
  t.end()
})

t.test('parts of an open file are what they say, from wherever in the file the content begins', async (t) => {
  const file = join(t.testdir(), 'file')
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(10), async ({ content, ranges }, offset) => {
      writeFileSync(file, Buffer.concat([Buffer.alloc(offset), content]))
      const fd = openSync(file, 'r')
      const { body, type, bytes } = multipartBody(
        { fd, offset, length: content.length },
        ranges,
        content.length,
        'text/x',
      )
      check(await buffer(body as Readable), type, bytes, content, ranges)
    }),
    { numRuns: 50 },
  )
})

t.test('a part that is larger than a chunk is read in several', async (t) => {
  const file = join(t.testdir(), 'file')
  const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251))
  writeFileSync(file, content)
  const ranges = [
    { first: 1, last: 150_000 },
    { first: 190_000, last: 199_999 },
  ]
  const slice = { fd: openSync(file, 'r'), offset: 0, length: content.length }
  const { body, type, bytes } = multipartBody(slice, ranges, content.length, 'text/x')
  check(await buffer(body as Readable), type, bytes, content, ranges)
})

t.test('the file is closed when the body was not read, read in part, or could not be read to its end', async (t) => {
  const file = join(t.testdir({ file: 'x'.repeat(200_000) }), 'file')
  const ranges = [
    { first: 0, last: 99_999 },
    { first: 100_000, last: 199_999 },
  ]
  const open = (total: number) => {
    const slice = { fd: openSync(file, 'r'), offset: 0, length: total }
    const { body } = multipartBody(slice, ranges, total, 'text/x')
    if (!(body instanceof Readable)) throw new Error('expected a stream')
    const closed = new Promise((resolve) => body.once('close', resolve))
    return { body, fd: slice.fd, closed }
  }
  const unread = open(200_000)
  unread.body.destroy()
  await unread.closed
  t.ok(await closes(unread.fd), 'not read')

  const partly = open(200_000)
  for await (const _ of partly.body) break
  await partly.closed
  t.ok(await closes(partly.fd), 'read in part')

  writeFileSync(file, 'x'.repeat(150_000))
  const short = open(200_000)
  await t.rejects(buffer(short.body), /file ended at 150000/)
  await short.closed
  t.ok(await closes(short.fd), 'shorter than it should be')
})

t.test('two bodies never have the same boundary', (t) => {
  const make = () => multipartBody(Buffer.from('ab'), [{ first: 0, last: 0 }], 2, 'text/x').type
  t.not(make(), make())
  t.end()
})

/** Whether a file is closed within some turns of the event loop: a thread does it, and tells nobody. */
async function closes(fd: number): Promise<boolean> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    try {
      fstatSync(fd)
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EBADF'
    }
    await nextTurn()
  }
  return false
}
