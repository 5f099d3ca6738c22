import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { DnsProvider, DnsReason, DnsRecord } from '../../../core/dns-provider.ts'
import { checkOptions } from '../../../core/plugin-options.ts'
import type { StandardSchemaV1 } from '../../../core/standard-schema.ts'
import { type CloudflareDnsOptions, cloudflareDns } from '../../../plugins/dns/cloudflare.ts'
import { desecDns } from '../../../plugins/dns/desec.ts'
import { execDns } from '../../../plugins/dns/exec.ts'
import { rfc2136Dns } from '../../../plugins/dns/rfc2136.ts'
import { route53Dns } from '../../../plugins/dns/route53.ts'
import type { ApiReply, ApiRequest } from './api-server.ts'
import { startCloudflare } from './cloudflare-server.ts'
import { startDesec } from './desec-server.ts'
import { startRoute53 } from './route53-server.ts'

const never = new AbortController().signal
const at = '_acme-challenge.www.example.test'
const record = (value = 'value', name = at): DnsRecord => ({ name, type: 'TXT', value, ttlSeconds: 60 })

async function cloudflare(t: Test, options: Partial<CloudflareDnsOptions> = {}) {
  const server = await startCloudflare(t, ['example.test'])
  const waits: number[] = []
  const wait = async (ms: number) => waits.push(ms)
  const { token, url } = server
  return { server, waits, provider: cloudflareDns({ token, url, wait, timeoutMs: 300, ...options }) }
}

const ok = (result: unknown): ApiReply => ({ status: 200, body: { success: true, errors: [], messages: [], result } })
const zoneId = 'a'.repeat(32)

interface Row {
  readonly what: string
  readonly fault: (request: ApiRequest, count: number) => ApiReply | 'hang' | undefined
  /** Undefined when it has to go well. */
  readonly reason?: DnsReason
  readonly message?: RegExp
  readonly waits?: readonly number[]
}

const first = (count: number, reply: ApiReply | 'hang') => (_: ApiRequest, index: number) =>
  index < count ? reply : undefined
const rows: Row[] = [
  { what: 'it fails twice', fault: first(2, { status: 502 }), waits: [1_000, 2_000] },
  {
    what: 'it fails always',
    fault: () => ({ status: 500, body: 'oops' }),
    reason: 'unavailable',
    message: /^cloudflare answered 500 to GET \/zones$/,
    waits: [1_000, 2_000],
  },
  { what: 'it hangs once', fault: first(1, 'hang'), waits: [1_000] },
  {
    what: 'it is limited, and says for how long',
    fault: first(1, { status: 429, headers: { 'retry-after': '7' } }),
    waits: [7_000],
  },
  {
    what: 'it is limited, and says until when',
    fault: first(1, { status: 429, headers: { 'retry-after': new Date(0).toUTCString() } }),
    waits: [0],
  },
  {
    what: 'it is limited without a time',
    fault: first(1, { status: 429, headers: { 'retry-after': 'soon' } }),
    waits: [1_000],
  },
  {
    what: 'it is limited for long',
    fault: () => ({ status: 429, headers: { 'retry-after': '3600' } }),
    reason: 'limited',
    waits: [],
  },
  { what: 'it is limited always', fault: () => ({ status: 429 }), reason: 'limited', waits: [1_000, 2_000] },
  {
    what: 'it is away for maintenance',
    fault: () => ({ status: 503, headers: { 'retry-after': '999999999999' } }),
    reason: 'unavailable',
  },
  {
    what: 'it leads elsewhere',
    fault: () => ({ status: 302, headers: { location: 'http://127.0.0.1:1/' } }),
    reason: 'refused',
    message: /answered 302/,
  },
  {
    what: 'it answers a page',
    fault: () => ({ status: 200, body: '<html>Welcome</html>' }),
    reason: 'answer',
    message: /not JSON/,
  },
  { what: 'it answers nothing', fault: () => ({ status: 200 }), reason: 'answer' },
  { what: 'it answers other JSON', fault: () => ({ status: 200, body: { hello: 'world' } }), reason: 'answer' },
  {
    what: 'it answers a list of something else',
    fault: () => ok([{ id: 5 }]),
    reason: 'answer',
    message: /list of zones/,
  },
  { what: 'it answers null', fault: () => ({ status: 200, body: 'null' }), reason: 'answer' },
  {
    what: 'it answers without success',
    fault: () => ({ status: 200, body: { success: false, errors: [{ code: 1, message: 'why' }] } }),
    reason: 'answer',
    message: /why \(1\)$/,
  },
  {
    what: 'it answers without end',
    fault: () => ({ status: 200, body: 'x'.repeat(2_000_000) }),
    reason: 'answer',
    message: /more than 1048576 bytes/,
  },
  {
    what: 'it answers an id that leads elsewhere',
    fault: () => ok([{ id: '../../accounts', name: 'example.test' }]),
    reason: 'answer',
  },
  {
    what: 'it answers zones that were not asked for',
    fault: () => ok([{ id: zoneId, name: 'evil.test' }]),
    reason: 'zone',
  },
  {
    what: 'it says much, with what steers terminals',
    fault: () => ({
      status: 404,
      body: { success: false, errors: [{ code: 7, message: `\u001b[31m${'long '.repeat(200)}\n` }] },
    }),
    reason: 'refused',
    message: /^[ -~]{1,400}$/,
  },
  {
    what: 'the quota is full',
    fault: (request) =>
      request.method === 'POST'
        ? { status: 400, body: { success: false, errors: [{ code: 81045, message: 'Record quota exceeded.' }] } }
        : undefined,
    reason: 'refused',
    message: /POST \/zones\/[0-9a-f]+\/dns_records: Record quota exceeded\. \(81045\)$/,
  },
]

