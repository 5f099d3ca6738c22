import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startS3 } from '../services/s3.ts'
import {
  folderOf,
  keysOf,
  noise,
  page,
  publish,
  rootTells,
  sha256,
  startBucket,
  startMachine,
  tryPublish,
} from './bucket.ts'

const server = await startS3(t)
const always = 1_000_000

t.test('a publish comes through a bucket that is busy, torn and forgetful', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  const put = { kind: 'PUT', key: '/seg/' } as const
  const happened = [
    bucket.proxy.rule({ ...put, times: 1, fault: { do: 'answer', status: 503, code: 'SlowDown' } }),
    bucket.proxy.rule({ ...put, nth: 2, fault: { do: 'answer', status: 409, code: 'ConditionalRequestConflict' } }),
    bucket.proxy.rule({ ...put, nth: 3, fault: { do: 'cut', when: 'before' } }),
    // The server has it, and nobody was told.
    bucket.proxy.rule({ ...put, nth: 4, fault: { do: 'cut', when: 'after' } }),
    bucket.proxy.rule({ kind: 'PUT', key: '/root/', fault: { do: 'answer', status: 503 } }),
    bucket.proxy.rule({ kind: 'PUT', key: '/root/', nth: 2, fault: { do: 'cut', when: 'after' } }),
  ]
  t.match(await publish(grove, folderOf(grove, 'site', { 'index.html': 'here', 'a.bin': noise(400_000) })), {
    version: 1,
  })
  t.equal(await page(grove), 'here')
  await rootTells(grove, bucket, 1)
  await grove.until(() => happened.every((times) => times() === 1))
  t.equal(keysOf(await bucket.objects(), 'operator/seg/').length, 1, 'written once')

  await t.test('a large content, too', async (t) => {
    const large = noise(17_500_000)
    const key = '/big/'
    const lost = bucket.proxy.rule({ kind: 'PUT', key, fault: { do: 'cut', when: 'after' } })
    await publish(grove, folderOf(grove, 'site', { 'large.bin': large }))
    t.equal(lost(), 1)
    t.ok((await bucket.objects()).get(`operator/big/blog/${sha256(large)}`)?.equals(large))
  })
  t.match(await grove.json(['store', 'verify']), { faultCount: 0 })
})

t.test('an empty machine is filled by a bucket that tears its answers', async (t) => {
  const bucket = await startBucket(t, server)
  const first = await startMachine(t, bucket)
  const [photo, film] = [noise(2_500_000), noise(18_000_000)]
  await publish(first, folderOf(first, 'site', { 'index.html': 'home', 'photo.jpg': photo, 'film.mp4': film }))
  await rootTells(first, bucket, 1)
  await first.kill()
  const get = { kind: 'GET', key: '/seg/' } as const
  const happened = [
    bucket.proxy.rule({ kind: 'LIST', key: 'operator/meta/', fault: { do: 'half' } }),
    bucket.proxy.rule({ kind: 'GET', key: '/root/', fault: { do: 'half' } }),
    bucket.proxy.rule({ kind: 'GET', key: '/root/', nth: 2, fault: { do: 'answer', status: 503 } }),
    bucket.proxy.rule({ ...get, fault: { do: 'cut', when: 'before' } }),
    bucket.proxy.rule({ ...get, nth: 2, fault: { do: 'half' } }),
    bucket.proxy.rule({ ...get, nth: 3, fault: { do: 'flip' } }),
    bucket.proxy.rule({ kind: 'GET', key: '/big/', fault: { do: 'half' } }),
  ]
  const second = await startMachine(t, bucket)
  t.equal(await page(second), 'home')
  t.equal(sha256((await second.visitor.http1(second.url('blog', '/photo.jpg'))).body), sha256(photo))
  t.equal(sha256((await second.visitor.http1(second.url('blog', '/film.mp4'))).body), sha256(film))
  t.ok(
    happened.every((times) => times() === 1),
    String(happened.map((times) => times())),
  )
})

