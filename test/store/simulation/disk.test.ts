import t from 'tap'
import { createDisk, type Disk, PowerLoss } from './disk.ts'
import { pageBytes } from './inode.ts'
import { createRandom } from './random.ts'

const seeds = Array.from({ length: 200 }, (_, seed) => seed)
const text = (disk: Disk, path: string) => disk.read(disk.file(path)).toString()

function newDisk(seed: number): Disk {
  return createDisk(
    createRandom(seed),
    () => 5,
    () => {},
  )
}

/** What can be left after a power failure, over many seeds; each outcome once, sorted. */
function outcomes(before: (disk: Disk) => void, after: (disk: Disk) => string): string[] {
  const found = new Set<string>()
  for (const seed of seeds) {
    const disk = newDisk(seed)
    before(disk)
    disk.fail()
    disk.recover('power')
    found.add(after(disk))
  }
  return [...found].sort()
}

const content = (path: string) => (disk: Disk) => (disk.has(path) ? text(disk, path) : 'no name')

function writeDurably(disk: Disk, path: string, data: string): void {
  const inode = disk.create(path)
  disk.write(inode, 0, Buffer.from(data))
  disk.sync(inode)
  disk.syncFolder('/')
}

t.test('what was synced with its name survives each power failure', async (t) => {
  t.same(
    outcomes((disk) => writeDurably(disk, '/a', 'kept'), content('/a')),
    ['kept'],
  )
})

t.test('a name that was not synced is kept or lost', async (t) => {
  const before = (disk: Disk) => disk.sync(disk.create('/a'))
  t.same(outcomes(before, content('/a')), ['', 'no name'])
})

t.test('content that was not synced is kept, lost, or torn at any page', async (t) => {
  const pages = ['a', 'b', 'c'].map((letter) => letter.repeat(pageBytes))
  const before = (disk: Disk) => {
    disk.create('/a')
    disk.syncFolder('/')
    disk.write(disk.file('/a'), 0, Buffer.from(pages.join('')))
  }
  const short = (disk: Disk) =>
    text(disk, '/a')
      .replaceAll('\0', '-')
      .replaceAll(/(.)\1*/g, '$1')
  t.same(outcomes(before, short), ['', '-b', '-bc', '-c', 'a', 'a-c', 'ab', 'abc'])
})

t.test('a rename is there before its folder is synced or not, and never half', async (t) => {
  const before = (disk: Disk) => {
    writeDurably(disk, '/old', 'one')
    writeDurably(disk, '/new', 'other')
    disk.rename('/old', '/new')
    t.equal(text(disk, '/new'), 'one')
  }
  t.same(
    outcomes(before, (disk) => `${content('/old')(disk)} ${content('/new')(disk)}`),
    ['no name one', 'one other'],
  )
})

t.test('a removed name may come back, and a folder that was not synced may take what is in it away', async (t) => {
  t.same(
    outcomes((disk) => {
      writeDurably(disk, '/a', 'kept')
      disk.remove('/a')
    }, content('/a')),
    ['kept', 'no name'],
  )
  const before = (disk: Disk) => {
    disk.makeFolder('/x/y')
    disk.sync(disk.create('/x/y/a'))
    disk.syncFolder('/x/y')
    disk.syncFolder('/x')
  }
  t.same(outcomes(before, content('/x/y/a')), ['', 'no name'])
})

t.test('after a failed fsync the pages may be gone while the next fsync says OK', async (t) => {
  const before = (disk: Disk) => {
    const inode = disk.create('/a')
    disk.syncFolder('/')
    disk.write(inode, 0, Buffer.from('data'))
    disk.faults.sync = 1
    t.throws(() => disk.sync(inode), { code: 'EIO' })
    disk.faults.sync = 0
    disk.sync(inode)
  }
  t.same(outcomes(before, content('/a')), ['', 'data'])
})

t.test('the end of a process alone loses nothing', async (t) => {
  const disk = newDisk(1)
  disk.write(disk.create('/a'), 0, Buffer.from('data'))
  disk.fail()
  t.throws(() => disk.list('/'), PowerLoss)
  disk.recover('kill')
  t.equal(text(disk, '/a'), 'data')
})

