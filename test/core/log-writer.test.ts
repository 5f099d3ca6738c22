import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLogWriter } from '../../core/log-writer.ts'

/** An output that takes what `room` allows, or fails with a code. */
function outputOf(t: Test, queuedBytes = 1_000) {
  const output = { text: '', writes: [] as number[], room: Number.POSITIVE_INFINITY, fails: '', told: [] as number[] }
  const writer = createLogWriter({
    queuedBytes,
    write(bytes) {
      if (output.fails) throw Object.assign(new Error(output.fails), { code: output.fails })
      if (output.room === 0) throw Object.assign(new Error('full'), { code: 'EAGAIN' })
      const taken = bytes.subarray(0, output.room)
      output.room -= taken.length
      output.text += taken.toString()
      output.writes.push(taken.length)
      return taken.length
    },
    dropped: (lines) => output.told.push(lines),
  })
  t.teardown(() => {
    output.fails = 'EPIPE'
    writer.flush()
  })
  return { output, writer }
}

t.test('lines of one turn are written together, in pieces that a pipe takes whole', async (t) => {
  const { output, writer } = outputOf(t, 100_000)
  const lines = Array.from({ length: 30 }, (_, index) => `${index} ${'x'.repeat(500)}\n`)
  for (const line of lines) writer.write(line)
  t.equal(output.text, '', 'not while a request is being answered')
  await nextTurn()
  t.equal(output.text, lines.join(''))
  t.ok(output.writes.length < 10 && output.writes.every((bytes) => bytes <= 4_096), output.writes.join(' '))
})

t.test('a line that is longer than a pipe takes at once is written in parts', async (t) => {
  const { output, writer } = outputOf(t, 100_000)
  const line = `${'ä'.repeat(9_000)}\n`
  writer.write(line)
  writer.flush()
  t.equal(output.text, line)
  t.ok(output.writes.every((bytes) => bytes <= 4_096))
})

t.test('an output that stalls is tried again, and nothing is written twice or lost', async (t) => {
  const { output, writer } = outputOf(t)
  output.room = 3
  writer.write('first\n')
  writer.write('second\n')
  writer.flush()
  t.equal(output.text, 'fir')
  output.room = Number.POSITIVE_INFINITY
  while (!output.text.endsWith('second\n')) await nextTurn()
  t.equal(output.text, 'first\nsecond\n')
  t.strictSame(output.told, [])
})

t.test('a stalled output costs a bounded amount of memory, and the number of lost lines is told', async (t) => {
  const { output, writer } = outputOf(t, 50)
  output.room = 0
  for (let line = 0; line < 1_000; line++) writer.write('0123456789\n')
  writer.flush()
  output.room = Number.POSITIVE_INFINITY
  writer.flush()
  t.equal(output.text, '0123456789\n'.repeat(4), 'what fits the bound')
  t.strictSame(output.told, [996])
  writer.flush()
  t.strictSame(output.told, [996], 'once')
})

for (const code of ['ENOSPC', 'EPIPE', 'EIO', 'EBADF'])
  t.test(`an output that fails with ${code} loses its lines and is tried with the next one`, async (t) => {
    const { output, writer } = outputOf(t)
    output.fails = code
    writer.write('1\n')
    writer.write('2\n')
    t.doesNotThrow(() => writer.flush())
    writer.write('3\n')
    writer.flush()
    output.fails = ''
    writer.write('4\n')
    writer.flush()
    t.equal(output.text, '4\n')
    t.strictSame(output.told, [3])
  })

t.test('after a line that a full disk tore, the next one begins a line of its own', async (t) => {
  const { output, writer } = outputOf(t)
  output.room = 4
  writer.write('a long line\n')
  writer.flush()
  output.fails = 'ENOSPC'
  writer.flush()
  output.fails = ''
  output.room = Number.POSITIVE_INFINITY
  writer.write('whole\n')
  writer.flush()
  t.equal(output.text, 'a lo\nwhole\n')
  t.strictSame(output.told, [1])
})
