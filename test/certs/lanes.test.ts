import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createLanes } from '../../certs/lanes.ts'

/** Work that a test lets end. */
function gated() {
  const begun: string[] = []
  const gates = new Map<string, () => void>()
  const work = (thing: string) =>
    new Promise<void>((resolve) => {
      begun.push(thing)
      gates.set(thing, resolve)
    })
  const end = async (thing: string) => {
    gates.get(thing)?.()
    await turn()
  }
  return { begun, work, end }
}

t.test('so many at a time, in the order in which they came, the urgent ones first', async (t) => {
  const { begun, work, end } = gated()
  const lanes = createLanes(2, work)
  for (const thing of ['a', 'b', 'c', 'd', 'e']) lanes.add(thing)
  t.strictSame(begun, ['a', 'b'])
  t.equal(lanes.size, 5)
  lanes.add('e', true)
  lanes.add('e')
  await end('a')
  t.strictSame(begun, ['a', 'b', 'e'])
  await end('b')
  t.strictSame(begun, ['a', 'b', 'e', 'c'])
  t.equal(lanes.has('d'), true)
  t.equal(lanes.has('c'), false)
  lanes.drop('d')
  await end('e')
  await end('c')
  t.equal(lanes.size, 0)
  t.strictSame(begun, ['a', 'b', 'e', 'c'])
})

t.test('what is being worked on comes again, but never twice at a time', async (t) => {
  const { begun, work, end } = gated()
  const lanes = createLanes(2, work)
  lanes.add('a')
  lanes.add('a')
  lanes.add('b', true)
  t.strictSame(begun, ['a', 'b'])
  await end('b')
  t.strictSame(begun, ['a', 'b'], 'a free lane does not take it')
  await end('a')
  t.strictSame(begun, ['a', 'b', 'a'])
})

t.test('closing waits for what is under way, and takes nothing more', async (t) => {
  const { begun, work, end } = gated()
  const lanes = createLanes(1, work)
  lanes.add('a')
  lanes.add('b')
  let isClosed = false
  const closed = lanes.close().then(() => {
    isClosed = true
  })
  lanes.add('c')
  await turn()
  t.equal(isClosed, false)
  await end('a')
  await closed
  t.strictSame(begun, ['a'])
})
