import t from 'tap'
import {
  bytesOf,
  copyOfBytes,
  isArrayBuffer,
  isBufferSource,
  toByteString,
  toDictionary,
  toDouble,
  toEnum,
  toInteger,
  toLong,
  toLongLong,
  toRecord,
  toSequence,
  toUnsignedLong,
  toUnsignedLongLong,
  toUnsignedShort,
  toUSVString,
} from '../../../sandbox/guest/convert.ts'

const two53 = 2 ** 53

/** A conversion, a value, and what it gives (Web IDL, section 3.2.4). */
const integers: readonly (readonly [convert: (value: unknown) => number, value: unknown, gives: number])[] = [
  [toUnsignedShort, 65_536, 0],
  [toUnsignedShort, -1, 65_535],
  [toUnsignedShort, 1.9, 1],
  [toUnsignedShort, -0.5, 0],
  [toUnsignedShort, Number.NaN, 0],
  [toUnsignedShort, Number.POSITIVE_INFINITY, 0],
  [toUnsignedShort, '0x10', 16],
  [toUnsignedShort, true, 1],
  [toUnsignedShort, null, 0],
  [toUnsignedShort, [7], 7],
  [toUnsignedShort, { valueOf: () => 8 }, 8],
  [toLong, 2 ** 31, -(2 ** 31)],
  [toLong, -(2 ** 31) - 1, 2 ** 31 - 1],
  [toLong, 2 ** 32 + 5, 5],
  [toUnsignedLong, -1, 2 ** 32 - 1],
  [toUnsignedLong, 2 ** 32, 0],
  [toLongLong, -5.5, -5],
  [toLongLong, two53, two53],
  [toUnsignedLongLong, -1, 2 ** 64],
  [(value) => toUnsignedShort(value, 'clamp'), -5, 0],
  [(value) => toUnsignedShort(value, 'clamp'), 1e9, 65_535],
  [(value) => toUnsignedShort(value, 'clamp'), 1.5, 2],
  [(value) => toUnsignedShort(value, 'clamp'), 2.5, 2],
  [(value) => toUnsignedShort(value, 'clamp'), 2.6, 3],
  [(value) => toUnsignedShort(value, 'clamp'), Number.NaN, 0],
  [(value) => toLongLong(value, 'clamp'), Number.NEGATIVE_INFINITY, -(two53 - 1)],
  [(value) => toLongLong(value, 'clamp'), -0.5, 0],
  [(value) => toUnsignedLongLong(value, 'enforce'), 5.9, 5],
  [(value) => toUnsignedLongLong(value, 'enforce'), -0.9, 0],
  [(value) => toInteger(value, 8, true, 'enforce'), -128, -128],
  [(value) => toInteger(value, 8, true), 200, -56],
]

t.test('integers are taken modulo, clamped, or refused', async (t) => {
  for (const [convert, value, gives] of integers)
    t.ok(Object.is(convert(value), gives), `${String(value)} is ${convert(value)}, expected ${gives}`)
  for (const value of [-1, two53, Number.NaN, Number.POSITIVE_INFINITY, 'x', undefined])
    t.throws(() => toUnsignedLongLong(value, 'enforce'), TypeError)
  for (const value of [Symbol('s'), 5n, Object.create(null)]) t.throws(() => toLong(value), TypeError)
  t.equal(toDouble('1.5'), 1.5)
  t.throws(() => toDouble(Number.NaN), TypeError)
  t.ok(Number.isNaN(toDouble(Number.NaN, true)))
})

t.test('texts are converted', async (t) => {
  t.equal(toUSVString('a\ud800b'), 'a\ufffdb')
  t.equal(toByteString('\u00ff'), '\u00ff')
  t.throws(() => toByteString('\u0100'), TypeError)
  t.throws(() => toUSVString(Symbol('s')), TypeError)
  t.equal(toEnum('a', ['a', 'b'], 'kind'), 'a')
  t.throws(() => toEnum('c', ['a', 'b'], 'kind'), /kind: c is none of a, b/)
})

t.test('dictionaries, sequences and records are converted', async (t) => {
  t.strictSame(Object.keys(toDictionary(undefined, 'x')), [])
  t.strictSame(Object.keys(toDictionary(null, 'x')), [])
  t.throws(() => toDictionary(5, 'the options'), /the options is not an object/)
  t.strictSame(toSequence(new Set([1, 2]), String, 'x'), ['1', '2'])
  for (const value of [5, 'text', null, {}]) t.throws(() => toSequence(value, String, 'x'), TypeError)
  t.throws(() => toSequence({ [Symbol.iterator]: () => 5 }, String, 'x'), TypeError)
  t.throws(() => toSequence({ [Symbol.iterator]: () => ({ next: () => 5 }) }, String, 'x'), TypeError)
  t.throws(() => toSequence({ [Symbol.iterator]: 5 }, String, 'x'), TypeError)
  t.strictSame(toRecord({ b: 1, a: 2, 0: 3 }, toUSVString, String, 'x'), [
    ['0', '3'],
    ['b', '1'],
    ['a', '2'],
  ])
  t.throws(() => toRecord(5, toUSVString, String, 'x'), TypeError)
})

t.test('bytes are told by their slots', async (t) => {
  const buffer = new Uint8Array([1, 2, 3]).buffer
  t.strictSame([...bytesOf(buffer, 'x')], [1, 2, 3])
  t.strictSame([...bytesOf(new DataView(buffer, 1, 1), 'x')], [2])
  t.strictSame([...bytesOf(new Uint16Array(buffer, 0, 1), 'x')], [1, 2])
  t.throws(() => bytesOf([1], 'the input'), /the input is not an ArrayBuffer/)
  t.throws(() => bytesOf(Object.create(ArrayBuffer.prototype), 'x'), TypeError)
  t.notOk(isArrayBuffer(Object.create(ArrayBuffer.prototype)))
  t.notOk(isBufferSource({}))
  const copy = copyOfBytes(buffer, 'x')
  new Uint8Array(buffer)[0] = 9
  t.strictSame([...copy], [1, 2, 3])
  buffer.transfer()
  t.equal(bytesOf(buffer, 'x').length, 0)
})
