import t from 'tap'
import { startS3 } from '../services/s3.ts'
import { failedStart, folderOf, page, publish, rootTells, startBucket, startMachine } from './bucket.ts'

const server = await startS3(t)

const refusals: { what: string; store: Record<string, unknown>; says: RegExp; hint: RegExp }[] = [
  {
    what: 'a wrong secret',
    store: { secretAccessKey: 'not-the-secret' },
    says: /error: cannot put probe\/\w+ in s3:\/\/t-\w+ at http:\/\/127\.0\.0\.1:\d+: 403 SignatureDoesNotMatch/,
    hint: /look at secretAccessKey/,
  },
  {
    what: 'a key that the server does not know',
    store: { accessKeyId: 'NOBODY' },
    says: /: 403 InvalidAccessKeyId/,
    hint: /look at accessKeyId/,
  },
  {
    what: 'a bucket that is not there',
    store: { bucket: 'no-such-bucket' },
    says: /in s3:\/\/no-such-bucket at .*: 404 NoSuchBucket/,
    hint: /make the bucket if it is not there/,
  },
  {
    what: 'a server that is not there',
    store: { endpoint: 'http://127.0.0.1:9' },
    says: /at http:\/\/127\.0\.0\.1:9: ECONNREFUSED/,
    hint: /look whether the endpoint in the config is right/,
  },
]

t.test('a bucket that cannot be used stops the start, with the reason', async (t) => {
  const bucket = await startBucket(t, server)
  for (const { what, store, says, hint } of refusals) {
    const { exitCode, said } = await failedStart(t, { store: bucket.store(store) })
    t.equal(exitCode, 1, what)
    t.match(said, says)
    t.match(said, hint)
    t.notMatch(said, /grove-test-secret|not-the-secret/, 'no secret is told')
  }
  t.equal((await bucket.objects()).size, 0, 'and nothing was written')
})

t.test('a bucket that does not keep writers apart is refused', async (t) => {
  const bucket = await startBucket(t, server)
  bucket.proxy.rule({
    kind: 'PUT',
    times: 1_000,
    fault: { do: 'strip', header: 'if-none-match', from: 'request' },
  })
  const { exitCode, said } = await failedStart(t, { store: bucket.store() })
  t.equal(exitCode, 1)
  t.match(said, /cannot be used: of three writers that created one object, 3 were told that they did, and one must be/)
  t.match(said, /hint: .*honours If-None-Match/)
  t.equal((await bucket.objects()).size, 0, 'nothing is left of it')
})

t.test('two Groves share a bucket under prefixes of their own, and know nothing of each other', async (t) => {
  const bucket = await startBucket(t, server)
  const one = await startMachine(t, bucket, { store: bucket.store({ prefix: 'one' }) })
  const two = await startMachine(t, bucket, { store: bucket.store({ prefix: 'two/of-them' }) })
  await publish(one, folderOf(one, 'site', { 'index.html': 'one' }))
  await publish(two, folderOf(two, 'site', { 'index.html': 'two' }))
  t.strictSame([await page(one), await page(two)], ['one', 'two'])
  await one.until(async () => [...(await bucket.objects()).keys()].filter((key) => key.includes('/root/')).length === 2)
  for (const key of (await bucket.objects()).keys()) t.match(key, /^(one|two\/of-them)\/(operator|grove\.certs)\//)
  await one.kill()
  const again = await startMachine(t, bucket, { store: bucket.store({ prefix: 'one' }) })
  t.equal(await page(again), 'one')
})

t.test('a data folder whose sites were never in the bucket is not taken to one', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket, { store: { kind: 'local' } })
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'here' }))
  await grove.stop()
  const { exitCode, said } = await failedStart(t, { store: bucket.store() }, grove.data)
  t.equal(exitCode, 1)
  t.match(said, /has sites whose objects were never in s3:\/\//)
  t.match(said, /hint: export the sites/)
  grove.writeConfig({ fronts: 1 })
  await grove.start()
  t.equal(await page(grove), 'here', 'and goes on without')
})

t.test('a restart on the same bucket goes on, also after a kill', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket, { store: bucket.store({ endpoint: server.endpoint }) })
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'one' }))
  await grove.kill()
  await grove.start()
  t.equal(await page(grove), 'one')
  t.match(await publish(grove, folderOf(grove, 'site', { 'index.html': 'two' })), { version: 2 })
  await rootTells(grove, bucket, 2)
  await grove.stop()
  await grove.start()
  t.equal(await page(grove), 'two')
  t.equal(bucket.proxy.count(), 0, 'with nothing between Grove and the server')
})
