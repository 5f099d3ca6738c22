import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { type GuestbookOptions, startGuestbook } from '../../../examples/guestbook/upstream/guestbook.ts'

const siteFolder = join(import.meta.dirname, '../../../examples/guestbook/site')
const origin = 'https://guestbook.localhost:8443'

/** A guestbook that takes the header itself for the user id; the signature has tests of its own. */
async function setup(t: Test, options: Partial<GuestbookOptions> = {}) {
  const reported: unknown[] = []
  const guestbook = await startGuestbook({
    databaseFile: options.databaseFile ?? join(t.testdir(), 'new/guestbook.db'),
    siteFolder,
    verifier: {
      async verify(token, visited) {
        if (token === 'broken') throw new Error('no keys')
        return visited === origin ? token : undefined
      },
    },
    report: (error) => reported.push(error),
    ...options,
  })
  t.teardown(() => guestbook[Symbol.asyncDispose]())
  return { port: guestbook.port, reported }
}

interface Ask {
  readonly user?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

async function ask(port: number, method: string, path: string, { user, headers = {}, body }: Ask = {}) {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    agent: false,
    headers: {
      host: 'guestbook.localhost:8443',
      'x-forwarded-proto': 'https',
      ...(user !== undefined && { 'grove-identity': user }),
      ...headers,
    },
  }).end(body)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
}

const post = (port: number, note: unknown, more: Ask = {}) =>
  ask(port, 'POST', '/api/entries', {
    body: JSON.stringify(note),
    ...more,
    headers: { 'content-type': 'application/json', origin, ...more.headers },
  })

/** A listening page; `messages` grows as entries come. */
async function listen(t: Test, port: number, headers: Readonly<Record<string, string>> = { origin }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/live`, {
    headers: { host: 'guestbook.localhost:8443', 'x-forwarded-proto': 'https', ...headers },
  })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

t.test('a signed-in visitor sees the site with their name, a form and the way out', async (t) => {
  const { port } = await setup(t)
  for (const path of ['/', '/index.html', '/about/', '/?x=1']) {
    const answer = await ask(port, 'GET', path, { user: 'ada' })
    t.equal(answer.status, 200, path)
    t.match(answer.body, 'Signed in as </span><strong>ada</strong>')
    t.match(answer.body, 'action="/.grove/login-password/sign-out"')
    t.notMatch(answer.body, 'login-password/?next=')
    t.match(answer.headers, {
      'cache-control': 'private, no-store',
      'content-security-policy': /frame-ancestors 'none'/,
      'content-type': 'text/html; charset=utf-8',
    })
  }
  const front = await ask(port, 'GET', '/', { user: 'ada' })
  t.match(front.body, 'Good to see you, <strong>ada</strong>')
  t.match(front.body, '<form class="write" id="write"')
  const head = await ask(port, 'HEAD', '/', { user: 'ada' })
  t.equal(head.headers['content-length'], String(Buffer.byteLength(front.body)))
  t.equal(head.body, '')
})

t.test('without an identity the same page is the public one', async (t) => {
  const { port } = await setup(t)
  const answer = await ask(port, 'GET', '/')
  t.match(answer.body, 'Sign in to write')
  t.notMatch(answer.body, 'Signed in as')
  const elsewhere = await ask(port, 'GET', '/', { user: 'ada', headers: { host: 'evil.example' } })
  t.notMatch(elsewhere.body, 'Signed in as')
})

t.test('a name and a note are text, never markup', async (t) => {
  const { port } = await setup(t)
  const user = `<img src=x onerror=alert(1)>"'&`
  t.equal((await post(port, { text: '<script>alert(1)</script>' }, { user })).status, 201)
  const { body } = await ask(port, 'GET', '/', { user })
  t.notMatch(body, '<img')
  t.notMatch(body, '<script>')
  t.match(body, '<p class="said">&#60;script&#62;alert(1)&#60;/script&#62;</p>')
  t.match(body, 'title="&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;"')
})

