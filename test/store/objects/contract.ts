/** What every place of objects has to do, whatever it is. */

import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Objects } from '../../../store/objects/objects.ts'

/** Makes an empty place of objects that ends with the test. */
export type OpenObjects = (t: Test) => Promise<Objects>

/** SHA-256 in hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** All of a stream. */
export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

/** Keys of a list, in its order. */
export async function keysOf(objects: Objects, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of objects.list(prefix)) keys.push(key)
  return keys
}

/** Texts that are no keys: none of them may become a path, a URL, or a name beside the objects. */
export const hostileKeys: readonly string[] = [
  '',
  '.',
  '..',
  '../x',
  'a/../b',
  'a/./b',
  'a//b',
  '/a',
  'a/',
  '.new/x',
  '.hidden',
  'a/.hidden',
  'a\\b',
  'C:/x',
  'a\0b',
  'a\nb',
  'a b',
  'a?b',
  'a#b',
  'a%2fb',
  'a%00',
  '%2e%2e/x',
  'A',
  'a/B',
  'ä',
  'a\u0301',
  'a\u2044b',
  'a\uff0eb',
  '~',
  '-a',
  '_a',
  'a*',
  'a:b',
  'a;b',
  '<a>',
  '"',
  'x'.repeat(129),
  `${'a/'.repeat(8)}a`,
  `${'x'.repeat(120)}/`.repeat(5),
]

const ranges: readonly (readonly [offset: number, length: number])[] = [
  [0, 1],
  [0, 1_000],
  [999, 1],
  [500, 500],
  [0, 0],
  [1_000, 0],
  [123, 456],
]

