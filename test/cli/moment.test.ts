import { InvalidArgumentError } from 'commander'
import t from 'tap'
import { parseMoment } from '../../cli/moment.ts'

t.test('moments are those of ISO 8601', async (t) => {
  t.equal(parseMoment('2027-01-31'), Date.UTC(2027, 0, 31))
  t.equal(parseMoment('2027-01-31T18:00:00Z'), Date.UTC(2027, 0, 31, 18))
  t.equal(parseMoment('2027-01-31T18:00+02:00'), Date.UTC(2027, 0, 31, 16))
  t.equal(parseMoment('2027-01-31T18:00'), new Date(2027, 0, 31, 18).getTime())
  for (const text of [
    '',
    'tomorrow',
    '2027',
    '31.1.2027',
    '2027-13-01',
    '2027-01-31 18:00',
    '1969-01-01',
    '1790000000000',
  ])
    t.throws(() => parseMoment(text), InvalidArgumentError, text)
})
