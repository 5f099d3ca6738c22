import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t, { type Test } from 'tap'
import { SweepGuard, type SweepOptions, sweep } from '../../control/sweep.ts'
import { blobFile, compiledFile, type Layout, variantFile } from '../../core/layout.ts'
import { hashOf } from './fixtures/contents.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { openSiteHost, publishTexts } from './fixtures/site-host.ts'

const longAgo = new Date(Date.now() - 3_600_000)

/** Makes a file look as if an earlier process had written it. */
function age(file: string): void {
  utimesSync(file, longAgo, longAgo)
}

function write(file: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, 'x')
  age(file)
}

async function setUp(t: Test) {
  const host = await openSiteHost(t.testdir())
  t.teardown(() => host[Symbol.asyncDispose]())
  const guard = new SweepGuard()
  const options: SweepOptions = {
    ...host,
    guard,
    activator: { uses: (hash) => hash === hashOf('in use'), paused: (work) => work() },
    olderThanMs: Date.now() - 60_000,
    log: silentLog,
    signal: new AbortController().signal,
  }
  const old = async (text: string) => {
    const hash = await host.blobs.putBytes(Buffer.from(text))
    age(blobFile(host.layout, hash))
    return hash
  }
  return { ...host, guard, options, old }
}

const isThere = (layout: Layout, text: string) => existsSync(blobFile(layout, hashOf(text)))

t.test('what no version refers to goes, what any version has stays', async (t) => {
  const { registry, layout, options, old, ...host } = await setUp(t)
  const site = await registry.create('blog')
  await publishTexts(host, site, { a: 'first', b: 'both' })
  await publishTexts(host, site, { a: 'second', b: 'both' })
  for (const { root } of site.versions.versions) age(blobFile(layout, root))
  for (const text of ['first', 'second', 'both']) age(blobFile(layout, hashOf(text)))
  await old('orphan')
  await host.blobs.putBytes(Buffer.from('fresh'))
  write(compiledFile(layout, hashOf('in use')))
  write(compiledFile(layout, hashOf('left over')))
  writeFileSync(compiledFile(layout, hashOf('just made')), 'x')
  write(variantFile(layout, hashOf('both'), 'br'))
  write(variantFile(layout, hashOf('orphan'), 'br'))
  write(variantFile(layout, hashOf('unknown'), 'gzip'))

  t.match(await sweep(options), { blobs: 1, bytes: 6, compiled: 1, variants: 2 })
  for (const text of ['first', 'second', 'both', 'fresh']) t.ok(isThere(layout, text), `${text} stays`)
  t.notOk(isThere(layout, 'orphan'))
  for (const { root } of site.versions.versions) t.ok(existsSync(blobFile(layout, root)), 'trees stay')
  t.same(readdirSync(layout.compiled).sort(), [hashOf('in use'), hashOf('just made')].sort())
  t.ok(existsSync(variantFile(layout, hashOf('both'), 'br')))
  t.same(await sweep(options), { blobs: 0, bytes: 0, compiled: 0, variants: 0 }, 'nothing is left to do')
})

t.test('versions of a deleted site are kept by nothing', async (t) => {
  const { registry, layout, options, ...host } = await setUp(t)
  await publishTexts(host, await registry.create('blog'), { a: 'gone' })
  age(blobFile(layout, hashOf('gone')))
  await registry.delete('blog')
  await sweep(options)
  t.notOk(isThere(layout, 'gone'))
})

t.test('what a publish has asked for stays, also when it is old', async (t) => {
  const { layout, options, guard, old } = await setUp(t)
  guard.touch([await old('asked for')])
  await old('orphan')
  await sweep(options)
  t.ok(isThere(layout, 'asked for'))
  t.notOk(isThere(layout, 'orphan'))
})

t.test('nothing goes while a publish is being committed, nor what it made', async (t) => {
  const { layout, options, guard, old } = await setUp(t)
  await old('orphan')
  const gate = Promise.withResolvers<void>()
  const commit = guard.committing(
    async () => {
      await gate.promise
      return { root: hashOf('tree') }
    },
    ({ root }) => root,
  )
  t.ok(guard.keeps(hashOf('anything')))
  t.match(await sweep({ ...options, guard }), { blobs: 0 })
  t.ok(isThere(layout, 'orphan'))
  gate.resolve()
  await commit
})

t.test('a guard knows what was made until the sweep is over, then everything stays', async (t) => {
  const guard = new SweepGuard()
  t.notOk(guard.keeps('a'))
  await guard.committing(
    async () => 'a',
    (made) => made,
  )
  t.ok(guard.keeps('a'))
  await t.rejects(
    guard.committing(
      async () => {
        throw new Error('no')
      },
      () => 'b',
    ),
    { message: 'no' },
  )
  t.notOk(guard.keeps('b'))
  guard.end()
  t.ok(guard.keeps('b'))
})

t.test('a tree that cannot be read ends the sweep before anything is removed', async (t) => {
  const { registry, layout, options, old, ...host } = await setUp(t)
  const site = await registry.create('blog')
  await publishTexts(host, site, { a: 'kept' })
  await old('orphan')
  const versions = {
    ...site.versions,
    versions: site.versions.versions,
    tree: () => Promise.reject(new Error('damaged')),
  }
  await t.rejects(sweep({ ...options, registry: { all: () => [{ ...site, versions }] } }), { message: 'damaged' })
  t.ok(isThere(layout, 'orphan'))
})

t.test('a sweep ends when control does', async (t) => {
  const { layout, options, old } = await setUp(t)
  await old('orphan')
  write(variantFile(layout, hashOf('orphan'), 'br'))
  const ended = new AbortController()
  ended.abort()
  t.match(await sweep({ ...options, signal: ended.signal }), { blobs: 0, variants: 0 })
  t.ok(isThere(layout, 'orphan'))
})
