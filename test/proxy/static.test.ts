import { createHook } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { CompiledFile } from '../../core/compiled.ts'
import { GroveError } from '../../core/errors.ts'
import { getHeader } from '../../core/headers.ts'
import { blobFile, layoutOf, variantFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import type { BlobCache } from '../../proxy/blob-cache.ts'
import type { WantedCopy } from '../../proxy/missing-contents.ts'
import { answerMethodNotAllowed, serveNotFound, serveStatic } from '../../proxy/static.ts'
import type { StaticTable } from '../../proxy/table.ts'
import { blobCacheOf } from './fixtures/blob-cache.ts'
import { buildTable } from './fixtures/table.ts'
import { type RecordedRequest, record } from './recorded-exchange.ts'

const page = Buffer.from(`<!doctype html>${'0123456789'.repeat(50)}`)
const large = Buffer.alloc(limits.front.bodyBytes + 10_000, 'large content ')
const common = ['cache-control', 'public, max-age=0, must-revalidate', 'vary', 'Accept-Encoding', 'xkey', 'sblog']

const layout = layoutOf(t.testdir())

/** Whether this process has a file open that lies in a folder. */
function isOpen(folder: string): boolean {
  return readdirSync('/proc/self/fd').some((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(folder)
    } catch {
      return false // Closed since.
    }
  })
}

function put(path: string, content: Buffer, more: Partial<CompiledFile> = {}): CompiledFile {
  const hash = createHash('sha256').update(content).digest('hex')
  write(blobFile(layout, hash), content)
  for (const { coding, bytes } of more.variants ?? [])
    write(variantFile(layout, hash, coding), Buffer.alloc(bytes, coding))
  const type = 'text/html; charset=utf-8'
  return {
    path,
    hash,
    bytes: content.length,
    type,
    personal: false,
    compressible: true,
    headers: common,
    variants: [],
    ...more,
  }
}

function write(file: string, content: Buffer): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

const codedPage = put('coded.html', Buffer.concat([page, page]), {
  variants: [
    { coding: 'br', bytes: 30 },
    { coding: 'gzip', bytes: 50 },
  ],
})
const table = buildTable({
  site: 'blog',
  version: 7,
  files: [
    put('index.html', page),
    codedPage,
    put('große/index.html', Buffer.from('umlaut')),
    put('empty.txt', Buffer.alloc(0)),
    put('large.bin', large, { type: 'application/octet-stream' }),
    put('404.html', Buffer.from('not here'), { variants: [{ coding: 'br', bytes: 4 }] }),
    { ...put('missing.html', page), hash: 'f'.repeat(64) },
  ],
})
const etag = `"${createHash('sha256').update(page).digest('base64url')}"`
const codedName = Buffer.from(codedPage.hash, 'hex').toString('base64url')

/** Serves twice, from disk and then from memory, and answers the second after comparing the two. */
async function get(t: Test, request: RecordedRequest, cache: BlobCache = blobCacheOf(layout)) {
  const serve = () => record(request, (exchange) => serveFrom(table, exchange, cache))
  const fromDisk = await serve()
  const fromMemory = await serve()
  if (!getHeader(fromDisk.headers, 'content-type')?.startsWith('multipart/')) {
    t.same(fromMemory.headers, fromDisk.headers, 'the same headers from disk and from memory')
    t.ok(fromMemory.body.equals(fromDisk.body), 'the same body from disk and from memory')
  }
  return fromMemory
}

type Handled = Parameters<typeof serveStatic>[0]

function serveFrom(site: StaticTable, exchange: Handled, cache: BlobCache): void {
  const entry = site.get(exchange.path)
  if (!entry) throw new Error(`nothing at ${exchange.path}`)
  serveStatic(exchange, site, entry, cache)
}

t.test('GET sends the file with all its headers, at once when it is in memory', async (t) => {
  const answer = await get(t, {})
  t.equal(answer.status, 200)
  t.ok(answer.body.equals(page))
  t.ok(answer.isImmediate)
  t.same(answer.headers, [
    ...['etag', etag, 'grove-version', 'blog@7', ...common],
    ...['content-type', 'text/html; charset=utf-8', 'accept-ranges', 'bytes', 'content-length', String(page.length)],
  ])
})

