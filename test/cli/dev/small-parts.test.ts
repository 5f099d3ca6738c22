import { runInNewContext } from 'node:vm'
import t from 'tap'
import { splitPlace, withConsolePlaces } from '../../../cli/dev/console-places.ts'
import { openDevFolder } from '../../../cli/dev/dev-folder.ts'
import { faultPage } from '../../../cli/dev/dev-page.ts'
import { isShownPage, wantsPage } from '../../../cli/dev/dev-reload.ts'
import { readDevVariables } from '../../../cli/dev/dev-variables.ts'
import { frameOf } from '../../../cli/dev/source-frame.ts'
import type { Exchange } from '../../../core/exchange.ts'

t.test('the frame is of the first place that is in a file of the author', async (t) => {
  const source = 'one\ntwo\n\tthree(3)\nfour\nfive'
  const folder = { read: async (path: string) => (path === 'src/a.ts' ? Buffer.from(source) : undefined) }
  const stack =
    'Error: x\n    at lib (node_modules/lib/index.js:1:1)\n    at gone (src/gone.ts:1:1)\n    at fn (src/a.ts:3:2)'
  t.equal(await frameOf(stack, folder), '  1 | one\n  2 | two\n> 3 |   three(3)\n    |   ^\n  4 | four')
  t.match(await frameOf('entryMs: 104, at most 100, at fetch (src/a.ts:1:1)', folder), /^> 1 \| one\n/)
  t.match(await frameOf('Error\n    at src/a.ts:5:1', folder), /^ {2}3 [\s\S]*> 5 \| five\n {4}\| \^$/)
  t.match(await frameOf('Error\n    at async Object.fetch (src/a.ts:2:1)', folder), /> 2 \| two/)
  for (const text of ['Error: x', 'Error\n    at src/a.ts:99:1', 'see src/a.ts:1:1', '    at /etc/passwd:1:1'])
    t.equal(await frameOf(text, folder), undefined, text)
})

t.test('lines of the console end in the place that they were written at', (t) => {
  const lines: unknown[][] = []
  const console = Object.fromEntries(
    ['debug', 'error', 'info', 'log', 'warn'].map((name) => [
      name,
      (...data: unknown[]) => lines.push([name, ...data]),
    ]),
  )
  const { code, map } = withConsolePlaces('console.log("a %s", 1)\nconsole.warn()\n', '{"mappings":"AAAA"}')
  t.equal(JSON.parse(map).mappings, ';AAAA')
  runInNewContext(code, { console }, { filename: 'grove:site' })
  t.same(lines, [['log', 'a %s', 1, '\u2063grove:site:2:9'], ['warn']])
  t.same(splitPlace('a 1 \u2063src/a.ts:1:9'), { text: 'a 1', place: 'src/a.ts:1:9' })
  t.same(splitPlace('a 1'), { text: 'a 1', place: undefined })
  t.end()
})

t.test('secrets of a folder', async (t) => {
  const limits = { vars: 2, varBytes: 10 }
  t.same(await readDevVariables(t.testdir({}), limits), [])
  const folder = t.testdir({ '.dev.vars': '# note\nA=1\nexport B="two # words"\n' })
  await t.rejects(readDevVariables(folder, limits), { message: '.dev.vars: B: more than 10 bytes' })
  t.same(await readDevVariables(folder, { vars: 2, varBytes: 100 }), [
    { name: 'A', value: '1', hosts: [] },
    { name: 'B', value: 'two # words', hosts: [] },
  ])
  await t.rejects(readDevVariables(folder, { vars: 1, varBytes: 100 }), { message: /more than 1 variables/ })
  await t.rejects(readDevVariables(t.testdir({ '.dev.vars': 'DATA=1' }), limits), { code: 'ERR_CODE', message: /DATA/ })
  await t.rejects(readDevVariables(t.testdir({ '.dev.vars': {} }), limits), { message: /cannot be read/ })
})

t.test('a folder gives what a publish would take, and nothing around it', async (t) => {
  const folder = await openDevFolder(
    t.testdir({
      a: 'a',
      b: { c: 'c' },
      '.x': 'x',
      node_modules: { y: 'y' },
      in: t.fixture('symlink', 'a'),
      out: t.fixture('symlink', '/etc/hostname'),
    }),
  )
  for (const path of ['a', 'b/c', 'in']) t.ok(await folder.has(path), path)
  for (const path of ['b', '.x', 'node_modules/y', 'out', '', '/etc/hostname', '../x', 'b/../a', 'b//c', 'a\0', 'b\\c'])
    t.notOk(await folder.has(path), JSON.stringify(path))
  t.equal((await folder.read('b/c'))?.toString(), 'c')
  t.equal(await folder.read('b/none'), undefined)
})

t.test('the script of reloading stands behind pages that a browser shows, and behind nothing else', (t) => {
  const get = { method: 'GET', headers: ['sec-fetch-dest', 'document'] } as unknown as Exchange
  const html = ['content-type', 'text/html; charset=utf-8']
  t.ok(isShownPage(get, 200, html))
  t.ok(isShownPage(get, 404, html))
  t.notOk(isShownPage(get, 304, html))
  t.notOk(isShownPage({ ...get, method: 'POST' }, 200, html))
  t.notOk(isShownPage(get, 200, ['content-type', 'text/plain']))
  t.notOk(isShownPage(get, 200, [...html, 'content-encoding', 'br']))
  t.notOk(isShownPage({ ...get, headers: ['sec-fetch-dest', 'empty', 'accept', 'text/html'] }, 200, html))
  t.ok(wantsPage(['accept', 'text/html,*/*']))
  t.notOk(wantsPage(['accept', '*/*']))
  t.notOk(wantsPage([]))
  t.end()
})

t.test('what an error says is text on its page', (t) => {
  const page = faultPage({ title: '<a>', text: '<script>alert("x")</script>', frame: '1 | <b>&', hint: '"' })
  t.notMatch(page, /<script>|<a>|<b>/)
  t.match(page, '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;')
  t.end()
})
