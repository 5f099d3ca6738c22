import t from 'tap'
import { der, readDer } from '../../certs/der.ts'

t.test('values come back as they went in, whatever their length', async (t) => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535]) {
    const content = Buffer.alloc(length, 7)
    const bytes = Buffer.concat([der(0x04, content), der(0x30, content.subarray(0, 1), content.subarray(1))])
    t.strictSame(
      readDer(bytes),
      [
        { tag: 0x04, content },
        { tag: 0x30, content },
      ],
      `${length}`,
    )
  }
  t.equal(der(0x30, Buffer.alloc(128)).subarray(0, 3).toString('hex'), '308180')
  t.strictSame(readDer(Buffer.of()), [])
})

t.test('bytes that are cut, or of a length that is not taken, are nothing', async (t) => {
  for (const hex of ['30', '3001', '3081', '308180', '30820100', '3080', '308400000001ff', '04020001ff'])
    t.equal(readDer(Buffer.from(hex, 'hex')), undefined, hex)
})
