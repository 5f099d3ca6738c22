import { mkdirSync, openSync, rmdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { diskHint } from '../../core/disk-hint.ts'
import { GroveError, toGroveError } from '../../core/errors.ts'

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

const systemError = (code: string, syscall: string) => Object.assign(new Error(`${code}: it failed`), { code, syscall })

t.test('what the file system and SQLite throw has a next step', async (t) => {
  const folder = t.testdir({ file: 'x', 'no.db': 'this is no database at all, whatever its name says' })
  t.match(diskHint(thrownBy(() => mkdirSync(join(folder, 'file')))), /a file stands where a folder is needed/)
  t.match(diskHint(thrownBy(() => mkdirSync(join(folder, 'file/sub')))), /a file stands where a folder is needed/)
  t.match(diskHint(thrownBy(() => writeFileSync('/dev/full', 'x'))), /free some space/)
  t.match(diskHint(thrownBy(() => new DatabaseSync(join(folder, 'none/at/all.db')))), /user who runs grove/)
  t.match(diskHint(systemError('EROFS', 'chmod')), /read-only/)
  t.match(diskHint(systemError('EMFILE', 'open')), /ulimit -n/)
  t.match(diskHint(systemError('EPERM', 'chmod')), /own the data folder/)
  t.match(diskHint(Object.assign(new Error('malformed'), { errcode: 11 + 256 })), /restore the data folder/)
})

t.test('what is no error of the disk has none', async (t) => {
  const folder = t.testdir({})
  t.equal(diskHint(thrownBy(() => openSync(join(folder, 'missing'), 'r'))), undefined, 'a caller knows what is missing')
  t.equal(diskHint(thrownBy(() => rmdirSync(join(folder, 'missing')))), undefined)
  t.equal(diskHint(systemError('EACCES', 'connect')), undefined)
  t.equal(diskHint(systemError('EACCES', 'listen')), undefined)
  t.equal(diskHint(systemError('EMFILE', 'accept')), undefined)
  for (const other of [new Error('ENOSPC'), new TypeError('x'), 'ENOSPC', undefined, null, { code: 'ENOSPC' }])
    t.equal(diskHint(other), undefined)
  const refused = await new Promise((resolve) => connect(join(folder, 'no.sock')).on('error', resolve))
  t.equal(diskHint(refused), undefined)
})

t.test('as an error of Grove it says so', async (t) => {
  const error = toGroveError(thrownBy(() => writeFileSync('/dev/full', 'x')))
  t.match(error, { code: 'ERR_DATA_IO', message: /ENOSPC/, hint: /free some space/ })
  t.equal(toGroveError(new Error('other')).code, 'ERR_INTERNAL')
  const known = new GroveError('ERR_CONFLICT', 'x', { cause: systemError('ENOSPC', 'write') })
  t.equal(toGroveError(known), known)
})
