import fc from 'fast-check'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { contentRange, parseRange, type RangeRequest, rangeBytes, unsatisfiedRange } from '../../proxy/ranges.ts'

const one = (first: number, last: number): RangeRequest => [{ first, last }]

/** Of a content of 1,000 bytes unless said otherwise. */
const rows: [value: string, expected: RangeRequest, bytes?: number][] = [
  ['bytes=0-499', one(0, 499)],
  ['bytes=500-', one(500, 999)],
  ['bytes=-200', one(800, 999)],
  ['bytes=0-0', one(0, 0)],
  ['bytes=999-999', one(999, 999)],
  ['bytes=0-5000', one(0, 999)],
  ['bytes=-5000', one(0, 999)],
  ['bytes=0-99999999999999999999999999', one(0, 999)],
  [`bytes=0-${'9'.repeat(400)}`, one(0, 999)],
  ['BYTES=0-1', one(0, 1)],
  ['bytes= 0-1 ,\t5-6 ', [one(0, 1), one(5, 6)].flat() as RangeRequest],
  ['bytes=,0-1,,', one(0, 1)],
  ['bytes=500-600,0-1', [one(500, 600), one(0, 1)].flat() as RangeRequest],
  ['bytes=0-1,2000-', one(0, 1)],
  ['bytes=500-700,601-999', [one(500, 700), one(601, 999)].flat() as RangeRequest],
  ['bytes=1000-', 'unsatisfiable'],
  ['bytes=2000-3000', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=1000-,-0', 'unsatisfiable'],
  [`bytes=${'9'.repeat(400)}-`, 'unsatisfiable'],
  ['bytes=5-4', 'ignore'],
  ['bytes=0-1,5-4', 'ignore'],
  ['bytes=', 'ignore'],
  ['bytes=-', 'ignore'],
  ['bytes=,', 'ignore'],
  ['bytes', 'ignore'],
  ['', 'ignore'],
  ['bytes=a-b', 'ignore'],
  ['bytes=0x0-0x1', 'ignore'],
  ['bytes=+1-2', 'ignore'],
  ['bytes=1.5-2', 'ignore'],
  ['bytes=--5', 'ignore'],
  ['bytes=0-1-2', 'ignore'],
  ['bytes=0 - 1', 'ignore'],
  ['bytes=0-1;5-6', 'ignore'],
  ['bytes=0-1, bytes=4-5', 'ignore'],
  ['items=0-1', 'ignore'],
  ['bytes =0-1', 'ignore'],
  // Parts that overlap more than once, or that are more than the whole.
  ['bytes=0-,0-', 'ignore'],
  ['bytes=0-999,0-0', 'ignore'],
  ['bytes=0-9,5-14,10-19', 'ignore'],
  ['bytes=0-1,0-1,0-1', 'ignore'],
  // An empty content.
  ['bytes=0-', 'ignore', 0],
  ['bytes=-5', 'ignore', 0],
]

for (const [value, expected, bytes = 1_000] of rows) {
  const title = value.length > 60 ? `${value.slice(0, 20)}… (${value.length} characters)` : value
  t.test(`Range "${title}" of ${bytes} bytes`, (t) => {
    t.same(parseRange(value, bytes), expected)
    t.end()
  })
}

t.test('as many parts as the limit are given, one more and all is sent', (t) => {
  const parts = (count: number) =>
    `bytes=${Array.from({ length: count }, (_, i) => `${i * 10}-${i * 10 + 1}`).join(',')}`
  t.equal(parseRange(parts(limits.http.ranges), 1_000).length, limits.http.ranges)
  t.equal(parseRange(parts(limits.http.ranges + 1), 1_000), 'ignore')
  t.equal(
    parseRange(`bytes=${'5000-,'.repeat(limits.http.ranges + 1)}`, 1_000),
    'ignore',
    'those that do not exist count',
  )
  t.end()
})

t.test('a header full of parts takes one pass', (t) => {
  t.equal(parseRange(`bytes=${'0-0,'.repeat(4_000)}`, 1_000), 'ignore')
  t.equal(parseRange(`bytes=${','.repeat(16_000)}`, 1_000), 'ignore')
  t.equal(parseRange(`bytes=${'1'.repeat(16_000)}`, 1_000), 'ignore')
  t.end()
})

t.test('Content-Range names the part and the whole', (t) => {
  t.equal(contentRange({ first: 0, last: 9 }, 100), 'bytes 0-9/100')
  t.equal(unsatisfiedRange(100), 'bytes */100')
  t.end()
})

t.test('whatever a client sends, parts lie within the content, in order asked, and are never more than it', (t) => {
  const position = fc.oneof(fc.nat(300), fc.constantFrom('', '-', 'x', '99999999999999999999'))
  const spec = fc.tuple(position, position).map(([a, b]) => `${a}-${b}`)
  const value = fc.oneof(
    fc.array(spec, { maxLength: 20 }).map((list) => `bytes=${list.join(',')}`),
    fc.string(),
  )
  fc.assert(
    fc.property(value, fc.nat(200), (text, bytes) => {
      const parsed = parseRange(text, bytes)
      if (typeof parsed === 'string') return
      let total = 0
      for (const range of parsed) {
        if (!(range.first >= 0 && range.first <= range.last && range.last < bytes)) throw new Error('outside')
        total += rangeBytes(range)
      }
      if (parsed.length === 0 || parsed.length > limits.http.ranges || total > bytes) throw new Error('too much')
    }),
    { numRuns: 2_000 },
  )
  t.end()
})

t.test('a content that is cut into ranges anywhere comes back whole', (t) => {
  const content = fc.uint8Array({ minLength: 1, maxLength: 400 })
  fc.assert(
    fc.property(content, fc.array(fc.nat(400), { maxLength: limits.http.ranges - 1 }), (bytes, cuts) => {
      const starts = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length)])].sort((a, b) => a - b)
      const specs = starts.map((start, index) => `${start}-${(starts[index + 1] ?? bytes.length + 7) - 1}`)
      const parsed = parseRange(`bytes=${specs.join(',')}`, bytes.length)
      if (typeof parsed === 'string') throw new Error(parsed)
      const joined = Buffer.concat(parsed.map(({ first, last }) => bytes.subarray(first, last + 1)))
      if (!joined.equals(bytes)) throw new Error('differs')
    }),
  )
  t.end()
})
