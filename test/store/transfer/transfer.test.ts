import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import { openKeyring } from '../../../store/segments/keyring.ts'
import { type ExportOptions, exportSite, type TransferProgress } from '../../../store/transfer/export-site.ts'
import { type Imported, type ImportOptions, importSite } from '../../../store/transfer/import-site.ts'
import { tarEnd, tarHeader, tarPadding } from '../../../store/transfer/tar-write.ts'
import { verifyStore } from '../../../store/verify/verify.ts'
import type { SiteVersions } from '../../../store/versions/versions.ts'
import {
  auditPath,
  contentsOf,
  hashOf,
  logPath,
  nextAct,
  onBase,
  owner,
  type Place,
  place,
  send,
  whole,
} from '../versions/fixtures/place.ts'

/** A site with three versions, of which the second is live, and pins. */
async function source(
  t: Test,
  options: Parameters<typeof place>[1] = {},
  large?: Buffer,
): Promise<Place & { site: SiteVersions }> {
  const here = await place(t, options)
  const site = await here.open()
  const first = { 'index.html': 'one', 'a/ü.css': 'body {}', 'empty.txt': '', ...(large && { 'large.bin': large }) }
  await site.publish({ ...whole(await send(here.blobs, first)), message: 'the first' })
  await site.publish(onBase(1, await send(here.blobs, { 'index.html': 'two' })))
  await site.publish(onBase(2, await send(here.blobs, { 'new.html': 'new' }), ['a/ü.css']))
  await site.activate(2, nextAct())
  await site.pin({ name: 'tag:first', version: 1, untilMs: undefined }, nextAct())
  await site.pin({ name: 'session:1', version: 2, untilMs: Date.now() + 1e9 }, nextAct())
  return { ...here, site }
}

type Over = Partial<Pick<ExportOptions, 'name' | 'keyring' | 'objects'>>

function optionsOf({ store, env, blobs, objects }: Place, over: Over = {}): ExportOptions {
  return { store, handle: store.root, env, blobs, objects, keyring: undefined, owner, name: 'blog', ...over }
}

async function exported(here: Place, over: Over & Pick<ExportOptions, 'onProgress'> = {}): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(exportSite({ ...optionsOf(here, over), ...over })))
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function imported(
  here: Place,
  bytes: Buffer,
  over: Over & Partial<Pick<ImportOptions, 'act' | 'onProgress'>> = {},
  size = 1_000,
): Promise<Imported> {
  return importSite({ ...optionsOf(here), act: { atMs: 77 }, ...over }, inPieces(bytes, size))
}

t.test('a site that was exported is the same site in another store, under any name', async (t) => {
  const large = Buffer.alloc(17 * 1_048_576, 'large ')
  const from = await source(t, {}, large)
  const steps: TransferProgress[] = []
  const file = await exported(from, { onProgress: (step) => steps.push(step) })
  t.match(steps.at(-1), { contents: 6, of: 6, bytes: large.length + 'onetwonewbody {}'.length })
  const to = await place(t)
  const done = await imported(to, file, { name: 'copy' }, 100_000)
  t.same(done, { from: 'blog', versions: [1, 2, 3], live: 2, contents: 6 })
  const copy = await to.open({ name: 'copy' })
  for (const { version } of from.site.versions) {
    t.same(await contentsOf(to, copy, version), await contentsOf(from, from.site, version))
  }
  const told = ({ versions }: SiteVersions) => versions.map(({ ts: _, writer: __, ...record }) => record)
  t.same(told(copy), told(from.site))
  t.equal(copy.live?.version, 2)
  t.same(copy.pins, [{ name: 'tag:first', version: 1, untilMs: undefined }])
  const { store, env, objects, layout } = to
  const report = await verifyStore({ store, handle: store.root, env, objects, layout, keyring: undefined, owner })
  t.match(report, { faultCount: 0, counts: { sites: 1, versions: 3, largeContents: 1, unreferenced: 0, uploads: 0 } })
  const next = await copy.publish(onBase(2, await send(to.blobs, { 'index.html': 'four' })))
  t.equal(next.record.version, 4, 'numbers go on')
})

