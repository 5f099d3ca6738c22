import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { createBudget } from '../../../sandbox/egress/budget.ts'
import { createGate } from '../../../sandbox/egress/gate.ts'
import { readAll, startEgress, startNames, startWeb } from './fixtures/web.ts'

const never = new AbortController().signal

t.test('a gate', async (t) => {
  const gate = createGate(2, 2, 'things')
  const [one, two] = [await gate.enter(never), await gate.enter(never)]
  const order: number[] = []
  const three = gate.enter(never).then((leave) => {
    order.push(3)
    return leave
  })
  const stop = new AbortController()
  const four = gate.enter(stop.signal)
  await t.rejects(gate.enter(never), { code: 'ERR_TOO_MANY', message: 'more than 4 things at once' })
  stop.abort(new Error('gone'))
  await t.rejects(four, { message: 'gone' })
  await t.rejects(gate.enter(stop.signal), { message: 'gone' })
  const five = gate.enter(never).then((leave) => {
    order.push(5)
    return leave
  })
  one()
  one()
  const leaveThree = await three
  t.same(order, [3])
  two()
  const leaveFive = await five
  t.same(order, [3, 5], 'in the order of the calls')
  leaveThree()
  leaveFive()
  await gate.enter(never)
  await gate.enter(never)
  t.pass('all places are free again')
})

t.test('a request fetches so often, and so much at one time (row 80)', async (t) => {
  const waiting: ServerResponse[] = []
  let most = 0
  const web = await startWeb(t, (_, response) => {
    waiting.push(response)
    most = Math.max(most, waiting.length)
    // Only when no more come: those that are under way together are here together.
    setImmediate(() => setImmediate(() => void waiting.shift()?.end('x')))
  })
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], { servers: [dns.server] })
  const budget = createBudget(20, 6)
  const results = await Promise.allSettled(
    Array.from({ length: 10_000 }, (_, i) => fetch(`http://a.example:${web.port}/${i}`, { budget })),
  )
  const answers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  t.equal(answers.length, 20)
  t.equal(budget.used, 20)
  t.ok(most <= 6, `${most} at one time`)
  t.ok(web.connections() <= 20)
  for (const result of results)
    if (result.status === 'rejected') {
      t.match(result.reason, { code: 'ERR_TOO_MANY', message: /more than 20 subrequests/, details: { most: 20 } })
      break
    }
  t.equal(egress.usage.subrequests, 20)
  for (const answer of answers) await readAll(answer.body)
})

t.test('many answers may be open that nobody reads yet', async (t) => {
  const web = await startWeb(t, (_, response) => response.end('x'.repeat(300_000)))
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], { servers: [dns.server] })
  const budget = createBudget(20, 2)
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => fetch(`http://a.example:${web.port}/`, { budget })),
  )
  for (const answer of answers) t.equal((await readAll(answer.body)).length, 300_000)
})

t.test('an answer has an end (row 82)', async (t) => {
  const web = await startWeb(t, (request, response) => {
    if (request.url === '/declared') {
      response.writeHead(200, { 'content-length': 10_000_000_000 })
      response.write('x')
    } else if (request.url === '/bomb') {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      const gzip = createGzip()
      gzip.pipe(response)
      const zeros = Buffer.alloc(1_048_576)
      const more = () => void (response.destroyed || gzip.write(zeros, more))
      more()
    } else {
      const more = () => void (response.destroyed || response.write(Buffer.alloc(65_536), () => setImmediate(more)))
      more()
    }
  })
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], {
    servers: [dns.server],
    policy: { limits: { ...defaultSandboxLimits, fetchedBytes: 2_000_000 } },
  })
  for (const path of ['/declared', '/bomb', '/endless']) {
    const answer = await fetch(`http://a.example:${web.port}${path}`)
    await t.rejects(
      readAll(answer.body),
      { code: 'ERR_TOO_LARGE', message: /more than 2000000 bytes/, details: { limit: 'fetchedBytes' } },
      path,
    )
  }
  t.ok(egress.usage.receivedBytes < 6_000_000, 'and no more than that is taken')
})

t.test('a body that nobody takes stops the server', async (t) => {
  let written = 0
  let stalled: () => void = () => undefined
  const hasStalled = new Promise<void>((resolve) => {
    stalled = resolve
  })
  const web = await startWeb(t, (_, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(65_536))) written += 65_536
      written += 65_536
      response.once('drain', more)
      clearTimeout(timer)
      timer = setTimeout(stalled, 300)
    }
    let timer = setTimeout(stalled, 300)
    more()
  })
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], { servers: [dns.server] })
  const answer = await fetch(`http://a.example:${web.port}/`)
  await hasStalled
  t.ok(egress.usage.receivedBytes < 1_000_000, `${egress.usage.receivedBytes} bytes are held here`)
  t.ok(written < 20_000_000, `${written} bytes were written`)
  answer.body?.destroy()
})

