import t, { type Test } from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import type { Op } from '../../../core/sandbox-messages.ts'
import { createAddressCheck } from '../../../sandbox/egress/addresses.ts'
import { createPlaceholder } from '../../../sandbox/egress/edge-secrets.ts'
import type { LoadedCode } from '../../../sandbox/supervisor/codes.ts'
import { createEgressOperations, type EgressOperationsOptions } from '../../../sandbox/supervisor/egress-operations.ts'
import { makeServerCertificate } from '../../services/test-certificates.ts'
import { publicAddress, readAll, startNames, startSecureWeb, startWeb } from '../egress/fixtures/web.ts'

function codeOf(more: Partial<LoadedCode> = {}): LoadedCode {
  const content = { hash: 'a'.repeat(64), bytes: 1 }
  return {
    site: 'blog',
    version: 1,
    bundle: content,
    wasm: [],
    vars: {},
    secrets: [],
    placeheld: [],
    limits: { ...defaultSandboxLimits, subrequests: 3 },
    assets: true,
    data: true,
    ...more,
  }
}

type FetchOp = Extract<Op, { kind: 'fetch' }>

function opOf(url: string, more: Partial<FetchOp> = {}): FetchOp {
  const plain = { request: 'r-1', version: 1, method: 'GET', headers: [], hasBody: false }
  return { kind: 'fetch', url, redirect: 'follow', ...plain, ...more }
}

async function start(t: Pick<Test, 'teardown'>, ports: number[], more: Partial<EgressOperationsOptions> = {}) {
  const dns = await startNames(t)
  const operations = createEgressOperations({
    check: createAddressCheck({ alsoPublic: [publicAddress] }),
    ports,
    servers: [dns.server],
    ...more,
  })
  t.teardown(() => operations.ended?.('p1'))
  const run = (op: FetchOp, code: LoadedCode, process = 'p1') =>
    operations.run({ process, op, code, body: undefined, signal: new AbortController().signal })
  return { operations, run }
}

t.test('an operation as the tenant gets it', async (t) => {
  const web = await startWeb(t, (request, response) => response.end(`${request.headers['grove-hops']}`))
  const { run } = await start(t, [web.port])
  const url = `http://a.example:${web.port}/`
  const { head, body } = await run(opOf(url, { hops: 1 }), codeOf())
  t.match(head, { status: 200, statusText: 'OK', url, redirected: false, headers: Array })
  t.equal(await readAll(body), '2')
  await t.rejects(run(opOf(url, { hops: 3 }), codeOf()), { code: 'ERR_FETCH_REFUSED' })
  await t.rejects(run(opOf('http://127.0.0.2/'), codeOf()), { code: 'ERR_FETCH_REFUSED' })
  await t.rejects(run(opOf(url), codeOf({ allow: ['b.example'] })), { message: /not among the hosts/ })
})

t.test('each request of a visitor has a budget, for as long as its process lives', async (t) => {
  const web = await startWeb(t, (_, response) => response.end())
  const { run, operations } = await start(t, [web.port])
  const code = codeOf()
  const op = opOf(`http://a.example:${web.port}/`)
  for (let i = 0; i < 3; i += 1) await run(op, code)
  await t.rejects(run(op, code), { code: 'ERR_TOO_MANY' })
  t.ok(await run({ ...op, request: 'r-2' }, code))
  t.ok(await run(op, code, 'p2'))
  operations.ended?.('p1')
  t.ok(await run(op, code))
})

t.test('secrets of the code are put in, and taken out of what comes back', async (t) => {
  const pair = await makeServerCertificate(['api.example'])
  const web = await startSecureWeb(t, pair, (request, response) => {
    response.setHeader('x-echo', Buffer.from(`${request.headers.authorization}`).toString('base64'))
    response.end(String(request.headers.authorization === 'Bearer a-long-secret-value'))
  })
  const placeholder = createPlaceholder()
  const secret = { name: 'KEY', value: 'a-long-secret-value', hosts: [`api.example:${web.port}`] }
  const { run } = await start(t, [web.port], { ca: pair.cert })
  const code = codeOf({ secrets: [secret], placeheld: [{ ...secret, placeholder }] })
  const { head, body } = await run(
    opOf(`https://api.example:${web.port}/`, { headers: ['authorization', `Bearer ${placeholder}`] }),
    code,
  )
  t.equal(await readAll(body), 'true')
  t.match(JSON.stringify(head), /\[secret KEY\]/)
})
