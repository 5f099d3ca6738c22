import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t, { type Test } from 'tap'
import {
  type CompileInput,
  compileVersion,
  type LiveVersion,
  textsOf,
  toEncode,
} from '../../control/compile-version.ts'
import { CompiledTexts } from '../../control/compiled-texts.ts'
import { codings } from '../../core/compiled.ts'
import { compiledFile, layoutOf, variantFile } from '../../core/layout.ts'
import type { Plugin } from '../../core/plugin.ts'
import { readHead } from '../../proxy/compiled-reader.ts'
import type { TreeFile } from '../../store/trees/tree-file.ts'
import { leavesOf } from './fixtures/leaves.ts'
import { silentLog } from './fixtures/silent-log.ts'

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const file = (path: string, content = path): TreeFile => ({ path, hash: hashOf(content), bytes: 1_000 })

function setUp(t: Test) {
  const layout = layoutOf(t.testdir())
  const texts = new CompiledTexts(layout, silentLog)
  const compile = (version: number, files: readonly TreeFile[], more: Partial<CompileInput> = {}) =>
    compileVersion({
      site: { name: 'blog', authorities: ['blog.localhost'] },
      version,
      leaves: leavesOf(files),
      hasUpstream: false,
      plugins: [],
      layout,
      before: undefined,
      texts,
      ...more,
    })
  const written = () =>
    readdirSync(layout.compiled, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? entry.name : [],
    )
  const putCopies = (content: string) => {
    for (const coding of codings) {
      const target = variantFile(layout, hashOf(content), coding)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, 'x')
    }
  }
  return { layout, texts, compile, written, putCopies }
}

const piecesOf = ({ pieces }: LiveVersion) => pieces.flatMap(({ piece }) => piece?.hash ?? [])

t.test('a version is a piece for each leaf and a head that lists them, which do not depend on key order', async (t) => {
  const { layout, compile, texts, written } = setUp(t)
  const files = [file('a.png'), file('b/1.png'), file('b/2.png'), file('_headers')]
  const live = await compile(3, files)
  t.same(written().sort(), textsOf(live).sort())
  const head = await readHead(layout, live.compiled)
  t.match(head, { site: 'blog', version: 3, pieces: [{ first: 'a.png' }, { first: 'b/1.png', files: 2 }] })
  t.equal(live.pieces.length, 3, 'a leaf of which nothing is served has no piece')
  const [, second] = piecesOf(live)
  t.match(
    readFileSync(compiledFile(layout, second ?? ''), 'utf8').split('\n'),
    [/^{"format":"grove-piece-1","files":2}$/, /^{"path":"b\/1.png","hash":/, /"variants":\[\]}$/, ''],
    'a head, two files, and nothing after the last line',
  )
  const turned = files.map(({ path, hash, bytes }) => ({ bytes, hash, path }))
  t.equal((await compile(3, turned)).compiled, live.compiled)
  t.match(live, { version: 3 })
  await texts.release([...textsOf(live), ...textsOf(live)])
  t.same(written(), [])
})

t.test('what the version before has is used again, and only what is new is compiled', async (t) => {
  const { compile, texts, written } = setUp(t)
  const asked: string[] = []
  const plugins: Plugin[] = [
    {
      name: 'tags',
      headers({ path }) {
        asked.push(path)
        return []
      },
    },
  ]
  const first = await compile(1, [file('a.png'), file('b.png'), file('c.png')], { plugins })
  asked.length = 0
  const second = await compile(2, [file('a.png'), file('b.png', 'new'), file('c.png')], { plugins, before: first })
  t.same(asked, ['b.png'])
  t.same(
    piecesOf(second).map((hash, index) => hash === piecesOf(first)[index]),
    [true, false, true],
  )
  await texts.release(textsOf(first))
  t.same(written().sort(), textsOf(second).sort(), 'what both have stays')
  const third = await compile(3, [file('c.png')], { plugins: plugins.map((plugin) => ({ ...plugin })), before: second })
  t.same(asked, ['b.png', 'c.png'], 'nothing of another config is used')
  await texts.release(textsOf(second))
  t.same(written().sort(), textsOf(third).sort())
})

t.test('a piece whose copies were not all there is compiled again', async (t) => {
  const { compile, putCopies } = setUp(t)
  const files = [file('a.html'), file('b.html')]
  putCopies('a.html')
  const first = await compile(1, files)
  t.same(
    toEncode(first).map(({ hash }) => hash),
    [hashOf('b.html')],
  )
  putCopies('b.html')
  const second = await compile(1, files, { before: first })
  t.same(toEncode(second), [])
  t.equal(piecesOf(second)[0], piecesOf(first)[0])
  t.not(piecesOf(second)[1], piecesOf(first)[1])
})

t.test('what cannot be compiled leaves nothing that it made', async (t) => {
  const { compile, written, texts } = setUp(t)
  const kept = await compile(1, [file('a.png')])
  const failing: Plugin = {
    name: 'tags',
    headers({ path }) {
      if (path === 'z.png') throw new Error('cannot')
      return []
    },
  }
  const files = [file('a.png'), file('b.png'), file('z.png')]
  await t.rejects(compile(2, files, { plugins: [failing], before: kept }), { code: 'ERR_PLUGIN' })
  t.same(written().sort(), textsOf(kept).sort())
  async function* broken() {
    yield* leavesOf([file('q.png')])
    throw new Error('a node is missing')
  }
  await t.rejects(compile(2, [], { leaves: broken(), before: kept }), { message: 'a node is missing' })
  t.same(written().sort(), textsOf(kept).sort())
  await texts.release(textsOf(kept))
  t.same(written(), [])
})

t.test('a version without files is a head', async (t) => {
  const { layout, compile } = setUp(t)
  const live = await compile(1, [])
  t.same(await readHead(layout, live.compiled), { site: 'blog', version: 1, pieces: [] })
})
