import { PassThrough } from 'node:stream'
import t from 'tap'
import { printLines } from '../../cli/terminal.ts'

t.test('what a terminal would obey, or show in another order, is shown as a sign', async (t) => {
  const stream = new PassThrough()
  const hostile = ['\x1b[2J', '\x9b1m', '\r', '\x07', '\u202e', '\u2066', '\u2069', '\u200f', '\u061c']
  printLines(stream, ['plain: é 漢 👩‍💻 עברית', ...hostile.map((text) => `a${text}b`)])
  stream.end()
  const [plain, ...lines] = (await Array.fromAsync(stream, String)).join('').split('\n')
  t.equal(plain, 'plain: é 漢 👩‍💻 עברית')
  t.equal(lines.pop(), '')
  t.equal(lines.length, hostile.length)
  for (const line of lines) t.match(line, /^a\ufffd.*b$/)
})
