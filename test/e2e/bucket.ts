/** A real bucket for a whole Grove, behind a proxy that counts and has bad days, and what tests do with both. */

import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import { siteOwner } from '../../core/grant-api.ts'
import { objectKeys } from '../../store/objects/keys.ts'
import type { Keyring } from '../../store/segments/keyring.ts'
import { decodeRoot, type Root } from '../../store/versions/root.ts'
import { grove as runCommand } from '../cli/command-line.ts'
import { type FaultyProxy, type SeenRequest, startFaultyProxy } from '../services/faulty-proxy.ts'
import { type S3Server, startS3 } from '../services/s3.ts'
import { Harness, startGrove } from './harness.ts'

/** A bucket, and the way to it. */
export interface TestBucket {
  readonly proxy: FaultyProxy
  readonly name: string
  /** The key `store` of a config; through the proxy unless another endpoint is given. */
  store(change?: Record<string, unknown>): Record<string, unknown>
  /** Everything that lies there, past the proxy. Keyed by key. */
  objects(): Promise<Map<string, Buffer>>
}

/** An empty bucket of a server, and a proxy before it. Default: a server of its own. */
export async function startBucket(t: Test, given?: S3Server): Promise<TestBucket> {
  const server = given ?? (await startS3(t))
  const { endpoint, accessKeyId, secretAccessKey } = server
  const proxy = await startFaultyProxy(endpoint, { secretAccessKey })
  t.teardown(() => proxy[Symbol.asyncDispose]())
  const name = await server.bucket()
  const credentials = { accessKeyId, secretAccessKey }
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  t.teardown(() => client.destroy())
  return {
    proxy,
    name,
    store: (change = {}) => ({
      kind: 's3',
      endpoint: proxy.url,
      bucket: name,
      accessKeyId,
      secretAccessKey,
      ...change,
    }),
    async objects() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }))
      const found = new Map<string, Buffer>()
      for (const { Key = '' } of Contents) {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: name, Key }))
        found.set(Key, Buffer.from((await Body?.transformToByteArray()) ?? []))
      }
      return found
    },
  }
}

/** A machine with one front on a bucket. `config`: what is added. */
export function startMachine(t: Test, bucket: TestBucket, config: Record<string, unknown> = {}): Promise<Harness> {
  return startGrove(t, { config: { fronts: 1, store: bucket.store(), ...config } })
}

/** What `grove serve` says when it cannot start: its exit code and all that it wrote. */
export async function failedStart(t: Test, config: Record<string, unknown>, data?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'grove-e2e-'))
  const harness = new Harness(folder, {})
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  if (data !== undefined) harness.data = data
  harness.writeConfig({ fronts: 1, ...config })
  const { exitCode, out, err } = await harness.command(['serve'])
  return { exitCode, said: out + err }
}

/** Whether a request serves sites: neither the probe of the bucket, nor the claim of it, nor a certificate's record. */
export function isOfSites({ key }: Pick<SeenRequest, 'key'>): boolean {
  return !/^(probe|operator\/meta\/epoch|grove\.certs)\//.test(key)
}

/** Reads that serve sites, as `GET key`. */
export function reads({ seen }: FaultyProxy): string[] {
  return seen
    .filter((one) => ['GET', 'HEAD', 'LIST'].includes(one.kind) && isOfSites(one))
    .map(({ kind, key }) => `${kind} ${key}`)
}

/** Writes that serve sites, as `PUT key`. */
export function writes({ seen }: FaultyProxy): string[] {
  return seen
    .filter((one) => ['PUT', 'POST', 'DELETE'].includes(one.kind) && isOfSites(one))
    .map(({ kind, key }) => `${kind} ${key}`)
}

/** A folder with these files beside a Grove's data; files that are there already stay. */
export function folderOf(
  grove: Pick<Harness, 'folder'>,
  name: string,
  files: Readonly<Record<string, string | Buffer>>,
): string {
  const folder = join(grove.folder, name)
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  return folder
}

/** So many bytes that cannot be packed. */
export function noise(bytes: number): Buffer {
  return randomBytes(bytes)
}

/** SHA-256 in hex. */
export function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** What a visitor gets: the status, and the body when it is 200. */
export async function page(grove: Harness, path = '/', site = 'blog'): Promise<string> {
  const { status, body } = await grove.visitor.http1(grove.url(site, path))
  return status === 200 ? String(body) : String(status)
}

/** The keys below a prefix. */
export function keysOf(objects: ReadonlyMap<string, Buffer>, prefix: string): string[] {
  return [...objects.keys()].filter((key) => key.startsWith(prefix))
}

/** The newest root of a site in the bucket; undefined when there is none. */
export async function rootOf(bucket: TestBucket, site = 'blog', keyring?: Keyring): Promise<Root | undefined> {
  const objects = await bucket.objects()
  const key = keysOf(objects, objectKeys.roots(siteOwner, site)).at(-1)
  const bytes = key === undefined ? undefined : objects.get(key)
  return key && bytes ? decodeRoot(keyring, { owner: siteOwner, site, key }, bytes) : undefined
}

/** Waits until the newest root of a site tells of a version. */
export async function rootTells(grove: Harness, bucket: TestBucket, version: number, site = 'blog'): Promise<Root> {
  return grove.until(async () => {
    const root = await rootOf(bucket, site)
    return root?.lastVersion === version && root
  })
}

/** Publishes in this process, which is faster than a process of its own. */
export async function publish(grove: Harness, folder: string, site = 'blog'): Promise<{ version: number }> {
  const { exitCode, said } = await tryPublish(grove, folder, site)
  if (exitCode !== 0) throw new Error(`publish failed: ${JSON.stringify(said)}`)
  return said as { version: number }
}

/** Publishes in this process, and answers what it said, which may be an error. */
export async function tryPublish(grove: Harness, folder: string, site = 'blog', token?: string) {
  const args = ['publish', folder, '--site', site, '--json', '--data', grove.data]
  const env = token === undefined ? {} : { GROVE_TOKEN: token }
  const { exitCode, out } = await runCommand(args, { cwd: grove.folder, env })
  return { exitCode, said: JSON.parse(out) as unknown }
}