t.test('followers of the site are told what is live, and the audit log who imported it', async (t) => {
  const from = await source(t)
  const to = await place(t)
  await imported(to, await exported(from))
  const site = await to.open()
  const changes: unknown[] = []
  await using log = await to.store.open(to.store.root, logPath)
  for await (const { data } of log.read()) changes.push(JSON.parse(Buffer.from(data).toString()))
  t.match(changes, [
    { kind: 'merge', atMs: 77 },
    { kind: 'live', version: 2 },
  ])
  t.same(
    (changes[1] as { put: string[][] }).put.map(([path]) => path),
    ['a/ü.css', 'empty.txt', 'index.html'],
  )
  await using audit = await to.store.open(to.store.root, auditPath)
  const acts: unknown[] = []
  for await (const { data } of audit.read()) acts.push(JSON.parse(Buffer.from(data).toString()))
  t.same(acts, [
    { act: 'import', version: 3 },
    { act: 'live', version: 2 },
  ])
  t.equal(site.versions.length, 3)
})

t.test('an encrypted site is exported plain, and sealed with other keys where it is imported', async (t) => {
  const [here, there] = [openKeyring([Buffer.alloc(32, 1)]), openKeyring([Buffer.alloc(32, 2)])]
  const from = await source(t, { keyring: here }, Buffer.alloc(17 * 1_048_576, 'secret '))
  const file = await exported(from, { keyring: here })
  t.ok(file.includes('secret secret'))
  const to = await place(t, { keyring: there })
  await imported(to, file, { keyring: there }, 1_000_000)
  const copy = await to.open()
  t.match(await contentsOf(to, copy, 2), { 'index.html': 'two' })
  const { store, env, objects } = to
  const verify = { store, handle: store.root, env, objects, owner }
  t.match(await verifyStore({ ...verify, keyring: there }), { faultCount: 0 })
  t.not((await verifyStore({ ...verify, keyring: here })).faultCount, 0)
})

t.test('the export is the same whenever it is made, but for its time', async (t) => {
  const from = await source(t)
  const env = { ...from.env, now: () => 1_700_000_000_000 }
  const [one, two] = [await exported({ ...from, env }), await exported({ ...from, env })]
  t.ok(one.equals(two))
  const to = await place(t, { env })
  await imported(to, one)
  const again = await exported(to)
  t.equal(again.length, one.length, 'and so is that of the copy, but for the ids of stores')
})

t.test('any tar reads an export, and one that any tar has packed is taken', async (t) => {
  const from = await source(t)
  const folder = t.testdir({ files: {} })
  const file = join(folder, 'blog.tar')
  writeFileSync(file, await exported(from))
  const tar = (...args: string[]) => execFileSync('tar', args, { encoding: 'utf8' })
  const names = tar('-tf', file).trim().split('\n')
  t.same(names.slice(0, 5), ['grove-export.json', 'versions.ndjson', 'trees/1.txt', 'trees/2.txt', 'trees/3.txt'])
  tar('-xf', file, '-C', join(folder, 'files'))
  t.equal(tar('-xOf', file, `contents/${hashOf('one')}`), 'one')
  const packed = tar('-c', '--format=ustar', '-C', join(folder, 'files'), ...names)
  const to = await place(t)
  t.match(await imported(to, Buffer.from(packed, 'utf8')), { versions: [1, 2, 3], live: 2 })
})

t.test('a name that had versions before goes on with its numbers', async (t) => {
  const from = await source(t)
  const file = await exported(from)
  await t.rejects(imported(from, file), { code: 'ERR_SITE_EXISTS', hint: /another name/ })
  await from.site.delete(nextAct())
  t.match(await imported(from, file), { versions: [4, 5, 6], live: 5 })
  const site = await from.open()
  t.match(site.pins, [{ name: 'tag:first', version: 4 }])
  t.match(await contentsOf(from, site, 6), { 'new.html': 'new' })
  t.equal((await site.publish(onBase(5, await send(from.blobs, { x: 'x' })))).record.version, 7)
})

t.test('a site that is not there is not exported, and is not made by asking', async (t) => {
  const here = await place(t)
  await t.rejects(exported(here), { code: 'ERR_SITE_UNKNOWN' })
  t.same(await here.store.list(here.store.root, '/sites'), [])
  await here.open()
  await t.rejects(exported(here), { code: 'ERR_SITE_UNKNOWN' })
})

