import { createHash } from 'node:crypto'
import t from 'tap'
import { AbortController } from '../../../sandbox/guest/abort.ts'
import { fetch } from '../../../sandbox/guest/fetch.ts'
import { Request } from '../../../sandbox/guest/request.ts'
import { Response } from '../../../sandbox/guest/response.ts'
import { streamClasses } from '../../../sandbox/guest/streams.ts'
import type { Outbound, Served } from './fixtures/host-operations.ts'
import { createRequestHost, turn, until } from './fixtures/request-host.ts'

type Answer = Response & {
  text(): Promise<string>
  json(): Promise<unknown>
  readonly body: InstanceType<typeof streamClasses.ReadableStream>
}
const send = fetch as unknown as (input: unknown, init?: unknown) => Promise<Answer>

const outbound: Outbound[] = []
let serve: (outbound: Outbound) => Served | Promise<Served> = () => ({})
const host = createRequestHost({
  fetch(given) {
    outbound.push(given)
    return serve(given)
  },
  limits: { operations: 3 },
})
const url = 'https://api.example/x'

/** Runs `work` inside a request, where `fetch` can be used. */
async function inside<T>(work: (request: Request) => Promise<T>): Promise<T> {
  let result: Promise<T> | undefined
  host.load({
    fetch: async (request: Request) => {
      result = work(request)
      await result.catch(() => {})
      return new Response('done')
    },
  })
  const visit = host.visit({ method: 'POST', headers: ['x-from', 'visitor'], body: ['on', 'ward'] })
  await visit.over
  return await (result as Promise<T>)
}

t.beforeEach(() => {
  outbound.length = 0
  host.stopped.length = 0
})

t.test('what is asked reaches the host, what it answers the site', async (t) => {
  serve = () => ({
    answer: {
      status: 404,
      statusText: 'Not There',
      headers: ['x-a', '1', 'x-a', '2'],
      url: `${url}2`,
      redirected: true,
    },
    body: ['he', 'llo'],
  })
  const answer = await inside(async () => {
    const response = await send(`${url}#fragment`, { headers: { A: 'b' } })
    const { status, statusText, ok, redirected, type } = response
    t.throws(() => response.headers.set('a', 'b'), TypeError)
    return {
      status,
      statusText,
      ok,
      redirected,
      type,
      url: response.url,
      a: response.headers.get('x-a'),
      text: await response.text(),
    }
  })
  t.same(outbound[0]?.args, { method: 'GET', url, headers: ['a', 'b'], redirect: 'follow', hasBody: false })
  const expected = {
    status: 404,
    statusText: 'Not There',
    ok: false,
    redirected: true,
    type: 'basic',
    url: `${url}2`,
    a: '1, 2',
    text: 'hello',
  }
  t.same(answer, expected)
})

t.test('bodies of all kinds go out whole or in pieces', async (t) => {
  const digest = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
  serve = async ({ body }) => ({ body: [digest(await body)] })
  const stream = () =>
    new streamClasses.ReadableStream({
      start(controller) {
        for (const text of ['a', 'b', 'c']) controller.enqueue(Buffer.from(text))
        controller.close()
      },
    })
  const cases: [name: string, body: () => unknown, expected: string, inPieces: boolean][] = [
    ['a string', () => 'text', 'text', false],
    ['bytes', () => Buffer.from('bytes'), 'bytes', false],
    ['a stream', stream, 'abc', true],
    ['a large string', () => 'x'.repeat(300_000), 'x'.repeat(300_000), true],
    ['large bytes', () => Buffer.alloc(300_000, 'y'), 'y'.repeat(300_000), true],
  ]
  for (const [name, body, expected, inPieces] of cases) {
    const text = await inside(async () => await (await send(url, { method: 'POST', body: body() })).text())
    t.equal(text, digest(expected), name)
    t.equal(outbound.at(-1)?.args.hasBody, inPieces, name)
  }
})

t.test('a request of a visitor is passed on with its body, and the answer with its own', async (t) => {
  serve = async ({ args, body }) => ({
    answer: { headers: ['x-seen', args.headers[1] ?? ''] },
    body: [await body, ' back'],
  })
  host.load({ fetch: async (request: Request) => new Response((await send(request)).body, { headers: { x: 'y' } }) })
  const visit = await host.answer({ method: 'POST', headers: ['x-from', 'visitor'], body: ['on', 'ward'] })
  t.equal(visit.text(), 'onward back')
  t.match(outbound[0]?.args, { method: 'POST', redirect: 'manual', headers: ['x-from', 'visitor'] })
  host.load({ fetch: (request: Request) => send(new Request(url, request)) })
  const again = await host.answer({ method: 'POST', headers: ['x-from', 'visitor'], body: ['on', 'ward'] })
  t.equal(again.text(), 'onward back')
  t.same(again.head?.headers, ['x-seen', 'visitor'])
})

t.test('answers without a body', async (t) => {
  serve = () => ({ answer: { status: 204 } })
  t.equal(await inside(async () => (await send(url)).body), null)
})

