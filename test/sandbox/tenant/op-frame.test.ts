import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { opSchema } from '../../../core/sandbox-messages.ts'
import { operations } from '../../../sandbox/bridge.ts'
import { readOp } from '../../../sandbox/tenant/op-frame.ts'

const owner = { request: 'r1', version: 3 }
const fetchArgs = { method: 'GET', url: 'https://a.example/', headers: ['a', 'b'], redirect: 'follow', hasBody: false }
const assetArgs = { method: 'GET', url: 'https://a.example/x', headers: [] }

const good: readonly { readonly kind: number; readonly args: object; readonly expected: object }[] = [
  { kind: operations.fetch, args: fetchArgs, expected: { kind: 'fetch', ...fetchArgs } },
  { kind: operations.fetch, args: { ...fetchArgs, hasBody: true, extra: 1 }, expected: { hasBody: true } },
  { kind: operations.asset, args: assetArgs, expected: { kind: 'asset', hasBody: false } },
  {
    kind: operations.data,
    args: { method: 'get', key: 'k' },
    expected: { call: { method: 'get', key: 'k' }, hasBody: false },
  },
  {
    kind: operations.data,
    args: { method: 'put', key: 'k', ifTag: null, metadata: '{}', expiresAtMs: 5 },
    expected: { call: { method: 'put', key: 'k', ifTag: null, metadata: '{}', expiresAtMs: 5 }, hasBody: true },
  },
  { kind: operations.data, args: { method: 'put', key: 'k', ifTag: 't' }, expected: { call: { ifTag: 't' } } },
  { kind: operations.data, args: { method: 'delete', key: 'k', ifTag: 't' }, expected: { call: { ifTag: 't' } } },
  { kind: operations.data, args: { method: 'delete', key: 'k' }, expected: { call: { method: 'delete' } } },
  { kind: operations.data, args: { method: 'list', prefix: '', limit: 10 }, expected: { call: { limit: 10 } } },
  {
    kind: operations.data,
    args: { method: 'list', prefix: 'a', after: 'b', limit: 1 },
    expected: { call: { after: 'b' } },
  },
]
for (const { kind, args, expected } of good)
  t.test(`an operation that makes sense is read: ${JSON.stringify(args).slice(0, 60)}`, (t) => {
    const op = readOp(kind, JSON.stringify(args), false, owner)
    t.match(op, { ...expected, ...owner })
    t.ok(opSchema.safeParse(op).success, 'the supervisor takes it')
    t.same(opSchema.safeParse(op).data, op, 'and nothing in it is unknown to it')
    t.end()
  })

t.test('bytes that go along are a body', (t) => {
  t.match(readOp(operations.fetch, JSON.stringify(fetchArgs), true, owner), { hasBody: true })
  t.match(readOp(operations.fetch, JSON.stringify({ ...fetchArgs, hops: 0 }), true, owner, 2), { hops: 2 })
  t.end()
})

const long = 'x'.repeat(limits.sandboxCode.urlChars + 1)
const bad: readonly { readonly kind: number; readonly args: unknown }[] = [
  { kind: 99, args: {} },
  { kind: operations.fetch, args: null },
  { kind: operations.fetch, args: [] },
  { kind: operations.fetch, args: 'x' },
  { kind: operations.fetch, args: { ...fetchArgs, method: '' } },
  { kind: operations.fetch, args: { ...fetchArgs, method: 'X'.repeat(100) } },
  { kind: operations.fetch, args: { ...fetchArgs, url: long } },
  { kind: operations.fetch, args: { ...fetchArgs, url: 7 } },
  { kind: operations.fetch, args: { ...fetchArgs, redirect: 'maybe' } },
  { kind: operations.fetch, args: { ...fetchArgs, headers: ['a'] } },
  { kind: operations.fetch, args: { ...fetchArgs, headers: ['a', 1] } },
  { kind: operations.fetch, args: { ...fetchArgs, headers: {} } },
  { kind: operations.fetch, args: { ...fetchArgs, headers: Array(2_000).fill('a') } },
  { kind: operations.fetch, args: { ...fetchArgs, headers: ['a', 'x'.repeat(200_000)] } },
  { kind: operations.asset, args: { ...assetArgs, method: 'POST' } },
  { kind: operations.asset, args: { ...assetArgs, url: undefined } },
  { kind: operations.data, args: { method: 'drop', key: 'k' } },
  { kind: operations.data, args: { method: 'get', key: '' } },
  { kind: operations.data, args: { method: 'get', key: 'k'.repeat(1_000) } },
  { kind: operations.data, args: { method: 'put', key: 'k', ifTag: 7 } },
  { kind: operations.data, args: { method: 'put', key: 'k', metadata: 'x'.repeat(3_000) } },
  { kind: operations.data, args: { method: 'put', key: 'k', expiresAtMs: 'soon' } },
  { kind: operations.data, args: { method: 'delete', key: 'k', ifTag: null } },
  { kind: operations.data, args: { method: 'list', prefix: 7, limit: 1 } },
  { kind: operations.data, args: { method: 'list', prefix: '', limit: 0 } },
  { kind: operations.data, args: { method: 'list', prefix: '', limit: 1.5 } },
  { kind: operations.data, args: { method: 'list', prefix: '', limit: 1_000_000 } },
  { kind: operations.data, args: { method: 'list', prefix: '', limit: 1, after: 7 } },
]
for (const { kind, args } of bad)
  t.test(`an operation that makes none is not read: ${kind} ${JSON.stringify(args).slice(0, 70)}`, (t) => {
    t.equal(readOp(kind, JSON.stringify(args), false, owner), undefined)
    t.end()
  })

t.test('what is no JSON is not read', (t) => {
  t.equal(readOp(operations.fetch, '{', false, owner), undefined)
  t.end()
})
