import t from 'tap'
import { createReceiveWindow, createSendWindow } from '../../core/sandbox-window.ts'

t.test('no more is sent than was given', (t) => {
  const window = createSendWindow(100)
  t.equal(window.take(60), 60)
  t.equal(window.take(60), 40)
  t.equal(window.take(1), 0)
  t.ok(window.give(30))
  t.equal(window.open, 30)
  t.ok(window.give(70))
  t.notOk(window.give(1), 'more than can have been taken')
  t.end()
})

t.test('what comes is counted, credit is given in large pieces', (t) => {
  const window = createReceiveWindow(100)
  t.ok(window.arrive(60))
  t.ok(window.arrive(40))
  t.equal(window.consume(20), 0, 'not worth a frame yet')
  t.equal(window.consume(10), 30)
  t.ok(window.arrive(30))
  t.notOk(window.arrive(1), 'no credit was given for that')
  t.end()
})

t.test('two ends keep each other going for any number of bytes', (t) => {
  const send = createSendWindow(100)
  const receive = createReceiveWindow(100)
  let bytes = 0
  for (let n = 0; n < 1_000; n++) {
    const sent = send.take(33)
    t.ok(receive.arrive(sent))
    bytes += sent
    const credit = receive.consume(sent)
    if (credit > 0) t.ok(send.give(credit))
  }
  t.ok(bytes > 10_000)
  t.end()
})
