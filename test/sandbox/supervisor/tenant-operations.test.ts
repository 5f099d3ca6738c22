import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { GroveError } from '../../../core/errors.ts'
import type { OperationRequest } from '../../../sandbox/supervisor/operations.ts'
import { startHost, until } from './fixtures/host.ts'

const fetchOp = {
  kind: 'fetch',
  method: 'POST',
  url: 'https://example.com/',
  headers: ['accept', '*/*'],
  redirect: 'follow',
  hasBody: false,
}
const fetched = { status: 200, statusText: 'OK', headers: ['x', 'y'], url: 'https://example.com/', redirected: false }

t.test('an operation reaches whoever does it, and its answer comes back', async (t) => {
  const host = await startHost(t, { run: async () => ({ head: fetched, body: Readable.from([Buffer.from('body')]) }) })
  host.publish('a', 1, { do: 'ask', op: fetchOp })
  const front = await host.front()
  const { body } = await front.get('a', 1)
  t.equal(body, `${JSON.stringify({ ...fetched, hasBody: true })} body`)
  t.match(host.operations[0], {
    op: { kind: 'fetch', request: 'r1', version: 1, method: 'POST', headers: ['accept', '*/*'] },
    code: { site: 'a', version: 1 },
    body: undefined,
  })
})

t.test('bodies go both ways in pieces, however large they are', async (t) => {
  const bytes = 3_000_000
  const host = await startHost(t, {
    async run({ body }: OperationRequest) {
      let got = 0
      for await (const piece of body as Readable) got += (piece as Buffer).length
      return { head: { ...fetched, statusText: String(got) }, body: Readable.from([Buffer.alloc(bytes, 'a')]) }
    },
  })
  // The tenant sends no more than its first window: this one does not wait for credit.
  host.publish('a', 1, { do: 'ask', op: { ...fetchOp, hasBody: true }, bytes: 262_144 })
  const front = await host.front()
  const { body } = await front.get('a', 1)
  t.match(body, /"statusText":"262144"/)
  t.match(body, new RegExp(` ${bytes}$`))
  const [usage] = (await host.supervisor.receive({ kind: 'usage' })) as object[]
  t.match(usage, { site: 'a', subrequests: 1, egressBytes: 262_144, ingressBytes: bytes })
})

t.test('what goes wrong is told as far as it is for the author', async (t) => {
  const failures: readonly (readonly [Error, object])[] = [
    [new GroveError('ERR_UPSTREAM_DOWN', 'the server is away'), { name: 'TypeError', message: 'the server is away' }],
    [new GroveError('ERR_TOO_MANY', 'too many'), { name: 'QuotaExceededError', message: 'too many' }],
    [new GroveError('ERR_INTERNAL', '/secret/path'), { name: 'TypeError', message: 'the host could not do it' }],
    [new Error('/secret/path'), { name: 'TypeError', message: 'the host could not do it' }],
  ]
  let next = 0
  const host = await startHost(t, { run: () => Promise.reject(failures[next++]?.[0]) })
  host.publish('a', 1, { do: 'ask', op: fetchOp })
  const front = await host.front()
  for (const [, told] of failures) t.same(JSON.parse((await front.get('a', 1)).body), told)
})

t.test('a body that breaks off is told, after its head', async (t) => {
  const host = await startHost(t, {
    run: async () => ({
      head: fetched,
      body: Readable.from(
        (async function* () {
          yield Buffer.from('begin')
          await wait(50)
          throw new GroveError('ERR_UPSTREAM_DOWN', 'it broke off')
        })(),
      ),
    }),
  })
  host.publish('a', 1, { do: 'ask', op: fetchOp })
  const front = await host.front()
  t.same(JSON.parse((await front.get('a', 1)).body), { name: 'TypeError', message: 'it broke off' })
})

t.test('more operations at one time than allowed are refused, the others are done', async (t) => {
  const host = await startHost(t, {
    run: async () => {
      await wait(200)
      return { head: fetched }
    },
  })
  host.publish('a', 1, { do: 'ask-many', op: fetchOp, count: 70 })
  const front = await host.front()
  const answers = (await front.get('a', 1)).body.split('\n')
  t.equal(answers.filter((answer) => answer.includes('QuotaExceededError')).length, 6)
  t.equal(answers.filter((answer) => answer.includes('"status":200')).length, 64)
})

t.test('bodies at one time are fewer, because each may wait here', async (t) => {
  const host = await startHost(t, {
    run: async () => {
      await wait(200)
      return { head: fetched }
    },
  })
  host.publish('a', 1, { do: 'ask-many', op: { ...fetchOp, hasBody: true }, count: 20 })
  const front = await host.front()
  const answers = (await front.get('a', 1)).body.split('\n')
  t.equal(answers.filter((answer) => answer.includes('QuotaExceededError')).length, 4)
})

t.test('an operation for a version that is not loaded is refused', async (t) => {
  const host = await startHost(t, { run: async () => ({ head: fetched }) })
  host.publish('a', 1, { do: 'ask-version', op: { ...fetchOp }, version: 7 })
  const front = await host.front()
  t.match((await front.get('a', 1)).body, /version 7 is not loaded/)
  t.same(host.operations, [])
})

t.test('operations of a process that ends are aborted', async (t) => {
  const host = await startHost(t, { run: () => new Promise(() => {}) })
  host.publish('a', 1, { do: 'ask', op: fetchOp })
  const front = await host.front()
  const process = await front.need('a', 1)
  const answer = front.send(process, 1)
  await until(() => host.operations.length === 1)
  t.notOk(host.operations[0]?.signal.aborted)
  await host.supervisor.receive({ kind: 'deleted', site: 'a' })
  t.ok(host.operations[0]?.signal.aborted)
  t.equal((await answer).type, 0)
})

t.test('a body that is not taken is not asked for: nothing piles up', async (t) => {
  let given = 0
  const host = await startHost(t, {
    run: async () => ({
      head: fetched,
      body: new Readable({
        highWaterMark: 65_536,
        read() {
          given += 65_536
          this.push(Buffer.alloc(65_536))
        },
      }),
    }),
  })
  host.publish('a', 1, { do: 'ask-greedy', op: fetchOp })
  const front = await host.front()
  const process = await front.need('a', 1)
  const answer = front.send(process, 1)
  await until(() => given > 262_144)
  await wait(300) // There is nothing to wait for: no more must be given.
  t.ok(given < 262_144 + 4 * 65_536, `${given} bytes were read`)
  await host.supervisor.receive({ kind: 'deleted', site: 'a' })
  await answer
})