t.test('a body that goes out has an end', async (t) => {
  const web = await startWeb(t, (request, response) => {
    request.on('error', () => undefined)
    request.on('data', () => undefined)
    request.on('end', () => response.end('whole'))
  })
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], {
    servers: [dns.server],
    policy: { limits: { ...defaultSandboxLimits, streamedBodyBytes: 1_000_000 } },
  })
  const url = `http://a.example:${web.port}/`
  const body = (bytes: number) =>
    Readable.from(
      Array.from({ length: bytes / 50_000 }, () => Buffer.alloc(50_000)),
      { objectMode: false },
    )
  t.equal(await readAll((await fetch(url, { method: 'POST', body: body(1_000_000) })).body), 'whole')
  const source = body(1_050_000)
  await t.rejects(fetch(url, { method: 'POST', body: source }), {
    code: 'ERR_TOO_LARGE',
    details: { limit: 'streamedBodyBytes' },
  })
  t.ok(source.destroyed)
  const broken = new Readable({ read: () => undefined })
  const failing = fetch(url, { method: 'POST', body: broken })
  broken.push('begun')
  broken.destroy(new Error('the sandbox died'))
  await t.rejects(failing, { message: 'the sandbox died' })
  const unwanted = body(50_000)
  await t.rejects(fetch('http://127.0.0.1/', { method: 'POST', body: unwanted }))
  t.ok(unwanted.destroyed, 'a body that is not sent is let go')
})

t.test('who aborts waits no longer, wherever the request is', async (t) => {
  const arrived: (() => void)[] = []
  const web = await startWeb(t, (request, response) => {
    if (request.url === '/head') arrived.shift()?.()
    else response.write('begun')
  })
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], { servers: [dns.server] })
  const url = `http://a.example:${web.port}`
  const reason = new Error('not wanted any more')

  const early = new AbortController()
  early.abort(reason)
  await t.rejects(fetch(`${url}/`, {}, early.signal), reason)

  const head = new AbortController()
  const isThere = new Promise<void>((resolve) => arrived.push(resolve))
  const waiting = fetch(`${url}/head`, {}, head.signal)
  await isThere
  head.abort(reason)
  await t.rejects(waiting, reason)

  const body = new AbortController()
  const answer = await fetch(`${url}/body`, {}, body.signal)
  const reading = readAll(answer.body)
  body.abort(reason)
  await t.rejects(reading)

  const resolving = new AbortController()
  const looking = fetch('http://silent.test/', {}, resolving.signal)
  resolving.abort(reason)
  await t.rejects(looking, reason)
})

t.test('places of a site come back, however a request ends', async (t) => {
  const web = await startWeb(t, (request, response) => {
    if (request.url === '/destroy') response.destroy()
    else if (request.url === '/redirect') response.writeHead(302, { location: '/x' }).end()
    else response.end('x'.repeat(100_000))
  })
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], { servers: [dns.server] })
  const url = `http://a.example:${web.port}`
  const rounds = limits.egress.underWay + limits.egress.waiting + 10
  for (let i = 0; i < rounds; i += 1) {
    const path = ['/', '/destroy', '/redirect', '/cancel', '/head'][i % 5]
    const method = path === '/head' ? 'HEAD' : 'GET'
    const answer = await fetch(url + path, { method, budget: createBudget(20, 6) }).catch(() => undefined)
    if (path === '/cancel') answer?.body?.destroy()
    else if (answer) await readAll(answer.body)
  }
  const all = await Promise.all(
    Array.from({ length: limits.egress.underWay }, () => fetch(url, { budget: createBudget(1, 1) })),
  )
  t.equal(all.length, limits.egress.underWay)
  for (const answer of all) await readAll(answer.body)
})

t.test('a site has so many requests under way, and so many that wait', async (t) => {
  let ended = false
  const web = await startWeb(t, (_, response) => {
    if (ended) response.end()
  })
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], { servers: [dns.server] })
  const { underWay, waiting } = limits.egress
  const stop = new AbortController()
  const all = Array.from({ length: underWay + waiting }, () =>
    fetch(`http://a.example:${web.port}/`, { budget: createBudget(1, 1) }, stop.signal).catch(() => undefined),
  )
  await once(web.server, 'request')
  await t.rejects(fetch(`http://a.example:${web.port}/`), { code: 'ERR_TOO_MANY', message: /fetches of one site/ })
  t.equal(egress.usage.subrequests, underWay)
  ended = true
  stop.abort()
  await Promise.all(all)
  t.equal((await fetch(`http://a.example:${web.port}/`)).status, 200)
})
