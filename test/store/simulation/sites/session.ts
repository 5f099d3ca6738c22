/** Clients' way to open sites: each call is asked and answered through the history. */

import { GroveError } from '../../../../core/errors.ts'
import { blobFile } from '../../../../core/layout.ts'
import type { BlobHash } from '../../../../core/names.ts'
import { objectKeys } from '../../../../store/objects/keys.ts'
import type { Ts } from '../../../../store/store.ts'
import type { TreeFile } from '../../../../store/trees/tree-file.ts'
import { verifyStore } from '../../../../store/verify/verify.ts'
import { collect as collectAll } from '../../../../store/versions/collect.ts'
import { presignUpload } from '../../../../store/versions/presign.ts'
import type { SiteVersions } from '../../../../store/versions/versions.ts'
import type { Asked, Recorder } from '../history.ts'
import type { FileChange, Files, SeenSite, SiteAnswers, SiteAsk, SiteAskOf } from './asks.ts'
import { type Content, contentNamed, nameOf, nameOfBytes } from './contents.ts'
import { layout, owner, type SiteSession } from './open-session.ts'

/** Where clients ask. */
export interface SiteDesk {
  readonly recorder: Recorder<SiteAsk, never>
}

/** Asks what `run` does. */
function put<Kind extends SiteAsk['call']>(
  { recorder }: SiteDesk,
  session: SiteSession,
  client: string,
  ask: SiteAskOf<Kind>,
  run: () => Promise<SiteAnswers[Kind]>,
): Promise<Asked<SiteAnswers[Kind]>> {
  return recorder.ask({ client, life: session.life, store: session.number }, ask, run)
}

/** Sends a content, here or with a signed URL straight to the bucket; then `bytes` may be others than the content's. */
export function upload(
  desk: SiteDesk,
  session: SiteSession,
  client: string,
  content: Content,
  sent?: { site: string; bytes: Buffer },
) {
  const ask = { call: 'upload', content: content.name, way: sent ? 'bucket' : 'here' } as const
  return put<'upload'>(desk, session, client, ask, async () => {
    if (sent) {
      const upload = { hash: content.hash, bytes: content.bytes.length }
      await presignUpload({ ...session.common, name: sent.site }, upload)
      session.bucket?.send(objectKeys.large(owner, sent.site, content.hash), sent.bytes)
    } else await session.blobs.put(content.hash, pieces(content.bytes), content.bytes.length)
    return null
  })
}

/** A site's versions. */
export function list(desk: SiteDesk, session: SiteSession, client: string, site: string) {
  return put<'list'>(desk, session, client, { call: 'list', site }, async () => seenSite(siteOf(session, site)))
}

/** The files of a version. */
export function tree(desk: SiteDesk, session: SiteSession, client: string, site: string, version: number) {
  return put<'tree'>(desk, session, client, { call: 'tree', site, version }, async () => {
    const files: Record<string, string> = {}
    for await (const { path, hash } of siteOf(session, site).files(version)) files[path] = nameOf(hash)
    return { files }
  })
}

/** A version whole: what its files are, by their bytes as fronts read them. */
export function readVersion(desk: SiteDesk, session: SiteSession, client: string, site: string, version: number) {
  const ask = { call: 'read', site, version } as const
  return put<'read'>(desk, session, client, ask, async () => ({ files: await filesOf(session, site, version) }))
}

/** The files of a version with what their bytes are. Fronts do not hash what they read; this does, to name it. */
export async function filesOf(session: SiteSession, site: string, version: number): Promise<Files> {
  const versions = siteOf(session, site)
  const known = new Map<BlobHash, string>()
  const files: Record<string, string> = {}
  for await (const { path, hash } of versions.files(version)) {
    const name = known.get(hash) ?? nameOfBytes(await readAsFront(session, versions, hash))
    known.set(hash, name)
    files[path] = name
  }
  return files
}

/** What differs between two versions. */
export function diff(desk: SiteDesk, session: SiteSession, client: string, ask: SiteAskOf<'diff'>) {
  return put<'diff'>(desk, session, client, ask, async () => {
    const { added, changed, removed } = await siteOf(session, ask.site).diff(ask.from, ask.to)
    const change: Record<string, string | null> = {}
    for (const { path, hash } of [...added, ...changed]) change[path] = nameOf(hash)
    for (const { path } of removed) change[path] = null
    return { change }
  })
}

/** The contents that have to be sent before a publish; not part of the history. */
export async function missing(session: SiteSession, site: string, files: readonly string[]): Promise<Content[]> {
  const wanted = files.map((name) => treeFile(name, contentNamed(name)))
  const hashes = await siteOf(session, site).missing(wanted)
  return hashes.map((hash) => contentNamed(nameOf(hash)))
}

/** Publishes as asked. */
export function publish(desk: SiteDesk, session: SiteSession, client: string, ask: SiteAskOf<'publish'>) {
  return put<'publish'>(desk, session, client, ask, async () => {
    const act = { atMs: session.life.env.now(), opId: `publish-${ask.name}`, message: ask.name }
    const { wanted } = ask
    const done = await siteOf(session, ask.site).publish(
      'files' in wanted
        ? { ...act, files: treeFiles(wanted.files) }
        : { ...act, base: wanted.base, change: treeChange(wanted.change) },
    )
    const { record, unchanged, rebased, change } = done
    return { version: record.version, unchanged, rebased, ts: change?.ts ?? null }
  })
}

