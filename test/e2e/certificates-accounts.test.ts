// External account binding: the right key, a wrong one, and none.

import t from 'tap'
import { publishPage, rowOf, rows, served, startCaHost } from './ca-host.ts'

const eab = { 'kid-1': 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' }
const rightKey = { kid: 'kid-1', hmacKey: eab['kid-1'] }

t.test('a CA that binds accounts gives certificates to whoever has the key', async (t) => {
  const { grove, root } = await startCaHost(t, { pebble: { eab, badNonces: 10 }, acme: { eab: rightKey } })
  await publishPage(grove, 'blog')
  await rowOf(grove, 'blog.grove.test')
  t.ok(await served(grove, 'blog.grove.test', root))
  t.notOk(grove.log.includes(rightKey.hmacKey), 'the key is never told')
})

t.test('a wrong key, and none, are told where certificates are listed', async (t) => {
  const hmacKey = Buffer.alloc(32, 7).toString('base64url')
  for (const [acme, told] of [
    [{ eab: { kid: 'kid-1', hmacKey } }, /external.?account|unauthorized|JWS|verif|HMAC/i],
    [{}, /takes no account without an external binding/],
  ] as const) {
    const { grove, root } = await startCaHost(t, { pebble: { eab }, acme })
    await publishPage(grove, 'blog')
    const row = await rowOf(grove, 'blog.grove.test', ({ lastError }) => lastError !== undefined)
    t.match(row, { state: 'failed', tries: 1, lastError: { code: 'ERR_ACME', message: told } })
    t.match((await grove.command(['cert', 'list'])).out, told, 'people read it, too')
    t.notMatch(JSON.stringify(await rows(grove)) + grove.log, hmacKey, 'and never the key')
    await t.rejects(served(grove, 'blog.grove.test', root))
    await grove.stop()
  }
})
