import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { openOwnCa } from '../../../certs/own-ca.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import type { Objects } from '../../../store/objects/objects.ts'
import { s3Objects } from '../../../store/objects/s3-objects.ts'
import type { ObjectsBounds, S3Options } from '../../../store/objects/s3-options.ts'
import { type FaultyProxy, type Rule, startFaultyProxy } from '../../services/faulty-proxy.ts'
import { startS3 } from '../../services/s3.ts'
import { collect, keysOf } from './contract.ts'

const server = await startS3(t)

/** Short waits, so that a test of them is short. */
const quick: ObjectsBounds = {
  ...limits.objects,
  firstRetryMs: 1,
  longestRetryMs: 4,
  answerMs: 800,
  idleMs: 300,
  resumeBytes: 100_000,
}

interface Bad {
  readonly proxy: FaultyProxy
  readonly objects: Objects
  /** The same bucket without the proxy. */
  readonly direct: Objects
  readonly options: S3Options
}

async function badBucket(t: Test, bounds: Partial<ObjectsBounds> = {}): Promise<Bad> {
  const proxy = await startFaultyProxy(server.endpoint)
  const options = { ...server, bucket: await server.bucket(), prefix: 'grove' }
  const objects = s3Objects({ ...options, endpoint: proxy.url }, nodeEnvironment, { ...quick, ...bounds })
  const direct = s3Objects(options, nodeEnvironment)
  t.teardown(async () => {
    await objects[Symbol.asyncDispose]()
    await direct[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
  })
  return { proxy, objects, direct, options }
}

const bytes = randomBytes(400_000)

t.test('a create comes through what bad days do, and is done once', async (t) => {
  const { proxy, objects, direct } = await badBucket(t)
  const answer = (status: number, code: string, times = 1): Rule => {
    return { kind: 'PUT', times, fault: { do: 'answer', status, code } }
  }
  const table: [string, Rule, 'created' | 'exists', number][] = [
    ['503 twice', answer(503, 'SlowDown', 2), 'created', 3],
    ['429', answer(429, 'TooManyRequests'), 'created', 2],
    ['500', answer(500, 'InternalError'), 'created', 2],
    ['502 of a proxy', { kind: 'PUT', fault: { do: 'answer', status: 502, body: '<html>bad gateway' } }, 'created', 2],
    ['409', answer(409, 'ConditionalRequestConflict'), 'created', 2],
    ['a transfer that broke', answer(400, 'IncompleteBody'), 'created', 2],
    ['a cut before', { kind: 'PUT', fault: { do: 'cut', when: 'before' } }, 'created', 2],
    ['a lost answer', { kind: 'PUT', fault: { do: 'cut', when: 'after' } }, 'exists', 2],
    ['a lost answer, then 503', { kind: 'PUT', fault: { do: 'cut', when: 'after' } }, 'exists', 3],
    ['an answer that is late', { kind: 'PUT', fault: { do: 'delay', ms: 1_000 } }, 'created', 2],
  ]
  for (const [index, [name, rule, result, puts]] of table.entries()) {
    const key = `k/${index}`
    proxy.heal()
    proxy.forget()
    const happened = proxy.rule(rule)
    if (name.endsWith('then 503')) proxy.rule({ kind: 'PUT', nth: 2, fault: { do: 'answer', status: 503 } })
    t.equal(await objects.create(key, { bytes }), result, name)
    t.equal(happened(), rule.times ?? 1, `${name}: it happened`)
    t.equal(proxy.count('PUT'), puts, `${name}: so many tries`)
    t.ok((await direct.read(key)).equals(bytes), `${name}: the bytes are there`)
  }
  t.equal(
    objects.requests['PUT'],
    table.reduce((sum, [, , , puts]) => sum + puts, 0),
    'every try is counted',
  )
})

t.test('a 412 after a lost answer is not taken for success when others have the key', async (t) => {
  const { proxy, objects, direct } = await badBucket(t)
  proxy.rule({ kind: 'PUT', fault: { do: 'cut', when: 'before' } })
  proxy.rule({ kind: 'PUT', nth: 2, fault: { do: 'delay', ms: 300 } })
  const mine = objects.create('k', { bytes })
  while (proxy.count('PUT') < 2) await new Promise(setImmediate)
  t.equal(await direct.create('k', { bytes: Buffer.alloc(bytes.length) }), 'created')
  await t.rejects(mine, { code: 'ERR_OBJECTS', details: { reason: 'taken' } })
})

t.test('a key that is taken at the put and free after it is put again', async (t) => {
  const { proxy, objects } = await badBucket(t)
  proxy.rule({ kind: 'PUT', fault: { do: 'answer', status: 412, code: 'PreconditionFailed' } })
  t.equal(await objects.create('k', { bytes }), 'created')
  proxy.rule({ kind: 'PUT', times: 9, fault: { do: 'answer', status: 412, code: 'PreconditionFailed' } })
  await t.rejects(objects.create('other', { bytes }), { details: { reason: 'taken' }, code: 'ERR_OBJECTS' })
  t.equal(proxy.count('PUT'), 5, 'and not for ever')
})

t.test('a checksum that the server keeps spares reading back', async (t) => {
  const { proxy, objects } = await badBucket(t)
  t.equal(await objects.create('k', { bytes }), 'created')
  const head = (value: string): Rule => ({ kind: 'HEAD', fault: { do: 'set', header: 'x-amz-checksum-sha256', value } })
  proxy.forget()
  proxy.rule(head(createHash('sha256').update(bytes).digest('base64')))
  t.equal(await objects.create('k', { bytes }), 'exists')
  proxy.rule(head(createHash('sha256').update('other').digest('base64')))
  await t.rejects(objects.create('k', { bytes }), { code: 'ERR_OBJECTS', details: { reason: 'taken' } })
  t.equal(proxy.count('GET'), 0)
  proxy.rule(head(`${createHash('sha256').update('parts').digest('base64')}-3`))
  t.equal(await objects.create('k', { bytes }), 'exists', 'one of parts tells nothing')
  t.equal(proxy.count('GET'), 1)
})

t.test('a read goes on where the connection broke', async (t) => {
  const { proxy, objects, direct } = await badBucket(t)
  await direct.create('k', { bytes })
  const range = { offset: 100_000, length: 200_000 }
  const table: [string, Rule, number][] = [
    ['half a body', { kind: 'GET', fault: { do: 'half' } }, 2],
    ['half a body, thrice', { kind: 'GET', times: 3, fault: { do: 'half' } }, 4],
    ['no byte of it', { kind: 'GET', fault: { do: 'half', bytes: 0 } }, 2],
    ['a body that stops', { kind: 'GET', fault: { do: 'stall' } }, 2],
    ['503', { kind: 'GET', fault: { do: 'answer', status: 503, code: 'SlowDown' } }, 2],
    ['a cut before', { kind: 'GET', fault: { do: 'cut', when: 'before' } }, 2],
    ['a cut after', { kind: 'GET', fault: { do: 'cut', when: 'after' } }, 2],
    ['an answer that never comes', { kind: 'GET', fault: { do: 'delay', ms: 1_000 } }, 2],
  ]
  for (const [name, rule, gets] of table) {
    for (const [how, read, expected] of [
      ['read', () => objects.read('k'), bytes],
      ['part', () => objects.read('k', range), bytes.subarray(100_000, 300_000)],
      ['stream', () => collect(objects.stream('k')), bytes],
    ] as const) {
      proxy.heal()
      proxy.forget()
      const happened = proxy.rule(rule)
      const found = await read()
      t.ok(found.equals(expected), `${name}: ${how}`)
      t.ok(happened() > 0 && proxy.count('GET') <= gets, `${name}: ${how}: ${proxy.count('GET')} requests`)
    }
  }
})

t.test('a read that gets on may break often, one that does not may not', async (t) => {
  const { proxy, objects, direct } = await badBucket(t)
  const large = randomBytes(2_000_000)
  await direct.create('large', { bytes: large })
  const times = 100
  const happened = proxy.rule({ kind: 'GET', times, fault: { do: 'half', bytes: 150_000 } })
  t.ok((await objects.read('large')).equals(large))
  t.ok(happened() > quick.tries, `it broke ${happened()} times`)
  proxy.heal()
  const before = objects.requests['GET'] ?? 0
  proxy.rule({ kind: 'GET', times, fault: { do: 'half', bytes: 1_000 } })
  await t.rejects(objects.read('large'), { code: 'ERR_OBJECTS', details: { reason: 'unreachable' } })
  t.equal((objects.requests['GET'] ?? 0) - before, quick.tries)
})

t.test('an object that changes between two parts of a read is not mixed', async (t) => {
  const { proxy, objects, direct } = await badBucket(t)
  await direct.create('k', { bytes })
  proxy.rule({ kind: 'GET', fault: { do: 'half' } })
  proxy.rule({ kind: 'GET', nth: 2, fault: { do: 'delay', ms: 200 } })
  const reading = objects.read('k')
  while (proxy.count('GET') < 2) await new Promise(setImmediate)
  await direct.replace('k', Buffer.alloc(bytes.length))
  await t.rejects(reading, { code: 'ERR_OBJECTS', details: { reason: 'changed' }, message: /was changed while/ })
})

t.test('an answer that is not to the question is refused', async (t) => {
  const { proxy, objects, direct } = await badBucket(t)
  await direct.create('k', { bytes })
  const part = { offset: 10, length: 100 }
  const range = (value: string): Rule => ({ kind: 'GET', fault: { do: 'set', header: 'content-range', value } })
  for (const [name, rule] of [
    ['fewer bytes than it says', { kind: 'GET', fault: { do: 'shorten' } }],
    ['another part', range('bytes 11-110/400000')],
    ['more than asked for', range('bytes 10-110/400000')],
    ['no total', range('bytes 10-109/*')],
    ['no sense', range('10')],
    ['the whole object', { kind: 'GET', fault: { do: 'strip', header: 'content-range', from: 'answer' } }],
  ] as [string, Rule][]) {
    proxy.rule(rule)
    await t.rejects(objects.read('k', part), { code: 'ERR_OBJECTS', details: { reason: 'refused' } }, name)
    proxy.heal()
  }
  proxy.rule(range('bytes 10-59/60'))
  proxy.rule({ kind: 'GET', fault: { do: 'set', header: 'content-length', value: '50' } })
  await t.rejects(objects.read('k', part), { code: 'ERR_OBJECTS', details: { reason: 'short' } })
  proxy.heal()
  proxy.rule({ kind: 'HEAD', fault: { do: 'strip', header: 'last-modified', from: 'answer' } })
  await t.rejects(objects.stat('k'), { code: 'ERR_OBJECTS', details: { reason: 'refused' } })
})

t.test('wrong bytes come as they are: who reads knows the hash', async (t) => {
  const { proxy, objects, direct } = await badBucket(t)
  await direct.create('k', { bytes })
  proxy.rule({ kind: 'GET', fault: { do: 'flip' } })
  const found = await objects.read('k')
  t.equal(found.length, bytes.length)
  t.notOk(found.equals(bytes))
})

t.test('a server that is only busy is given up after so many tries, with what it said', async (t) => {
  const { proxy, objects } = await badBucket(t)
  const acts: [string, () => Promise<unknown>][] = [
    ['PUT', () => objects.create('some/key', { bytes })],
    ['PUT', () => objects.replace('some/key', bytes)],
    ['GET', () => objects.read('some/key')],
    ['HEAD', () => objects.stat('some/key')],
    ['DELETE', () => objects.remove(['some/key'])],
    ['LIST', () => keysOf(objects, 'some/')],
  ]
  for (const [kind, act] of acts) {
    proxy.heal()
    proxy.forget()
    proxy.rule({ times: 1_000, fault: { do: 'answer', status: 503, code: 'SlowDown' } })
    const message = new RegExp(`^cannot [a-z ]+ some/(key)? in ${objects.name} at ${proxy.url}: 503`)
    await t.rejects(act(), { code: 'ERR_OBJECTS', details: { reason: 'busy' }, message }, kind)
    t.equal(proxy.count(), quick.tries, `${kind}: tries`)
  }
  proxy.heal()
  proxy.rule({ times: 1_000, fault: { do: 'cut', when: 'before' } })
  for (const [kind, act] of acts)
    await t.rejects(act(), { code: 'ERR_OBJECTS', details: { reason: 'unreachable' } }, `${kind} that is cut`)
})

t.test('no try begins after the time for tries', async (t) => {
  const { proxy, objects } = await badBucket(t, { tries: 1_000, retryingMs: 50, firstRetryMs: 10, longestRetryMs: 20 })
  proxy.rule({ times: 1_000, fault: { do: 'answer', status: 503 } })
  await t.rejects(objects.stat('k'), { details: { reason: 'busy' }, code: 'ERR_OBJECTS' })
  t.ok(proxy.count() > 1 && proxy.count() < 12, `${proxy.count()} tries`)
})

t.test('lists come in pages, each with its own tries, and a list that goes in circles ends', async (t) => {
  const { proxy, objects, direct } = await badBucket(t, { listed: 7 })
  const keys = Array.from({ length: 30 }, (_, index) => `l/${String(index).padStart(3, '0')}`)
  await Promise.all(keys.map((key) => direct.create(key, { bytes: Buffer.from(key) })))
  t.same(await keysOf(objects, 'l/'), keys)
  t.equal(proxy.count('LIST'), 5)
  for (const fault of [
    { do: 'answer', status: 503 },
    { do: 'half' },
    { do: 'cut', when: 'after' },
    { do: 'answer', status: 200, body: '<ListBucketResult><Contents><Key>' },
  ] as const) {
    proxy.heal()
    proxy.rule({ kind: 'LIST', nth: 3, fault })
    t.same(await keysOf(objects, 'l/'), keys, JSON.stringify(fault))
  }
  proxy.heal()
  const page = (contents: string) =>
    `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>${contents}</ListBucketResult>`
  const item =
    '<Contents><Key>grove/l/1</Key><Size>1</Size><LastModified>2026-11-20T00:00:00.000Z</LastModified></Contents>'
  for (const body of [
    page(item),
    page(''),
    page(`${item}${item}`),
    page('<Contents><Size>1</Size></Contents>'),
    page('<Contents><Key>grove/l/1</Key></Contents>'),
    page(item).replace(/<NextC.*Token>/, ''),
  ]) {
    proxy.heal()
    proxy.rule({ kind: 'LIST', times: 1_000, fault: { do: 'answer', status: 200, body } })
    await t.rejects(keysOf(objects, 'l/'), { code: 'ERR_OBJECTS', details: { reason: 'refused' } })
  }
})

t.test('what others put into the bucket is left out of lists', async (t) => {
  const { objects, options } = await badBucket(t)
  const root = s3Objects({ ...options, prefix: undefined }, nodeEnvironment)
  t.teardown(() => root[Symbol.asyncDispose]())
  const { S3Client, PutObjectCommand } = await import('@aws-sdk/client-s3')
  const client = new S3Client({ ...options, region: 'us-east-1', forcePathStyle: true, credentials: options })
  for (const Key of ['grove/A', 'grove/a b', 'grove/../x', 'grove/ä', 'grovel', 'other/a', 'grove/.x', 'grove//'])
    await client.send(new PutObjectCommand({ Bucket: options.bucket, Key, Body: 'x' }))
  client.destroy()
  await objects.create('a', { bytes })
  t.same(await keysOf(objects, ''), ['a'])
  t.same(await keysOf(root, ''), ['grove/a', 'grovel', 'other/a'])
})

t.test('so many requests are under way at one time, and so many wait', async (t) => {
  const { proxy, objects, direct } = await badBucket(t, { parallel: 3, waiting: 20 })
  await direct.create('k', { bytes })
  proxy.forget()
  proxy.rule({ times: 1_000, fault: { do: 'delay', ms: 5 } })
  await Promise.all(Array.from({ length: 20 }, () => objects.read('k')))
  t.equal(proxy.mostAtOnce, 3)
  const results = await Promise.allSettled(Array.from({ length: 25 }, () => objects.stat('k')))
  const refused = results.filter((result) => result.status === 'rejected')
  t.equal(refused.length, 5)
  for (const { reason } of refused) t.equal(reason.code, 'ERR_TOO_MANY')
  const streams = Array.from({ length: 9 }, () => objects.stream('k')[Symbol.asyncIterator]())
  t.equal((await Promise.all(streams.map((stream) => stream.next()))).length, 9, 'open streams hold up nobody')
  t.equal((await objects.stat('k'))?.bytes, bytes.length)
  await Promise.all(streams.map((stream) => stream.return?.()))
})

t.test('a reader that takes its time loses nothing', async (t) => {
  const { proxy, objects, direct } = await badBucket(t, { idleMs: 50, answerMs: 400 })
  const large = randomBytes(8_000_000)
  await direct.create('large', { bytes: large })
  const pieces: Buffer[] = []
  for await (const piece of objects.stream('large')) {
    if (pieces.length < 8) await nodeEnvironment.sleep(100)
    pieces.push(piece)
  }
  t.ok(Buffer.concat(pieces).equals(large))
  t.equal(proxy.count('GET'), 1)
})

t.test('more than fits into memory is not read at once, whatever the server says', async (t) => {
  const { objects, direct, proxy } = await badBucket(t, {})
  await direct.create('k', { bytes })
  proxy.rule({ kind: 'GET', fault: { do: 'set', header: 'content-length', value: String(2 ** 40) } })
  await t.rejects(objects.read('k'), { code: 'ERR_TOO_LARGE' })
  await t.rejects(objects.read('k', { offset: 0, length: 2 ** 40 }), { code: 'ERR_TOO_LARGE' })
  const few = s3Objects({ ...server, bucket: await server.bucket() }, nodeEnvironment, { ...quick, objectBytes: 10 })
  await t.rejects(few.create('k', { bytes }), { code: 'ERR_TOO_LARGE' })
  await t.rejects(few.replace('k', bytes), { code: 'ERR_TOO_LARGE' })
  await few[Symbol.asyncDispose]()
})

t.test('what an operator got wrong is told with what to do, and without a secret', async (t) => {
  const { options } = await badBucket(t)
  const nothing = createServer((_, answer) => answer.end('<html>hello')).listen(0, '127.0.0.1')
  await new Promise((resolve) => nothing.once('listening', resolve))
  t.teardown(() => nothing.close())
  const html = `http://127.0.0.1:${(nothing.address() as AddressInfo).port}`
  const table: [string, Partial<S3Options>, string, RegExp, RegExp][] = [
    ['a wrong secret', { secretAccessKey: 'WRONG-SECRET' }, 'denied', /403 SignatureDoesNotMatch/, /secretAccessKey/],
    ['an unknown key', { accessKeyId: 'NOBODY' }, 'denied', /403 InvalidAccessKeyId/, /accessKeyId/],
    ['no bucket', { bucket: 'not-there' }, 'bucket', /404 NoSuchBucket/, /bucket/],
    ['nobody there', { endpoint: 'http://127.0.0.1:1' }, 'unreachable', /ECONNREFUSED/, /endpoint/],
    ['no such name', { endpoint: 'http://s3.invalid' }, 'unreachable', /ENOTFOUND|EAI_AGAIN/, /endpoint/],
    ['TLS to a server without', { endpoint: options.endpoint.replace('http:', 'https:') }, 'tls', /./, /speaks TLS/],
    ['something else', { endpoint: html }, 'refused', /./, /S3 server/],
  ]
  for (const [name, wrong, reason, message, hint] of table) {
    const objects = s3Objects({ ...options, ...wrong }, nodeEnvironment, quick)
    for (const act of [
      () => objects.create('k', { bytes: Buffer.from('x') }),
      () => objects.read('k'),
      () => keysOf(objects, 'k'),
    ]) {
      const error = await act().then(
        () => undefined,
        (thrown) => thrown,
      )
      if (reason === 'refused' && error === undefined) continue // A PUT that is answered with 200 looks like any other.
      t.match(error, { code: 'ERR_OBJECTS', details: { reason }, message, hint }, name)
      t.match(error.message, objects.name)
      const told = `${inspect(error, { depth: 9 })} ${error.stack} ${JSON.stringify(error)}`
      t.notMatch(told, new RegExp(wrong.secretAccessKey ?? options.secretAccessKey), `${name}: no secret in it`)
    }
    await objects[Symbol.asyncDispose]()
  }
})

t.test('a server with a private issuer is trusted when its roots are named', async (t) => {
  const ca = await openOwnCa(t.testdir())
  const leaf = await ca.issue('localhost')
  const proxy = await startFaultyProxy(server.endpoint, { tls: { key: leaf.key, cert: leaf.chain } })
  t.teardown(() => proxy[Symbol.asyncDispose]())
  const options = { ...server, bucket: await server.bucket(), endpoint: proxy.url.replace('127.0.0.1', 'localhost') }
  const stranger = s3Objects(options, nodeEnvironment, quick)
  await t.rejects(stranger.create('k', { bytes }), { code: 'ERR_OBJECTS', details: { reason: 'tls' }, hint: /roots/ })
  const friend = s3Objects({ ...options, roots: ca.rootPem }, nodeEnvironment, quick)
  t.equal(await friend.create('k', { bytes }), 'created')
  t.ok((await friend.read('k')).equals(bytes))
  await stranger[Symbol.asyncDispose]()
  await friend[Symbol.asyncDispose]()
})
