import { copyFileSync, existsSync, renameSync, rmSync, truncateSync } from 'node:fs'
import t from 'tap'
import { blobFile } from '../../core/layout.ts'
import { hashOf, publishOver } from './fixtures/contents.ts'
import { runControl } from './fixtures/running-control.ts'
import { shortFolder } from './fixtures/short-folder.ts'

const page = '<h1>all that is left</h1>'

for (const [what, lose] of Object.entries({
  'is gone': (file: string) => rmSync(file),
  'is empty': (file: string) => truncateSync(file, 0),
}))
  t.test(`a store that ${what} beside contents is refused, and no content is lost`, async (t) => {
    const folder = shortFolder(t)
    const first = await runControl({ folder })
    const { layout } = first
    await publishOver(layout.controlSocket, 'blog', { 'index.html': page })
    await first.stop()
    const backup = `${layout.database}.backup`
    copyFileSync(layout.database, backup)
    lose(layout.database)
    for (const attempt of ['first', 'second'])
      await t.rejects(
        runControl({ folder }),
        { code: 'ERR_DATA_FORMAT', message: /store\.db is new/, hint: /restore .*store\.db from a backup/ },
        `${attempt} start`,
      )
    t.ok(existsSync(blobFile(layout, hashOf(page))))

    renameSync(backup, layout.database)
    const second = await runControl({ folder })
    t.teardown(() => second.stop())
    const front = await second.addFront(7)
    t.equal((await front.load('blog'))?.live?.version, 1)
  })

t.test('a data folder in which nothing was ever published is no lost one', async (t) => {
  const folder = shortFolder(t)
  const first = await runControl({ folder })
  await first.stop()
  rmSync(first.layout.database)
  const second = await runControl({ folder })
  await second.stop()
})
