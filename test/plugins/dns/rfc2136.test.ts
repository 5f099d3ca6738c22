import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { DnsReason, DnsRecord } from '../../../core/dns-provider.ts'
import {
  classes,
  readMessage,
  readName,
  types,
  writeHead,
  writeName,
  writeQuestion,
  writeRecord,
  writeText,
} from '../../../plugins/dns/dns-message.ts'
import { rfc2136Dns } from '../../../plugins/dns/rfc2136.ts'
import { signMessage, type TsigKey } from '../../../plugins/dns/tsig.ts'
import { startBind } from '../../services/bind.ts'

const never = new AbortController().signal
const at = '_acme-challenge.example.test'
const record: DnsRecord = { name: at, type: 'TXT', value: 'value', ttlSeconds: 60 }

t.test('BIND: keys by other names and algorithms, in files, and a zone that is named', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': 'alias CNAME www.example.test.' } })
  const provider = rfc2136Dns({ server: bind.server, key: { ...bind.key, name: 'GROVE.key.' }, zone: 'example.test' })
  await provider.present(record, never)
  await provider.present({ ...record, value: 'x'.repeat(255) }, never)
  t.same(await bind.texts(at), ['value', 'x'.repeat(255)])
  await provider.remove(record, never)
  t.same(await bind.texts(at), ['x'.repeat(255)])
  const outside = rfc2136Dns({ server: bind.server, key: bind.key, zone: 'other.test' })
  await t.rejects(outside.present(record, never), { details: { reason: 'zone' }, message: /NOTAUTH/ })
  await t.rejects(provider.present({ ...record, name: '_acme-challenge.example.org' }, never), {
    details: { reason: 'zone' },
    message: /NOTZONE/,
  })
})

t.test('BIND: clocks that differ are told', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const real = Date.now
  t.teardown(() => {
    Date.now = real
  })
  Date.now = () => real() + 3_600_000
  await t.rejects(rfc2136Dns({ server: bind.server, key: bind.key }).present(record, never), {
    code: 'ERR_DNS',
    details: { reason: 'denied' },
    message: /BADTIME/,
    hint: /clocks/,
  })
})

const key: TsigKey = { name: 'grove.key', algorithm: 'hmac-sha256', secret: Buffer.from('secret') }

/** The head of an answer to a message. */
function answerTo(message: Buffer, code = 0): Buffer {
  const head = Buffer.from(message.subarray(0, 12))
  head.writeUInt16BE((message.readUInt16BE(2) & 0x7800) | 0x8000 | code, 2)
  head.fill(0, 4)
  return head
}

async function startServer(t: Test, answer: (message: Buffer) => Buffer | undefined) {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes: Buffer) => {
      const said = answer(bytes.subarray(2))
      if (said) socket.write(said)
      else socket.end()
    })
    t.teardown(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const secret = key.secret.toString('base64')
  const place = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return rfc2136Dns({ server: place, key: { name: key.name, secret }, zone: 'example.test', timeoutMs: 200 })
}

const withLength = (message: Buffer) => Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message])