t.test('HEAD sends the headers of GET and reads nothing', async (t) => {
  const cache = blobCacheOf(layout)
  const answer = await record({ method: 'HEAD' }, (exchange) => serveFrom(table, exchange, cache))
  t.equal(answer.status, 200)
  t.equal(answer.kind, 'none')
  t.ok(answer.isImmediate)
  t.same(answer.headers, (await get(t, {})).headers)
  t.equal(cache.bytes, 0)
})

t.test('HEAD takes no notice of Range', async (t) => {
  const answer = await get(t, { method: 'HEAD', headers: ['range', 'bytes=0-1'] })
  t.equal(answer.status, 200)
  t.equal(answer.get('content-length'), String(page.length))
})

t.test('a folder without its slash is redirected, with the query and encoded', async (t) => {
  const rows: [target: string, location: string][] = [
    ['/gro%C3%9Fe', '/gro%C3%9Fe/'],
    ['/gro%C3%9Fe?a=b&c=%2F', '/gro%C3%9Fe/?a=b&c=%2F'],
    ['/gro%C3%9Fe?', '/gro%C3%9Fe/?'],
  ]
  for (const [target, location] of rows) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get(t, { method, target })
      t.equal(answer.status, 308)
      t.equal(answer.get('location'), location)
      t.equal(answer.get('cache-control'), 'public, max-age=0, must-revalidate')
      t.equal(answer.get('grove-version'), 'blog@7')
      t.equal(answer.get('content-length'), '0')
    }
  }
})

t.test('an empty file is sent whole, whatever range is asked for', async (t) => {
  for (const headers of [[], ['range', 'bytes=0-'], ['range', 'bytes=-1']]) {
    const answer = await get(t, { target: '/empty.txt', headers })
    t.equal(answer.status, 200)
    t.equal(answer.get('content-length'), '0')
    t.equal(answer.body.length, 0)
  }
})

t.test('a copy in another coding has its own tag, length and coding', async (t) => {
  const rows: [accept: string[], coding: string | undefined, bytes: number, tag: string][] = [
    [['accept-encoding', 'gzip, br'], 'br', 30, `"${codedName}-br"`],
    [['accept-encoding', 'gzip', 'accept-encoding', 'br'], 'br', 30, `"${codedName}-br"`],
    [['accept-encoding', 'gzip, br;q=0.1'], 'gzip', 50, `"${codedName}-gzip"`],
    [['accept-encoding', 'zstd'], undefined, codedPage.bytes, `"${codedName}"`],
    [[], undefined, codedPage.bytes, `"${codedName}"`],
  ]
  for (const [headers, coding, bytes, tag] of rows) {
    const answer = await get(t, { target: '/coded.html', headers })
    t.equal(answer.get('content-encoding'), coding)
    t.equal(answer.get('content-length'), String(bytes))
    t.equal(answer.body.length, bytes)
    t.equal(answer.get('etag'), tag)
    t.equal(answer.get('vary'), 'Accept-Encoding')
  }
})

t.test('a client that refuses every representation gets 406', async (t) => {
  const answer = await record({ headers: ['accept-encoding', 'br, identity;q=0'] }, (exchange) =>
    serveFrom(table, exchange, blobCacheOf(layout)),
  )
  t.equal(answer.status, 406)
  t.equal(answer.get('vary'), 'Accept-Encoding')
})

t.test('304 has what a cache needs and no content', async (t) => {
  for (const method of ['GET', 'HEAD']) {
    const answer = await get(t, { method, headers: ['if-none-match', '"x"', 'if-none-match', `W/${etag}`] })
    t.equal(answer.status, 304)
    t.equal(answer.kind, 'none')
    t.same(answer.headers, ['etag', etag, 'grove-version', 'blog@7', ...common])
  }
})

t.test('the tag of one coding does not stand for another', async (t) => {
  const headers = ['if-none-match', `"${codedName}"`, 'accept-encoding', 'br']
  t.equal((await get(t, { target: '/coded.html', headers })).status, 200)
  t.equal((await get(t, { target: '/coded.html', headers: headers.slice(0, 2) })).status, 304)
})