t.test('an export whose site is damaged has no end', async (t) => {
  const from = await source(t)
  const objects = {
    ...from.objects,
    read: async (...args: Parameters<typeof from.objects.read>) => {
      const bytes = await from.objects.read(...args)
      if (args[1] === undefined) bytes[20] = (bytes[20] ?? 0) ^ 1
      return bytes
    },
  }
  const pieces: Buffer[] = []
  await t.rejects(
    async () => {
      for await (const piece of exportSite(optionsOf(from, { objects }))) pieces.push(piece)
    },
    { code: 'ERR_BLOB_CORRUPT' },
  )
  const to = await place(t)
  await t.rejects(imported(to, Buffer.concat(pieces)), { code: 'ERR_BAD_REQUEST', message: /ends too early/ })
})

/** Parts of an export by name, to be changed and put together again. */
type Parts = [name: string, content: Buffer | string][]

function pack(parts: Parts): Buffer {
  const bytes = parts.flatMap(([name, content]) => {
    const body = Buffer.from(content)
    return [tarHeader(name, body.length, 0), body, tarPadding(body.length)]
  })
  return Buffer.concat([...bytes, tarEnd()])
}

const one = { path: 'index.html', content: 'one' }
const list = `${hashOf(one.content)} 3 ${one.path}\n`
const version = {
  ...{ version: 1, parent: null, message: '', atMs: 1, files: 1, bytes: 3, added: 1, changed: 0, removed: 0 },
  list: hashOf(list),
}
const about = {
  ...{ format: 'grove-export-1', site: 'blog', store: '0123456789abcdef', atMs: 1, lastVersion: 1, live: 1 },
  ...{ versions: 1, pins: [], contents: 1, bytes: 3 },
}
const json = (value: unknown) => `${JSON.stringify(value)}\n`
const good: Parts = [
  ['grove-export.json', json(about)],
  ['versions.ndjson', json(version)],
  ['trees/1.txt', list],
  [`contents/${hashOf('one')}`, 'one'],
]
/** The good parts with one in the place of another. */
const withPart = (place: number, name: string, content: string): Parts => good.toSpliced(place, 1, [name, content])
const withAbout = (over: object) => withPart(0, 'grove-export.json', json({ ...about, ...over }))
const withVersion = (over: object) => withPart(1, 'versions.ndjson', json({ ...version, ...over }))
/** With a list that the version's line names rightly. */
const withList = (text: string | Buffer, over: object = {}): Parts => [
  ...withVersion({ list: hashOf(text), ...over }).slice(0, 2),
  ['trees/1.txt', text],
  ...good.slice(3),
]

