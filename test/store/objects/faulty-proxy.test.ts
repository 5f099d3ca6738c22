import { once } from 'node:events'
import { Agent, createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { type FaultyProxy, startFaultyProxy } from '../../services/faulty-proxy.ts'

const body = 'abcdefghij'

/** A server that answers everything with the same ten bytes and notes what it was asked. */
async function proxyBefore(t: Test): Promise<{ proxy: FaultyProxy; asked: string[]; headers: IncomingHttpHeaders[] }> {
  const asked: string[] = []
  const headers: IncomingHttpHeaders[] = []
  const server = createServer(async (incoming, answer) => {
    const sent = Buffer.concat(await incoming.toArray())
    asked.push(`${incoming.method} ${incoming.url} ${sent}`.trim())
    headers.push(incoming.headers)
    answer.writeHead(200, { 'content-length': body.length, etag: '"x"' }).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await startFaultyProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(async () => {
    await proxy[Symbol.asyncDispose]()
    server.close()
  })
  return { proxy, asked, headers }
}

/** What a client sees: the status and the body, and how it ended. */
async function ask(url: string, method = 'GET', sent = ''): Promise<string> {
  const agent = new Agent({ keepAlive: false })
  const client = request(url, { method, agent, headers: { host: 'bucket.example', 'x-odd': '1' } })
  client.end(sent)
  try {
    const [answer] = await once(client, 'response')
    let text = ''
    answer.setEncoding('utf8')
    try {
      for await (const piece of answer) text += piece
    } catch {
      return `${answer.statusCode} ${text} cut`
    }
    return `${answer.statusCode} ${text}`.trim()
  } catch {
    return 'cut'
  }
}

t.test('without rules everything passes, with its host, and is counted by kind', async (t) => {
  const { proxy, asked, headers } = await proxyBefore(t)
  t.equal(await ask(`${proxy.url}/bucket/a%20b?x=1`, 'PUT', 'content'), `200 ${body}`)
  t.equal(await ask(`${proxy.url}/bucket?list-type=2&prefix=a%2Fb`), `200 ${body}`)
  t.equal(await ask(`${proxy.url}/bucket/a`), `200 ${body}`)
  t.equal(await ask(`${proxy.url}/bucket/a`, 'HEAD'), '200')
  t.same(asked, [
    'PUT /bucket/a%20b?x=1 content',
    'GET /bucket?list-type=2&prefix=a%2Fb',
    'GET /bucket/a',
    'HEAD /bucket/a',
  ])
  t.match(headers[0], { host: 'bucket.example', 'x-odd': '1' })
  t.same(proxy.seen, [
    { kind: 'PUT', key: 'a b', status: 200 },
    { kind: 'LIST', key: 'a/b', status: 200 },
    { kind: 'GET', key: 'a', status: 200 },
    { kind: 'HEAD', key: 'a', status: 200 },
  ])
  t.same(
    [proxy.count(), proxy.count('GET'), proxy.count('LIST'), proxy.count('DELETE'), proxy.mostAtOnce],
    [4, 1, 1, 0, 1],
  )
  proxy.forget()
  t.equal(proxy.count(), 0)
})

t.test('a rule happens to the requests that it fits, and to no others', async (t) => {
  const { proxy } = await proxyBefore(t)
  const happened = proxy.rule({ kind: 'GET', key: '/b/', nth: 2, times: 2, fault: { do: 'answer', status: 503 } })
  proxy.rule({ key: /^x\d$/, times: 9, fault: { do: 'answer', status: 500 } })
  const statuses: string[] = []
  for (const [method, key] of [
    ['GET', 'a/b/1'],
    ['GET', 'a/c/1'],
    ['PUT', 'a/b/2'],
    ['GET', 'a/b/2'],
    ['GET', 'a/b/3'],
    ['GET', 'a/b/4'],
    ['GET', 'x1'],
    ['PUT', 'x2'],
    ['PUT', 'x22'],
  ] as const)
    statuses.push((await ask(`${proxy.url}/bucket/${key}`, method)).slice(0, 3))
  t.same(statuses, ['200', '200', '200', '503', '503', '200', '500', '500', '200'])
  t.equal(happened(), 2)
  proxy.heal()
  t.equal(await ask(`${proxy.url}/bucket/x1`), `200 ${body}`)
})

t.test('every fault does what it says', async (t) => {
  const { proxy, asked, headers } = await proxyBefore(t)
  const url = `${proxy.url}/bucket/k`
  const table: [Parameters<FaultyProxy['rule']>[0]['fault'], string, boolean][] = [
    [{ do: 'answer', status: 409, code: 'X' }, '409 <?xml version="1.0"?><Error><Code>X</Code></Error>', false],
    [{ do: 'answer', status: 200, body: 'hello' }, '200 hello', false],
    [{ do: 'cut', when: 'before' }, 'cut', false],
    [{ do: 'cut', when: 'after' }, 'cut', true],
    [{ do: 'half' }, '200 abcde cut', true],
    [{ do: 'half', bytes: 2 }, '200 ab cut', true],
    [{ do: 'shorten' }, '200 abcde', true],
    [{ do: 'flip' }, '200 abcdeFghij', true],
    [{ do: 'flip', at: 0 }, '200 Abcdefghij', true],
    [{ do: 'delay', ms: 1 }, `200 ${body}`, true],
  ]
  for (const [fault, seen, isPassedOn] of table) {
    asked.length = 0
    proxy.rule({ fault })
    t.equal(await ask(url), seen, JSON.stringify(fault))
    t.equal(asked.length, isPassedOn ? 1 : 0, `${JSON.stringify(fault)}: ${isPassedOn ? '' : 'not '}passed on`)
    t.equal(await ask(url), `200 ${body}`, 'and the next one is well')
  }
  proxy.rule({ fault: { do: 'answer', status: 503 } })
  t.equal(await ask(url, 'PUT', 'x'.repeat(1_000_000)), '503', 'a body is taken before it is refused')
  proxy.rule({ fault: { do: 'strip', header: 'X-Odd', from: 'request' } })
  await ask(url)
  t.match(headers.at(-1), { host: 'bucket.example', 'x-odd': undefined })
  proxy.rule({ fault: { do: 'strip', header: 'ETag', from: 'answer' } })
  t.equal((await fetch(url)).headers.get('etag'), null)
  proxy.rule({ fault: { do: 'set', header: 'ETag', value: '"y"' } })
  t.equal((await fetch(url)).headers.get('etag'), '"y"')
})

t.test('a body that stops keeps its connection', async (t) => {
  const { proxy } = await proxyBefore(t)
  proxy.rule({ fault: { do: 'stall' } })
  const client = request(`${proxy.url}/bucket/k`).end()
  const [answer] = await once(client, 'response')
  const [first] = await once(answer, 'data')
  t.equal(String(first), 'abcde')
  let ended = false
  answer.once('end', () => {
    ended = true
  })
  t.equal(await ask(`${proxy.url}/bucket/k`), `200 ${body}`, 'others go on')
  t.notOk(ended || answer.destroyed)
  t.equal(proxy.mostAtOnce, 2)
  client.once('error', () => {}) // It is destroyed while it is being answered.
  client.destroy()
})

t.test('a server that is gone looks like a cut', async (t) => {
  const proxy = await startFaultyProxy('http://127.0.0.1:1')
  t.teardown(() => proxy[Symbol.asyncDispose]())
  t.equal(await ask(`${proxy.url}/bucket/k`), 'cut')
  t.same(proxy.seen, [{ kind: 'GET', key: 'k', status: undefined }])
})
