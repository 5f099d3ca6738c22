import { existsSync, rmSync, truncateSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startS3 } from '../services/s3.ts'
import { folderOf, noise, page, publish, reads, sha256, startBucket, startMachine } from './bucket.ts'
import { type Harness, isAlive } from './harness.ts'

const server = await startS3(t)
const cacheBytes = 67_108_864

/** The files of a machine's cache, keyed by name. */
async function cached(grove: Harness): Promise<Map<string, { file: string; bytes: number }>> {
  const found = new Map<string, { file: string; bytes: number }>()
  for (const entry of await readdir(join(grove.data, 'blobs'), { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    const bytes = entry.isFile() && (await stat(file).catch(() => undefined))?.size
    if (bytes) found.set(entry.name, { file, bytes })
  }
  return found
}

async function cachedBytes(grove: Harness): Promise<number> {
  return [...(await cached(grove)).values()].reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Ends all fronts, and with them what they remember; resolves when others serve. */
async function forgetful(grove: Harness): Promise<void> {
  const before = await grove.pids('front')
  for (const pid of before) process.kill(pid, 'SIGKILL')
  await grove.until(async () => {
    const { fronts } = await grove.status()
    return !before.some(isAlive) && fronts.length > 0 && !fronts.some(({ pid }) => before.includes(pid))
  })
}

t.test('a site that is larger than the cache is served whole and right, within the size of the cache', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket, { cache: { bytes: cacheBytes } })
  // Too long for a front's memory, so each of them is read from the disk each time.
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}.bin`, noise(1_200_000)]))
  const hashes = new Map(Object.entries(files).map(([path, bytes]) => [path, sha256(bytes)]))
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'all of it', ...files }))
  await grove.until(async () => (await cachedBytes(grove)) <= cacheBytes)
  bucket.proxy.forget()
  let most = 0
  for (let round = 0; round < 2; round++)
    for (const [path, hash] of hashes) {
      const { status, body } = await grove.visitor.http1(grove.url('blog', `/${path}`))
      if (status !== 200 || sha256(body) !== hash) t.fail(`${path} in round ${round}: ${status}`)
      if (path.endsWith('9.bin')) most = Math.max(most, await cachedBytes(grove))
    }
  t.ok(reads(bucket.proxy).length > 60, `${reads(bucket.proxy).length} reads: most was not here`)
  // What comes while the cache is cut is on top.
  t.ok(most < cacheBytes * 1.2, `${most} bytes at most`)
  await grove.until(async () => (await cachedBytes(grove)) <= cacheBytes)
  t.equal(await page(grove), 'all of it')
})

t.test('a cache that is gone, or damaged, comes back under a running Grove', async (t) => {
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket)
  const pages = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.html`, `<h1>page ${i}</h1>`]))
  const photo = noise(3_000_000)
  await publish(grove, folderOf(grove, 'site', { 'index.html': 'home', 'photo.jpg': photo, ...pages }))
  const allRight = async (t: Test) => {
    t.equal(await page(grove), 'home')
    for (let i = 0; i < 40; i++)
      if ((await page(grove, `/${i}.html`)) !== `<h1>page ${i}</h1>`)
        t.fail(`page ${i}: ${await page(grove, `/${i}.html`)}`)
    t.equal(sha256((await grove.visitor.http1(grove.url('blog', '/photo.jpg'))).body), sha256(photo))
  }

  await t.test('the files', async (t) => {
    for (const { file } of (await cached(grove)).values()) rmSync(file)
    await forgetful(grove)
    await allRight(t)
  })

  await t.test('the folders, too', async (t) => {
    rmSync(join(grove.data, 'blobs'), { recursive: true })
    await forgetful(grove)
    await allRight(t)
    t.ok(existsSync(join(grove.data, 'blobs')))
  })

  await t.test('files that were cut short', async (t) => {
    for (const { file, bytes } of (await cached(grove)).values()) truncateSync(file, bytes - 1)
    await forgetful(grove)
    await allRight(t)
  })

  await t.test('and what is published then goes on', async (t) => {
    rmSync(join(grove.data, 'blobs'), { recursive: true })
    rmSync(join(grove.data, 'tails'), { recursive: true })
    t.match(await publish(grove, folderOf(grove, 'site', { 'index.html': 'home again' })), { version: 2 })
    t.equal(await page(grove), 'home again')
    t.match(await grove.json(['store', 'verify']), { faultCount: 0 })
  })
})