t.test('wrong bytes are never served: 503 as long as they come, and the page after that', async (t) => {
  const bucket = await startBucket(t, server)
  const first = await startMachine(t, bucket)
  // One site that is fetched whole and one that is fetched in parts, and one of a large content.
  const sites = { small: { 'index.html': 'small' }, middle: { 'index.html': 'middle', 'a.bin': noise(3_000_000) } }
  for (const [site, files] of Object.entries(sites)) await publish(first, folderOf(first, site, files), site)
  const film = noise(17_000_000)
  await publish(first, folderOf(first, 'large', { 'index.html': 'large', 'film.mp4': film }), 'large')
  for (const site of ['small', 'middle', 'large']) await rootTells(first, bucket, 1, site)
  await first.kill()

  const second = await startMachine(t, bucket)
  for (const key of ['/seg/', '/big/'])
    bucket.proxy.rule({ kind: 'GET', key, times: always, fault: { do: 'flip', at: 60 } })
  for (const [site, path] of [
    ['small', '/'],
    ['middle', '/'],
    ['large', '/film.mp4'],
  ] as const) {
    t.equal(await page(second, path, site), '503', `${site}${path}`)
    const hash = sha256(path === '/' ? site : film)
    const line = await second.until(() =>
      second.logLines.find(({ msg, hash: of }) => msg === 'content cannot be read' && of === hash),
    )
    t.match(line, { level: 'error', err: { code: 'ERR_BLOB_CORRUPT', message: /(is damaged|has other bytes)/ } })
  }
  bucket.proxy.heal()
  t.equal(await page(second, '/', 'small'), 'small')
  t.equal(await page(second, '/', 'middle'), 'middle')
  t.equal(sha256((await second.visitor.http1(second.url('large', '/film.mp4'))).body), sha256(film))
  await second.kill()

  await t.test('nor is a root that was changed', async (t) => {
    bucket.proxy.rule({ kind: 'GET', key: '/root/small/', times: always, fault: { do: 'flip' } })
    const third = await startMachine(t, bucket)
    t.equal(await page(third, '/', 'small'), '503')
    t.equal(await page(third, '/', 'middle'), 'middle', 'other sites do not suffer')
    t.match(third.log, /ERR_BLOB_CORRUPT|ERR_DATA_FORMAT/)
    const { exitCode, said } = await tryPublish(third, folderOf(third, 'site', { 'index.html': 'new' }), 'small')
    t.equal(exitCode, 1, 'and nobody publishes over what cannot be read')
    t.match(said, { error: { code: /ERR_BLOB_CORRUPT|ERR_DATA_FORMAT/, message: /root/ } })
    bucket.proxy.heal()
    await third.until(async () => (await page(third, '/', 'small')) === 'small')
    t.match(await publish(third, join(third.folder, 'site'), 'small'), { version: 2 })
  })
})

t.test('a bucket that is away: pages that are here are served, a publish says what is wrong', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  const site = folderOf(grove, 'site', { 'index.html': 'here', 'evicted.html': 'evicted' })
  await publish(grove, site)
  await rootTells(grove, bucket, 1)
  rmSync(join(grove.data, 'blobs', sha256('evicted').slice(0, 2), sha256('evicted')))
  bucket.proxy.rule({ times: always, fault: { do: 'cut', when: 'before' } })
  t.equal(await page(grove), 'here')
  t.equal(await page(grove, '/evicted.html'), '503')

  folderOf(grove, 'site', { 'index.html': 'new' })
  const { exitCode, said } = await tryPublish(grove, site)
  t.equal(exitCode, 1)
  t.match(said, {
    error: {
      code: 'ERR_OBJECTS',
      message: /^cannot (put|list) .* in s3:\/\/.* at http.*: (ECONNRESET|no answer)/,
      hint: /look whether the endpoint in the config is right and can be reached/,
    },
  })
  t.equal(await page(grove), 'here')
  t.match(await grove.json(['site', 'show', 'blog']), { live: 1, versions: 1 })
  t.match(await grove.json(['status']), { siteCount: 1 })

  bucket.proxy.heal()
  t.equal(await page(grove, '/evicted.html'), 'evicted')
  t.match(await publish(grove, site), { version: 2 })
  t.equal(await page(grove), 'new')
  await rootTells(grove, bucket, 2)
})
