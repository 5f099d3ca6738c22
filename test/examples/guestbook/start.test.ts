import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startExample } from './start-example.ts'

interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A request as a browser on this machine sends it, with Grove's root as the only authority that it trusts. */
async function ask(folder: string, url: string, { method = 'GET', headers = {}, body }: Ask = {}) {
  const outgoing = request(url, {
    ca: await readFile(join(folder, 'certs/root.pem')),
    lookup: (_name, options, callback) =>
      options.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4),
    method,
    headers,
    agent: false,
  }).end(body)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
}

t.test('the example runs, signs in, takes a note, ends on Ctrl-C, and has kept it all the next time', async (t) => {
  // A short path: sockets lie in it, and their paths may have some 100 bytes.
  const folder = await mkdtemp(join(tmpdir(), 'guestbook-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))

  const first = await startExample(t, folder)
  t.match(first.lines.join('\n'), /guestbook@1 is live[\s\S]*demo account +ada, password analytical-engine/)
  const front = await ask(folder, `${first.origin}/`)
  t.equal(front.headers['grove-version'], 'guestbook@1')
  t.match(front.body, 'Sign in to write')

  const signIn = await ask(folder, `${first.origin}/.grove/login-password/sign-in`, {
    method: 'POST',
    headers: { origin: first.origin, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'username=ada&password=analytical-engine&next=/',
  })
  t.equal(signIn.status, 303)
  const cookie = String(signIn.headers['set-cookie']).split(';')[0] ?? ''
  const personal = await ask(folder, `${first.origin}/`, { headers: { cookie } })
  t.match(personal.body, 'Good to see you, <strong>ada</strong>')
  const posted = await ask(folder, `${first.origin}/api/entries`, {
    method: 'POST',
    headers: { origin: first.origin, cookie, 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'kept' }),
  })
  t.equal(posted.status, 201)
  first.child.kill('SIGINT')
  t.same(await first.exited, [0, null])

  const second = await startExample(t, folder)
  t.notMatch(second.lines.join('\n'), /is live: |added ada/, 'nothing is published or added again')
  t.equal((await ask(folder, `${second.origin}/`)).headers['grove-version'], 'guestbook@1')
  t.match((await ask(folder, `${second.origin}/api/entries`)).body, /"author":"ada","text":"kept"/)
  second.child.kill('SIGTERM')
  t.same(await second.exited, [0, null])
})
