import t from 'tap'
import { ops } from '../../../sandbox/bridge.ts'
import { Crypto, crypto } from '../../../sandbox/guest/crypto.ts'
import { createRequestHost } from './fixtures/request-host.ts'

const host = createRequestHost()

t.test('arrays of integers are filled and given back', (t) => {
  const kinds = [
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    BigInt64Array,
    BigUint64Array,
  ]
  for (const kind of kinds) {
    const array = new kind(64)
    t.equal(crypto.getRandomValues(array), array)
    t.equal(
      Array.from(array as Uint8Array).every((value) => value === array[0]),
      false,
      kind.name,
    )
  }
  const whole = new Uint8Array(12)
  crypto.getRandomValues(whole.subarray(4, 8))
  t.same([...whole.subarray(0, 4), ...whole.subarray(8)], new Array(8).fill(0))
  t.equal(crypto.getRandomValues(new Uint8Array(65_536)).length, 65_536)
  t.equal(crypto.getRandomValues(new Uint8Array(0)).length, 0)
  t.end()
})

t.test('what cannot be filled', (t) => {
  const names: [unknown, string][] = [
    [new Float32Array(1), 'TypeMismatchError'],
    [new Float64Array(1), 'TypeMismatchError'],
    [new DataView(new ArrayBuffer(1)), 'TypeMismatchError'],
    [new Uint8Array(65_537), 'QuotaExceededError'],
    [new Uint32Array(16_385), 'QuotaExceededError'],
    [new ArrayBuffer(1), 'TypeError'],
    [[1], 'TypeError'],
    [undefined, 'TypeError'],
  ]
  for (const [value, name] of names) t.throws(() => crypto.getRandomValues(value), { name })
  t.end()
})

t.test('the host is asked for many bytes at a time', (t) => {
  host.calls.length = 0
  for (let index = 0; index < 500; index++) crypto.randomUUID()
  t.ok(host.calls.filter((op) => op === ops.random).length <= 3)
  t.end()
})

t.test('random UUIDs have version 4, and no two are the same', (t) => {
  const seen = new Set<string>()
  for (let index = 0; index < 1_000; index++) {
    const uuid = crypto.randomUUID()
    if (!/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid)) t.fail(uuid)
    seen.add(uuid)
  }
  t.equal(seen.size, 1_000)
  t.end()
})

t.test('it is an interface of Web IDL', (t) => {
  t.throws(() => new (Crypto as unknown as new () => unknown)(), TypeError)
  t.equal(String(crypto), '[object Crypto]')
  t.equal(String(crypto.subtle), '[object SubtleCrypto]')
  t.equal(crypto.subtle, crypto.subtle)
  const { getRandomValues, randomUUID } = Crypto.prototype
  t.throws(() => getRandomValues.call({} as never, new Uint8Array(1)), TypeError)
  t.throws(() => randomUUID.call({} as never), TypeError)
  t.end()
})
