import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import { shortFolder } from './admin-fixture.ts'

const file = (path: string) => JSON.stringify({ path, hash: 'a'.repeat(64), bytes: 1 })

/** A client of a control that answers every request with these pieces, and then ends or breaks off. */
async function withAnswer(t: Test, pieces: readonly string[], end: 'end' | 'break' = 'end', status = 200) {
  const socket = join(shortFolder(t), 'control.sock')
  const server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': 'application/x-ndjson' })
    for (const piece of pieces) response.write(piece)
    if (end === 'end') response.end()
    else setImmediate(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.close())
  const client = createAdminClient(socket)
  t.teardown(() => client[Symbol.dispose]())
  return client
}

t.test('lines are values, however the answer was cut into pieces', async (t) => {
  const text = `${file('a')}\n${file('ü')}\n{"end":true}\n`
  const bytes = [...Buffer.from(text)].map((byte) => String.fromCharCode(byte))
  const client = await withAnswer(t, [text.slice(0, 10), text.slice(10, 90), text.slice(90)])
  t.same(
    (await client.files('blog', 1)).map(({ path }) => path),
    ['a', 'ü'],
  )
  t.ok(bytes.length > text.length, 'with a character of more than one byte in it')
})

t.test('a failure midway is the error that control told', async (t) => {
  const failure = JSON.stringify({ error: { code: 'ERR_BLOB_CORRUPT', message: 'damaged', hint: 'repair' } })
  const client = await withAnswer(t, [`${file('a')}\n${failure}\n`])
  await t.rejects(client.files('blog', 1), { code: 'ERR_BLOB_CORRUPT', message: 'damaged', hint: 'repair' })
})

t.test('an answer that is not whole is never taken for one', async (t) => {
  for (const [pieces, end] of [
    [[`${file('a')}\n`], 'end'],
    [[`${file('a')}\n`], 'break'],
    [[`${file('a')}\n{"end":tr`], 'end'],
    [[''], 'end'],
    [['not json\n{"end":true}\n'], 'end'],
    [[`{"path":1}\n{"end":true}\n`], 'end'],
    [['x'.repeat(2_000_000)], 'end'],
  ] as const) {
    const client = await withAnswer(t, pieces, end)
    await t.rejects(client.files('blog', 1), { code: 'ERR_CHANNEL' }, JSON.stringify(pieces).slice(0, 60))
  }
})

t.test('a refusal before the first line is the error that control told', async (t) => {
  const failure = JSON.stringify({ error: { code: 'ERR_VERSION_UNKNOWN', message: 'no version 9' } })
  const client = await withAnswer(t, [failure], 'end', 404)
  await t.rejects(client.files('blog', 9), { code: 'ERR_VERSION_UNKNOWN' })
})
