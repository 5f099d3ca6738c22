import t from 'tap'
import { toPlainText } from '../../core/plain-text.ts'

t.test('a text on one line that does nothing to a terminal', (t) => {
  t.equal(toPlainText('ünï “ok” 漢 🙂'), 'ünï “ok” 漢 🙂')
  t.equal(toPlainText('a\u001b[31mb\r\n\tc\u0000\u007f\u009b'), 'a\ufffd[31mb\ufffd\ufffd\ufffdc\ufffd\ufffd\ufffd')
  t.equal(toPlainText('a\u202eb\u2066c\u2028d'), 'a\ufffdb\ufffdc\ufffdd')
  t.end()
})