t.test('a full disk takes what fits and answers ENOSPC; what is removed makes room', async (t) => {
  const disk = newDisk(1)
  disk.faults.capacityBytes = 10
  disk.write(disk.create('/a'), 0, Buffer.alloc(6, 'a'))
  const inode = disk.create('/b')
  t.throws(() => disk.write(inode, 0, Buffer.alloc(6, 'b')), { code: 'ENOSPC' })
  t.equal(text(disk, '/b'), 'bbbb')
  disk.remove('/a')
  disk.write(inode, 0, Buffer.alloc(6, 'c'))
  t.equal(text(disk, '/b'), 'cccccc')
})

t.test('each kind of call answers EIO when its fault is on, and changes no name', async (t) => {
  const disk = newDisk(1)
  disk.makeFolder('/x')
  const inode = disk.create('/a')
  Object.assign(disk.faults, { read: 1, write: 1, sync: 1, name: 1 })
  const calls: Record<string, () => unknown> = {
    read: () => disk.read(inode),
    list: () => disk.list('/'),
    write: () => disk.write(inode, 0, Buffer.from('data')),
    sync: () => disk.sync(inode),
    syncFolder: () => disk.syncFolder('/'),
    create: () => disk.create('/b'),
    rename: () => disk.rename('/a', '/b'),
    link: () => disk.link('/a', '/b'),
    remove: () => disk.remove('/a'),
    makeFolder: () => disk.makeFolder('/b'),
    removeFolder: () => disk.removeFolder('/x'),
  }
  for (const [name, call] of Object.entries(calls)) t.throws(call, { code: 'EIO' }, name)
  Object.assign(disk.faults, { read: 0 })
  t.same(disk.list('/'), ['x', 'a'])
})

t.test('the power fails at the step that was chosen, and each later call has no effect', async (t) => {
  let failed = 0
  const disk = createDisk(
    createRandom(1),
    () => 5,
    () => {
      failed += 1
    },
  )
  disk.faults.stepsToCrash = 2
  const inode = disk.create('/a')
  disk.write(inode, 0, Buffer.from('data'))
  t.throws(() => disk.sync(inode), PowerLoss)
  t.throws(() => disk.create('/b'), PowerLoss)
  t.same([failed, disk.steps, disk.has('/b')], [1, 3, undefined])
})

t.test('names behave as on any disk', async (t) => {
  const disk = newDisk(1)
  disk.makeFolder('/x/y')
  disk.makeFolder('/x/y')
  writeDurably(disk, '/a', 'data')
  disk.link('/a', '/x/a')
  disk.write(disk.file('/a'), 6, Buffer.from('more'))
  t.equal(text(disk, '/x/a'), 'data\0\0more')
  t.same(disk.list('/').sort(), ['a', 'x'])
  t.same(disk.list('/x').sort(), ['a', 'y'])
  const wrong: [() => unknown, string][] = [
    [() => disk.create('/a'), 'EEXIST'],
    [() => disk.create('/z/a'), 'ENOENT'],
    [() => disk.link('/a', '/x/a'), 'EEXIST'],
    [() => disk.rename('/none', '/b'), 'ENOENT'],
    [() => disk.rename('/a', '/z/a'), 'ENOENT'],
    [() => disk.rename('/a', '/x'), 'EISDIR'],
    [() => disk.file('/x'), 'EISDIR'],
    [() => disk.remove('/x'), 'EISDIR'],
    [() => disk.makeFolder('/a'), 'EEXIST'],
    [() => disk.syncFolder('/z'), 'ENOENT'],
  ]
  for (const [call, code] of wrong) t.throws(call, { code })
  disk.rename('/a', '/a')
  t.equal(disk.has('/a'), 'file')
  t.equal(disk.remove('/none'), false)
  disk.removeFolder('/x')
  disk.removeFolder('/x')
  t.same(
    [disk.has('/x'), disk.has('/x/y'), disk.has('/x/a'), disk.has('/a')],
    [undefined, undefined, undefined, 'file'],
  )
})
