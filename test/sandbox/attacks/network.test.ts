import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import t from 'tap'
import { listen, startWeb } from '../egress/fixtures/web.ts'
import { layGround } from './host.ts'

/** An address of this machine that nobody may reach; 127.0.0.1 stands for the internet here. */
const inner = '127.0.0.2'

/** Spellings of it, of other addresses that are not public, and of what is no server at all. `P`: a port that is allowed. */
const refused: readonly string[] = [
  ...[
    'http://127.0.0.2:P/',
    'http://127.2:P/',
    'http://0x7f.0.0.2:P/',
    'http://0177.0.0.02:P/',
    'http://2130706434:P/',
  ],
  ...[
    'http://0x7f000002:P/',
    'http://127.0.0.2.:P/',
    'http://１２７.０.０.２:P/',
    'http://127。0。0。2:P/',
    'http://%31%32%37.0.0.2:P/',
  ],
  ...[
    'http://[::ffff:127.0.0.2]:P/',
    'http://[::ffff:7f00:2]:P/',
    'http://[0:0:0:0:0:ffff:7f00:0002]:P/',
    'http://[::127.0.0.2]:P/',
  ],
  ...[
    'http://[64:ff9b::127.0.0.2]:P/',
    'http://[64:ff9b:1::7f00:2]:P/',
    'http://[2002:7f00:2::1]:P/',
    'http://[2001:0:7f00:2::]:P/',
  ],
  ...[
    'http://[::1]:P/',
    'http://[::]:P/',
    'http://0.0.0.0:P/',
    'http://0:P/',
    'http://[fe80::1]:P/',
    'http://[fe80::1%25lo]:P/',
  ],
  ...[
    'http://localhost:P/',
    'http://a.localhost:P/',
    'http://localhost.:P/',
    'http://LOCALHOST:P/',
    'http://ip6-localhost:P/',
  ],
  ...[
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://100.100.100.200/',
    'http://metadata.google.internal/',
  ],
  ...[
    'http://168.63.129.16/',
    'http://192.0.0.192/',
    'http://10.0.0.1/',
    'http://172.16.0.1/',
    'http://192.168.0.1/',
    'http://100.64.0.1/',
  ],
  ...[
    'http://198.18.0.1/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://240.0.0.1/',
    'http://[fc00::1]/',
    'http://[ff02::1]/',
  ],
  ...[
    'http://inner.example:P/',
    'http://mixed.example:P/',
    'http://mapped.example:P/',
    'http://nobody.example.invalid:P/',
    'http://printer:P/',
  ],
  ...[
    'file:///etc/passwd',
    'data:text/plain,x',
    'ftp://web.example/',
    'ws://web.example:P/',
    'blob:https://a.example/x',
    'about:blank',
  ],
  ...[
    'javascript:1',
    'unix:/run/x.sock',
    'http+unix://%2Frun%2Fx.sock/',
    'gopher://web.example:P/',
    'http://',
    'http://[',
    '//web.example:P/',
  ],
  ...[
    'http://user@web.example:P/',
    'http://user:password@web.example:P/',
    'http://web.example:22/',
    'http://web.example:6379/',
    'http://web.example:0/',
  ],
  ...[
    'http://web.example:W/to-inner',
    'http://web.example:W/to-name',
    'http://web.example:W/to-file',
    'http://web.example:W/to-user',
    'http://web.example:W/to-port',
    'http://web.example:W/circle',
  ],
]

const code = `
const attempt = (url, init) => fetch(url, init).then(async (answer) => [answer.status, await answer.text()], (error) => ['refused', String(error)])
const made = {
  one: async (request) => Response.json(await attempt(await request.text())),
  many: async (request) => { const all = await Promise.all(Array.from({ length: 40 }, async () => attempt(await Promise.resolve(request.headers.get('to') + '/slow')))); return Response.json([all.filter(([status]) => status === 200).length, all.filter(([status]) => status === 'refused').length]) },
  rebind: async (request) => { const seen = []; for (let i = 0; i < 12; i++) { seen.push((await attempt(request.headers.get('to')))[0]) } return Response.json(seen) },
  never: async (request) => Response.json(await attempt(request.headers.get('to') + '/never')),
  endless: async (request) => Response.json((await attempt(request.headers.get('to') + '/endless'))[0]),
  split: async (request) => { const got = []; for (const [name, value] of [['a', 'b\\r\\nc: d'], ['a', 'b\\nc: d'], ['a\\r\\nb', 'c'], ['a', 'b\\0c'], ['a b', 'c'], ['', 'c'], ['a:', 'b']]) { try { got.push((await attempt(request.headers.get('to') + '/headers', { headers: { [name]: value } }))[0]) } catch (error) { got.push(error.name) } } return Response.json([...new Set(got)]) },
  framing: async (request) => Response.json(JSON.parse((await attempt(request.headers.get('to') + '/headers', { method: 'POST', body: 'four', headers: { host: 'inner.example', 'content-length': '400', 'transfer-encoding': 'chunked, identity', connection: 'x-own, upgrade', 'x-own': '1', upgrade: 'h2c', te: 'trailers', 'proxy-authorization': 'x', 'proxy': 'http://x', 'grove-site': 'other', 'grove-identity': 'root', expect: '100-continue' } }))[1])),
  methods: async (request) => { const got = []; for (const method of ['CONNECT', 'TRACE', 'TRACK', 'connect', 'GET / HTTP/1.1', 'A\\r\\nB', '']) { try { got.push((await attempt(request.headers.get('to') + '/', { method }))[0]) } catch (error) { got.push(error.name) } } return Response.json(got.filter((each) => each === 200).length) },
  hops: async (request) => Response.json(await attempt(request.headers.get('to') + '/headers')),
  later: async (request, env, context) => { context.waitUntil((async () => { for (let i = 0; i < 100; i++) await attempt(request.headers.get('to') + '/count') })()); return new Response('later') },
}
export default { fetch: (request, env, context) => (made[new URL(request.url).pathname.slice(1)] ?? (() => new Response('well')))(request, env, context) }`