t.test('412 when If-Match does not hold', async (t) => {
  const answer = await get(t, { headers: ['if-match', '"x"'] })
  t.equal(answer.status, 412)
  t.equal(answer.get('content-length'), '0')
  t.equal((await get(t, { headers: ['if-match', `"x", ${etag}`] })).status, 200)
})

t.test('conditions with dates are ignored, since nothing sent has a date', async (t) => {
  const date = 'Sat, 29 Oct 2050 19:43:31 GMT'
  t.equal((await get(t, { headers: ['if-modified-since', date] })).status, 200)
  t.equal((await get(t, { headers: ['if-unmodified-since', 'Sat, 29 Oct 1994 19:43:31 GMT'] })).status, 200)
})

t.test('one range', async (t) => {
  const rows: [headers: string[], status: number, first: number, last: number][] = [
    [['range', 'bytes=0-9'], 206, 0, 9],
    [['range', 'bytes=-5'], 206, page.length - 5, page.length - 1],
    [['range', 'bytes=0-9', 'if-range', etag], 206, 0, 9],
    [['range', 'bytes=0-9', 'if-range', `W/${etag}`], 200, 0, page.length - 1],
    [['range', 'bytes=0-9', 'if-range', '"x"'], 200, 0, page.length - 1],
    [['range', 'bytes=0-9', 'if-range', etag, 'if-range', etag], 200, 0, page.length - 1],
    [['range', 'bytes=0-9', 'range', 'bytes=20-29'], 200, 0, page.length - 1],
    [['range', 'bytes=9-0'], 200, 0, page.length - 1],
  ]
  for (const [headers, status, first, last] of rows) {
    const answer = await get(t, { headers })
    t.equal(answer.status, status, headers.join(' '))
    t.ok(answer.body.equals(page.subarray(first, last + 1)))
    t.equal(answer.get('content-length'), String(last + 1 - first))
    const contentRange = status === 206 ? `bytes ${first}-${last}/${page.length}` : undefined
    t.equal(answer.get('content-range'), contentRange)
    t.equal(answer.get('etag'), etag)
    t.equal(answer.get('vary'), 'Accept-Encoding')
  }
})

t.test('a range of nothing that exists gets 416 with the length', async (t) => {
  const answer = await get(t, { headers: ['range', 'bytes=100000-'] })
  t.equal(answer.status, 416)
  t.equal(answer.get('content-range'), `bytes */${page.length}`)
  t.equal(answer.get('content-length'), '0')
  const conditional = await get(t, { headers: ['range', 'bytes=100000-', 'if-range', '"x"'] })
  t.equal(conditional.status, 200, 'unless If-Range takes the range away')
})

t.test('a condition comes before a range', async (t) => {
  t.equal((await get(t, { headers: ['range', 'bytes=0-1', 'if-none-match', etag] })).status, 304)
})

t.test('a range is one of the selected coding', async (t) => {
  const headers = ['accept-encoding', 'br', 'range', 'bytes=10-19']
  const answer = await get(t, { target: '/coded.html', headers })
  t.equal(answer.status, 206)
  t.equal(answer.get('content-encoding'), 'br')
  t.equal(answer.get('content-range'), 'bytes 10-19/30')
  t.equal(answer.get('etag'), `"${codedName}-br"`)
  t.ok(answer.body.equals(Buffer.alloc(30, 'br').subarray(10, 20)))
})

t.test('several ranges come as multipart, of small and of large files', async (t) => {
  for (const [target, content, type] of [
    ['/', page, 'text/html; charset=utf-8'],
    ['/large.bin', large, 'application/octet-stream'],
  ] as const) {
    const end = content.length - 1
    const answer = await get(t, { target, headers: ['range', 'bytes=5-9,-3,0-1'] })
    t.equal(answer.status, 206)
    t.equal(answer.get('content-range'), undefined)
    t.equal(answer.get('content-length'), String(answer.body.length))
    const boundary = /^multipart\/byteranges; boundary=([\w-]{22})$/.exec(answer.get('content-type') ?? '')?.[1]
    const part = (first: number, last: number) =>
      `--${boundary}\r\ncontent-type: ${type}\r\ncontent-range: bytes ${first}-${last}/${content.length}\r\n\r\n` +
      `${content.subarray(first, last + 1)}\r\n`
    t.equal(answer.body.toString(), `${part(5, 9)}${part(end - 2, end)}${part(0, 1)}--${boundary}--\r\n`)
  }
})

