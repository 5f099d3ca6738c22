import t from 'tap'
import { frameHeadBytes, frameTypes } from '../../core/sandbox-frames.ts'
import { encodeWhole, splitWhole, wholeBytes } from '../../core/sandbox-whole.ts'

const payloadOf = (head: string, body: string | Uint8Array) =>
  Buffer.concat(encodeWhole(frameTypes.wholeAnswer, 7, head, body)).subarray(frameHeadBytes)

t.test('head and body come out as they went in', (t) => {
  const rows: [string, string | Uint8Array][] = [
    ['{"status":200}', 'grüße'],
    ['{"ü":"ü"}', Buffer.from([0, 255, 1])],
    ['', ''],
    ['{}', new Uint8Array(wholeBytes)],
  ]
  for (const [head, body] of rows) {
    const parts = splitWhole(payloadOf(head, body))
    t.equal(parts?.head.toString(), head)
    t.ok(parts?.body.equals(Buffer.from(body as Uint8Array)))
  }
  const large = new Uint8Array(20_000)
  t.equal(encodeWhole(frameTypes.wholeRequest, 7, '{}', large)[1], large, 'large bytes are not copied')
  t.end()
})

t.test('what is none is told apart', (t) => {
  const rows: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['half a length', Buffer.from([1, 0, 0])],
    ['a head that is not all there', Buffer.from([3, 0, 0, 0, 1, 2])],
    ['a head longer than any buffer', Buffer.from([255, 255, 255, 255, 1, 2])],
    ['a body that is too large', payloadOf('{}', new Uint8Array(wholeBytes + 1))],
  ]
  for (const [what, payload] of rows) t.equal(splitWhole(payload), undefined, what)
  t.end()
})
