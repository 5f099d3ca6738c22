import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { scanFolder } from '../../cli/scan.ts'
import type { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

async function refused(folder: string): Promise<{ path: string; reason: string }[]> {
  const error = await scanFolder(folder).then(
    () => undefined,
    (thrown: GroveError) => thrown,
  )
  if (error?.code !== 'ERR_PUBLISH_REFUSED') throw new Error(`expected a refusal, got ${error}`)
  return error.details?.['refused'] as { path: string; reason: string }[]
}

/** A folder with one good file, and what `make` adds to it. */
function folderWith(t: Test, make: (folder: string) => void): string {
  const folder = t.testdir({ 'index.html': 'hello' })
  make(folder)
  return folder
}

t.test('files come sorted, with paths as in a tree', async (t) => {
  const folder = t.testdir({ b: { 'z.html': '12345', 'a.css': '' }, 'a.html': '1', 'b.html': '2', B2: { x: '' } })
  const { files, skipped } = await scanFolder(folder)
  t.strictSame(
    files.map(({ path, bytes }) => [path, bytes]),
    [
      ['B2/x', 0],
      ['a.html', 1],
      ['b.html', 1],
      ['b/a.css', 0],
      ['b/z.html', 5],
    ],
  )
  t.strictSame(skipped, [])
})

t.test('names with a dot are left out and told, but for .well-known', async (t) => {
  const folder = t.testdir({
    'index.html': '',
    '.git': { config: 'secret' },
    '.DS_Store': '',
    docs: { '._index.html': '', 'a.html': '' },
    '.well-known': { 'security.txt': '', '.hidden': '' },
  })
  const { files, skipped } = await scanFolder(folder)
  t.strictSame(
    files.map(({ path }) => path),
    ['.well-known/security.txt', 'docs/a.html', 'index.html'],
  )
  t.strictSame([...skipped].sort(), ['.DS_Store', '.git/', '.well-known/.hidden', 'docs/._index.html'])
})

t.test('a link to a file inside the folder is that file', async (t) => {
  const folder = folderWith(t, (folder) => symlinkSync('index.html', join(folder, 'home.html')))
  const { files } = await scanFolder(folder)
  t.strictSame(
    files.map(({ path, bytes }) => [path, bytes]),
    [
      ['home.html', 5],
      ['index.html', 5],
    ],
  )
  t.equal(files[0]?.file, files[1]?.file)
})

t.test('a name in Unicode form NFD is published in NFC', async (t) => {
  const folder = folderWith(t, (folder) => writeFileSync(join(folder, 'cafe\u0301.html'), ''))
  const { files } = await scanFolder(folder)
  t.equal(files[0]?.path, 'caf\u00e9.html')
})

const hostile: { name: string; make: (folder: string) => void; path: string | RegExp; reason: RegExp }[] = [
  {
    name: 'a link to a file elsewhere',
    make: (folder) => symlinkSync('/etc/passwd', join(folder, 'passwd')),
    path: 'passwd',
    reason: /leads out of the folder/,
  },
  {
    name: 'a link that climbs out',
    make: (folder) => {
      writeFileSync(`${folder}-beside`, '')
      symlinkSync(`../${folder.split('/').at(-1)}-beside`, join(folder, 'up'))
    },
    path: 'up',
    reason: /leads out of the folder/,
  },
  {
    name: 'a link to the folder itself',
    make: (folder) => symlinkSync('.', join(folder, 'loop')),
    path: 'loop',
    reason: /leads out of the folder|something else than a file/,
  },
  {
    name: 'a link to a folder inside',
    make: (folder) => {
      mkdirSync(join(folder, 'docs'))
      symlinkSync('docs', join(folder, 'manual'))
    },
    path: 'manual',
    reason: /something else than a file/,
  },
  {
    name: 'a link that leads nowhere',
    make: (folder) => symlinkSync('gone', join(folder, 'lost')),
    path: 'lost',
    reason: /leads nowhere/,
  },
  {
    name: 'links that lead to each other',
    make: (folder) => {
      symlinkSync('b', join(folder, 'a'))
      symlinkSync('a', join(folder, 'b'))
    },
    path: 'a',
    reason: /leads nowhere/,
  },
  {
    name: 'a pipe',
    make: (folder) => execFileSync('mkfifo', [join(folder, 'pipe')]),
    path: 'pipe',
    reason: /a socket, pipe or device/,
  },
  {
    name: 'names that differ by case',
    make: (folder) => writeFileSync(join(folder, 'INDEX.html'), ''),
    path: /index\.html/i,
    reason: /differs only by case or Unicode form from "(INDEX|index)\.html"/,
  },
  {
    name: 'folders that differ by case',
    make: (folder) => {
      for (const name of ['Docs', 'docs']) {
        mkdirSync(join(folder, name))
        writeFileSync(join(folder, name, `${name}.html`), '')
      }
    },
    path: /^docs$/i,
    reason: /differs only by case/,
  },
  {
    name: 'names that differ by Unicode form',
    make: (folder) => {
      writeFileSync(join(folder, 'e\u0301'), '')
      writeFileSync(join(folder, '\u00e9'), '')
    },
    path: '\u00e9',
    reason: /differs only by case or Unicode form/,
  },
  {
    name: 'a control character',
    make: (folder) => writeFileSync(join(folder, 'a\nb'), ''),
    path: 'a\nb',
    reason: /control character/,
  },
  {
    name: 'a backslash',
    make: (folder) => writeFileSync(join(folder, 'a\\b'), ''),
    path: 'a\\b',
    reason: /backslash/,
  },
  {
    name: 'a name that is not UTF-8',
    make: (folder) => writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff])]), ''),
    path: 'f\u00ff',
    reason: /not valid UTF-8/,
  },
  {
    name: 'a file that is too large',
    make: (folder) => {
      writeFileSync(join(folder, 'big'), '')
      truncateSync(join(folder, 'big'), limits.tree.fileBytes + 1)
    },
    path: 'big',
    reason: /1073741825 bytes, more than 1073741824/,
  },
  {
    name: 'too much in all',
    make: (folder) => {
      for (let i = 0; i < 17; i++) {
        writeFileSync(join(folder, `big${i}`), '')
        truncateSync(join(folder, `big${i}`), limits.tree.fileBytes)
      }
    },
    path: '.',
    reason: /more than 17179869184/,
  },
  {
    name: 'a path that is too long',
    make: (folder) => {
      let deep = folder
      for (let i = 0; i < 10; i++) deep = join(deep, 'd'.repeat(110))
      mkdirSync(deep, { recursive: true })
      writeFileSync(join(deep, 'a'), '')
    },
    path: /^d+/,
    reason: /longer than 1024 bytes/,
  },
]

for (const { name, make, path, reason } of hostile) {
  t.test(`refused with its name: ${name}`, async (t) => {
    const [first] = await refused(folderWith(t, make))
    t.match(first, { path, reason })
  })
}

t.test('all faults are told at once, the first hundred by name', async (t) => {
  const folder = folderWith(t, (folder) => {
    for (let i = 0; i < 150; i++) symlinkSync('/etc/passwd', join(folder, `link${i}`))
  })
  t.equal((await refused(folder)).length, 100)
  await t.rejects(scanFolder(folder), {
    message: /150 things that cannot be published:\n(.*\n)+ {2}and 50 more$/,
    hint: 'nothing was sent',
    details: { count: 150 },
  })
})

t.test('a folder that is none, or has nothing to publish, is an error', async (t) => {
  const folder = t.testdir({ file: '', empty: { '.git': {} } })
  await t.rejects(scanFolder(join(folder, 'gone')), { code: 'ERR_NOT_FOUND' })
  await t.rejects(scanFolder(join(folder, 'file')), { code: 'ERR_NOT_FOUND' })
  await t.rejects(scanFolder(join(folder, 'empty')), { code: 'ERR_PUBLISH_REFUSED', message: /no files to publish/ })
})
