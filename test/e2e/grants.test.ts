import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import type { Grant, SiteLog } from '../../core/grant-api.ts'
import { siteGrantPath } from '../../core/grant-api.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { narrow } from '../../store/grants/handle.ts'
import type { Handle } from '../../store/store.ts'
import { grove as runCommand } from '../cli/command-line.ts'
import { type Harness, startGrove } from './harness.ts'

interface Made {
  readonly token: Handle
  readonly grant: Grant
}

/** What a command with a token said: `ok`, or the reason of its denial, with the hint that people are shown. */
async function withToken(grove: Harness, token: string, ...args: string[]): Promise<{ said: string; hint: string }> {
  const { exitCode, out } = await runCommand([...args, '--json', '--data', grove.data], {
    cwd: grove.folder,
    env: { GROVE_TOKEN: token },
  })
  if (exitCode === 0) return { said: 'ok', hint: '' }
  const { error } = JSON.parse(out) as {
    error: { code: string; details?: { reason?: string }; hint?: string; message: string }
  }
  return { said: error.details?.reason ?? `${error.code} ${error.message}`, hint: error.hint ?? '' }
}

t.test('a token does for one site what it says, and all that it did is known', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  const folder = t.testdir({ 'index.html': 'one', 'logo.svg': '<svg/>' })
  /** The operator's own commands run in this process too: there are many. */
  const json = async <T>(...args: string[]): Promise<T> => {
    const where = args[1] === 'narrow' ? [] : ['--data', grove.data] // Which asks nobody.
    const { out } = await runCommand([...args, '--json', ...where], { cwd: grove.folder })
    return JSON.parse(out) as T
  }
  const create = (...args: string[]) => json<Made>('grant', 'create', ...args)
  const publish = (token: string, site = 'blog') => withToken(grove, token, 'publish', folder, '--site', site)
  const { token, grant } = await create('--site', 'blog', '--for', '30d', '--label', 'CI of the blog')

  const ran = await grove.command(['publish', folder, '--site', 'blog'], undefined, { GROVE_TOKEN: token })
  t.match(ran, { exitCode: 0, out: /^blog@1 is live/ }, 'a site that the token is for is made')
  t.equal((await grove.visitor.http1(grove.url('blog'))).body.toString(), 'one')

  t.test('other sites, and what is the operator’s, are refused', async (t) => {
    const refused = await publish(token, 'shop')
    t.equal(refused.said, 'path')
    t.match(refused.hint, /grove grant show/)
    t.equal((await withToken(grove, token, 'site', 'show', 'shop')).said, 'path')
    t.equal((await withToken(grove, token, 'site', 'list')).said, 'path')
    for (const args of [['site', 'delete', 'blog', '--yes'], ['status'], ['stop'], ['grant', 'rotate-keys']])
      t.equal((await withToken(grove, token, ...args)).said, 'rights', args.join(' '))
    t.equal((await withToken(grove, token, 'grant', 'create', '--site', 'blog')).said, 'rights')
    t.match((await json<{ sites: { name: string }[] }>('site', 'list')).sites, [{ name: 'blog' }])
  })

  t.test('its holder narrows it without asking anybody', async (t) => {
    const narrowed = async (...args: string[]) =>
      (await json<{ token: string }>('grant', 'narrow', token, ...args)).token
    const reader = await narrowed('--rights', 'read')
    t.equal((await publish(reader)).said, 'rights')
    t.equal((await withToken(grove, reader, 'site', 'versions', 'blog')).said, 'ok')
    const ended = await publish(await narrowed('--until', '2020-01-01'))
    t.equal(ended.said, 'expired')
    t.match(ended.hint, /ask whoever gave you the token for a new one/)
    t.equal((await publish(await narrowed('--path', '/sites/operator/blog/none'))).said, 'path')
    t.equal((await publish(await narrowed('--for', '1h'))).said, 'ok')
    const shown = await withToken(grove, reader, 'grant', 'show')
    t.equal(shown.said, 'ok')
  })

  t.test('one content that it is narrowed to can be uploaded, and nothing else', async (t) => {
    const bytes = Buffer.from('just this')
    const hash = createHash('sha256').update(bytes).digest('hex')
    using client = createAdminClient(join(grove.data, 'control.sock'), { token: narrow(token, { hash, bytes: 9 }) })
    await client.putBlob('blog', hash, bytes.length, async () => Readable.from([bytes]))
    const other = createHash('sha256').update('other').digest('hex')
    await t.rejects(
      client.putBlob('blog', other, 5, async () => Readable.from([Buffer.from('other')])),
      {
        code: 'ERR_DENIED',
        details: { reason: 'content' },
      },
    )
    const request = { opId: 'narrowed-1', message: '', base: 1, put: [{ path: 'x', hash, bytes: 9 }], del: [] }
    await t.rejects(client.publish('blog', request), { code: 'ERR_DENIED', details: { reason: 'content' } })
  })

  t.test('a quota ends', async (t) => {
    const small = await create('--site', 'blog', '--max-bytes', '20kB', '--label', 'small')
    writeFileSync(join(folder, 'page.html'), 'a'.repeat(10_000))
    t.equal((await publish(small.token)).said, 'ok')
    writeFileSync(join(folder, 'page.html'), 'b'.repeat(10_000))
    const refused = await publish(small.token)
    t.equal(refused.said, 'quota')
    t.match(refused.hint, /larger quota/)
    t.match(await json('site', 'show', 'blog'), { live: 2 }, 'nothing of it went live')
    const { usedBytes, state } = await json<Grant>('grant', 'show', small.grant.id)
    t.ok(usedBytes > 10_000 && usedBytes <= 20_000)
    t.equal(state, 'alive')
  })

  t.test('a token of another Grove is worth nothing here', async (t) => {
    await using other = await openMemoryStore()
    const rights = { read: true, write: true, grant: true }
    const foreign = await other.grant(other.root, {
      path: siteGrantPath('blog'),
      untilMs: Date.UTC(2100, 0),
      ...rights,
    })
    for (const handle of [foreign, other.root]) t.equal((await publish(handle)).said, 'handle')
  })

  t.test('it stays good over a restart, and ends when it is revoked', async (t) => {
    await grove.stop()
    await grove.start()
    t.equal((await publish(token)).said, 'ok')
    t.equal((await withToken(grove, token, 'site', 'rollback', 'blog')).said, 'ok')
    t.equal((await withToken(grove, token, 'site', 'tag', 'blog', 'good')).said, 'ok')
    const narrowed = narrow(token, { rights: ['read', 'write'] })
    t.match(await json('grant', 'revoke', grant.id), { id: grant.id, revoked: 1 })
    for (const one of [token, narrowed]) {
      const refused = await publish(one)
      t.equal(refused.said, 'revoked')
      t.match(refused.hint, /new one/)
    }
    t.match(await json('grant', 'show', grant.id), { state: 'revoked', label: 'CI of the blog' })
  })

  t.test('the log of the site says who did what, and under which token', async (t) => {
    const { entries } = await json<SiteLog>('site', 'log', 'blog')
    const by = { id: grant.id, label: 'CI of the blog' }
    t.match(entries.slice(0, 4), [
      { act: 'revoke', by: { label: 'operator' }, details: { id: grant.id } },
      { act: 'tag', by },
      { act: 'live', by },
      { act: 'publish', by, details: { version: 3, changed: 1 } },
    ])
    t.match(
      entries.filter(({ act }) => act === 'publish').map(({ by }) => by.label),
      ['CI of the blog', 'small', 'CI of the blog'],
    )
    t.match((await grove.command(['site', 'log', 'blog'])).out, /CI of the blog \(.*\) +publish +blog@1 {2}\+2 ~0 -0/)
  })

  t.test('new keys end every token when the old ones are dropped', async (t) => {
    const { token: old } = await create('--site', 'blog')
    await json('grant', 'rotate-keys')
    t.equal((await withToken(grove, old, 'site', 'show', 'blog')).said, 'ok')
    await json('grant', 'rotate-keys', '--drop-old')
    t.equal((await withToken(grove, old, 'site', 'show', 'blog')).said, 'handle')
    const { token: young } = await create('--site', 'blog')
    t.equal((await withToken(grove, young, 'site', 'show', 'blog')).said, 'ok')
  })

  t.notMatch(grove.log, /grove_\w+\./, 'no token was logged')
})
