import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t, { type Test } from 'tap'
import { CompiledTexts } from '../../control/compiled-texts.ts'
import { type SweepOptions, sweep } from '../../control/sweep.ts'
import { blobFile, compiledFile, layoutOf, variantFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { hashOf } from './fixtures/contents.ts'
import { silentLog } from './fixtures/silent-log.ts'

const startedAtMs = Date.now() - 60_000

/** Makes a file that was last used so long before the start. */
function write(file: string, beforeMs: number): string {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, 'x')
  const used = new Date(startedAtMs - beforeMs)
  utimesSync(file, used, used)
  return file
}

function setUp(t: Test) {
  const layout = layoutOf(t.testdir())
  const texts = new CompiledTexts(layout, silentLog)
  const options: SweepOptions = { layout, texts, olderThanMs: startedAtMs, signal: new AbortController().signal }
  return { layout, texts, options }
}

t.test('a compiled text goes when nobody holds it and an earlier process wrote it', async (t) => {
  const { layout, texts, options } = setUp(t)
  const held = compiledFile(layout, await texts.put('held'))
  const aged = new Date(startedAtMs - 1_000)
  utimesSync(held, aged, aged)
  const leftOver = write(compiledFile(layout, hashOf('left over')), 1_000)
  const young = write(compiledFile(layout, hashOf('just made')), -1_000)
  const other = write(`${dirname(leftOver)}/README`, 1_000)
  t.same(await sweep(options), { compiled: 1, variants: 0 })
  t.same([held, leftOver, young, other].map(existsSync), [true, false, true, true])
  t.same(await sweep(options), { compiled: 0, variants: 0 }, 'nothing is left to do')
})

t.test('a copy goes when its original is gone and nobody has read it in a long time', async (t) => {
  const { layout, options } = setUp(t)
  const { unusedMs } = limits.variant
  write(blobFile(layout, hashOf('here')), 0)
  const files = [
    write(variantFile(layout, hashOf('here'), 'br'), unusedMs + 1_000),
    write(variantFile(layout, hashOf('evicted'), 'br'), unusedMs - 1_000),
    write(variantFile(layout, hashOf('gone'), 'gzip'), unusedMs + 1_000),
  ]
  t.same(await sweep(options), { compiled: 0, variants: 1 })
  t.same(files.map(existsSync), [true, true, false])
})

t.test('a sweep ends when control does, and where there is nothing there is nothing to do', async (t) => {
  const { layout, options } = setUp(t)
  t.same(await sweep(options), { compiled: 0, variants: 0 })
  const leftOver = write(compiledFile(layout, hashOf('left over')), 1_000)
  const ended = new AbortController()
  ended.abort()
  t.same(await sweep({ ...options, signal: ended.signal }), { compiled: 0, variants: 0 })
  t.ok(existsSync(leftOver))
})
