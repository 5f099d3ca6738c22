import t from 'tap'
import { codings } from '../../core/compiled.ts'
import { limits } from '../../core/limits.ts'
import { parseAcceptEncoding, preferenceOf, selectCoding } from '../../proxy/accept-encoding.ts'

const all = codings.map((coding) => ({ coding }))

/** Undefined as the outcome: nothing that exists is acceptable. */
const rows: [value: string | undefined, withAll: string | undefined, withNone: string | undefined][] = [
  [undefined, 'identity', 'identity'],
  ['', 'identity', 'identity'],
  ['gzip', 'gzip', 'identity'],
  ['gzip, deflate, br, zstd', 'br', 'identity'],
  ['gzip, deflate', 'gzip', 'identity'],
  ['deflate, compress', 'identity', 'identity'],
  ['zstd, gzip', 'zstd', 'identity'],
  ['br;q=0.5, gzip;q=0.8, zstd;q=0.3', 'gzip', 'identity'],
  ['br;q=0.001', 'br', 'identity'],
  ['br;q=0', 'identity', 'identity'],
  ['br;q=0, gzip;q=0.000, zstd;q=0.', 'identity', 'identity'],
  ['*', 'br', 'identity'],
  ['*;q=0', undefined, undefined],
  ['identity;q=1, *;q=0', 'identity', 'identity'],
  ['identity', 'identity', 'identity'],
  ['identity;q=0', undefined, undefined],
  ['gzip, identity;q=0', 'gzip', undefined],
  ['br;q=0, *;q=0.5', 'zstd', 'identity'],
  ['br;q=0.2, *;q=0.8', 'zstd', 'identity'],
  ['identity;q=0.5, gzip;q=0.4', 'identity', 'identity'],
  ['identity;q=0.5, gzip;q=0.5', 'gzip', 'identity'],
  ['GZIP;Q=0.7', 'gzip', 'identity'],
  ['x-gzip', 'gzip', 'identity'],
  ['  br ; q=0.9 ,\tgzip\t;\tq=1', 'gzip', 'identity'],
  [', ,gzip,,', 'gzip', 'identity'],
  ['gzip, gzip;q=0', 'identity', 'identity'],
  // Malformed elements count as not written.
  ['br;q=1.5, gzip', 'gzip', 'identity'],
  ['br;q=-1', 'identity', 'identity'],
  ['br;q=0.1234', 'identity', 'identity'],
  ['br;q=1.001', 'identity', 'identity'],
  ['br;q=abc, zstd', 'zstd', 'identity'],
  ['br;q', 'identity', 'identity'],
  ['br;level=3', 'identity', 'identity'],
  ['br;q=1;q=1', 'identity', 'identity'],
  ['br q=1', 'identity', 'identity'],
  ['identity;q=oops', 'identity', 'identity'],
  ['constructor, __proto__, br', 'br', 'identity'],
]

for (const [value, withAll, withNone] of rows) {
  t.test(`Accept-Encoding ${value === undefined ? 'not sent' : `"${value}"`}`, (t) => {
    const preference = preferenceOf(value)
    t.equal(selectCoding(preference, all), withAll, 'every copy exists')
    t.equal(selectCoding(preference, []), withNone, 'no copy exists')
    t.end()
  })
}

t.test('a copy is chosen among those that exist', (t) => {
  const preference = parseAcceptEncoding('br, gzip')
  t.equal(selectCoding(preference, [{ coding: 'zstd' }, { coding: 'gzip' }]), 'gzip')
  t.equal(selectCoding(preference, [{ coding: 'zstd' }]), 'identity')
  t.end()
})

t.test('a parsed value is remembered, and a flood of others only has it parsed again', (t) => {
  const first = preferenceOf('gzip, br;q=0.25')
  t.equal(preferenceOf('gzip, br;q=0.25'), first, 'the same object')
  for (let i = 0; i <= limits.front.acceptEncodings; i += 1) preferenceOf(`gzip, flood-${i}`)
  const again = preferenceOf('gzip, br;q=0.25')
  t.not(again, first)
  t.same(again, first)
  t.end()
})

t.test('a very long value is parsed and not remembered', (t) => {
  const long = `${'x,'.repeat(limits.front.acceptEncodingChars)}br`
  t.equal(preferenceOf(long).br, 1)
  t.not(preferenceOf(long), preferenceOf(long))
  t.end()
})
