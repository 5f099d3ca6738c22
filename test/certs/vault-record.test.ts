import t from 'tap'
import {
  byAge,
  decodeRecord,
  encodeRecord,
  firstNumber,
  leaseOf,
  mostLeases,
  mostObjectBytes,
  numberAfter,
  objectOf,
  objectsOf,
  parseObject,
  type RecordSeal,
} from '../../certs/vault-record.ts'
import { limits } from '../../core/limits.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { openKeyring } from '../../store/segments/keyring.ts'

const plain: RecordSeal = { env, isPlainTaken: false }
const sealed: RecordSeal = { ...plain, keyring: openKeyring([Buffer.alloc(32, 1)]) }

t.test('a record comes back as it went in, sealed or not', async (t) => {
  for (const seal of [plain, sealed])
    for (const text of ['', 'text', '\0\n"\\ü\u{1f333}', '\u2028', '{"text":1}', 'x'.repeat(limits.cert.recordBytes)]) {
      const bytes = encodeRecord('certs/a', 7, text, seal)
      t.equal(decodeRecord(bytes, 'certs/a', 7, seal), text)
      t.ok(bytes.length <= mostObjectBytes)
      t.notSame(encodeRecord('certs/a', 7, text, seal), bytes, 'never twice the same')
    }
  t.ok(encodeRecord('a', 1, '\0'.repeat(limits.cert.recordBytes), sealed).length <= mostObjectBytes)
  t.throws(() => encodeRecord('a', 1, 'x'.repeat(limits.cert.recordBytes + 1), plain), { code: 'ERR_TOO_LARGE' })
})

t.test('what is not whole, or not of its place, is refused', async (t) => {
  for (const [kind, seal] of [
    ['plain', plain],
    ['sealed', sealed],
  ] as const) {
    const bytes = encodeRecord('certs/a', 7, 'a text of some length', seal)
    const line = bytes.indexOf('\n') + 1
    const flipped = (at: number, bit: number) => {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ bit
      return changed
    }
    const cases: [name: string, bytes: Buffer, key?: string, number?: number][] = [
      ['nothing', Buffer.alloc(0)],
      ['zeros', Buffer.alloc(bytes.length)],
      ['one byte more', Buffer.concat([bytes, Buffer.from(' ')])],
      ['twice the same', Buffer.concat([bytes, bytes])],
      ['the record of another key', bytes, 'certs/b'],
      ['another one of its key', bytes, 'certs/a', 8],
      ['another key that is longer', bytes, 'certs/a/a'],
      ['its first line alone', bytes.subarray(0, line)],
      ['what follows its first line', bytes.subarray(Math.max(line, 1))],
      ['text of another program', Buffer.from('-----BEGIN CERTIFICATE-----\n')],
      ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0xff])],
    ]
    for (let at = 0; at < bytes.length; at += 1) {
      cases.push([`cut at ${at}`, bytes.subarray(0, at)])
      // At 8 to 15 stands which key a sealed one is sealed with: then it is one that nobody has.
      if (kind === 'plain' || at < 8 || at >= 16) cases.push([`a bit changed at ${at}`, flipped(at, 1 << (at % 8))])
    }
    for (const [name, found, key = 'certs/a', number = 7] of cases)
      t.throws(
        () => decodeRecord(found, key, number, seal),
        { code: 'ERR_CERT', details: { reason: 'damaged' } },
        `${kind}: ${name}`,
      )
  }
})

t.test('a sum is no seal: with a keyring what is not sealed is refused, unless it is said to be taken', async (t) => {
  const bytes = encodeRecord('a', 1, 'text', plain)
  t.throws(() => decodeRecord(bytes, 'a', 1, sealed), { code: 'ERR_CERT', message: /not sealed/ })
  t.equal(decodeRecord(bytes, 'a', 1, { ...sealed, isPlainTaken: true }), 'text')
})

t.test('a record under a key that is not configured is not called damaged', async (t) => {
  const bytes = encodeRecord('a', 1, 'text', sealed)
  t.throws(() => decodeRecord(bytes, 'a', 1, plain), { code: 'ERR_KEY_MISSING' })
  const other = { ...sealed, keyring: openKeyring([Buffer.alloc(32, 2)]) }
  t.throws(() => decodeRecord(bytes, 'a', 1, other), { code: 'ERR_KEY_MISSING' })
})

t.test('any text with the right sum is still no record', async (t) => {
  const { createHash } = await import('node:crypto')
  for (const body of [
    '',
    '{}',
    '[]',
    'null',
    '1',
    '{',
    '{"key":"a","number":1,"writer":"x"}',
    '{"key":"a","number":1,"writer":"x","text":1}',
    '{"key":"a","number":"1","writer":"x","text":""}',
    '{"key":"a","number":1,"writer":"x","text":"","more":1}',
    '{"__proto__":{"text":"x"},"key":"a","number":1,"writer":"x"}',
  ]) {
    const bytes = Buffer.from(`grove record 1 ${createHash('sha256').update(body).digest('hex')}\n${body}`)
    t.throws(() => decodeRecord(bytes, 'a', 1, plain), { code: 'ERR_CERT', details: { reason: 'damaged' } }, body)
  }
})

t.test('the objects of a key lie together, and of no other', async (t) => {
  for (const key of ['a', 'certs/a', 'a/b/c/d/e', 'certs/a-b', 'certs/a_b']) {
    const first = objectOf(key, { number: 1, isGone: false })
    const gone = objectOf(key, { number: firstNumber(3), isGone: true })
    t.ok(first.startsWith(objectsOf(key)) && gone.startsWith(objectsOf(key)))
    t.strictSame(parseObject(first), { key, number: 1, isGone: false })
    t.strictSame(parseObject(gone), { key, number: firstNumber(3), isGone: true })
    t.notOk(objectOf(`${key}x`, { number: 1, isGone: false }).startsWith(objectsOf(key)))
  }
  t.match(objectOf('certs/a', { number: firstNumber(12), isGone: false }), /^certs\/[0-9a-f]{2}\/a\.0000012000000001$/)
})

t.test('what is no object of a record is told from one', async (t) => {
  const good = objectOf('certs/a', { number: 1, isGone: false })
  const others = [
    '',
    'a',
    'holders/a.beat',
    `${good}.gone.gone`,
    `${good}0`,
    good.slice(0, -1),
    good.replace(/\/..\//, '/zz/'),
    good.replace(/\/..\//, '/00/'),
    `${good}.GONE`,
  ]
  for (const object of others) t.equal(parseObject(object), undefined, object)
})

t.test('numbers grow within a lease, and every lease is above those before', async (t) => {
  t.equal(leaseOf(1), 0)
  t.equal(leaseOf(firstNumber(5)), 5)
  t.equal(numberAfter(firstNumber(5)), firstNumber(5) + 1)
  t.ok(firstNumber(6) > firstNumber(5) + 999_999_000)
  t.throws(() => numberAfter(999_999_999), { code: 'ERR_TOO_MANY' })
  t.ok(Number.isSafeInteger(firstNumber(mostLeases) + 999_999_999))
  t.equal(String(firstNumber(mostLeases)).length, 16)
  const revisions = [
    { number: 1, isGone: false },
    { number: 2, isGone: true },
    { number: 2, isGone: false },
    { number: firstNumber(1), isGone: false },
  ]
  t.same(
    revisions.sort(byAge).map(({ number, isGone }) => [number, isGone]),
    [
      [firstNumber(1), false],
      [2, true],
      [2, false],
      [1, false],
    ],
  )
})