const hostile: readonly {
  readonly name: string
  readonly parts: Parts
  readonly code?: string
  readonly reason: RegExp
}[] = [
  { name: 'nothing in it', parts: [], reason: /ends before grove-export.json/ },
  { name: 'parts in another order', parts: good.toReversed(), reason: /stands where grove-export.json should/ },
  {
    name: 'a first part that is too large',
    parts: withPart(0, 'grove-export.json', ' '.repeat(2_000_000)),
    code: 'ERR_TOO_LARGE',
    reason: /2000000 bytes/,
  },
  { name: 'a first part that is no JSON', parts: withPart(0, 'grove-export.json', '{'), reason: /is not JSON/ },
  {
    name: 'a first part that is no text',
    parts: [['grove-export.json', Buffer.from([0xff])], ...good.slice(1)],
    reason: /not UTF-8/,
  },
  { name: 'another format', parts: withAbout({ format: 'grove-export-2' }), reason: /grove-export.json: format/ },
  { name: 'a key that is not known', parts: withAbout({ extra: 1 }), reason: /Unrecognized key/ },
  { name: 'a site of a path', parts: withAbout({ site: '../blog' }), code: 'ERR_SITE_NAME', reason: /not a site name/ },
  {
    name: 'a live version that is not in it',
    parts: withAbout({ live: 2, lastVersion: 2 }),
    reason: /version 2, the live one/,
  },
  { name: 'a last version before the last', parts: withVersion({ version: 2 }), reason: /after the last one/ },
  {
    name: 'numbers that leave none for others',
    parts: withAbout({ lastVersion: Number.MAX_SAFE_INTEGER }),
    reason: /lastVersion/,
  },
  { name: 'more versions told than there are', parts: withAbout({ versions: 2 }), reason: /1 lines, and/ },
  {
    name: 'a version without its end',
    parts: withPart(1, 'versions.ndjson', JSON.stringify(version)),
    reason: /middle of a line/,
  },
  {
    name: 'one version twice',
    parts: [
      [`grove-export.json`, json({ ...about, versions: 2 })],
      ['versions.ndjson', json(version).repeat(2)],
      ...good.slice(2),
    ],
    reason: /out of order/,
  },
  {
    name: 'a pin of no version',
    parts: withAbout({ pins: [{ name: 'tag:a', version: 2 }] }),
    reason: /pin "tag:a" cannot be/,
  },
  {
    name: 'a pin twice',
    parts: withAbout({ pins: [1, 1].map((version) => ({ name: 'tag:a', version })) }),
    reason: /cannot be/,
  },
  {
    name: 'a pin that steers terminals',
    parts: withAbout({ pins: [{ name: 'tag:\x1b[2J', version: 1 }] }),
    reason: /not a name of a pin/,
  },
  {
    name: 'another list than the version names',
    parts: withPart(2, 'trees/1.txt', list.replace('index', 'other')),
    reason: /not the list/,
  },
  { name: 'a list of another version', parts: withPart(2, 'trees/2.txt', list), reason: /stands where trees\/1.txt/ },
  { name: 'a list that is no text', parts: withList(Buffer.from([0xff, 0x0a])), reason: /trees.1.txt is not UTF-8/ },
  { name: 'a list without its end', parts: withList(list.trimEnd()), reason: /middle of a line/ },
  { name: 'a line that is no file', parts: withList('index.html\n'), reason: /line 1 of trees\/1.txt is not a file/ },
  {
    name: 'a path that climbs',
    parts: withList(list.replace('index.html', '../../etc/passwd')),
    code: 'ERR_PUBLISH_REFUSED',
    reason: /segment \.\./,
  },
  {
    name: 'an absolute path',
    parts: withList(list.replace('index.html', '/etc/passwd')),
    code: 'ERR_PUBLISH_REFUSED',
    reason: /starts with \//,
  },
  {
    name: 'a path twice',
    parts: withList(list.repeat(2), { files: 2, bytes: 6 }),
    code: 'ERR_PUBLISH_REFUSED',
    reason: /there twice/,
  },
  {
    name: 'paths that differ by case',
    parts: withList(list + list.replace('index', 'INDEX')),
    code: 'ERR_PUBLISH_REFUSED',
    reason: /only by case/,
  },
  {
    name: 'a file beyond all bounds',
    parts: withList(list.replace(' 3 ', ' 9007199254740991 ')),
    code: 'ERR_PUBLISH_REFUSED',
    reason: /larger than/,
  },
  { name: 'other totals than the version tells', parts: withVersion({ files: 2 }), reason: /tells others/ },
  {
    name: 'one content with two lengths',
    parts: withList(`${list}${hashOf('one')} 4 b\n`, { files: 2, bytes: 7 }),
    reason: /two lengths/,
  },
  {
    name: 'a content of another length',
    parts: withPart(3, `contents/${hashOf('one')}`, 'ones'),
    reason: /has 4 bytes/,
  },
  {
    name: 'a content of another hash',
    parts: withPart(3, `contents/${hashOf('one')}`, 'two'),
    code: 'ERR_BLOB_MISMATCH',
    reason: /has the hash/,
  },
  {
    name: 'a content that no version has',
    parts: [...good, [`contents/${hashOf('two')}`, 'two']],
    reason: /no version has content/,
  },
  { name: 'a content twice', parts: [...good, [`contents/${hashOf('one')}`, 'one']], reason: /is there twice/ },
  { name: 'a content missing', parts: good.slice(0, 3), reason: /lacks 1 contents/ },
  {
    name: 'a content in a folder above',
    parts: [...good, ['../../tmp/x', 'x']],
    reason: /"..\/..\/tmp\/x" is not a part/,
  },
  {
    name: 'a content with an absolute name',
    parts: [...good, ['/etc/passwd', 'x']],
    reason: /"\/etc\/passwd" is not a part/,
  },
  { name: 'a content of a name that is no hash', parts: [...good, ['contents/..', 'x']], reason: /is not a part/ },
]