const rows: [string, (message: Buffer) => Buffer | undefined, DnsReason, RegExp][] = [
  ['an answer without a signature', (m) => withLength(answerTo(m)), 'answer', /without a good signature/],
  [
    'an answer with another signature',
    (m) => withLength(signMessage(answerTo(m), { ...key, secret: Buffer.from('other') }, Date.now()).signed),
    'answer',
    /without a good signature/,
  ],
  [
    'an answer that is signed by another key',
    (m) => withLength(signMessage(answerTo(m), { ...key, name: 'other.key' }, Date.now()).signed),
    'answer',
    /without a good signature/,
  ],
  [
    'an answer that is not for this request',
    (m) => withLength(signMessage(answerTo(m), key, Date.now()).signed),
    'answer',
    /without a good signature/,
  ],
  [
    'an answer with another id',
    (m) => {
      const said = answerTo(m)
      said[0] = (said[0] ?? 0) ^ 1
      return withLength(said)
    },
    'answer',
    /something else/,
  ],
  ['the question as the answer', (m) => withLength(m), 'answer', /something else/],
  ['noise', () => withLength(Buffer.from('noise')), 'answer', /cannot be read/],
  ['an empty answer', () => Buffer.of(0, 0), 'answer', /cannot be read/],
  [
    'an answer with more records than come',
    (m) => {
      const said = answerTo(m)
      said.writeUInt16BE(5, 6)
      return withLength(said)
    },
    'answer',
    /cannot be read/,
  ],
  [
    'an answer with very many records',
    (m) => {
      const said = answerTo(m)
      said.writeUInt32BE(0xffffffff, 6)
      return withLength(said)
    },
    'answer',
    /cannot be read/,
  ],
  [
    'an answer whose end never comes',
    (m) => withLength(answerTo(m)).subarray(0, 10),
    'timeout',
    /does not answer within 200 ms/,
  ],
  ['half a length', () => Buffer.of(0), 'timeout', /does not answer/],
  ['no answer', () => undefined, 'answer', /ended the connection/],
  ['SERVFAIL', (m) => withLength(answerTo(m, 2)), 'unavailable', /SERVFAIL/],
  ['FORMERR', (m) => withLength(answerTo(m, 1)), 'refused', /FORMERR/],
  ['NOTIMP', (m) => withLength(answerTo(m, 4)), 'refused', /NOTIMP/],
  ['REFUSED', (m) => withLength(answerTo(m, 5)), 'denied', /REFUSED/],
  ['NOTAUTH', (m) => withLength(answerTo(m, 9)), 'zone', /NOTAUTH/],
  ['a code that nobody knows', (m) => withLength(answerTo(m, 13)), 'refused', /answered 13/],
]
for (const [what, answer, reason, message] of rows)
  t.test(`a server answers ${what}`, async (t) => {
    const provider = await startServer(t, answer)
    await t.rejects(provider.present(record, never), { code: 'ERR_DNS', details: { reason }, message })
  })

t.test('a server that knows no zone, or only the root, is told', async (t) => {
  const bind = await startBind(t, { zones: { 'example.test': '' } })
  const provider = rfc2136Dns({ server: bind.server, key: bind.key })
  await t.rejects(provider.present({ ...record, name: '_acme-challenge.nowhere' }, never), {
    code: 'ERR_DNS',
    details: { reason: 'zone' },
    hint: /primary/,
  })
})

t.test('names are read back as they were written, also by pointers', (t) => {
  for (const name of ['a', 'a.b.c', `${'x'.repeat(63)}.y`, '_acme-challenge.example.test']) {
    const bytes = writeName(name)
    t.same(readName(bytes, 0), { name, endOffset: bytes.length })
  }
  t.same(readName(Buffer.of(1, 97, 0, 1, 98, 0xc0, 0), 3), { name: 'b.a', endOffset: 7 })
  t.same(readName(Buffer.of(1, 65, 0), 0), { name: 'a', endOffset: 3 }, 'case does not matter')
  for (const bytes of [
    Buffer.of(0xc0, 0),
    Buffer.of(0xc0, 2, 0xc0, 0),
    Buffer.of(1, 97),
    Buffer.of(64, 97),
    Buffer.of(5, 97),
    Buffer.alloc(0),
    Buffer.concat([...Array.from({ length: 130 }, () => Buffer.of(1, 97)), Buffer.of(0)]),
  ])
    t.throws(() => readName(bytes, 0), RangeError)
  t.throws(() => readName(Buffer.of(0, 0, 0xc0, 2), 2), RangeError, 'to itself')
  t.end()
})

t.test('whatever bytes come, reading them ends with a message or a RangeError', (t) => {
  const message = Buffer.concat([
    writeHead(7, 5, 1),
    writeQuestion('example.test', types.soa),
    writeRecord({ name: at, type: types.txt, class: classes.in, ttlSeconds: 60, data: writeText('value') }),
  ])
  const { signed } = signMessage(message, key, 0)
  t.match(readMessage(signed), {
    id: 7,
    isAnswer: false,
    opcode: 5,
    code: 0,
    records: [{ name: at }, { name: 'grove.key', type: types.tsig }],
  })
  const read = (bytes: Buffer) => {
    try {
      readMessage(bytes)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => read(Buffer.from(bytes))))
  const spoiled = fc.array(fc.tuple(fc.nat(signed.length - 1), fc.nat(255)), { maxLength: 5 })
  fc.assert(
    fc.property(spoiled, fc.nat(signed.length), (changes, length) => {
      const bytes = Buffer.from(signed)
      for (const [place, value] of changes) bytes[place] = value
      read(bytes.subarray(0, length))
    }),
  )
  t.end()
})