t.test('what is wrong with the arguments is a TypeError, and nothing is sent', async (t) => {
  const cases: [unknown, unknown][] = [
    ['/relative', undefined],
    ['https://user:secret@api.example/', undefined],
    [url, { method: 'CONNECT' }],
    [url, { method: 'GET', body: 'x' }],
    [url, { headers: { 'a\r\nb': 'c' } }],
    [url, { headers: { a: 'b\r\nc: d' } }],
    [url, { redirect: 'x' }],
    [url, { signal: 'x' }],
  ]
  for (const [input, init] of cases)
    await inside(async () => await t.rejects(send(input, init), TypeError, String(init)))
  await inside(async () => await t.rejects((send as () => Promise<unknown>)(), TypeError))
  t.same(outbound, [])
})

t.test('errors of the network are TypeErrors with their cause', async (t) => {
  serve = () => ({ error: { name: 'NetworkError', message: 'the address is not public' } })
  await inside(async () => {
    const error: Error = await send(url).catch((thrown) => thrown)
    t.type(error, TypeError)
    t.equal(error.message, 'fetch failed: the address is not public')
    t.match(error.cause, { name: 'NetworkError' })
  })
})

t.test('a body that breaks off rejects who reads it', async (t) => {
  serve = () => ({ body: ['part'], breaks: { name: 'NetworkError', message: 'cut' } })
  await inside(async () => {
    const response = await send(url)
    await t.rejects(response.text(), { name: 'TypeError', message: 'fetch failed: cut' })
  })
  await inside(async () => {
    const response = await send(url)
    const reader = response.body.getReader()
    await t.rejects(reader.closed, { message: 'fetch failed: cut' })
  })
})

t.test('an aborted signal rejects with its reason and stops the operation', async (t) => {
  serve = () => new Promise(() => {})
  await inside(async () => {
    const controller = new AbortController()
    const asked = send(url, { signal: controller.signal })
    await turn()
    controller.abort(new RangeError('mine'))
    await t.rejects(asked, { message: 'mine' })
  })
  t.equal(host.stopped.length, 1)
  await inside(async () => {
    const controller = new AbortController()
    controller.abort()
    await t.rejects(send(url, { signal: controller.signal }), { name: 'AbortError' })
  })
  t.equal(outbound.length, 1, 'what is aborted before is not sent')
})

t.test('a signal that is aborted later breaks the body off', async (t) => {
  serve = () => ({ body: ['part'], staysOpen: true })
  await inside(async () => {
    const controller = new AbortController()
    const response = await send(url, { signal: controller.signal })
    const reader = response.body.getReader()
    t.equal(Buffer.from((await reader.read()).value as Uint8Array).toString(), 'part')
    const next = reader.read()
    controller.abort()
    await t.rejects(next, { name: 'AbortError' })
    await t.rejects(reader.closed, { name: 'AbortError' })
  })
  t.equal(host.stopped.length, 1)
})

t.test('after the answer is whole the signal changes nothing', async (t) => {
  serve = () => ({ body: ['whole'] })
  await inside(async () => {
    const controller = new AbortController()
    const response = await send(url, { signal: controller.signal })
    t.equal(await response.text(), 'whole')
    controller.abort()
  })
  t.same(host.stopped, [])
})

t.test('a body that breaks while it goes out rejects with its own error', async (t) => {
  serve = async ({ body }) => {
    await body.catch(() => {})
    return {}
  }
  await inside(async () => {
    const body = new streamClasses.ReadableStream({ pull: (controller) => controller.error(new RangeError('mine')) })
    await t.rejects(send(url, { method: 'POST', body }), { message: 'mine' })
  })
})

t.test('no more operations than may be are under way, and those that ended make room', async (t) => {
  const gates: PromiseWithResolvers<Served>[] = []
  serve = () => {
    const gate = Promise.withResolvers<Served>()
    gates.push(gate)
    return gate.promise
  }
  await inside(async () => {
    const three = [send(url), send(url), send(url)]
    await t.rejects(send(url), TypeError)
    for (const gate of gates) gate.resolve({ body: ['x'] })
    for (const asked of three) await (await asked).text()
    const fourth = send(url)
    await until(() => gates.length === 4)
    gates[3]?.resolve({ body: ['y'] })
    t.equal(await (await fourth).text(), 'y')
  })
})

t.test('nothing is fetched while the code loads, or for a request that is over', async (t) => {
  let atTop: Promise<unknown> | undefined
  host.load(() => {
    atTop = send(url)
    return { default: { fetch: () => new Response('x') } }
  })
  await t.rejects(atTop as Promise<unknown>, TypeError)
  const gate = Promise.withResolvers<void>()
  let late: Promise<unknown> | undefined
  host.load({
    fetch: () => {
      late = gate.promise.then(() => send(url))
      return new Response('x')
    },
  })
  await host.answer()
  gate.resolve()
  await t.rejects(late as Promise<unknown>, TypeError)
  t.same(outbound, [])
})