t.test('an export that is none is refused, and nothing is made', async (t) => {
  const to = await place(t)
  for (const { name, parts, code = 'ERR_BAD_REQUEST', reason } of hostile)
    await t.test(`an export with ${name}`, async (t) => {
      await t.rejects(imported(to, pack(parts)), { code, message: reason })
      t.same(await to.store.list(to.store.root, '/sites'), [])
      t.same(await Array.fromAsync(to.objects.list('')), [])
    })
})

t.test('what the table above begins with is an export', async (t) => {
  const to = await place(t)
  t.match(await imported(to, pack(good), {}, 7), { versions: [1], live: 1, contents: 1 })
  const site = await to.open()
  t.same(await contentsOf(to, site, 1), { 'index.html': 'one' })
  const other = await place(t)
  t.match(await imported(other, pack(withAbout({ live: null }))), { versions: [1], live: undefined })
  const none = await other.open()
  t.equal(none.live, undefined)
  await none.activate(1, nextAct())
})

t.test('a handle without the right imports nothing, and one that has it is the writer of the versions', async (t) => {
  const to = await place(t)
  const untilMs = Date.now() + 1e9
  const { store } = to
  const reader = await store.grant(store.root, { path: '/sites/ada/blog', untilMs, read: true })
  await t.rejects(imported(to, pack(good), { act: { atMs: 1, handle: reader } }), { code: 'ERR_DENIED' })
  const writer = await store.grant(store.root, { path: '/sites/ada/blog', untilMs, read: true, write: true })
  await imported(to, pack(good), { act: { atMs: 1, handle: writer } })
  const { id } = await store.whoami(writer)
  t.match((await to.open()).versions, [{ version: 1, writer: id }])
})

t.test('a site of more contents than are taken at once is refused before they are read', async (t) => {
  const { contents } = limits.transfer
  Object.assign(limits.transfer, { contents: 0 })
  t.teardown(() => Object.assign(limits.transfer, { contents }))
  await t.rejects(imported(await place(t), pack(good)), { code: 'ERR_TOO_LARGE', hint: /prune/ })
})

t.test('a site that is made while it is imported is not written over', async (t) => {
  const to = await place(t)
  async function* slow() {
    yield pack(good)
    const site = await to.open()
    await site.publish(whole(await send(to.blobs, { 'mine.html': 'mine' })))
  }
  await t.rejects(importSite({ ...optionsOf(to), act: { atMs: 1 } }, slow()), { code: 'ERR_SITE_EXISTS' })
  const site = await to.open()
  t.same(await contentsOf(to, site, 1), { 'mine.html': 'mine' })
  mkdirSync(join(to.layout.root, 'end'))
})

t.test('whoever imports is told before there is a version, makes it live, and has to be in charge', async (t) => {
  const to = await place(t)
  const steps: string[] = []
  const site = await to.open()
  const begin = async () => {
    await site.refresh()
    steps.push(`begin with ${site.versions.length}`)
  }
  const activate = async (version: number) => {
    steps.push(`activate ${version}`)
    await site.activate(version, nextAct())
  }
  const refusing = { number: 1, check: () => Promise.reject(new GroveError('ERR_FENCED', 'another one is in charge')) }
  const options = { ...optionsOf(to), act: { atMs: 1 }, begin, activate }
  await t.rejects(importSite({ ...options, epoch: refusing }, inPieces(pack(good), 1_000)), { code: 'ERR_FENCED' })
  await t.rejects(importSite({ ...options, begin: () => Promise.reject(new Error('no')) }, inPieces(pack(good), 1_000)))
  t.same(steps, [])
  await site.refresh()
  t.same(site.versions, [])
  t.match(await importSite(options, inPieces(pack(good), 1_000)), { versions: [1], live: 1 })
  t.same(steps, ['begin with 0', 'activate 1'])
  t.equal(site.live?.version, 1)
})
