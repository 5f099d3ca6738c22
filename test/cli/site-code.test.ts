import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SiteLogLine } from '../../core/supervisor-messages.ts'
import { type Asked, shortFolder, startAdmin } from './admin-fixture.ts'
import { grove, type RunOptions } from './command-line.ts'

async function make(t: Test, answers: Record<string, (asked: Asked) => unknown>) {
  const cwd = shortFolder(t)
  mkdirSync(join(cwd, 'data'))
  const { asked } = await startAdmin(t, join(cwd, 'data'), answers)
  return { asked, run: (args: string[], options: Partial<RunOptions> = {}) => grove(args, { cwd, ...options }) }
}

const set = 'PUT /sites/blog/secrets/API_KEY'

t.test('the value of a secret comes from standard input or a hidden prompt, and is shown nowhere', async (t) => {
  const { asked, run } = await make(t, { [set]: () => ({}) })
  const args = ['secret', 'set', 'API_KEY', '--site', 'blog']
  const piped = await run([...args, '--host', 'api.example.com', 'b.example.com'], { input: 'a long secret\n' })
  t.match(piped, { exitCode: 0, out: 'set API_KEY of blog; its value is put in for api.example.com, b.example.com\n' })
  const typed = await run(args, { keys: ['a typed secret\r', 'a typed secret\r'] })
  t.match(typed, { exitCode: 0, out: 'set API_KEY of blog; the code gets its value\n', err: 'Value: \nAgain: \n' })
  const json = await run([...args, '--json'], { input: 'a long secret' })
  t.same(JSON.parse(json.out), { site: 'blog', name: 'API_KEY', hosts: [] })
  t.same(
    asked.map(({ body }) => JSON.parse(String(body))),
    [
      { value: 'a long secret', hosts: ['api.example.com', 'b.example.com'] },
      { value: 'a typed secret', hosts: [] },
      { value: 'a long secret', hosts: [] },
    ],
  )
  for (const { out, err } of [piped, typed, json]) t.notMatch(out + err, /secret\b(?!s)/)
  t.match(await run(args, { keys: ['one secret\r', 'another\r'] }), { exitCode: 1, err: /the two values differ/ })
  t.match(await run(args, { input: '' }), { exitCode: 1, err: /standard input held no value/ })
  t.match(await run(args, { input: 'x'.repeat(70_000) }), { exitCode: 1, err: /a value of more than 65536 bytes/ })
  t.match(await run([...args, 'a-value'], { input: '' }), { exitCode: 2 })
  t.equal(asked.length, 3)
})

t.test('a site that rests is let out', async (t) => {
  const { asked, run } = await make(t, { 'POST /sites/blog/release': () => ({}) })
  t.match(await run(['site', 'release', 'blog']), { exitCode: 0, out: /^the code of blog may run again/ })
  t.same(JSON.parse((await run(['site', 'release', 'blog', '--json'])).out), { site: 'blog' })
  t.match(await run(['site', 'release', '../x']), { exitCode: 1, err: /site/ })
  t.equal(asked.length, 2)
})

t.test('secrets are listed by name, and taken away', async (t) => {
  let secrets: object[] = []
  const { run } = await make(t, {
    'GET /sites/blog/secrets': () => ({ secrets }),
    'DELETE /sites/blog/secrets/API_KEY': () => ({ removed: true }),
    'DELETE /sites/blog/secrets/NONE': () => ({ removed: false }),
  })
  const list = ['secret', 'list', '--site', 'blog']
  t.match((await run(list)).out, /^blog has no secrets/)
  secrets = [
    { name: 'API_KEY', hosts: ['api.example.com'], setAtMs: 0 },
    { name: 'KEY', hosts: [], setAtMs: 0 },
  ]
  t.match((await run(list)).out, /API_KEY +api\.example\.com +1970.*\nKEY +\(the code gets the value\)/)
  t.match(JSON.parse((await run([...list, '--json'])).out), { secrets })
  t.match(await run(['secret', 'remove', 'API_KEY', '--site', 'blog']), {
    exitCode: 0,
    out: 'took API_KEY of blog away\n',
  })
  t.match(await run(['secret', 'remove', 'NONE', '--site', 'blog']), { exitCode: 1, err: /blog has no secret "NONE"/ })
})

t.test('lines of a log are shown so that none can be forged', async (t) => {
  const evil = 'said\n2026-01-01 00:00:00  error  x  forged \u001b[2J\u009b31m\u202e'
  const line: SiteLogLine = {
    atMs: 0,
    site: 'blog',
    version: 1,
    request: 'r-1',
    level: 'warn',
    text: evil,
    from: 'code',
  }
  const grown: SiteLogLine = { atMs: 0, site: 'blog', level: 'error', text: 'it was ended', from: 'grove' }
  const answer = [line, { beat: true }, grown, { end: true }].map((each) => `${JSON.stringify(each)}\n`).join('')
  const { run, asked } = await make(t, {
    'GET /sites/blog/output?lines=100': () => answer,
    'GET /sites/blog/output?lines=5&follow=1&requests=1': () => answer,
  })
  const shown = await run(['logs', '--site', 'blog'])
  t.match(shown.out, /^\S+ \S+ {2}warn {3}r-1 {2}said\n {4}2026-01-01 .*forged /)
  t.match(shown.out, /\n\S+ \S+ {2}grove {2}- {2}it was ended\n$/)
  t.notMatch(shown.out, /[^\P{Cc}\n]|\p{Bidi_Control}/u)
  const json = await run(['logs', '--site', 'blog', '--json', '--lines', '5', '-f', '--requests'])
  t.same(
    json.out
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text)),
    [line, grown],
  )
  t.notMatch(json.out, /[^\P{Cc}\n]/u)
  t.equal(asked.length, 2)
  t.match(await run(['logs', '--site', 'blog', '--lines', '10001']), { exitCode: 2 })
})
