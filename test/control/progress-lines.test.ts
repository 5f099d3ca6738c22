import t from 'tap'
import { progressLines } from '../../control/progress-lines.ts'

const at = (objects: number) => ({ what: 'counting', objects, bytes: 0 })

t.test('the result comes last, whatever was said before', async (t) => {
  const lines = await Array.fromAsync(
    progressLines(async (say) => {
      for (let count = 0; count < 1_000; count++) say(at(count))
      return 'all'
    }),
  )
  t.same(lines.at(-1), { result: 'all' })
  t.ok(lines.length <= 3, 'what comes too fast is passed over')
})

t.test('progress is told while the work goes on', async (t) => {
  const going = Promise.withResolvers<void>()
  const lines = progressLines(async (say) => {
    say(at(1))
    await going.promise
    return 'all'
  })
  t.same((await lines.next()).value, { progress: at(1) })
  going.resolve()
  t.same((await lines.next()).value, { result: 'all' })
  t.equal((await lines.next()).done, true)
})

t.test('work that says nothing for long is told to be going on, with what was said last', async (t) => {
  const going = Promise.withResolvers<void>()
  const lines = progressLines(async (say) => {
    await going.promise
    say(at(1))
    say(at(2))
    await new Promise<void>((resolve) => setTimeout(resolve, 50))
    return 'all'
  }, 5)
  t.same((await lines.next()).value, { progress: { what: 'working', objects: 0, bytes: 0 } })
  t.same((await lines.next()).value, { progress: { what: 'working', objects: 0, bytes: 0 } })
  going.resolve()
  const rest = await Array.fromAsync(lines)
  t.same(rest.at(-1), { result: 'all' })
  t.same(rest.at(-2), { progress: at(2) }, 'also what came too fast to be told at once')
})

t.test('work that fails ends the lines with its error', async (t) => {
  const failing = progressLines(async () => {
    throw new Error('no')
  })
  await t.rejects(Array.fromAsync(failing), /no/)
})

t.test('a reader who goes away ends the work, and it is waited for', async (t) => {
  let ended = false
  const lines = progressLines(async (say, signal) => {
    say(at(1))
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    ended = true
  })
  await lines.next()
  await lines.return(undefined)
  t.equal(ended, true)
})
