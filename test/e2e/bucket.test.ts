import { writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startS3 } from '../services/s3.ts'
import {
  failedStart,
  folderOf,
  isOfSites,
  keysOf,
  noise,
  page,
  publish,
  reads,
  rootOf,
  rootTells,
  sha256,
  startBucket,
  startMachine,
  writes,
} from './bucket.ts'
import type { Harness } from './harness.ts'

const server = await startS3(t)

t.test('a publish is one segment and a root in the bucket; a second one brings what has changed', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  const pages = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`pages/${i}.html`, `<h1>page ${i}</h1>`]))
  const site = folderOf(grove, 'site', { 'index.html': '<h1>one</h1>', 'photo.jpg': noise(300_000), ...pages })
  bucket.proxy.forget()
  t.match(await publish(grove, site), { version: 1 })
  t.equal(await page(grove), '<h1>one</h1>')
  const root = await rootTells(grove, bucket, 1)
  const [segment] = root.segments
  t.strictSame(writes(bucket.proxy), [`PUT operator/seg/blog/${segment?.id}`, 'PUT operator/meta/root/blog/00000001'])

  const objects = await bucket.objects()
  t.strictSame(
    [...objects.keys()].filter((key) => !key.startsWith('grove.certs/')).sort(),
    ['operator/meta/epoch/00000001', 'operator/meta/root/blog/00000001', `operator/seg/blog/${segment?.id}`],
    'and nothing of the probe',
  )
  t.equal(sha256(objects.get(`operator/seg/blog/${segment?.id}`) ?? ''), segment?.id, 'named by its bytes')
  t.match(root, { owner: 'operator', site: 'blog', lastVersion: 1, live: 1, segments: [{}], bare: [] })
  t.equal(root.catalog?.files.length, 62)

  bucket.proxy.forget()
  writeFileSync(join(site, 'pages/7.html'), '<h1>changed</h1>')
  t.match(await publish(grove, site), { version: 2 })
  t.equal(await page(grove, '/pages/7.html'), '<h1>changed</h1>')
  const next = await rootTells(grove, bucket, 2)
  t.equal(writes(bucket.proxy).length, 2, 'again two puts')
  t.equal(next.segments.length, 2)
  t.ok((next.segments[1]?.bytes ?? Infinity) < 20_000, 'of which one has the page and what leads to it')
})

t.test('a large content is an object of its own', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  const large = noise(17_000_000)
  bucket.proxy.forget()
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'small', 'large.bin': large }))
  await rootTells(grove, bucket, 1)
  t.equal(writes(bucket.proxy).length, 3)
  const found = (await bucket.objects()).get(`operator/big/blog/${sha256(large)}`)
  t.ok(found?.equals(large))
  t.equal(sha256((await grove.visitor.http1(grove.url('blog', '/large.bin'))).body), sha256(large))
})

/** How many contents a machine has on its disk. */
async function cached(grove: Harness): Promise<number> {
  return (await readdir(join(grove.data, 'blobs'), { recursive: true })).filter((name) => name.length > 60).length
}

