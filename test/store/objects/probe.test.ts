import t, { type Test } from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { folderObjects } from '../../../store/objects/folder-objects.ts'
import { probeObjects } from '../../../store/objects/probe.ts'
import { s3Objects } from '../../../store/objects/s3-objects.ts'
import { startFaultyProxy } from '../../services/faulty-proxy.ts'
import { startS3 } from '../../services/s3.ts'
import { keysOf } from './contract.ts'

const server = await startS3(t)

async function bucketBehindProxy(t: Test) {
  const proxy = await startFaultyProxy(server.endpoint, { secretAccessKey: server.secretAccessKey })
  const options = { ...server, endpoint: proxy.url, bucket: await server.bucket() }
  const objects = s3Objects(options, nodeEnvironment)
  t.teardown(async () => {
    await objects[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
  })
  return { proxy, objects }
}

t.test('a bucket that creates once is taken, and nothing stays in it', async (t) => {
  const { objects } = await bucketBehindProxy(t)
  await probeObjects(objects, nodeEnvironment)
  t.same(await keysOf(objects, ''), [])
  t.match(objects.requests, { PUT: 3, HEAD: 2, GET: 1, DELETE: 1, LIST: 1 }, 'the list is this test’s')
})

t.test('a bucket that ignores If-None-Match is refused, with why and what to do', async (t) => {
  const { proxy, objects } = await bucketBehindProxy(t)
  proxy.rule({
    kind: 'PUT',
    times: Number.POSITIVE_INFINITY,
    fault: { do: 'strip', header: 'if-none-match', from: 'request' },
  })
  await t.rejects(probeObjects(objects, nodeEnvironment), {
    code: 'ERR_OBJECTS',
    details: { reason: 'unconditional', accepted: 3 },
    message: /cannot be used: of three writers that created one object, 3 were told that they did/,
    hint: /If-None-Match/,
  })
  t.same(await keysOf(objects, ''), [])
})

t.test('one that ignores it now and then is refused too', async (t) => {
  for (const nth of [1, 2, 3]) {
    const { proxy, objects } = await bucketBehindProxy(t)
    proxy.rule({ kind: 'PUT', nth, fault: { do: 'strip', header: 'if-none-match', from: 'request' } })
    const result = await probeObjects(objects, nodeEnvironment).then(
      () => 'taken',
      (error) => error,
    )
    // The header may be missing at the one that comes first: nobody can tell then.
    if (result !== 'taken') t.match(result, { code: 'ERR_OBJECTS', details: { reason: 'unconditional' } }, `${nth}`)
    else t.not(nth, 3, 'the third comes last')
  }
})

t.test('a bucket that says it created and kept another is refused', async (t) => {
  const { proxy, objects } = await bucketBehindProxy(t)
  proxy.rule({ kind: 'GET', times: Number.POSITIVE_INFINITY, fault: { do: 'flip' } })
  await t.rejects(probeObjects(objects, nodeEnvironment), { code: 'ERR_OBJECTS' })
})

t.test('a probe whose answers are lost still ends well', async (t) => {
  const { proxy, objects } = await bucketBehindProxy(t)
  proxy.rule({ kind: 'PUT', fault: { do: 'cut', when: 'after' } })
  await probeObjects(objects, nodeEnvironment)
  t.same(await keysOf(objects, ''), [])
})

t.test('a bucket that cannot be used at all is told as that', async (t) => {
  const objects = s3Objects({ ...server, bucket: 'not-there' }, nodeEnvironment)
  t.teardown(() => objects[Symbol.asyncDispose]())
  const error: unknown = await probeObjects(objects, nodeEnvironment).catch((thrown) => thrown)
  t.match(error, { code: 'ERR_OBJECTS', details: { reason: 'bucket' } })
  t.ok(error instanceof GroveError)
})

t.test('a folder passes as well', async (t) => {
  await probeObjects(await folderObjects(nodeEnvironment, t.testdir()), nodeEnvironment)
})
