import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t, { type Test } from 'tap'
import { CompiledTexts } from '../../control/compiled-texts.ts'
import { compiledFile, layoutOf } from '../../core/layout.ts'
import { silentLog } from './fixtures/silent-log.ts'

function setUp(t: Test) {
  const layout = layoutOf(t.testdir())
  const texts = new CompiledTexts(layout, silentLog)
  return { layout, texts, fileOf: (hash: string) => compiledFile(layout, hash) }
}

const text = 'a head\na line\n'

t.test('a text is written under its hash, and stays as long as somebody holds it', async (t) => {
  const { layout, texts, fileOf } = setUp(t)
  const hash = await texts.put(text)
  t.equal(hash, createHash('sha256').update(text).digest('hex'))
  t.equal(readFileSync(fileOf(hash), 'utf8'), text)
  t.same(readdirSync(layout.temporary), [])
  t.equal(await texts.put(text), hash)
  texts.hold(hash)
  await texts.release([hash, hash])
  t.ok(texts.isHeld(hash))
  t.ok(existsSync(fileOf(hash)))
  await texts.release([hash])
  t.notOk(texts.isHeld(hash))
  t.notOk(existsSync(fileOf(hash)))
})

t.test('a whole file is used as it is: a full disk keeps no version from going live again', async (t) => {
  const { texts, fileOf, layout } = setUp(t)
  const hash = await texts.put(text)
  const before = statSync(fileOf(hash))
  utimesSync(fileOf(hash), 1, 1)
  t.equal(await new CompiledTexts(layout, silentLog).put(text), hash)
  const after = statSync(fileOf(hash))
  t.equal(after.ino, before.ino, 'it was not written again')
  t.ok(after.mtimeMs >= before.mtimeMs, 'it is no leftover of an earlier process')
})

t.test('a damaged file is replaced', async (t) => {
  const { texts, fileOf } = setUp(t)
  const hash = await texts.put(text)
  writeFileSync(fileOf(hash), '')
  await texts.put(text)
  t.equal(readFileSync(fileOf(hash), 'utf8'), text)
})

t.test('a text that somebody puts while the last other lets go is there', async (t) => {
  const { texts, fileOf } = setUp(t)
  const hash = await texts.put(text)
  for (let round = 0; round < 20; round += 1) {
    const putting = texts.put(text)
    for (let turn = 0; turn < round; turn += 1) await Promise.resolve()
    await Promise.all([putting, texts.release([hash])])
    t.equal(readFileSync(fileOf(hash), 'utf8'), text)
  }
})

t.test('one that cannot be put in its place leaves nothing behind, and nobody holds it', async (t) => {
  const { texts, layout } = setUp(t)
  const hash = createHash('sha256').update(text).digest('hex')
  mkdirSync(compiledFile(layout, hash), { recursive: true })
  writeFileSync(`${compiledFile(layout, hash)}/in the way`, '')
  await t.rejects(texts.put(text))
  t.notOk(texts.isHeld(hash))
  t.same(readdirSync(layout.temporary), [])
})

t.test('many are let go of in steps, and one that is gone already is no fault', async (t) => {
  const { texts, layout } = setUp(t)
  const hashes: string[] = []
  for (let index = 0; index < 200; index += 1) hashes.push(await texts.put(`${index}`))
  await texts.release([hashes[0] ?? ''])
  await texts.release(hashes)
  t.same(
    hashes.filter((hash) => existsSync(compiledFile(layout, hash))),
    [],
  )
  t.ok(existsSync(dirname(compiledFile(layout, hashes[1] ?? ''))))
})
