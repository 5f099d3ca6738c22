import t from 'tap'
import { certificateNameOf, toCertificateNames, wildcardOf } from '../../certs/managed-names.ts'
import { nextStep, plausible, renewalAt } from '../../certs/managed-next.ts'
import {
  type CertificateRecord,
  decodeRecord,
  encodeRecord,
  newRecord,
  openCertificate,
  recordKey,
} from '../../certs/managed-record.ts'
import { limits } from '../../core/limits.ts'
import { quickCertificate } from './fixtures/quick-certificate.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const nowMs = Date.UTC(2026, 0, 1)
const life = { notBeforeMs: nowMs, notAfterMs: nowMs + 90 * dayMs }
const certificate = { chain: 'c', key: 'k', id: 'one', issuerId: 'i', directory: 'https://ca.test/dir', ...life }
const record: CertificateRecord = { ...newRecord('a.example'), certificate, obtainedAtMs: nowMs }

t.test('a record is read as it was written', async (t) => {
  const full: CertificateRecord = {
    ...record,
    renewal: { id: 'one', askAgainMs: 5, window: { startMs: 1, endMs: 2, chosenMs: 1 } },
    tries: 3,
    failingSinceMs: 1,
    nextTryAtMs: 2,
    lastError: { code: 'ERR_ACME', message: 'no', atMs: 1 },
    rests: { i: 9 },
    orderingSinceMs: 4,
    revoked: { id: 'zero', atMs: 0 },
  }
  t.strictSame(decodeRecord(encodeRecord(full)), full)
  t.strictSame(decodeRecord(encodeRecord(record)), record)
  t.match(recordKey('a.example'), /^certs\/[0-9a-f]{64}$/)
})

t.test('what is damaged is none; what a newer grove wrote is not touched', async (t) => {
  const texts = ['', '{', 'null', '5', '[]', '{}', '{"format":"grove-cert-1"}', '{"format":"other-9","names":["a"]}']
  const wrong = JSON.stringify({ ...record, certificate: { ...certificate, notAfterMs: 'soon' } })
  for (const text of [
    ...texts,
    wrong,
    JSON.stringify({ ...record, names: [] }),
    JSON.stringify({ ...record, tries: -1 }),
  ])
    t.equal(decodeRecord(text), undefined, text.slice(0, 60))
  t.equal(decodeRecord(`"${'x'.repeat(limits.managed.recordChars)}"`), undefined, 'too long')
  t.throws(() => decodeRecord('{"format":"grove-cert-2"}'), { code: 'ERR_DATA_FORMAT' })
})

t.test('the certificate of a record is opened whatever the clock says', async (t) => {
  const quick = quickCertificate({ names: ['a.example'], ...life, serial: '1' })
  const kept = { ...certificate, ...quick }
  for (const atMs of [0, nowMs - dayMs, nowMs, nowMs + 1_000 * dayMs])
    t.strictSame(openCertificate(kept, atMs).names, ['a.example'])
  t.throws(() => openCertificate(certificate, nowMs), { code: 'ERR_CERT' })
})

t.test('what comes next', async (t) => {
  const asked = { ...record, renewal: { id: 'one', askAgainMs: nowMs + hourMs } }
  const dueMs = nowMs + 60 * dayMs
  const late = nowMs + 61 * dayMs
  const cases: readonly [what: string, record: CertificateRecord | undefined, atMs: number, step: object][] = [
    ['nothing was done', undefined, nowMs, { step: 'order', atMs: nowMs }],
    ['only a note is there', newRecord('a'), nowMs, { step: 'order', atMs: nowMs }],
    ['it has just come', record, nowMs, { step: 'ask', atMs: nowMs }],
    ['it was asked for', asked, nowMs, { step: 'ask', atMs: nowMs + hourMs }],
    [
      'another one was asked for',
      { ...asked, renewal: { id: 'zero', askAgainMs: late } },
      nowMs,
      { step: 'ask', atMs: nowMs },
    ],
    ['it is due', record, dueMs, { step: 'order', atMs: dueMs }],
    ['a try has failed', { ...record, tries: 1, nextTryAtMs: late + 5 }, late, { step: 'ask', atMs: late }],
    [
      'a try has failed, and it was asked for',
      { ...asked, tries: 1, nextTryAtMs: late - 5 },
      late,
      { step: 'order', atMs: late - 5 },
    ],
    [
      'a first try has failed',
      { ...newRecord('a'), tries: 1, nextTryAtMs: nowMs + 9 },
      nowMs,
      { step: 'order', atMs: nowMs + 9 },
    ],
    [
      'the next try lies in a future of another clock',
      { ...newRecord('a'), tries: 1, nextTryAtMs: nowMs + 400 * dayMs },
      nowMs,
      { step: 'order', atMs: nowMs },
    ],
  ]
  for (const [what, kept, atMs, step] of cases) t.strictSame(nextStep(kept, atMs), step, what)
})

t.test('a certificate is used for a while, however old it was when it came', async (t) => {
  t.equal(renewalAt(record), nowMs + 60 * dayMs)
  t.equal(renewalAt({ ...record, obtainedAtMs: nowMs + 80 * dayMs }), nowMs + 80 * dayMs + 12 * hourMs)
  t.equal(renewalAt({ ...record, obtainedAtMs: nowMs + 89 * dayMs }), nowMs + 89.25 * dayMs)
  t.equal(renewalAt({ ...record, obtainedAtMs: nowMs + 400 * dayMs }), life.notAfterMs)
  t.equal(renewalAt(newRecord('a')), Number.NEGATIVE_INFINITY)
})

t.test('waits that are longer than any of ours are none', async (t) => {
  t.equal(plausible(undefined, nowMs), nowMs)
  t.equal(plausible(nowMs + 5, nowMs), nowMs + 5)
  t.equal(plausible(nowMs - 5, nowMs), nowMs - 5)
  t.equal(plausible(nowMs + limits.managed.longestWaitMs * 1.1, nowMs), nowMs + limits.managed.longestWaitMs * 1.1)
  t.equal(plausible(nowMs + 15 * dayMs, nowMs), nowMs)
})

t.test('names get certificates of their own, or share a wildcard', async (t) => {
  const wildcards = new Set(['example.com'])
  const names = ['a.example.com', 'b.example.com', 'example.com', 'c.b.example.com', 'other.org', 'other.org']
  t.strictSame(
    [...toCertificateNames(names, wildcards)],
    ['*.example.com', 'example.com', 'c.b.example.com', 'other.org'],
  )
  t.equal(certificateNameOf('*.example.com', wildcards), '*.example.com')
  t.equal(certificateNameOf('localhost', wildcards), 'localhost')
  t.equal(wildcardOf('a.example.com'), '*.example.com')
  t.equal(wildcardOf('*.example.com'), undefined)
  t.equal(wildcardOf('localhost'), undefined)
})