/** Tests a place of objects. */
export function objectsContract(t: Test, open: OpenObjects): void {
  t.test('what is created can be read, looked at and listed, and is created once', async (t) => {
    const objects = await open(t)
    const bytes = randomBytes(1_000)
    const before = Date.now()
    t.equal(await objects.create('a/b/c', { bytes }), 'created')
    t.same(await objects.read('a/b/c'), bytes)
    t.same(await collect(objects.stream('a/b/c')), bytes)
    const info = await objects.stat('a/b/c')
    t.match(info, { key: 'a/b/c', bytes: 1_000 })
    t.ok(Math.abs((info?.modifiedMs ?? 0) - before) < 60_000, 'and tells when')
    t.same(await keysOf(objects, ''), ['a/b/c'])
    t.equal(await objects.create('a/b/c', { bytes }), 'exists', 'with the same bytes')
    for (const other of [randomBytes(1_000), randomBytes(10), Buffer.alloc(0)])
      await t.rejects(
        objects.create('a/b/c', { bytes: other }),
        { code: 'ERR_OBJECTS', details: { reason: 'taken', key: 'a/b/c' }, message: /with other bytes/ },
        'with others it is taken',
      )
    t.same(await objects.read('a/b/c'), bytes, 'and stays as it is')
  })

  t.test('of many that create one key with different bytes one wins, and its bytes are there', async (t) => {
    const objects = await open(t)
    const contents = Array.from({ length: 20 }, () => randomBytes(100))
    const results = await Promise.allSettled(contents.map((bytes) => objects.create('a/epoch', { bytes })))
    const winners = contents.filter((_, index) => results[index]?.status === 'fulfilled')
    t.equal(winners.length, 1)
    t.same([await objects.read('a/epoch')], winners)
    for (const result of results)
      if (result.status === 'rejected') t.match(result.reason, { code: 'ERR_OBJECTS', details: { reason: 'taken' } })
  })

  t.test('of many that create one key with equal bytes one is told that it did', async (t) => {
    const objects = await open(t)
    const bytes = randomBytes(100)
    const results = await Promise.all(Array.from({ length: 20 }, () => objects.create('a/x', { bytes })))
    t.same(results.sort(), ['created', ...Array.from({ length: 19 }, () => 'exists')])
  })

  t.test('a file becomes an object, when it is what was said of it', async (t) => {
    const file = join(t.testdir(), 'file')
    const objects = await open(t)
    const bytes = randomBytes(700_001)
    await writeFile(file, bytes)
    const source = { file, length: bytes.length, sha256: sha256(bytes) }
    t.equal(await objects.create('file', source), 'created')
    t.ok((await objects.read('file')).equals(bytes))
    t.equal(await objects.create('file', source), 'exists')
    t.equal(await objects.create('durable', { ...source, isDurable: true }), 'created')
    t.ok((await objects.read('durable')).equals(bytes))
    t.equal(await objects.create('durable', { ...source, isDurable: true }), 'exists')

    const wrong = [
      { ...source, length: bytes.length + 1 },
      { ...source, length: bytes.length - 1 },
      { ...source, length: 0 },
      { ...source, sha256: sha256(Buffer.from('other')) },
      { ...source, length: bytes.length + 1, isDurable: true },
    ]
    for (const lie of wrong) await t.rejects(objects.create('lie', lie), { code: 'ERR_BLOB_MISMATCH' })
    await t.rejects(objects.create('lie', { ...source, file: `${file}.none` }), { code: 'ERR_DATA_IO' })
    t.equal(await objects.stat('lie'), undefined, 'and nothing is there after a lie')
    t.equal(await objects.create('lie', { bytes }), 'created')
    await t.rejects(objects.create('file', { bytes: bytes.subarray(1) }), {
      code: 'ERR_OBJECTS',
      details: { reason: 'taken' },
    })
  })

  t.test('an object of no bytes is one', async (t) => {
    const file = join(t.testdir({ file: '' }), 'file')
    const objects = await open(t)
    const bytes = Buffer.alloc(0)
    t.equal(await objects.create('empty', { bytes }), 'created')
    t.equal(await objects.create('empty', { bytes }), 'exists')
    t.same(await objects.read('empty'), bytes)
    t.same(await collect(objects.stream('empty')), bytes)
    t.equal((await objects.stat('empty'))?.bytes, 0)
    await t.rejects(objects.read('empty', { offset: 0, length: 1 }), {
      code: 'ERR_OBJECTS',
      details: { reason: 'short' },
    })
    t.equal(await objects.create('from-file', { file, length: 0, sha256: sha256(bytes) }), 'created')
    await t.rejects(objects.create('lie', { file, length: 0, sha256: sha256(Buffer.from('x')) }), {
      code: 'ERR_BLOB_MISMATCH',
    })
  })

  t.test('parts are read by offset and length', async (t) => {
    const objects = await open(t)
    const bytes = randomBytes(1_000)
    await objects.create('x', { bytes })
    for (const [offset, length] of ranges) {
      const expected = bytes.subarray(offset, offset + length)
      t.same(await objects.read('x', { offset, length }), expected, `read ${offset}+${length}`)
      t.same(await collect(objects.stream('x', { offset, length })), expected, `stream ${offset}+${length}`)
    }
    for (const [offset, length] of [
      [0, 1_001],
      [999, 2],
      [1_000, 1],
      [5_000, 10],
    ] as const) {
      const short = { code: 'ERR_OBJECTS', details: { reason: 'short' }, message: /were asked for/ }
      await t.rejects(objects.read('x', { offset, length }), short, `read ${offset}+${length}`)
      await t.rejects(collect(objects.stream('x', { offset, length })), short, `stream ${offset}+${length}`)
    }
    for (const [offset, length] of [
      [-1, 2],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
      [0, Number.POSITIVE_INFINITY],
      [2 ** 53, 1],
    ] as const) {
      await t.rejects(objects.read('x', { offset, length }), { code: 'ERR_BAD_REQUEST' }, `read ${offset}+${length}`)
      await t.rejects(async () => collect(objects.stream('x', { offset, length })), { code: 'ERR_BAD_REQUEST' })
    }
  })

  t.test('a large object comes in pieces, and a reader may stop', async (t) => {
    const objects = await open(t)
    const bytes = randomBytes(6_000_001)
    await objects.create('large', { bytes })
    t.ok((await collect(objects.stream('large'))).equals(bytes))
    t.ok((await objects.read('large')).equals(bytes))
    for (let turn = 0; turn < 30; turn += 1)
      for await (const piece of objects.stream('large')) {
        t.ok(piece.length < bytes.length)
        break
      }
    t.ok((await objects.read('large', { offset: 5_999_991, length: 10 })).equals(bytes.subarray(-10)))
  })

  t.test('an object is replaced in one step', async (t) => {
    const objects = await open(t)
    const contents = Array.from({ length: 10 }, (_, index) => Buffer.alloc(300_000, index))
    const [first = Buffer.alloc(0)] = contents
    await objects.replace('meta/root', first)
    t.ok((await objects.read('meta/root')).equals(first), 'also when there was none')
    let isDone = false
    const reading = (async () => {
      while (!isDone) {
        const found = await objects.read('meta/root')
        if (!contents.some((bytes) => bytes.equals(found))) t.fail('neither the old one nor the new one')
      }
    })()
    for (const bytes of contents) await objects.replace('meta/root', bytes)
    isDone = true
    await reading
    t.ok((await objects.read('meta/root')).equals(contents.at(-1) ?? first))
    t.same(await keysOf(objects, ''), ['meta/root'])
  })

  t.test('what is not there is told so', async (t) => {
    const objects = await open(t)
    await objects.create('a/b', { bytes: Buffer.from('x') })
    for (const key of ['none', 'a', 'a/b/c', 'a/bb']) {
      const missing = { code: 'ERR_NOT_FOUND', message: `there is no object ${key} in ${objects.name}` }
      t.equal(await objects.stat(key), undefined, key)
      await t.rejects(objects.read(key), missing)
      await t.rejects(objects.read(key, { offset: 0, length: 1 }), missing)
      await t.rejects(collect(objects.stream(key)), missing)
    }
  })

  t.test('what is removed is gone, and may be created again', async (t) => {
    const objects = await open(t)
    const keys = Array.from({ length: 30 }, (_, index) => `a/${index}`)
    for (const key of keys) await objects.create(key, { bytes: Buffer.from(key) })
    await objects.remove([...keys.slice(1), 'never/was'])
    await objects.remove(keys.slice(1))
    await objects.remove([])
    t.same(await keysOf(objects, ''), ['a/0'])
    t.equal(await objects.create('a/7', { bytes: Buffer.from('new') }), 'created')
    t.same(await objects.read('a/7'), Buffer.from('new'))
  })

  t.test('lists are sorted by key and hold what begins with the prefix', async (t) => {
    const objects = await open(t)
    const keys = [
      'a',
      'a-b/x',
      'a.b',
      'a0',
      'a_b',
      'b/a/a',
      'b/a/b',
      'b/a-a',
      'b/ab',
      'b/b',
      'c/00000001',
      'c/00000010',
    ]
    for (const key of [...keys].reverse()) await objects.create(key, { bytes: Buffer.from(key) })
    t.same(await keysOf(objects, ''), [...keys].sort())
    const table: [string, string[]][] = [
      ['a', ['a', 'a-b/x', 'a.b', 'a0', 'a_b']],
      ['b/', ['b/a-a', 'b/a/a', 'b/a/b', 'b/ab', 'b/b']],
      ['b/a', ['b/a-a', 'b/a/a', 'b/a/b', 'b/ab']],
      ['b/a/', ['b/a/a', 'b/a/b']],
      ['c/000000', ['c/00000001', 'c/00000010']],
      ['none/', []],
      ['b/a/a/x', []],
    ]
    for (const [prefix, expected] of table) t.same(await keysOf(objects, prefix), expected, JSON.stringify(prefix))
    for await (const { key, bytes } of objects.list('b/')) t.equal(bytes, key.length)
    for await (const { key } of objects.list('')) {
      t.equal(key, 'a', 'a reader may stop')
      break
    }
  })

  t.test('a text that is no key is refused by every call, and nothing is made', async (t) => {
    const objects = await open(t)
    const refused = { code: 'ERR_BAD_REQUEST' }
    for (const key of hostileKeys) {
      const name = JSON.stringify(key.slice(0, 40))
      await t.rejects(objects.create(key, { bytes: Buffer.from('x') }), refused, `create ${name}`)
      await t.rejects(objects.replace(key, Buffer.from('x')), refused, `replace ${name}`)
      await t.rejects(objects.read(key), refused, `read ${name}`)
      await t.rejects(async () => collect(objects.stream(key)), refused, `stream ${name}`)
      await t.rejects(objects.stat(key), refused, `stat ${name}`)
      await t.rejects(objects.remove(['a', key]), refused, `remove ${name}`)
      if (objects.presign)
        await t.rejects(objects.presign(key, { hash: sha256(Buffer.alloc(0)), bytes: 0 }), refused, `presign ${name}`)
      if (key !== '' && key !== 'a/') await t.rejects(async () => keysOf(objects, key), refused, `list ${name}`)
    }
    t.same(await keysOf(objects, ''), [])
  })
}
