import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import { type AdminClient, createAdminClient } from '../../cli/admin-client.ts'
import { type Upload, uploadSchema } from '../../core/admin-api.ts'
import type { Handle } from '../../store/store.ts'
import { startS3 } from '../services/s3.ts'
import { folderOf, noise, page, publish, sha256, startBucket, startMachine, writes } from './bucket.ts'
import type { Harness } from './harness.ts'

const server = await startS3(t)
const bytes = 20_000_000

function clientOf(grove: Harness, token?: string): AdminClient {
  return createAdminClient(join(grove.data, 'control.sock'), { token: token as Handle | undefined })
}

function askUpload(client: AdminClient, hash: string, length = bytes): Promise<Upload> {
  return client.ask('POST', '/sites/blog/uploads', { hash, bytes: length }, uploadSchema)
}

/** Sends bytes to a URL as a plain HTTP client does, and answers the status. */
async function send({ url, headers }: Upload, body: Buffer): Promise<number> {
  const sending = request(url, { method: 'PUT', headers })
  sending.end(body)
  const [answer] = (await once(sending, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode ?? 0
}

/** The change of a site that puts one file. */
function change(base: number, path: string, hash: string) {
  return { opId: randomUUID(), message: '', base, put: [{ path, hash, bytes }], del: [] }
}

async function sumOf(grove: Harness, path: string): Promise<string> {
  const { status, body } = await grove.visitor.http1(grove.url('blog', path))
  return status === 200 ? sha256(body) : String(status)
}

t.test('a large content goes straight to the bucket, and counts when a publish names it', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'home' }))
  using client = clientOf(grove)
  const film = noise(bytes)
  const hash = sha256(film)
  const upload = await askUpload(client, hash)
  t.match(upload.url, `${bucket.proxy.url}/`, 'the bucket itself is asked')
  t.ok(upload.untilMs > Date.now() && upload.untilMs <= Date.now() + 900_000)

  await t.test('other bytes are refused by the server', async (t) => {
    t.equal(await send(upload, noise(bytes)), 400)
    t.equal((await bucket.objects()).has(`operator/big/blog/${hash}`), false)
    t.match(await client.publish('blog', change(1, 'film.mp4', hash)), { missing: [hash] })
  })

  bucket.proxy.forget()
  t.equal(await send(upload, film), 200)
  t.equal(await send(upload, film), 412, 'once')
  t.equal(await sumOf(grove, '/film.mp4'), '404', 'nothing is served by that')
  t.match(await client.publish('blog', change(1, 'film.mp4', hash)), { missing: [], version: 2 })
  t.equal(await sumOf(grove, '/film.mp4'), hash)
  const large = writes(bucket.proxy).filter((one) => one.includes('/big/'))
  t.equal(large.length, 2, 'control has not sent it again')

  await t.test('it is there for an empty machine', async (t) => {
    await grove.stop()
    const second = await startMachine(t, bucket)
    t.equal(await page(second), 'home')
    t.equal(await sumOf(second, '/film.mp4'), hash)
    t.match(await second.json(['store', 'verify']), { faultCount: 0 })
  })
})

t.test('what lies in the bucket under the name of another content is not published', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'home' }))
  using client = clientOf(grove)
  const film = noise(bytes)
  const hash = sha256(film)
  // As on a server that holds an upload against no sum.
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  t.teardown(() => s3.destroy())
  const key = `operator/big/blog/${hash}`
  await s3.send(new PutObjectCommand({ Bucket: bucket.name, Key: key, Body: noise(bytes) }))

  const result = await client.publish('blog', change(1, 'film.mp4', hash)).catch((error: unknown) => error)
  t.match(result, { code: 'ERR_BLOB_MISSING', details: { missing: [hash] } })
  t.match(await grove.json(['site', 'show', 'blog']), { live: 1, versions: 1 })
  t.equal((await bucket.objects()).has(key), false, 'it is removed')

  t.match(await client.publish('blog', change(1, 'film.mp4', hash)), { missing: [hash] })
  await client.putBlob('blog', hash, bytes, async () => Readable.from([film]))
  t.match(await client.publish('blog', change(1, 'film.mp4', hash)), { missing: [], version: 2 })
  t.equal(await sumOf(grove, '/film.mp4'), hash)
})

t.test('a right that was revoked between upload and publish is none', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'home' }))
  const { token, grant } = await grove.json<{ token: string; grant: { id: string } }>([
    ...['grant', 'create', '--site', 'blog', '--label', 'CI'],
  ])
  using client = clientOf(grove, token)
  using operator = clientOf(grove)
  const film = noise(bytes)
  const hash = sha256(film)
  await t.rejects(
    client.ask('POST', '/sites/shop/uploads', { hash, bytes }, uploadSchema),
    { code: 'ERR_DENIED', details: { reason: 'path' } },
    'nor one for another site',
  )
  const upload = await askUpload(client, hash)
  await grove.json(['grant', 'revoke', grant.id])
  t.equal(await send(upload, film), 200, 'a URL cannot be taken back')
  const denied = { code: 'ERR_DENIED', details: { reason: 'revoked' } }
  await t.rejects(client.publish('blog', change(1, 'film.mp4', hash)), denied)
  await t.rejects(askUpload(client, hash), denied)
  t.match(await grove.json(['site', 'show', 'blog']), { live: 1, versions: 1 })
  t.equal(await sumOf(grove, '/film.mp4'), '404')
  t.match(await operator.publish('blog', change(1, 'film.mp4', hash)), { version: 2 }, 'who may can use what is there')
})

t.test('where a content would lie unsealed, or in no bucket, there is no URL', async (t) => {
  const bucket = await startBucket(t, server)
  const key = folderOf({ folder: t.testdir() }, 'keys', { 'a.key': 'a'.repeat(64) })
  for (const [config, why] of [
    [{ encryption: { keys: [{ file: join(key, 'a.key') }] } }, /the store is encrypted/],
    [{ store: { kind: 'local' } }, /not in a bucket/],
  ] as const) {
    const grove = await startMachine(t, bucket, config)
    using client = clientOf(grove)
    await client.createSite('blog')
    await t.rejects(askUpload(client, 'f'.repeat(64)), {
      code: 'ERR_BAD_REQUEST',
      message: why,
      hint: /send the content to grove itself/,
    })
    await grove.kill()
  }
})
