import t from 'tap'
import { pemBlock, pemBlocks } from '../../certs/pem.ts'

const block = (label: string, body: string) => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`
const both = `note\n${block('CERTIFICATE', 'AAAA')}${block('PRIVATE KEY', 'BBBB')}${block('CERTIFICATE', 'CCCC')}`

const cases = [
  { name: 'the first of its label', text: both, label: 'CERTIFICATE', expected: block('CERTIFICATE', 'AAAA') },
  { name: 'one behind another', text: both, label: 'PRIVATE KEY', expected: block('PRIVATE KEY', 'BBBB') },
  { name: 'a label that is not there', text: both, label: 'EC PRIVATE KEY', expected: undefined },
  { name: 'a cut block', text: both.slice(0, 60), label: 'PRIVATE KEY', expected: undefined },
  {
    name: 'a block without its end',
    text: '-----BEGIN CERTIFICATE-----\nAAAA',
    label: 'CERTIFICATE',
    expected: undefined,
  },
  { name: 'an end without a beginning', text: '-----END CERTIFICATE-----', label: 'CERTIFICATE', expected: undefined },
  { name: 'nothing', text: '', label: 'CERTIFICATE', expected: undefined },
]

for (const { name, text, label, expected } of cases)
  t.test(`finds ${name}`, async (t) => t.equal(pemBlock(text, label), expected))

t.test('finds all blocks in their order, as they stand, and passes over what is between', async (t) => {
  const text = `Bag Attributes\n${block('CERTIFICATE', 'A')}# ----- -----\n${block('EC PRIVATE KEY', 'B\nC')}${block('CERTIFICATE', 'D')}`
  t.strictSame(pemBlocks(text), [
    { label: 'CERTIFICATE', text: block('CERTIFICATE', 'A') },
    { label: 'EC PRIVATE KEY', text: block('EC PRIVATE KEY', 'B\nC') },
    { label: 'CERTIFICATE', text: block('CERTIFICATE', 'D') },
  ])
  t.same(pemBlocks(''), [])
  t.same(pemBlocks('-----BEGIN certificate-----\n-----BEGIN -----\n-----END CERTIFICATE-----'), [])
  for (const cut of ['-----BEGIN A-----', '-----BEGIN A-----\n-----END B-----', `${block('A', 'x')}-----BEGIN A-----`])
    t.throws(() => pemBlocks(cut), { code: 'ERR_CERT', details: { reason: 'parse' } })
})
