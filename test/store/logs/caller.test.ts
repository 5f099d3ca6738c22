import t from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { type Caller, createCaller } from '../../../store/logs/caller.ts'
import type { Batch, BatchAnswer, EngineLink, RequestOf } from '../../../store/logs/request.ts'
import type { Handle } from '../../../store/store.ts'
import { codeOf } from '../fixtures/drivers.ts'

interface Held {
  readonly caller: Caller
  readonly batches: Batch[]
  readonly events: string[]
  /** Answers the batch under way: each request with its handle. */
  answer(): Promise<void>
  fail(error: unknown): Promise<void>
}

/** A caller whose engine answers when it is told to. */
function held(): Held {
  const batches: Batch[] = []
  const events: string[] = []
  let waiting: PromiseWithResolvers<BatchAnswer> | undefined
  const link: EngineLink = {
    hello: { storeId: '', root: '' as Handle, lastSeq: 0 },
    run(batch) {
      if (waiting) throw new Error('two batches at once')
      batches.push(batch)
      waiting = Promise.withResolvers()
      return waiting.promise
    },
    async close() {
      events.push('closed')
    },
  }
  const caller = createCaller(link, {
    env: nodeEnvironment,
    done: () => events.push('done'),
    lost: () => events.push('lost'),
  })
  async function settle(how: (waiting: PromiseWithResolvers<BatchAnswer>) => void): Promise<void> {
    await turn()
    const now = waiting
    waiting = undefined
    if (!now) throw new Error('no batch is under way')
    how(now)
    await turn()
  }
  return {
    caller,
    batches,
    events,
    answer: () =>
      settle(({ resolve }) => {
        const answers = (batches.at(-1)?.requests ?? []).map((request) =>
          'handle' in request && request.handle === 'bad'
            ? { error: { code: 'ERR_DENIED' as const, message: 'no', details: { reason: 'handle' } } }
            : { value: 'handle' in request ? request.handle : undefined },
        )
        resolve({ answers, changes: { grew: [], trimmed: [], rights: false }, lastSeq: 1 })
      }),
    fail: (error) => settle(({ reject }) => reject(error)),
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const ask = (handle: string): RequestOf<'whoami'> => ({ kind: 'whoami', handle: handle as Handle })

t.test('what is asked while a batch is under way goes together as the next one', async (t) => {
  const { caller, batches, answer } = held()
  const first = [caller.call(ask('1')), caller.call(ask('2'))]
  await turn()
  t.same(
    batches.map(({ requests }) => requests.length),
    [2],
    'those of one turn are together',
  )
  const second = ['3', 'bad', '5'].map((handle) => codeOf(caller.call(ask(handle))))
  await turn()
  t.equal(batches.length, 1, 'only one is under way')
  await answer()
  t.same(await Promise.all(first), ['1', '2'])
  t.same(
    batches.map(({ requests }) => requests.length),
    [2, 3],
  )
  await answer()
  t.same(await Promise.all(second), ['none', 'ERR_DENIED handle', 'none'])
})

t.test('those who get their answers together ask together again', async (t) => {
  const { caller, batches, answer } = held()
  const writers = Array.from({ length: 20 }, async (_, index) => {
    for (let round = 0; round < 3; round += 1) await caller.call(ask(String(index)))
  })
  for (let round = 0; round < 3; round += 1) await answer()
  await Promise.all(writers)
  t.same(
    batches.map(({ requests }) => requests.length),
    [20, 20, 20],
  )
})

t.test('a batch has so many requests and so many bytes, but always one', async (t) => {
  const { caller, batches, answer } = held()
  const many = limits.store.batchRequests + 5
  const all = Array.from({ length: many }, (_, index) => caller.call(ask(String(index))))
  await answer()
  await answer()
  t.same(
    batches.map(({ requests }) => requests.length),
    [limits.store.batchRequests, 5],
  )
  const half = limits.store.batchBytes / 2
  const large = [half, half, half, 2 * limits.store.batchBytes, 1].map((bytes, index) =>
    caller.call(ask(String(index)), bytes),
  )
  for (let count = 0; count < 4; count += 1) await answer()
  t.same(
    batches.slice(2).map(({ requests }) => requests.length),
    [2, 1, 1, 1],
  )
  await Promise.all([...all, ...large])
})

t.test('the line is bounded by requests and by bytes', async (t) => {
  const { caller, answer } = held()
  const first = caller.call(ask('first'), limits.store.queuedBytes * 2)
  await turn()
  const waiting = [caller.call(ask('1'), limits.store.queuedBytes)]
  t.equal(await codeOf(caller.call(ask('2'), 1)), 'ERR_TOO_MANY')
  waiting.push(caller.call(ask('3'), 0))
  for (let count = 0; count < 3; count += 1) await answer()
  await Promise.all([first, ...waiting])
})

t.test('an engine that is gone fails all that wait and all that come, once and for all', async (t) => {
  const { caller, events, fail } = held()
  const gone = new GroveError('ERR_DATA_IO', 'gone')
  const under = caller.call(ask('1'))
  await turn()
  const waiting = caller.call(ask('2'))
  const codes = [codeOf(under), codeOf(waiting)]
  await fail(gone)
  t.same(await Promise.all(codes), ['ERR_DATA_IO', 'ERR_DATA_IO'])
  t.equal(await codeOf(caller.call(ask('3'))), 'ERR_DATA_IO')
  t.same(events, ['lost'])
  await caller.close()
  t.same(events, ['lost', 'closed'])
})

t.test('what was taken in is told before anybody gets an answer, and closing waits for all', async (t) => {
  const { caller, events, answer } = held()
  const asked = caller.call(ask('1')).then(() => events.push('answered'))
  const closing = caller.close()
  t.equal(await codeOf(caller.call(ask('2'))), 'ERR_CLOSED')
  await answer()
  await Promise.all([asked, closing])
  t.same(events, ['done', 'answered', 'closed'])
})
