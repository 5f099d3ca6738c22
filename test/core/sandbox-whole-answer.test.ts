import t from 'tap'
import { encodeWholeAnswer, splitWholeAnswer, wholeAnswerBytes } from '../../core/sandbox-whole-answer.ts'

t.test('head and body come out as they went in', (t) => {
  const rows: [string, string | Uint8Array][] = [
    ['{"status":200}', 'grüße'],
    ['{"ü":"ü"}', Buffer.from([0, 255, 1])],
    ['', ''],
    ['{}', new Uint8Array(wholeAnswerBytes)],
  ]
  for (const [head, body] of rows) {
    const parts = splitWholeAnswer(encodeWholeAnswer(head, body))
    t.equal(parts?.head.toString(), head)
    t.ok(parts?.body.equals(Buffer.from(body as Uint8Array)))
  }
  t.end()
})

t.test('what is none is told apart', (t) => {
  const rows: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['half a length', Buffer.from([1, 0, 0])],
    ['a head that is not all there', Buffer.from([3, 0, 0, 0, 1, 2])],
    ['a head longer than any buffer', Buffer.from([255, 255, 255, 255, 1, 2])],
    ['a body that is too large', encodeWholeAnswer('{}', new Uint8Array(wholeAnswerBytes + 1))],
  ]
  for (const [what, payload] of rows) t.equal(splitWholeAnswer(payload), undefined, what)
  t.end()
})
