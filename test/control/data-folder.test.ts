import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDataFolder } from '../../control/data-folder.ts'
import { layoutOf } from '../../core/layout.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'

const modeOf = (path: string) => statSync(path).mode & 0o777

t.test('a folder with other things in it is refused and left as it is', async (t) => {
  const folder = shortFolder(t)
  const data = join(folder, 'data')
  mkdirSync(data)
  chmodSync(data, 0o755)
  writeFileSync(join(data, 'thesis.txt'), 'mine')
  await t.rejects(runControl({ folder }), { code: 'ERR_DATA_FORMAT', message: /is no data folder/, hint: /--data/ })
  t.equal(modeOf(data), 0o755)
  t.strictSame(readdirSync(data), ['thesis.txt'])
})

t.test('a new folder, an empty one, one of before and a private one are taken, for their owner alone', async (t) => {
  const folder = t.testdir({
    empty: {},
    disk: { 'lost+found': {}, '.keep': '' },
    before: { 'keys.json': '', x: '' },
    private: { x: '' },
  })
  chmodSync(join(folder, 'private'), 0o700)
  for (const name of ['new/er', 'empty', 'disk', 'before', 'private']) {
    const root = join(folder, name)
    await openDataFolder(layoutOf(root))
    t.equal(modeOf(root), 0o700, name)
  }
})