t.test('an empty machine starts from the bucket: the first page with 3 reads, all with 9', async (t) => {
  const bucket = await startBucket(t, server)
  const first = await startMachine(t, bucket)
  const pages = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`pages/${i}.html`, `<h1>page ${i}</h1>`]))
  const site = folderOf(first, 'site', {
    'index.html': 'v1',
    'a.png': noise(9_000_000),
    'b.png': noise(1_000_000),
    ...pages,
  })
  await publish(first, site)
  await first.json(['site', 'tag', 'blog', 'good'])
  // More often than a site may have segments.
  const last = 9
  for (let version = 2; version <= last; version++) {
    folderOf(first, 'site', { 'index.html': `v${version}`, [`pages/${version}.html`]: `changed in ${version}` })
    await publish(first, site)
  }
  await rootTells(first, bucket, last)
  await first.kill()

  // Whatever is asked for beyond the first piece of a segment has to wait until the first page was served.
  bucket.proxy.rule({ kind: 'GET', key: '/seg/', nth: 2, times: 1_000, fault: { do: 'answer', status: 503 } })
  bucket.proxy.forget()
  const second = await startMachine(t, bucket)
  t.equal(await page(second), `v${last}`)
  const answered = bucket.proxy.seen.filter((one) => isOfSites(one) && one.status === 200 && one.kind !== 'PUT')
  t.match(
    answered.map(({ kind, key }) => `${kind} ${key}`),
    [/^LIST operator\/meta\/$/, /^GET operator\/meta\/root\/blog\/00000001$/, /^GET operator\/seg\/blog\/\w+$/],
  )
  t.equal(answered.length, 3)
  await second.kill()

  bucket.proxy.heal()
  bucket.proxy.forget()
  const third = await startMachine(t, bucket)
  t.equal(await page(third), `v${last}`)
  await third.until(async () => (await cached(third)) >= 203)
  for (let i = 0; i < 200; i++) {
    const expected = i >= 2 && i <= last ? `changed in ${i}` : `<h1>page ${i}</h1>`
    if ((await page(third, `/pages/${i}.html`)) !== expected) t.fail(`page ${i}`)
  }
  for (const name of ['a.png', 'b.png'])
    t.equal((await third.visitor.http1(third.url('blog', `/${name}`))).status, 200, name)
  t.ok(reads(bucket.proxy).length <= 9, `${reads(bucket.proxy).length} reads`)

  await t.test('with its versions and pins', async (t) => {
    t.match(await third.json(['site', 'show', 'blog']), { live: last, versions: last })
    t.match(await third.json(['site', 'tag', 'blog']), { pins: [{ name: 'tag:good', version: 1 }] })
    await third.json(['site', 'rollback', 'blog'])
    t.equal(await page(third), `v${last - 1}`)
    await third.json(['site', 'rollback', 'blog', '--to', '1'])
    t.equal(await page(third, '/pages/5.html'), '<h1>page 5</h1>')
    folderOf(first, 'site', { 'index.html': 'on the new machine' })
    t.match(await publish(third, site), { version: last + 1 })
    t.equal(await page(third), 'on the new machine')
    t.match(await third.json(['store', 'verify']), { faultCount: 0, faults: [] })
  })

  await t.test('and the old machine does not come back by accident', async (t) => {
    const { exitCode, said } = await failedStart(t, { store: bucket.store() }, first.data)
    t.equal(exitCode, 1)
    t.match(
      said,
      /has epoch 3 of another claim than the last one of this data folder, 1: another grove has taken it over/,
    )
    t.match(said, /hint: .*start here with an empty data folder/)
  })
})

t.test('a machine that runs on after another has taken over writes nothing that anybody reads', async (t) => {
  const bucket = await startBucket(t, server)
  const old = await startMachine(t, bucket)
  const site = folderOf(old, 'site', { 'index.html': 'before' })
  await publish(old, site)
  await rootTells(old, bucket, 1)
  const young = await startMachine(t, bucket)
  t.equal(await page(young), 'before')

  folderOf(old, 'site', { 'index.html': 'of the old one' })
  const refused = await old.command(['publish', site, '--site', 'blog', '--json'])
  t.match(
    [refused.exitCode, JSON.parse(refused.out)],
    [1, { error: { code: 'ERR_FENCED', message: /was taken over by store .*: epoch 2 is newer than ours, 1/ } }],
  )
  t.equal(await page(old), 'before', 'visitors of the old one are served what was live')
  t.match(keysOf(await bucket.objects(), 'operator/meta/root/'), ['operator/meta/root/blog/00000001'])
  t.match(await rootOf(bucket), { lastVersion: 1 })

  folderOf(young, 'site', { 'index.html': 'of the young one' })
  t.match(await publish(young, join(young.folder, 'site')), { version: 2 })
  t.match(await rootTells(young, bucket, 2), { live: 2 })
  t.equal(keysOf(await bucket.objects(), 'operator/meta/root/').at(-1), 'operator/meta/root/blog/00000002')
  await young.kill()
  await old.kill()
  const third = await startMachine(t, bucket)
  t.equal(await page(third), 'of the young one')
})
