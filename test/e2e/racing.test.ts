import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import type { GroveError } from '../../core/errors.ts'
import { type Harness, startGrove } from './harness.ts'

const rounds = 12

/** A folder with these files. */
function folderOf(grove: Harness, name: string, files: Record<string, string>): string {
  const folder = join(grove.folder, name)
  mkdirSync(folder, { recursive: true })
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text)
  return folder
}

async function textOf(grove: Harness, path: string): Promise<string> {
  return String((await grove.visitor.http1(grove.url('blog', path))).body)
}

t.test(
  'publishers that race as processes of their own both come through when they change different files',
  async (t) => {
    const grove = await startGrove(t, { config: { fronts: 1 } })
    const ada = folderOf(grove, 'ada', { 'index.html': 'start', 'a.html': 'a', 'b.html': 'b' })
    const bob = folderOf(grove, 'bob', { 'index.html': 'start', 'a.html': 'a', 'b.html': 'b' })
    await grove.publish('blog', ada)
    let rebased = 0
    for (let round = 1; round <= rounds; round++) {
      // Each has the other's last word in its folder, as after a pull, and changes its own page.
      folderOf(grove, 'ada', { 'a.html': `a${round}`, 'b.html': `b${round - 1 || ''}` })
      folderOf(grove, 'bob', { 'a.html': `a${round - 1 || ''}`, 'b.html': `b${round}` })
      const results = await Promise.all(
        [ada, bob].map((folder) => grove.command(['publish', folder, '--site', 'blog', '--json'])),
      )
      for (const { exitCode, out } of results) {
        t.equal(exitCode, 0, `round ${round}: ${exitCode === 0 ? 'published' : out}`)
        if (JSON.parse(out).rebased) rebased += 1
      }
      const pages = [await textOf(grove, '/a.html'), await textOf(grove, '/b.html')]
      // One that began after the other had ended has seen it, and puts back what its own folder has.
      const serial = results.every(({ out }) => !JSON.parse(out).rebased)
      if (!serial) t.same(pages, [`a${round}`, `b${round}`], `round ${round}: what both changed is there`)
      folderOf(grove, 'ada', { 'a.html': `a${round}`, 'b.html': `b${round}` })
      await grove.publish('blog', ada)
    }
    t.comment(`${rebased} of ${rounds} rounds met in the middle`)
  },
)

t.test(
  'a publish on an old base is put on top of what came since, or refused with the paths that both touch',
  async (t) => {
    const grove = await startGrove(t, { config: { fronts: 1 } })
    const folder = folderOf(grove, 'site', { 'index.html': '1', 'a.html': '1', 'b.html': '1', 'c.html': '1' })
    await grove.publish('blog', folder)
    using client = createAdminClient(join(grove.data, 'control.sock'))
    const fileAt = async (path: string) => {
      const file = (await client.files('blog', 1)).find((file) => file.path === path)
      if (!file) throw new Error(`no ${path}`)
      return file
    }
    const index = await fileAt('index.html')
    folderOf(grove, 'site', { 'index.html': '2', 'a.html': '2' })
    await grove.publish('blog', folder)

    // Contents that are there already under another path, so that nothing has to be sent.
    const onTop = await client.publish('blog', {
      opId: 'on-top-of-it',
      message: '',
      base: 1,
      put: [{ ...index, path: 'new.html' }],
      del: ['c.html'],
    })
    t.match(onTop, { missing: [], version: 3, rebased: true, added: 1, removed: 1, changed: 0 })
    t.equal(await textOf(grove, '/index.html'), '2')
    t.equal(await textOf(grove, '/new.html'), '1')

    const refused = await client
      .publish('blog', {
        opId: 'in-the-way-of',
        message: '',
        base: 1,
        put: [{ ...index, path: 'b.html' }],
        del: ['a.html', 'index.html'],
      })
      .then(
        () => undefined,
        (error: GroveError) => error,
      )
    t.match(refused, {
      code: 'ERR_PUBLISH_CONFLICT',
      details: { paths: ['a.html', 'index.html'], live: 3 },
      hint: /publish again/,
    })
    t.match(await grove.json(['site', 'show', 'blog']), { live: 3, versions: 3 })
    const repeated = await client.publish('blog', {
      opId: 'on-top-of-it',
      message: '',
      base: 1,
      put: [{ ...index, path: 'new.html' }],
      del: ['c.html'],
    })
    t.match(repeated, { version: 3 }, 'a repeat is the same publish')
  },
)
