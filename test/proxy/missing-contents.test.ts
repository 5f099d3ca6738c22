import t from 'tap'
import { limits } from '../../core/limits.ts'
import { createMissingContents, type WantedContent, type WantedCopy } from '../../proxy/missing-contents.ts'

const wanted = (text: string): WantedContent => ({ site: 'blog', hash: text.padEnd(64, '0'), bytes: 5 })

function create() {
  const asked: { wanted: WantedContent; resolve: () => void; reject: (error: Error) => void }[] = []
  const reported: WantedCopy[] = []
  let nowMs = 0
  const missing = createMissingContents(
    () => ({
      content: (content) =>
        new Promise((resolve, reject) => {
          asked.push({ wanted: content, resolve, reject })
        }),
      reportCopy: (copy) => void reported.push(copy),
    }),
    () => nowMs,
  )
  const wait = (ms: number) => {
    nowMs += ms
  }
  return { missing, asked, reported, wait }
}

t.test('many requests for one content ask once, and again when it is missing again', async (t) => {
  const { missing, asked } = create()
  const all = [missing.get(wanted('a')), missing.get({ ...wanted('a'), site: 'shop' }), missing.get(wanted('b'))]
  t.same(
    asked.map((each) => each.wanted),
    [wanted('a'), wanted('b')],
  )
  for (const { resolve } of asked) resolve()
  await Promise.all(all)
  const again = missing.get(wanted('a'))
  asked.at(-1)?.reject(new Error('gone'))
  await t.rejects(again, { message: 'gone' })
  t.equal(asked.length, 3)
})

t.test('the contents that are waited for are bounded', async (t) => {
  const { missing, asked } = create()
  const all = Array.from({ length: limits.front.contentAsks }, (_, index) => missing.get(wanted(`a${index}-`)))
  await t.rejects(missing.get(wanted('b')), { code: 'ERR_TOO_MANY' })
  const joined = missing.get(wanted('a0-'))
  for (const { resolve } of asked) resolve()
  await Promise.all([...all, joined])
  const next = missing.get(wanted('b'))
  asked.at(-1)?.resolve()
  await next
})

t.test('a copy is reported once in a while, each coding by itself', (t) => {
  const { missing, reported, wait } = create()
  const copy: WantedCopy = { ...wanted('a'), coding: 'br', type: 'text/html' }
  missing.report(copy)
  missing.report(copy)
  missing.report({ ...copy, coding: 'gzip' })
  wait(limits.front.copyReportMs - 1)
  missing.report(copy)
  t.same(
    reported.map(({ coding }) => coding),
    ['br', 'gzip'],
  )
  wait(1)
  missing.report(copy)
  t.equal(reported.length, 3)
  for (let index = 0; index < limits.front.copyReports; index += 1) missing.report({ ...copy, hash: `${index}` })
  missing.report(copy)
  t.equal(reported.length, 3 + limits.front.copyReports + 1, 'what was told longest ago is forgotten first')
  t.end()
})