t.test('several ranges of a copy in another coding: all of it is sent', async (t) => {
  const answer = await get(t, { target: '/coded.html', headers: ['accept-encoding', 'br', 'range', 'bytes=0-1,5-6'] })
  t.equal(answer.status, 200)
  t.equal(answer.body.length, 30)
})

t.test('a large file comes from an open file, whole or in part, and none stays open', async (t) => {
  const cache = blobCacheOf(layout)
  await get(t, { target: '/large.bin' }, cache)
  const whole = await get(t, { target: '/large.bin' }, cache)
  t.equal(whole.kind, 'file')
  t.ok(whole.body.equals(large))
  const part = await get(t, { target: '/large.bin', headers: ['range', 'bytes=100-199'] }, cache)
  t.equal(part.kind, 'file')
  t.ok(part.body.equals(large.subarray(100, 200)))
  const parts = await get(t, { target: '/large.bin', headers: ['range', 'bytes=0-1,200000-400000'] }, cache)
  t.equal(parts.kind, 'stream')
  while (isOpen(layout.blobs)) await setImmediate() // A file that is done with is closed a moment later.
})

t.test('a missing content gives 500 and the reason in the note only', async (t) => {
  for (const headers of [[], ['range', 'bytes=0-1']]) {
    const answer = await record({ target: '/missing.html', headers }, (exchange) =>
      serveFrom(table, exchange, blobCacheOf(layout)),
    )
    t.equal(answer.status, 500)
    t.equal(answer.get('etag'), undefined)
    t.notMatch(answer.body.toString(), 'fff')
    t.match(answer.note, { how: 'error', error: /f{64} is missing everywhere/ })
  }
})

t.test('no file descriptors left: 503, and to be asked again', async (t) => {
  const error = Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  const cache: BlobCache = { bytes: 0, peek: () => undefined, load: () => Promise.reject(error) }
  const answer = await record({}, (exchange) => serveFrom(table, exchange, cache))
  t.equal(answer.status, 503)
  t.equal(answer.get('retry-after'), '2')
  t.equal(answer.get('grove-version'), 'blog@7')
})

t.test('a content that could not be had in time, or right: 503, and to be asked again', async (t) => {
  for (const code of ['ERR_BLOB_CORRUPT', 'ERR_CLOSED', 'ERR_OBJECTS', 'ERR_TIMEOUT', 'ERR_TOO_MANY'] as const) {
    const missing = { get: () => Promise.reject(new GroveError(code, 'not now')), report() {} }
    const answer = await record({ target: '/missing.html' }, (exchange) =>
      serveFrom(table, exchange, blobCacheOf(layout, { missing })),
    )
    t.equal(answer.status, 503, code)
    t.equal(answer.get('retry-after'), '2')
    t.notMatch(answer.body.toString(), 'not now')
  }
})

t.test('a copy that is gone is made up for by the content as it is, and reported', async (t) => {
  const reported: string[] = []
  const missing = {
    get: () => Promise.reject(new Error('not asked')),
    report: (copy: WantedCopy) => void reported.push(`${copy.site} ${copy.coding} ${copy.bytes} ${copy.type}`),
  }
  const lone = put('lone.html', Buffer.from('lone page'), { variants: [{ coding: 'br', bytes: 4 }] })
  const lost = put('404.html', Buffer.from('nothing here'), { variants: [{ coding: 'gzip', bytes: 4 }] })
  const site = buildTable({ site: 'blog', version: 1, files: [lone, lost] })
  rmSync(variantFile(layout, lone.hash, 'br'))
  writeFileSync(variantFile(layout, lost.hash, 'gzip'), 'too long')
  const type = 'text/html; charset=utf-8'
  const rows: [headers: string[], status: number][] = [
    [['accept-encoding', 'br'], 200],
    [['accept-encoding', 'br', 'range', 'bytes=0-1'], 200],
    [['accept-encoding', 'br, identity;q=0'], 500],
  ]
  for (const [headers, status] of rows) {
    const answer = await record({ target: '/lone.html', headers }, (exchange) =>
      serveFrom(site, exchange, blobCacheOf(layout, { missing })),
    )
    t.equal(answer.status, status, headers.join(' '))
    if (status === 200) {
      t.equal(answer.body.toString(), 'lone page')
      t.equal(answer.get('content-encoding'), undefined)
      t.equal(answer.get('etag'), `"${Buffer.from(lone.hash, 'hex').toString('base64url')}"`)
    }
  }
  const answer = await record({ target: '/nothing', headers: ['accept-encoding', 'gzip'] }, (exchange) =>
    serveNotFound(exchange, site, blobCacheOf(layout, { missing })),
  )
  t.equal(answer.status, 404)
  t.equal(answer.body.toString(), 'nothing here')
  t.equal(answer.get('etag'), undefined)
  t.same(reported, [...rows.map(() => `blog br 4 ${type}`), `blog gzip 4 ${type}`])
})