t.test('a note is kept, told to every open page, and still there after a restart', async (t) => {
  const databaseFile = join(t.testdir(), 'guestbook.db')
  const first = await startGuestbook({
    databaseFile,
    siteFolder,
    verifier: { verify: async (token) => token },
    now: () => 1_800_000_000_000,
    report: (error) => t.fail(String(error)),
  })
  const pages = [await listen(t, first.port), await listen(t, first.port)]
  const heard = Promise.all(pages.map((page) => once(page, 'message')))
  const answer = await post(first.port, { text: ' one\r\ntwo\u0000\u001b[31m ' }, { user: 'ada' })
  const entry = { id: 1, author: 'ada', text: 'one\ntwo[31m', atMs: 1_800_000_000_000 }
  t.equal(answer.status, 201)
  t.same(JSON.parse(answer.body), { entry })
  for (const [data] of await heard) t.same(JSON.parse(String(data)), entry)
  const closed = Promise.all(pages.map((page) => once(page, 'close')))
  await first[Symbol.asyncDispose]()
  t.same(
    (await closed).map(([code]) => code),
    [1001, 1001],
  )

  const second = await setup(t, { databaseFile })
  t.same(JSON.parse((await ask(second.port, 'GET', '/api/entries')).body), { entries: [entry] })
  await post(second.port, { text: 'newer' }, { user: 'bob' })
  const { entries } = JSON.parse((await ask(second.port, 'GET', '/api/entries')).body)
  t.match(entries, [{ id: 2, author: 'bob', text: 'newer' }, entry])
  t.match(
    (await ask(second.port, 'GET', '/', { user: 'ada' })).body,
    /data-id="2"[\s\S]*newer[\s\S]*data-id="1"[\s\S]*one/,
  )
})

t.test('a hostile or mistaken post is refused with a sentence, and nothing is kept or told', async (t) => {
  const { port, reported } = await setup(t)
  const page = await listen(t, port)
  const told = once(page, 'message')
  const json = { 'content-type': 'application/json', origin }
  for (const [name, status, ask_] of [
    ['not signed in', 401, { body: '{"text":"x"}', headers: json }],
    [
      'another origin',
      403,
      { user: 'ada', body: '{"text":"x"}', headers: { ...json, origin: 'https://evil.example' } },
    ],
    [
      'another port',
      403,
      { user: 'ada', body: '{"text":"x"}', headers: { ...json, origin: 'https://guestbook.localhost' } },
    ],
    [
      'plain http',
      403,
      { user: 'ada', body: '{"text":"x"}', headers: { ...json, origin: 'http://guestbook.localhost:8443' } },
    ],
    ['origin null', 403, { user: 'ada', body: '{"text":"x"}', headers: { ...json, origin: 'null' } }],
    [
      'a form',
      415,
      { user: 'ada', body: 'text=x', headers: { ...json, 'content-type': 'application/x-www-form-urlencoded' } },
    ],
    ['text/plain', 415, { user: 'ada', body: '{"text":"x"}', headers: { ...json, 'content-type': 'text/plain' } }],
    ['no type', 415, { user: 'ada', body: '{"text":"x"}', headers: { origin } }],
    ['no JSON', 400, { user: 'ada', body: '{"text"', headers: json }],
    ['null', 400, { user: 'ada', body: 'null', headers: json }],
    ['a list', 400, { user: 'ada', body: '[]', headers: json }],
    ['a number', 400, { user: 'ada', body: '{"text":5}', headers: json }],
    ['half a character', 400, { user: 'ada', body: '{"text":"\\ud800"}', headers: json }],
    ['empty', 400, { user: 'ada', body: '{"text":" \\n\\u0000 "}', headers: json }],
    ['no text', 400, { user: 'ada', body: '{}', headers: json }],
    ['501 characters', 413, { user: 'ada', body: JSON.stringify({ text: 'ä'.repeat(501) }), headers: json }],
    ['a long body', 413, { user: 'ada', body: JSON.stringify({ text: 'x'.repeat(9_000) }), headers: json }],
  ] as const) {
    const answer = await ask(port, 'POST', '/api/entries', ask_)
    t.equal(answer.status, status, name)
    t.match(JSON.parse(answer.body), { error: /^[A-Z].*\.$/ }, name)
  }
  t.same(JSON.parse((await ask(port, 'GET', '/api/entries')).body), { entries: [] })
  t.equal(
    (await post(port, { text: '🌳'.repeat(500) }, { user: 'eve', headers: {} })).status,
    201,
    'the limit counts characters',
  )
  t.same(reported, [])
  t.match(JSON.parse(String((await told)[0])), { author: 'eve' }, 'the first note that was told')
})