for (const { what, fault, reason, message, waits } of rows)
  t.test(`an API: ${what}`, async (t) => {
    const { server, provider, waits: waited } = await cloudflare(t)
    server.fault = (request) => fault(request, server.lines.length - 1)
    if (reason === undefined) await provider.present(record(), never)
    else {
      const error = await provider.present(record(), never).catch((thrown) => thrown)
      t.match(error, { code: 'ERR_DNS', details: { reason }, ...(message && { message }) })
      t.notOk(JSON.stringify([error.message, error.cause ?? '']).includes(server.token))
    }
    if (waits) t.same(waited, waits)
    t.ok(server.lines.length <= 12, `${server.lines.length} requests`)
  })

t.test('a connection that breaks, or ends in the middle of an answer, is told', async (t) => {
  for (const say of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{', 'HTTP/9 nonsense\r\n\r\n']) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(say))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { provider } = await cloudflare(t, { url })
    await t.rejects(
      provider.present(record(), never),
      { code: 'ERR_DNS', details: { reason: 'unavailable' }, message: /cannot be reached: (?:UND_ERR|H)\w+/ },
      say,
    )
  }
  const { provider } = await cloudflare(t, { url: 'http://127.0.0.1:1' })
  await t.rejects(provider.present(record(), never), {
    message: 'cloudflare cannot be reached: ECONNREFUSED (GET /zones)',
  })
})

t.test('an answer that stops coming is given up', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{'))
    t.teardown(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { provider } = await cloudflare(t, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  await t.rejects(provider.present(record(), never), { code: 'ERR_DNS', details: { reason: 'timeout' } })
})

t.test(
  'Cloudflare: many records of a name are looked through, with or without quotes, and gone ones are fine',
  async (t) => {
    const { server, provider } = await cloudflare(t)
    const records = server.zones.get('example.test')?.records ?? []
    for (let i = 0; i < 250; i += 1)
      records.push({ id: `id${i}`, type: 'TXT', name: at, content: `"other ${i}"`, ttl: 60 })
    records.push({ id: 'mine', type: 'TXT', name: at, content: 'value', ttl: 60 })
    records.push({ id: 'address', type: 'A', name: at, content: 'value', ttl: 60 })
    await provider.remove(record(), never)
    t.equal(records.length, 251)
    t.equal(
      records.some(({ id }) => id === 'mine'),
      false,
    )
    records.push({ id: 'mine', type: 'TXT', name: at, content: '"value"', ttl: 60 })
    server.fault = ({ method }) => {
      if (method !== 'DELETE') return undefined
      records.splice(250, 1)
      return undefined
    }
    await provider.remove(record(), never)
    server.fault = ({ method }) =>
      method === 'DELETE'
        ? { status: 400, body: { success: false, errors: [{ code: 9, message: 'locked' }] } }
        : undefined
    records.push({ id: 'mine', type: 'TXT', name: at, content: '"value"', ttl: 60 })
    await t.rejects(provider.remove(record(), never), { details: { reason: 'refused' }, message: /locked/ })
  },
)

t.test('Cloudflare: a zone that is named is not looked for', async (t) => {
  const { server } = await cloudflare(t)
  const id = server.zones.get('example.test')?.id ?? ''
  await cloudflareDns({ token: server.token, url: `${server.url}/`, zoneId: id }).present(record(), never)
  t.same(server.lines, [`POST /zones/${id}/dns_records`])
})

t.test('a secret can lie in a file or a variable, and is read anew each time', async (t) => {
  const { server } = await cloudflare(t)
  const file = join(t.testdir(), 'token')
  await writeFile(file, 'old\n')
  const provider = cloudflareDns({ token: { file }, url: server.url, wait: async () => undefined })
  await t.rejects(provider.present(record(), never), { code: 'ERR_DNS', details: { reason: 'denied' } })
  await writeFile(file, `${server.token}\n`)
  await provider.present(record(), never)
  process.env['GROVE_TEST_TOKEN'] = server.token
  t.teardown(() => delete process.env['GROVE_TEST_TOKEN'])
  await cloudflareDns({ token: { env: 'GROVE_TEST_TOKEN' }, url: server.url }).remove(record(), never)
  for (const token of [{ env: 'GROVE_TEST_NONE' }, { file: join(file, 'none') }])
    await t.rejects(cloudflareDns({ token, url: server.url }).present(record(), never), {
      code: 'ERR_DNS',
      details: { reason: 'denied' },
      message: /^cloudflare: token: /,
    })
})

t.test('deSEC: the least time to live of a domain is kept to, and that of a set that is there', async (t) => {
  const { domains, token, url } = await startDesec(t, ['example.test'])
  const provider = desecDns({ token, url })
  const sets = domains.get('example.test')
  await provider.present(record(), never)
  t.match(sets?.get('_acme-challenge.www TXT'), { ttl: 3_600, records: ['"value"'] })
  await provider.present(record('apex', 'example.test'), never)
  t.match(sets?.get(' TXT'), { records: ['"apex"'] })
  sets?.set('_acme-challenge.www TXT', { subname: '_acme-challenge.www', type: 'TXT', ttl: 7_200, records: ['"else"'] })
  await provider.present(record(), never)
  t.match(sets?.get('_acme-challenge.www TXT'), { ttl: 7_200, records: ['"else"', '"value"'] })
})

t.test('deSEC: what it answers to is told', async (t) => {
  const server = await startDesec(t, ['example.test'])
  const provider = desecDns({ token: server.token, url: server.url, wait: async () => undefined })
  const table: [string, ApiReply, DnsReason, RegExp][] = [
    ['PUT', { status: 400, body: [{ ttl: ['too low'] }] }, 'refused', /400 to PUT .*too low/],
    ['PUT', { status: 403, body: { detail: 'Insecure token.' } }, 'denied', /Insecure token/],
    ['GET', { status: 200, body: [{ odd: true }] }, 'answer', /cannot be read/],
    ['GET', { status: 200, body: '{"name":"x"}' }, 'answer', /cannot be read/],
    ['GET', { status: 200, body: [{ name: 'evil.test' }] }, 'zone', /no domain for/],
    ['GET', { status: 404, body: 'gone' }, 'refused', /404/],
  ]
  for (const [method, reply, reason, message] of table) {
    server.fault = (request) => (request.method === method ? reply : undefined)
    await t.rejects(
      provider.present(record(), never),
      { code: 'ERR_DNS', details: { reason }, message },
      String(message),
    )
  }
  server.fault = ({ query }) => (query.has('subname') ? { status: 200, body: [{ odd: true }] } : undefined)
  await t.rejects(provider.present(record(), never), { code: 'ERR_DNS', details: { reason: 'answer' } })
})

async function route53(t: Test) {
  const server = await startRoute53(t, ['example.test'])
  const { accessKeyId, secretAccessKey, sessionToken, url, zones } = server
  const sets = zones.find(({ isPrivate }) => !isPrivate)?.sets ?? new Map()
  const credentials = { accessKeyId, secretAccessKey, sessionToken }
  return { server, sets, credentials, provider: route53Dns({ ...credentials, url, wait: async () => undefined }) }
}

t.test('Route 53: a set that changed meanwhile is read again, and nothing of it is lost', async (t) => {
  const { server, sets, provider } = await route53(t)
  let others = 0
  server.fault = ({ method }) => {
    if (method !== 'POST' || others === 3) return undefined
    others += 1
    const { values = [] } = sets.get(`${at}.`) ?? {}
    sets.set(`${at}.`, { ttl: '300', values: [...values, `"other ${others} & <more>"`] })
    return undefined
  }
  await provider.present(record(), never)
  t.same(sets.get(`${at}.`), {
    ttl: '300',
    values: ['"other 1 & <more>"', '"other 2 & <more>"', '"other 3 & <more>"', '"value"'],
  })
  others = Number.NEGATIVE_INFINITY
  server.lines.length = 0
  await t.rejects(provider.remove(record(), never), { details: { reason: 'refused' }, message: /InvalidChangeBatch/ })
  t.equal(server.lines.filter((line) => line.startsWith('POST')).length, 5, 'and not for ever')
})

t.test('Route 53: what it answers is understood', async (t) => {
  const { server, sets, credentials, provider } = await route53(t)
  const error = (code: string, status = 400): ApiReply => ({
    status,
    body: `<ErrorResponse><Error><Code>${code}</Code><Message>a &lt;b&gt; &#65;&#x42;&unknown;&#9999999;</Message></Error></ErrorResponse>`,
  })
  let count = 0
  server.fault = () => (count++ < 2 ? error('Throttling') : undefined)
  await provider.present(record(), never)
  server.fault = undefined
  server.fault = () => error('PriorRequestNotComplete')
  await t.rejects(provider.present(record(), never), { code: 'ERR_DNS', details: { reason: 'unavailable' } })
  server.fault = () => error('ExpiredToken')
  await t.rejects(provider.present(record(), never), { code: 'ERR_DNS', details: { reason: 'denied' }, hint: /clock/ })
  server.fault = () => error('NoSuchHostedZone', 404)
  await t.rejects(provider.present(record('b'), never), {
    details: { reason: 'refused' },
    message: /NoSuchHostedZone a <b> AB&unknown;&#9999999;$/,
  })
  server.fault = ({ path }) => (path.endsWith('/rrset') ? error('InvalidInput') : undefined)
  await t.rejects(provider.present(record('b'), never), { message: /InvalidInput/ })
  server.fault = ({ path }) =>
    path.endsWith('byname')
      ? { status: 200, body: '<HostedZone><Name>www.example.test.</Name></HostedZone>' }
      : undefined
  await t.rejects(provider.present(record('b'), never), { code: 'ERR_DNS', details: { reason: 'answer' } })
  server.fault = ({ method, path }) =>
    method === 'GET' && path.endsWith('/rrset')
      ? {
          status: 200,
          body: `<ResourceRecordSet><Name>${at}.</Name><Type>TXT</Type><SetIdentifier>eu</SetIdentifier></ResourceRecordSet>`,
        }
      : undefined
  await t.rejects(provider.present(record('b'), never), { details: { reason: 'refused' }, message: /routing policy/ })
  server.fault = () => ({ status: 200, body: '<HostedZone><Name>example.test.</Name><Id>never closed' })
  await t.rejects(provider.present(record('b'), never), { code: 'ERR_DNS', details: { reason: 'zone' } })
  server.fault = undefined
  server.lines.length = 0
  await route53Dns({ ...credentials, url: server.url, hostedZoneId: 'ZPUBLIC0' }).remove(record(), never)
  t.same(server.lines, ['GET /2013-04-01/hostedzone/ZPUBLIC0/rrset', 'POST /2013-04-01/hostedzone/ZPUBLIC0/rrset'])
  t.equal(sets.size, 0)
})

t.test('options are checked, and no fault tells a value', (t) => {
  const token = 'SECRET-TOKEN'
  const key = { name: 'k', secret: token }
  const good: [string, DnsProvider][] = [
    ['cloudflare', cloudflareDns({ token })],
    ['desec', desecDns({ token: { file: '/etc/token' } })],
    ['route53', route53Dns({})],
    ['rfc2136', rfc2136Dns({ server: '[2001:db8::53]:5353', key })],
    ['rfc2136', rfc2136Dns({ server: '2001:db8::53', key })],
    [
      'rfc2136',
      rfc2136Dns({ server: 'ns1.example.com', key: { ...key, algorithm: 'hmac-sha512' }, zone: 'example.com' }),
    ],
    ['exec', execDns({ command: '/bin/true', env: { A: { env: 'B' } } })],
  ]
  for (const [name, provider] of good) {
    t.equal(provider.name, name)
    t.same(faultsOf(provider), [], name)
  }
  const bad: [DnsProvider, string][] = [
    [cloudflareDns({} as never), 'token'],
    [cloudflareDns({ token: '' }), 'token'],
    [cloudflareDns({ token: { file: 'relative' } }), 'token'],
    [cloudflareDns({ token: { env: 'a-b' } }), 'token'],
    [cloudflareDns({ token, zoneId: '../x' }), 'zoneId'],
    [cloudflareDns({ token, url: 'http://api.example.com' }), 'url'],
    [cloudflareDns({ token, url: 'https://user:SECRET-TOKEN@api.example.com' }), 'url'],
    [cloudflareDns({ token, url: 'https://api.example.com/?a=SECRET-TOKEN' }), 'url'],
    [cloudflareDns({ token, url: 'nonsense' }), 'url'],
    [cloudflareDns({ token, tokn: 'x' } as never), 'tokn'],
    [desecDns({ token, timeoutMs: 1 }), 'timeoutMs'],
    [route53Dns({ hostedZoneId: 'a/b' }), 'hostedZoneId'],
    [rfc2136Dns({ server: 'a b', key }), 'server'],
    [rfc2136Dns({ server: '127.0.0.1:99999', key }), 'server'],
    [rfc2136Dns({ server: '127.0.0.1:0', key }), 'server'],
    [rfc2136Dns({ server: '[nonsense]', key }), 'server'],
    [rfc2136Dns({ server: 'x', key: { ...key, algorithm: 'hmac-md5' as never } }), 'key.algorithm'],
    [rfc2136Dns({ server: 'x', key: { ...key, name: 'a b' } }), 'key.name'],
    [rfc2136Dns({ server: 'x', key, zone: 'A.B' }), 'zone'],
    [execDns({ command: 'relative' }), 'command'],
    [execDns({ command: '/x', env: { 'a=b': token } }), 'env'],
    [execDns({ command: '/x', args: 'SECRET-TOKEN' as never }), 'args'],
  ]
  for (const [provider, path] of bad) {
    const faults = faultsOf(provider)
    t.match(faults[0]?.path, path)
    t.notMatch(JSON.stringify(faults), /SECRET/)
    t.rejects(async () => provider.present(record(), never), { code: 'ERR_CONFIG_INVALID' })
  }
  t.end()
})

function faultsOf({ schema, options }: DnsProvider) {
  return checkOptions(schema as StandardSchemaV1<unknown, unknown>, options, []).faults ?? []
}