t.test('what site code reaches over the network', async (t) => {
  const trap = await listen(
    t,
    createServer((_, response) => response.end('inner')),
    inner,
  )
  let underWay = 0
  let mostUnderWay = 0
  let counted = 0
  const heads: string[] = []
  const web = await startWeb(t, (request: IncomingMessage, response: ServerResponse) => {
    const redirects: Record<string, string> = {
      '/to-inner': `http://${inner}:${trap.port}/`,
      '/to-name': `http://inner.example:${trap.port}/`,
      '/to-file': 'file:///etc/passwd',
      '/to-user': `http://u:p@web.example:${web.port}/`,
      '/to-port': 'http://web.example:22/',
      '/circle': '/circle',
    }
    const to = redirects[request.url ?? '']
    if (to !== undefined) return void response.writeHead(302, { location: to }).end()
    if (request.url === '/never') return
    if (request.url === '/count') counted += 1
    if (request.url === '/headers') heads.push(request.url)
    if (request.url === '/endless') {
      const more = () => void (response.destroyed || response.write(Buffer.alloc(65_536), () => setImmediate(more)))
      return more()
    }
    if (request.url !== '/slow') return void response.end(JSON.stringify(request.headers))
    underWay += 1
    mostUnderWay = Math.max(mostUnderWay, underWay)
    setTimeout(() => {
      underWay -= 1
      response.end('slow')
    }, 30)
  })
  let turns = 0
  const a = (...data: string[]) => data.map((each) => ({ type: 'A' as const, data: each }))
  const ground = await layGround(t, {
    ports: [trap.port, web.port],
    names: {
      'inner.example': a(inner),
      'mixed.example': a('127.0.0.1', inner),
      'mapped.example': [{ type: 'AAAA', data: '::ffff:127.0.0.2' }],
      'rebind.example': () => {
        turns += 1
        return a(turns % 2 === 1 ? '127.0.0.1' : inner)
      },
    },
  })
  await ground.publish('mallory', code, { limits: { firstByteMs: 3_000 } })
  const to = `http://web.example:${web.port}`
  const get = (path: string, headers: readonly string[] = []) =>
    ground.ask('mallory', { path, headers: ['to', to, ...headers] })

  for (const url of refused)
    await t.test(url, async (t) => {
      const body = url.replace(':P/', `:${trap.port}/`).replace(':W/', `:${web.port}/`)
      const seen = await ground.ask('mallory', { path: '/one', method: 'POST', body })
      t.match(seen.body, /^\["refused"/, JSON.stringify(seen))
    })
  t.equal(trap.connections(), 0, 'none of them has made a connection')

  await t.test('a name that changes its mind', async (t) => {
    const rebind = `http://rebind.example:${trap.port}/`
    const seen = await ground.ask('mallory', { path: '/rebind', headers: ['to', rebind] })
    t.match(seen, { status: 200 })
    t.equal(trap.connections(), 0)
  })

  await t.test('more subrequests than a request may make, and at one time', async (t) => {
    t.equal((await get('/many')).body, '[20,20]')
    t.ok(mostUnderWay <= 6, `${mostUnderWay} at one time`)
    t.ok(await ground.line('mallory', /subrequests: 21, at most 20/))
  })

  await t.test('more of them after the answer', async (t) => {
    t.equal((await get('/later')).body, 'later')
    t.ok(await ground.line('mallory', /subrequests: \d+, at most 20/))
    t.ok(counted <= 20, `${counted}`)
  })

  await t.test('a server that never answers', async (t) =>
    t.match(await get('/never'), { status: 504, failed: 'wall' }),
  )
  await t.test('one that never ends', async (t) => {
    t.match(await get('/endless'), { status: 500, failed: 'exception' })
    t.ok(await ground.line('mallory', /larger than the 10485760 bytes/))
  })
  await t.test('headers that split a request', async (t) => {
    const before = heads.length
    t.notMatch((await get('/split')).body, /200/)
    t.equal(heads.length, before, 'none was sent')
  })
  await t.test('headers about framing, and about Grove', async (t) => {
    const sent = JSON.parse((await get('/framing')).body)
    t.match(sent, { host: `web.example:${web.port}`, 'grove-site': 'mallory' })
    for (const name of ['x-own', 'upgrade', 'te', 'proxy-authorization', 'proxy', 'grove-identity', 'expect'])
      t.notOk(name in sent, name)
    t.not(sent['content-length'], '400')
  })
  await t.test('methods that are not for servers', async (t) => t.equal((await get('/methods')).body, '0'))
  await t.test('sites that fetch each other in a circle', async (t) => {
    t.match((await get('/hops', ['grove-hops', '3'])).body, /^\["refused".*circle/)
    t.match((await get('/hops', ['grove-hops', 'x'])).body, /^\["refused"/)
    t.match((await get('/hops', ['grove-hops', '2'])).body, /"grove-hops\\":\\"3/)
  })
  t.equal(trap.connections(), 0, 'nor has any of these')
  await t.test('at the end', (t) => ground.endsWell(t))
})
