import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { GroveError } from '../../core/errors.ts'
import { RequestBody } from '../../proxy/request-body.ts'

function make(isCut = () => false) {
  const source = new PassThrough()
  let invites = 0
  const body = new RequestBody(source, isCut, () => {
    invites += 1
  })
  return { source, body, invites: () => invites }
}

t.test('it is collected in one piece, from the moment that somebody wants it', async (t) => {
  const { source, body, invites } = make()
  t.equal(body.started, false)
  t.equal(invites(), 0)
  const collected = body.collect()
  t.equal(body.started, true)
  t.equal(invites(), 1, 'a client that waits to be asked is asked')
  t.equal(body.waiting, true)
  source.write('one ')
  await nextTurn()
  source.end('two')
  t.equal(`${await collected}`, 'one two')
  t.equal(body.receivedBytes, 7)
  t.equal(body.waiting, false)
  body.destroy()
  t.equal(`${await collected}`, 'one two', 'and stays so when the exchange is over')
})

t.test('an empty one is empty', async (t) => {
  const { source, body } = make()
  source.end()
  t.equal((await body.collect()).length, 0)
})

t.test('what breaks it while it is collected is told', async (t) => {
  const rows: [string, (made: ReturnType<typeof make>) => void, object][] = [
    ['the client goes', ({ source }) => source.destroy(), { code: 'ERR_CLOSED' }],
    [
      'it is too slow',
      ({ body }) => body.destroy(new GroveError('ERR_TIMEOUT', 'too slow')),
      { code: 'ERR_TIMEOUT', message: 'too slow' },
    ],
    ['the exchange is over', ({ body }) => body.destroy(), { code: 'ERR_CLOSED' }],
  ]
  for (const [what, work, expected] of rows) {
    const made = make()
    const collected = made.body.collect()
    made.source.write('half')
    await nextTurn()
    work(made)
    await t.rejects(collected, expected as { code: string }, what)
    t.ok(made.body.destroyed)
  }
})

t.test('one that ends before its length is cut, not whole', async (t) => {
  const { source, body } = make(() => true)
  const collected = body.collect()
  source.end('half')
  await t.rejects(collected, { code: 'ERR_CLOSED' })
})

t.test('one that was over before it was collected says so', async (t) => {
  const broken = make()
  broken.body.destroy(new GroveError('ERR_BAD_REQUEST', 'no chunk'))
  await t.rejects(broken.body.collect(), { code: 'ERR_BAD_REQUEST' })
  const destroyed = make()
  destroyed.body.destroy()
  await t.rejects(destroyed.body.collect(), { code: 'ERR_CLOSED' })
  const gone = make()
  gone.source.destroy()
  await nextTurn()
  await t.rejects(gone.body.collect(), { code: 'ERR_CLOSED' })
})

t.test('as a stream it is read at the speed of its reader', async (t) => {
  const { source, body, invites } = make()
  source.end('x'.repeat(100_000))
  t.equal((await text(body)).length, 100_000)
  t.equal(invites(), 1)
})
