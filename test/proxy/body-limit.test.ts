import { Readable } from 'node:stream'
import t from 'tap'
import { checkAnnouncedLength, limitBody } from '../../proxy/body-limit.ts'

const read = async (body: Readable) => Buffer.concat(await body.toArray()).toString()

t.test('a body within the limit passes whole, to the last byte', async (t) => {
  t.equal(await read(limitBody(Readable.from([Buffer.from('abc'), Buffer.from('de')]), 5)), 'abcde')
  t.equal(await read(limitBody(Readable.from([]), 0)), '')
})

t.test('a body over the limit errors before the chunk that passes it', async (t) => {
  const body = limitBody(Readable.from([Buffer.from('abc'), Buffer.from('def')]), 5)
  const seen: Buffer[] = []
  body.on('data', (chunk) => seen.push(chunk))
  await t.rejects(new Promise((_, reject) => body.on('error', reject)), { code: 'ERR_TOO_LARGE', status: 413 })
  t.equal(Buffer.concat(seen).toString(), 'abc')
})

t.test('the source stays open: it is the way to answer', async (t) => {
  const source = new Readable({ read() {} })
  source.push('abcdef')
  const body = limitBody(source, 3)
  await t.rejects(read(body), { code: 'ERR_TOO_LARGE' })
  t.equal(source.destroyed, false)
  const other = limitBody(source, 100)
  other.destroy()
  t.equal(source.destroyed, false)
  source.destroy()
})

t.test('a source that fails fails the body with the same error', async (t) => {
  const source = new Readable({ read() {} })
  const failing = read(limitBody(source, 10))
  source.destroy(new Error('client left'))
  await t.rejects(failing, { message: 'client left' })
})

t.test('a body that fails when nobody wants it any more ends nothing', async (t) => {
  const source = new Readable({ read() {} }).on('error', () => {})
  const body = limitBody(source, 3)
  const chunks = body.iterator({ destroyOnReturn: false })
  source.push('abc')
  await chunks.next()
  await chunks.return?.()
  body.read(0)
  source.push('over')
  await new Promise((resolve) => body.once('close', resolve))
  t.match(body.errored, { code: 'ERR_TOO_LARGE' })
})

t.test('the source is read no faster than the body', async (t) => {
  let given = 0
  const source = new Readable({
    highWaterMark: 1_024,
    read() {
      given += 1
      this.push(given > 10_000 ? null : Buffer.alloc(1_024))
    },
  })
  const body = limitBody(source, 1_000_000_000)
  body.read(0)
  for (let i = 0; i < 100; i += 1) await new Promise(setImmediate)
  t.ok(given < 200, `took ${given} chunks of which nobody read one`)
  t.equal((await read(body)).length, 10_000 * 1_024)
})

t.test('an announced length over the limit is refused before a byte is read', (t) => {
  t.throws(() => checkAnnouncedLength(['content-length', '6'], 5), { code: 'ERR_TOO_LARGE' })
  t.doesNotThrow(() => checkAnnouncedLength(['content-length', '5'], 5))
  t.doesNotThrow(() => checkAnnouncedLength([], 5))
  t.end()
})
