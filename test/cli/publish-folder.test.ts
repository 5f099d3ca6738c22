import { execFileSync } from 'node:child_process'
import { appendFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import { publishFolder } from '../../cli/publish-folder.ts'
import { shortFolder, startAdmin } from './admin-fixture.ts'

const quiet = { begin() {}, add() {}, [Symbol.dispose]() {} }
const site = { 'index.html': 'hello', 'copy.html': 'hello', docs: { 'a.html': 'a' }, empty: '' }

t.test('what control misses is sent once, then all is committed', async (t) => {
  const admin = await startAdmin(t, shortFolder(t))
  using client = createAdminClient(admin.socket)
  const input = { folder: t.testdir(site), site: 'blog', message: 'first' }
  const first = await publishFolder(client, input, quiet)
  t.match(first, { files: 4, bytes: 11, sentContents: 3, sentBytes: 6, result: { version: 1 } })
  t.strictSame(
    admin.published[0]?.put.map(({ path, bytes }) => [path, bytes]),
    [
      ['copy.html', 5],
      ['docs/a.html', 1],
      ['empty', 0],
      ['index.html', 5],
    ],
  )
  t.equal(admin.published[0]?.message, 'first')
  const second = await publishFolder(client, input, quiet)
  t.match(second, { sentContents: 0, sentBytes: 0, result: { version: 2 } })
  t.equal(admin.asked.filter(({ method }) => method === 'PUT').length, 3)
})

t.test('a refused folder sends nothing', async (t) => {
  const admin = await startAdmin(t, shortFolder(t))
  using client = createAdminClient(admin.socket)
  const folder = t.testdir({ ...site, link: t.fixture('symlink', '/etc/passwd') })
  await t.rejects(publishFolder(client, { folder, site: 'blog', message: '' }, quiet), { code: 'ERR_PUBLISH_REFUSED' })
  t.strictSame(admin.asked, [])
})

t.test('a crash of control at any request does not publish twice, nor half', async (t) => {
  const requests = 1 + 1 + 3 + 1
  // The first request has no retry: whether Grove runs at all is told at once.
  for (let at = 1; at < requests; at++) {
    await t.test(`after ${at}`, async (t) => {
      const admin = await startAdmin(t, shortFolder(t))
      admin.state.killAfter = at
      using client = createAdminClient(admin.socket)
      const done = await publishFolder(client, { folder: t.testdir(site), site: 'blog', message: '' }, quiet)
      t.equal(done.result.version, 1)
      t.equal(admin.published.length, 1)
      t.equal(admin.blobs.size, 3)
    })
  }
})

t.test('a lost answer to the commit is asked for again with the same operation', async (t) => {
  let commits = 0
  const admin = await startAdmin(t, shortFolder(t), {
    'POST /sites/blog/versions': ({ body }) => {
      commits += 1
      if (commits === 2) admin.state.killAfter = 0
      const { opId, put } = JSON.parse(body.toString('utf8'))
      return { missing: commits === 1 ? [put[0].hash] : [], version: 1, notes: [opId] }
    },
  })
  using client = createAdminClient(admin.socket)
  await publishFolder(client, { folder: t.testdir(site), site: 'blog', message: '' }, quiet)
  const ids = admin.asked.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(String(body)).opId)
  t.equal(new Set(ids).size, 1)
})

const changes: { name: string; change: (file: string) => void; message: RegExp }[] = [
  { name: 'grows', change: (file) => appendFileSync(file, '!'), message: /changed while it was being published/ },
  { name: 'shrinks', change: (file) => truncateSync(file, 2), message: /changed while it was being published/ },
  { name: 'goes away', change: (file) => rmSync(file), message: /cannot be read: ENOENT/ },
  {
    name: 'becomes a link',
    change: (file) => {
      rmSync(file)
      symlinkSync('/etc/passwd', file)
    },
    message: /cannot be read: ELOOP/,
  },
  {
    name: 'becomes a pipe',
    change: (file) => {
      rmSync(file)
      execFileSync('mkfifo', [file])
    },
    message: /is not a file any more/,
  },
]

for (const { name, change, message } of changes) {
  t.test(`a file that ${name} after it was hashed is not published`, async (t) => {
    const folder = t.testdir(site)
    const admin = await startAdmin(t, shortFolder(t), {
      'POST /sites/blog/versions': ({ body }) => {
        change(join(folder, 'docs/a.html'))
        return { missing: JSON.parse(String(body)).put.map(({ hash }: { hash: string }) => hash) }
      },
    })
    using client = createAdminClient(admin.socket)
    await t.rejects(publishFolder(client, { folder, site: 'blog', message: '' }, quiet), {
      code: 'ERR_PUBLISH_REFUSED',
      message,
    })
  })
}

t.test('a file that keeps its size but not its content is refused by its hash', async (t) => {
  const folder = t.testdir(site)
  let commits = 0
  const admin = await startAdmin(t, shortFolder(t), {
    'POST /sites/blog/versions': ({ body }) => {
      commits += 1
      writeFileSync(join(folder, 'docs/a.html'), 'b')
      return { missing: JSON.parse(String(body)).put.map(({ hash }: { hash: string }) => hash) }
    },
  })
  using client = createAdminClient(admin.socket)
  await t.rejects(publishFolder(client, { folder, site: 'blog', message: '' }, quiet), { code: 'ERR_BLOB_MISMATCH' })
  t.equal(commits, 1)
})

t.test('a control that never has enough, or asks for what is not there, is given up on', async (t) => {
  const folder = t.testdir({ a: 'a' })
  const greedy = await startAdmin(t, shortFolder(t), {
    'POST /sites/blog/versions': ({ body }) => ({ missing: [JSON.parse(String(body)).put[0].hash] }),
  })
  using client = createAdminClient(greedy.socket)
  await t.rejects(publishFolder(client, { folder, site: 'blog', message: '' }, quiet), { code: 'ERR_CONFLICT' })
  const strange = await startAdmin(t, shortFolder(t), {
    'POST /sites/blog/versions': () => ({ missing: ['0'.repeat(64)] }),
  })
  using other = createAdminClient(strange.socket)
  await t.rejects(publishFolder(other, { folder, site: 'blog', message: '' }, quiet), { code: 'ERR_CHANNEL' })
})