t.test('one visitor leaves ten notes a minute, others are not held up', async (t) => {
  let nowMs = 1_800_000_000_000
  const { port } = await setup(t, { now: () => nowMs })
  const statuses: (number | undefined)[] = []
  for (let i = 0; i < 12; i += 1) statuses.push((await post(port, { text: `note ${i}` }, { user: 'ada' })).status)
  t.same(statuses, [...Array<number>(10).fill(201), 429, 429])
  t.equal((await post(port, { text: 'mine' }, { user: 'bob' })).status, 201)
  nowMs += 60_000
  t.equal((await post(port, { text: 'again' }, { user: 'ada' })).status, 201)
})

t.test('what is not there or cannot be done is said', async (t) => {
  const { port, reported } = await setup(t)
  for (const [method, path, status, headers] of [
    ['GET', '/nowhere', 404, { 'content-type': 'text/html; charset=utf-8' }],
    ['GET', '/api/nowhere', 404, { 'content-type': 'application/json; charset=utf-8' }],
    ['GET', '/api/live', 426, { upgrade: 'websocket' }],
    ['DELETE', '/api/entries', 405, { allow: 'GET, HEAD, POST' }],
    ['POST', '/', 405, { allow: 'GET, HEAD' }],
    ['GET', '/../upstream/server.ts', 404, {}],
    ['GET', '/%2e%2e/upstream/server.ts', 404, {}],
  ] as const) {
    const answer = await ask(port, method, path, { user: 'ada' })
    t.equal(answer.status, status, `${method} ${path}`)
    t.match(answer.headers, headers)
  }
  t.match((await ask(port, 'GET', '/nowhere', { user: 'ada' })).body, /Nothing grows here[\s\S]*/)
  t.same(reported, [])
})

t.test('an error is reported, and the visitor learns nothing of it', async (t) => {
  const { port, reported } = await setup(t)
  const answer = await ask(port, 'GET', '/', { user: 'broken' })
  t.equal(answer.status, 500)
  t.same(JSON.parse(answer.body), { error: 'Something went wrong here.' })
  t.match(reported, [{ message: 'no keys' }])
})

t.test('a WebSocket from another site, another path or without an origin is refused', async (t) => {
  const { port } = await setup(t)
  for (const [path, headers] of [
    ['/api/live', { origin: 'https://evil.example' }],
    ['/api/live', { origin: 'null' }],
    ['/api/live', {}],
    ['/api/live?x', { origin }],
    ['/', { origin }],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
      headers: { host: 'guestbook.localhost:8443', 'x-forwarded-proto': 'https', ...headers },
    })
    const [error] = await once(socket, 'error').catch((thrown: unknown) => [thrown])
    t.match(error, { message: 'Unexpected server response: 403' }, `${path} ${JSON.stringify(headers)}`)
  }
})

t.test('a listener that talks too much or never answers a ping is cut off, the others stay', async (t) => {
  const { port } = await setup(t, { pingEveryMs: 40 })
  const good = await listen(t, port)
  const talker = await listen(t, port)
  talker.send('x'.repeat(2_000))
  const [code] = await once(talker, 'close')
  t.equal(code, 1009)

  // A raw socket that opens a WebSocket and then says nothing, not even a pong.
  const mute = connect(port, '127.0.0.1')
  const handshake = [
    'GET /api/live HTTP/1.1',
    'host: guestbook.localhost:8443',
    'x-forwarded-proto: https',
    `origin: ${origin}`,
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  ]
  mute.write(`${handshake.join('\r\n')}\r\n\r\n`)
  mute.resume()
  await once(mute, 'close')
  t.equal(good.readyState, WebSocket.OPEN)
  const heard = once(good, 'message')
  await post(port, { text: 'still here?' }, { user: 'ada' })
  t.match(JSON.parse(String((await heard)[0])), { text: 'still here?' })
})

t.test('the guestbook does not start on a port that is taken', async (t) => {
  const { port } = await setup(t)
  await t.rejects(setup(t, { port, databaseFile: ':memory:' }), { code: 'EADDRINUSE' })
})
