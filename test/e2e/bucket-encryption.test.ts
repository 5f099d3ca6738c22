import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { openKeyring } from '../../store/segments/keyring.ts'
import { startS3 } from '../services/s3.ts'
import {
  folderOf,
  noise,
  page,
  publish,
  rootOf,
  sha256,
  startBucket,
  startMachine,
  type TestBucket,
  tryPublish,
} from './bucket.ts'
import type { Harness } from './harness.ts'

const server = await startS3(t)

interface Key {
  readonly file: string
  readonly bytes: Buffer
  /** As errors and objects name it. */
  readonly id: string
}

/** A new key of encryption, in a file of a folder. */
function makeKey(folder: string, name: string): Key {
  const bytes = randomBytes(32)
  const file = join(folder, `${name}.key`)
  writeFileSync(file, `${bytes.toString('hex')}\n`)
  return { file, bytes, id: openKeyring([bytes]).current }
}

/** A config with these keys, the current one first. */
function under(...keys: readonly { readonly file: string }[]): Record<string, unknown> {
  return { encryption: { keys: keys.map(({ file }) => ({ file })) } }
}

/** Everything that can be read out of the bucket: all bytes as they are, and what frames of zstd among them hold. */
async function readable(bucket: TestBucket): Promise<Buffer[]> {
  const texts: Buffer[] = []
  const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
  for (const bytes of (await bucket.objects()).values()) {
    texts.push(bytes)
    for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1))
      try {
        texts.push(zstdDecompressSync(bytes.subarray(at), { maxOutputLength: 2 ** 26 }))
      } catch {
        // Not a frame, but bytes that look like the beginning of one.
      }
  }
  return texts
}

const photo = noise(200_000)
const film = noise(17_000_000)
const secrets: readonly [string, Buffer][] = [
  ['a page', Buffer.from('what nobody shall read')],
  ['a path', Buffer.from('hidden-folder/plan.html')],
  ['a message', Buffer.from('the message of it')],
  ['a photo', photo.subarray(1_000, 1_064)],
  ['a hash of a content', Buffer.from(sha256(photo))],
  ['a hash of a content in bytes', Buffer.from(sha256(photo), 'hex')],
  ['a large content', film.subarray(2_000_000, 2_000_064)],
]

function secretSite(grove: Harness): string {
  return folderOf(grove, 'site', {
    'index.html': '<h1>home</h1>',
    'hidden-folder/plan.html': `<p>${'what nobody shall read. '.repeat(20)}</p>`,
    'hidden-folder/photo.jpg': photo,
    'film.mp4': film,
  })
}

async function findings(bucket: TestBucket): Promise<string[]> {
  const texts = await readable(bucket)
  return secrets.flatMap(([what, secret]) => (texts.some((text) => text.includes(secret)) ? what : []))
}

t.test('nothing of a site can be read in the bucket; the key opens it on an empty machine', async (t) => {
  const keys = t.testdir()
  const key = makeKey(keys, 'own')
  const open = await startBucket(t, server)
  const plain = await startMachine(t, open)
  await plain.publish('blog', secretSite(plain), '--message', 'the message of it')
  await plain.until(() => rootOf(open))
  t.strictSame(
    await findings(open),
    secrets.map(([what]) => what),
    'without a key all of it is found',
  )
  await plain.kill()

  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket, under(key))
  await grove.publish('blog', secretSite(grove), '--message', 'the message of it')
  const keyring = openKeyring([key.bytes])
  const root = await grove.until(() => rootOf(bucket, 'blog', keyring))
  t.match(root, { lastVersion: 1, segments: [{}], bare: [{}] })
  t.strictSame(await findings(bucket), [])
  await grove.kill()

  const second = await startMachine(t, bucket, under(key))
  t.equal(await page(second), '<h1>home</h1>')
  t.match(await page(second, '/hidden-folder/plan.html'), /what nobody shall read/)
  for (const [path, content] of [
    ['/hidden-folder/photo.jpg', photo],
    ['/film.mp4', film],
  ] as const)
    t.equal(sha256((await second.visitor.http1(second.url('blog', path))).body), sha256(content), path)
  t.match(await second.json(['store', 'verify']), { faultCount: 0 })
  await second.kill()

  await t.test('without it, or with another one, the site is not served, and the key is missed by name', async (t) => {
    for (const [config, says] of [
      [{}, /and no key is configured/],
      [under(makeKey(keys, 'other')), /which is not among the configured keys/],
    ] as const) {
      const machine = await startMachine(t, bucket, config)
      t.equal(await page(machine), '503')
      const { exitCode, said } = await tryPublish(machine, folderOf(machine, 'site', { 'index.html': 'new' }))
      t.equal(exitCode, 1, 'and is not published over')
      t.match(said, { error: { code: 'ERR_KEY_MISSING', message: new RegExp(key.id) } })
      t.match(said, { error: { message: says } })
      t.match(machine.log, /ERR_KEY_MISSING/)
      t.notMatch(machine.log, key.bytes.toString('hex'))
      await machine.kill()
    }
    const again = await startMachine(t, bucket, under(key))
    t.equal(await page(again), '<h1>home</h1>', 'with it, it is there again')
  })
})

t.test('a new key goes before the old one; a prune seals all anew, and the old one can go', async (t) => {
  const keys = t.testdir()
  const [old, young] = [makeKey(keys, 'old'), makeKey(keys, 'young')]
  const bucket = await startBucket(t, server)
  const grove = await startMachine(t, bucket, under(old))
  const site = folderOf(grove, 'site', { 'index.html': 'v1', 'kept.html': 'kept', 'film.mp4': film })
  await publish(grove, site)
  await grove.stop()

  const keysOfBucket = async () => {
    const objects = await bucket.objects()
    const idOf = (bytes: Buffer) => [old, young].find(({ id }) => bytes.includes(Buffer.from(id, 'hex')))
    return [...objects].flatMap(([key, bytes]) => (key.includes('/epoch/') ? [] : (idOf(bytes)?.file ?? 'none')))
  }
  grove.writeConfig({ fronts: 1, store: bucket.store(), ...under(young, old) })
  await grove.start()
  t.equal(await page(grove), 'v1')
  folderOf(grove, 'site', { 'index.html': 'v2' })
  await publish(grove, site)
  t.equal(await page(grove), 'v2')
  t.ok((await keysOfBucket()).includes(young.file) && (await keysOfBucket()).includes(old.file), 'both are in use')
  await grove.json(['site', 'rollback', 'blog'])
  t.equal(await page(grove), 'v1', 'what the old one sealed is read')
  await grove.json(['site', 'rollback', 'blog', '--to', '2'])

  await grove.json(['site', 'prune', 'blog'])
  await grove.json(['store', 'collect', '--grace', '0s'])
  await grove.json(['store', 'collect', '--grace', '0s'])
  t.match(await grove.json(['store', 'verify']), { faultCount: 0 })
  const keyring = openKeyring([young.bytes])
  await grove.until(() => rootOf(bucket, 'blog', keyring).catch(() => undefined))
  await grove.kill()

  const second = await startMachine(t, bucket, under(young))
  t.equal(await page(second), 'v2')
  t.equal(await page(second, '/kept.html'), 'kept')
  t.equal(sha256((await second.visitor.http1(second.url('blog', '/film.mp4'))).body), sha256(film))
  await second.json(['site', 'rollback', 'blog'])
  t.equal(await page(second), 'v1')
  t.match(await second.json(['store', 'verify']), { faultCount: 0 })
})
