import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { limits } from '../../../core/limits.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import type { PresignedUpload } from '../../../store/objects/objects.ts'
import { presignPut } from '../../../store/objects/presign.ts'
import { s3Objects } from '../../../store/objects/s3-objects.ts'
import { startS3 } from '../../services/s3.ts'
import { keysOf, sha256 } from './contract.ts'

const server = await startS3(t)
const bytes = randomBytes(300_000)
const hash = sha256(bytes)

async function bucket(t: Test, env: Environment = nodeEnvironment, prefix?: string) {
  const options = { ...server, bucket: await server.bucket(), prefix }
  const objects = s3Objects(options, env)
  t.teardown(() => objects[Symbol.asyncDispose]())
  const { presign } = objects
  if (!presign) throw new Error('a bucket has pre-signed uploads')
  return { objects, presign }
}

/** Sends as a client does: the length is that of the body. Answers the status and S3's code. */
async function upload({ url, headers }: PresignedUpload, body: Uint8Array<ArrayBuffer>, changed = {}): Promise<string> {
  const { 'content-length': _, ...rest } = headers
  const response = await fetch(url, { method: 'PUT', headers: { ...rest, ...changed }, body })
  const [, code = ''] = /<Code>(\w+)</.exec(await response.text()) ?? []
  return `${response.status} ${code}`.trim()
}

t.test('the one content can be sent, once', async (t) => {
  const { objects, presign } = await bucket(t, nodeEnvironment, 'some/place')
  const given = await presign('o/big/s/x', { hash, bytes: bytes.length })
  t.match(given.headers, { 'content-length': '300000', 'if-none-match': '*', 'x-amz-content-sha256': hash })
  t.ok(Math.abs(given.untilMs - Date.now() - limits.objects.presignMs) < 60_000)
  t.equal(await upload(given, bytes), '200')
  t.ok((await objects.read('o/big/s/x')).equals(bytes))
  t.equal(await upload(given, bytes), '412 PreconditionFailed', 'not a second time')
  t.equal(await objects.create('o/big/s/x', { bytes }), 'exists', 'and it is what we would have put there')
})

t.test('nothing else can be sent with it', async (t) => {
  const { objects, presign } = await bucket(t)
  const given = await presign('o/big/s/x', { hash, bytes: bytes.length })
  const other = randomBytes(bytes.length)
  const rewritten = (from: string | RegExp, to: string) => ({ ...given, url: given.url.replace(from, to) })
  // The gateway of Ceph 16 knows no x-amz-checksum-sha256: it is the signed x-amz-content-sha256 that refuses content.
  const table: [string, () => Promise<string>, RegExp][] = [
    ['other bytes', () => upload(given, other), /^400 XAmzContentSHA256Mismatch/],
    ['other bytes with their hash', () => upload(given, other, { 'x-amz-content-sha256': sha256(other) }), /^403/],
    ['unsigned', () => upload(given, other, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }), /^403/],
    ['fewer bytes', () => upload(given, bytes.subarray(1)), /^403/],
    ['more bytes', () => upload(given, Buffer.concat([bytes, bytes])), /^403/],
    ['no bytes', () => upload(given, Buffer.alloc(0)), /^403/],
    ['another checksum', () => upload(given, bytes, { 'x-amz-checksum-sha256': 'AAAA' }), /^403/],
    ['over what is there', () => upload(given, bytes, { 'if-none-match': 'x' }), /^403/],
    ['another key', () => upload(rewritten('/s/x', '/s/y'), bytes), /^403/],
    ['a longer time', () => upload(rewritten('Expires=900', 'Expires=9000'), bytes), /^403/],
    ['fewer signed headers', () => upload(rewritten('if-none-match%3B', ''), bytes), /^403/],
    ['another signature', () => upload(rewritten(/Signature=..../, 'Signature=0000'), bytes), /^403/],
  ]
  for (const [name, act, refused] of table) t.match(await act(), refused, name)
  for (const method of ['GET', 'DELETE', 'HEAD']) {
    const { 'content-length': _, ...headers } = given.headers
    t.equal((await fetch(given.url, { method, headers })).status, 403, method)
  }
  t.same(await keysOf(objects, ''), [])
  t.equal(await upload(given, bytes), '200', 'it was good all the time')
})

t.test('it ends after 15 minutes', async (t) => {
  let behindMs = limits.objects.presignMs + 60_000
  const env = { ...nodeEnvironment, now: () => Date.now() - behindMs }
  const { objects, presign } = await bucket(t, env)
  const late = await presign('a', { hash, bytes: bytes.length })
  t.match(await upload(late, bytes), /^403/)
  t.ok(late.untilMs < Date.now())
  behindMs = limits.objects.presignMs - 60_000
  t.equal(await upload(await presign('a', { hash, bytes: bytes.length }), bytes), '200', 'a minute before it is good')
  t.same(await keysOf(objects, ''), ['a'])
})

t.test('the bucket stands in the host name when the server wants that', async (t) => {
  const options = { ...server, endpoint: 'https://s3.example.com', bucket: 'b', region: 'eu', pathStyle: false }
  const { url } = presignPut({ ...options, prefix: 'p' }, nodeEnvironment, { key: 'k', hash, bytes: 1 })
  t.match(url, /^https:\/\/b\.s3\.example\.com\/p\/k\?X-Amz-Algorithm=AWS4-HMAC-SHA256&/)
  t.match(url, /%2Feu%2Fs3%2Faws4_request/)
  t.notMatch(url, new RegExp(server.secretAccessKey))
})
