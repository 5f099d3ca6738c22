import t from 'tap'
import { guestStack, placeOf, readGuestError, thrownError } from '../../../sandbox/isolated/guest-error.ts'

t.test('an error that the guest has serialised is read, and shortened', (t) => {
  const error = { name: 'TypeError', message: 'x'.repeat(7_000), stack: 'y' }
  t.same(readGuestError(JSON.stringify(error)), error)
  const long = readGuestError(JSON.stringify({ ...error, message: 'x'.repeat(9_000) }))
  t.equal(long.message.length, 8_192)
  t.end()
})

for (const value of [undefined, 7, 'no JSON', 'null', 'x'.repeat(20_000), new Uint8Array(2)])
  t.test(`no error is made of ${typeof value === 'string' ? value.slice(0, 10) : String(value)}`, (t) => {
    t.match(readGuestError(value), { name: 'Error', stack: '' })
    t.end()
  })

t.test('fields of other types become empty texts', (t) => {
  t.same(readGuestError('{"name":1,"message":{},"stack":null}'), { name: 'Error', message: '', stack: '' })
  t.end()
})

t.test('no line of a stack that lies in the host is shown', (t) => {
  const stack =
    'Error: a\n    at f (grove:site:1:2)\n    at (<isolated-vm boundary>)\n    at host (/secret/place.ts:1:1)'
  t.equal(guestStack(stack), 'Error: a\n    at f (grove:site:1:2)')
  t.equal(guestStack('Error: a\n    at host (/secret/place.ts:1:1)'), '', 'a stack without the mark is all of the host')
  t.equal(guestStack(undefined), '')
  const made =
    'Error: a\n    at #run (file:///secret/place.ts:1:1)\n    at Array.map (<anonymous>)\n    at (<isolated-vm boundary>)'
  t.equal(guestStack(made), 'Error: a\n    at Array.map (<anonymous>)', 'nor one of an error that was made again')
  const error = Object.assign(new Error('a'), { stack })
  t.same(thrownError(error), { name: 'Error', message: 'a', stack: 'Error: a\n    at f (grove:site:1:2)' })
  t.same(thrownError('text'), { name: 'Error', message: 'text', stack: '' })
  t.end()
})

t.test('the place is the first line in the file', (t) => {
  const stack = 'Error\n    at a (grove:prelude:1:1)\n    at b (grove:site:3:4)\n    at c (grove:site:5:6)'
  t.equal(placeOf(stack, 'grove:site'), 'b (grove:site:3:4)')
  t.equal(placeOf('Error', 'grove:site'), '')
  t.end()
})
