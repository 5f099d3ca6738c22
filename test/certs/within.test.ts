import t from 'tap'
import { within } from '../../certs/within.ts'

/** A sleep that ends when the test says so. */
function manual() {
  const gate = Promise.withResolvers<void>()
  const environment = {
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        gate.promise.then(resolve)
        signal?.addEventListener('abort', () => reject(signal.reason))
      }),
  }
  return { environment, over: () => gate.resolve() }
}

const never = () => new Promise<never>(() => {})

t.test('work that is done in time is answered, or fails, as it is', async (t) => {
  const { environment } = manual()
  const { signal } = new AbortController()
  const options = { environment, ms: 5, what: 'it', signal }
  t.equal(await within(options, async () => 7), 7)
  await t.rejects(
    within(options, async () => {
      throw new Error('broken')
    }),
    { message: 'broken' },
  )
})

t.test('work that takes too long is given up, and told so by its signal', async (t) => {
  const { environment, over } = manual()
  let told: unknown
  const result = within({ environment, ms: 5, what: 'it', signal: new AbortController().signal }, (signal) => {
    signal.addEventListener('abort', () => {
      told = signal.reason
    })
    return never()
  })
  over()
  await t.rejects(result, { code: 'ERR_TIMEOUT', message: 'it took longer than 5 ms' })
  t.match(told, { code: 'ERR_TIMEOUT' })
})

t.test('work that is not wanted any more is given up at once, whether it heeds that or not', async (t) => {
  const { environment } = manual()
  const ended = new AbortController()
  const options = { environment, ms: 5, what: 'it', signal: ended.signal }
  const result = within(options, never)
  const late = within(
    options,
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(1))),
  )
  ended.abort(new Error('enough'))
  await t.rejects(result, { message: 'enough' })
  await t.rejects(late)
  await t.rejects(within(options, never), { message: 'enough' }, 'nor is it begun')
})
