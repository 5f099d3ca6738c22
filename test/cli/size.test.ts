import { InvalidArgumentError } from 'commander'
import t from 'tap'
import { parseSize } from '../../cli/size.ts'

t.test('sizes with a unit are bytes', async (t) => {
  for (const [text, bytes] of [
    ['0', 0],
    ['1000', 1_000],
    ['1B', 1],
    ['500kB', 500_000],
    ['1GB', 1_000_000_000],
    ['1.5 gb', 1_500_000_000],
    ['64MiB', 67_108_864],
    ['2TiB', 2_199_023_255_552],
  ] as const)
    t.equal(parseSize(text), bytes, text)
  for (const text of ['', 'GB', '-1', '1.5.5GB', '1PB', '1 G B', '1e9', '0x10', '999999999999TB', '١GB'])
    t.throws(() => parseSize(text), InvalidArgumentError, text)
})