t.test("what is not there gets the site's page with 404, without tag, range or condition", async (t) => {
  const cache = blobCacheOf(layout)
  const ask = (request: RecordedRequest) => record(request, (exchange) => serveNotFound(exchange, table, cache))
  for (let i = 0; i < 2; i += 1) {
    const answer = await ask({ target: '/nothing', headers: ['range', 'bytes=0-1', 'if-none-match', '*'] })
    t.equal(answer.status, 404)
    t.equal(answer.body.toString(), 'not here')
    t.same(answer.headers, [
      ...['grove-version', 'blog@7', ...common],
      ...['content-type', 'text/html; charset=utf-8', 'content-length', '8'],
    ])
  }
  const coded = await ask({ target: '/nothing', headers: ['accept-encoding', 'br'] })
  t.equal(coded.get('content-encoding'), 'br')
  t.equal(coded.body.length, 4)
  const head = await ask({ method: 'HEAD', target: '/nothing' })
  t.equal(head.kind, 'none')
  t.equal(head.get('content-length'), '8')
})

t.test(
  'a site without such a page, or none that the client takes, gets one of ours that names the version',
  async (t) => {
    const bare = buildTable({ site: 'blog', version: 1, files: [put('a.html', page)] })
    const cache = blobCacheOf(layout)
    const answer = await record({ target: '/nothing' }, (exchange) => serveNotFound(exchange, bare, cache))
    t.equal(answer.status, 404)
    t.equal(answer.get('grove-version'), 'blog@1')
    t.match(answer.body.toString(), '404 Not Found')
    const refused = await record({ target: '/nothing', headers: ['accept-encoding', '*;q=0'] }, (exchange) =>
      serveNotFound(exchange, table, cache),
    )
    t.equal(refused.status, 404)
    t.equal(refused.get('grove-version'), 'blog@7')
    t.notMatch(refused.body.toString(), 'not here')
  },
)

t.test('other methods get 405 with those that there are', async (t) => {
  const answer = await record({ method: 'POST' }, (exchange) => answerMethodNotAllowed(exchange, table))
  t.equal(answer.status, 405)
  t.equal(answer.get('allow'), 'GET, HEAD')
  t.equal(answer.get('grove-version'), 'blog@7')
})

t.test('what is in memory is served when its file is gone', async (t) => {
  const cache = blobCacheOf(layout)
  const lone = put('lone.html', Buffer.from('lone'))
  const site = buildTable({ site: 'blog', version: 1, files: [lone] })
  const ask = () => record({ target: '/lone.html' }, (exchange) => serveFrom(site, exchange, cache))
  await ask()
  rmSync(blobFile(layout, lone.hash))
  t.equal((await ask()).body.toString(), 'lone')
})

t.test('a hit in memory makes no promise and nothing else that is asynchronous', async (t) => {
  const cache = blobCacheOf(layout)
  const made: string[] = []
  const hook = createHook({ init: (_id, type) => void made.push(type) })
  const ask = (headers: string[]) =>
    record({ headers }, (exchange) => {
      hook.enable()
      serveFrom(table, exchange, cache)
      hook.disable()
    })
  await ask([])
  t.not(made.length, 0, 'reading from disk is seen')
  made.length = 0
  // The answer of the recorder resolves a promise that is there already.
  await ask(['accept-encoding', 'gzip, br', 'user-agent', 'test'])
  await ask(['if-none-match', '"x"'])
  await ask(['if-none-match', etag])
  t.same(made, [])
})
