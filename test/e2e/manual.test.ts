import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { type Harness, startGrove } from './harness.ts'
import type { Answer } from './visitor.ts'

/** Real input: the PostgreSQL 15 manual, from Debian's postgresql-doc-15. */
const manual = '/usr/share/doc/postgresql-doc-15/html'

function decode({ headers, body }: Answer): Buffer {
  switch (headers['content-encoding']) {
    case 'br':
      return brotliDecompressSync(body)
    case 'zstd':
      return zstdDecompressSync(body)
    case 'gzip':
      return gunzipSync(body)
    default:
      return body
  }
}

async function seconds(work: () => Promise<unknown>): Promise<string> {
  const startedMs = performance.now()
  await work()
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`
}

/** Fetches every file in one coding, several at a time, and answers how many came in that coding. */
async function fetchAll(
  grove: Harness,
  protocol: 'http1' | 'http2',
  coding: string,
  files: ReadonlyMap<string, Buffer>,
  wrong: string[],
): Promise<number> {
  const queue = [...files]
  let encoded = 0
  const work = async () => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const [name, content] = next
      const url = grove.url('manual', `/${encodeURIComponent(name)}`)
      const answer = await grove.visitor[protocol](url, { headers: { 'accept-encoding': coding } })
      if (answer.status !== 200) wrong.push(`${name}: status ${answer.status}`)
      else if (!decode(answer).equals(content)) wrong.push(`${name}: another body in ${coding}`)
      if ((answer.headers['content-encoding'] ?? 'identity') === coding) encoded += 1
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  return encoded
}

t.test('the PostgreSQL manual is published and comes back whole in every coding over both protocols', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 2, log: { access: false } } })
  const folder = t.testdir()
  cpSync(manual, folder, { recursive: true, dereference: true })
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
  t.ok(names.length > 1_000, `${names.length} files`)
  const files = new Map(names.map((name) => [name, readFileSync(join(folder, name))]))

  const published = await seconds(async () => {
    t.match(await grove.publish('manual', folder), { version: 1, added: names.length, files: names.length })
  })
  t.comment(`published ${names.length} files in ${published}`)
  const encoded = await seconds(() =>
    grove.until(async () => {
      const { history } = await grove.json<{ history: { encoded: boolean }[] }>(['site', 'show', 'manual'])
      return history[0]?.encoded
    }),
  )
  t.comment(`copies in br, zstd and gzip were there after ${encoded}`)

  for (const protocol of ['http1', 'http2'] as const) {
    for (const coding of ['identity', 'gzip', 'br', 'zstd']) {
      const wrong: string[] = []
      let count = 0
      const took = await seconds(async () => {
        count = await fetchAll(grove, protocol, coding, files, wrong)
      })
      t.same(wrong, [], `${protocol} ${coding}`)
      t.ok(count > names.length * 0.95, `${protocol}: ${count} of ${names.length} came in ${coding}, in ${took}`)
    }
  }

  writeFileSync(join(folder, 'index.html'), '<h1>changed</h1>')
  const again = await seconds(async () => {
    t.match(await grove.publish('manual', folder), { version: 2, added: 0, changed: 1, removed: 0, sentContents: 1 })
  })
  t.comment(`published again with one page changed in ${again}`)
  t.equal(String((await grove.visitor.http2(grove.url('manual'))).body), '<h1>changed</h1>')
  t.match(await grove.publish('manual', folder), { version: 2, unchanged: true, sentContents: 0, sentBytes: 0 })
})