/** Makes a version live. */
export function activate(desk: SiteDesk, session: SiteSession, client: string, ask: SiteAskOf<'activate'>) {
  return put<'activate'>(desk, session, client, ask, async () => {
    const { ts } = await siteOf(session, ask.site).activate(ask.version, actOf(session, ask))
    return { ts }
  })
}

/** Pins a version. */
export function pin(desk: SiteDesk, session: SiteSession, client: string, ask: SiteAskOf<'pin'>) {
  return put<'pin'>(desk, session, client, ask, async () => {
    const wanted = { name: ask.pin, version: ask.version, untilMs: undefined }
    await siteOf(session, ask.site).pin(wanted, actOf(session, ask))
    return null
  })
}

/** Takes a pin away. */
export function unpin(desk: SiteDesk, session: SiteSession, client: string, ask: SiteAskOf<'unpin'>) {
  return put<'unpin'>(desk, session, client, ask, async () => ({
    was: await siteOf(session, ask.site).unpin(ask.pin, actOf(session, ask)),
  }))
}

/** Forgets versions. */
export function prune(desk: SiteDesk, session: SiteSession, client: string, ask: SiteAskOf<'prune'>) {
  return put<'prune'>(desk, session, client, ask, async () => {
    const { pruned } = await siteOf(session, ask.site).prune(ask.keep, actOf(session, ask))
    return { pruned }
  })
}

/** Has the bucket's root follow. */
export function checkpoint(desk: SiteDesk, session: SiteSession, client: string, site: string) {
  return put<'checkpoint'>(desk, session, client, { call: 'checkpoint', site }, async () => {
    await siteOf(session, site).checkpoint()
    return null
  })
}

/** What a site's visitors were told after a moment. */
export function changes(desk: SiteDesk, session: SiteSession, client: string, ask: SiteAskOf<'changes'>) {
  return put<'changes'>(desk, session, client, ask, async () => {
    const told = await siteOf(session, ask.site).changes(ask.after as Ts | undefined)
    return {
      changes: told.map(({ ts, kind, version, added, changed, removed }) => {
        return { ts, kind, version: version ?? null, put: [...added, ...changed].sort(), del: removed }
      }),
    }
  })
}

/** Removes what nobody needs. */
export function collect(desk: SiteDesk, session: SiteSession, client: string) {
  return put<'collect'>(desk, session, client, { call: 'collect' }, async () => {
    const { removed, uploads } = await collectAll(session.common)
    return { removed, uploads }
  })
}

/** Brings the cache down to its size. */
export function evict(desk: SiteDesk, session: SiteSession, client: string) {
  return put<'evict'>(desk, session, client, { call: 'evict' }, async () => {
    await session.blobs.evict()
    return null
  })
}

/** Looks at everything. */
export function verify(desk: SiteDesk, session: SiteSession, client: string) {
  return put<'verify'>(desk, session, client, { call: 'verify' }, async () => {
    const { faults } = await verifyStore({ ...session.common, handle: session.store.root, layout })
    return { faults: faults.map(({ where, problem }) => `${where}: ${problem}`) }
  })
}

/** A site as it is. */
export function seenSite({ live, versions, pins }: SiteVersions): SeenSite {
  return {
    live: live?.version ?? null,
    versions: versions.map(({ version, message, parent, ts }) => ({
      version,
      name: message,
      parent: parent ?? null,
      ts,
    })),
    pins: pins.map(({ name, version }) => ({ name, version })),
  }
}

/** The versions of a site. */
export function siteOf(session: SiteSession, site: string): SiteVersions {
  const versions = session.sites.get(site)
  if (versions) return versions
  throw new GroveError('ERR_SITE_UNKNOWN', `no site ${site}`)
}

/** Whether nobody knows what came of a call. */
export function isUnsure(asked: Asked<unknown>): boolean {
  return asked.error !== undefined && ['ERR_DATA_IO', 'ERR_CLOSED', 'ERR_OBJECTS'].includes(asked.error.code)
}

async function readAsFront({ life, blobs }: SiteSession, versions: SiteVersions, hash: BlobHash): Promise<Buffer> {
  for (let tries = 0; tries < 5; tries += 1) {
    await versions.ensure(hash)
    try {
      return await life.env.files.read(blobFile(blobs.layout, hash))
    } catch (error) {
      // Evicted between the two: a front asks again.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        throw new GroveError('ERR_DATA_IO', `cannot read ${hash}`, { cause: error })
    }
  }
  throw new GroveError('ERR_TIMEOUT', `content ${hash} is evicted again and again`)
}

function actOf(session: SiteSession, { name }: { readonly name: string }) {
  return { atMs: session.life.env.now(), opId: `operation-${name}` }
}

function treeFile(path: string, { hash, bytes }: Content): TreeFile {
  return { path, hash, bytes: bytes.length }
}

function treeFiles(files: Files): TreeFile[] {
  return Object.entries(files).map(([path, name]) => treeFile(path, contentNamed(name)))
}

function treeChange(change: FileChange): { put: TreeFile[]; del: string[] } {
  const entries = Object.entries(change)
  return {
    put: entries.flatMap(([path, name]) => (name === null ? [] : [treeFile(path, contentNamed(name))])),
    del: entries.flatMap(([path, name]) => (name === null ? [path] : [])),
  }
}

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += 1_000) yield bytes.subarray(offset, offset + 1_000)
}
