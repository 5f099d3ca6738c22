import { mkdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type CertificateFilesOptions, openCertificateFiles } from '../../../certs/files/certificate-files.ts'
import type { CertificateFileSpec } from '../../../certs/files/file-specs.ts'
import { pairUp } from '../../../certs/files/folder-pairs.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { dayMs, type Made, make, makeFamily } from '../fixtures/certificates.ts'
import { lock } from './fixture.ts'

const { intermediate } = await makeFamily()
const issue = (...names: string[]) => make({ name: 'leaf', names, issuer: intermediate })
const chainOf = (made: Made) => made.pem + intermediate.pem

/** Opens files with a promise for each change that comes. */
async function open(t: Test, specs: readonly CertificateFileSpec[], options: Partial<CertificateFilesOptions> = {}) {
  let { promise, resolve } = Promise.withResolvers<void>()
  const files = await openCertificateFiles(specs, {
    environment: nodeEnvironment,
    bounds: { settleMs: 40 },
    changed() {
      const told = resolve
      ;({ promise, resolve } = Promise.withResolvers<void>())
      told()
    },
    ...options,
  })
  t.teardown(() => files.close())
  /** Resolves when the files are as wanted. */
  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await promise
  }
  const faults = () => files.list().flatMap(({ fault }) => (fault ? [fault.reason] : []))
  return { files, until, faults }
}

async function put(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
}

t.test('certificates are found by name: exact ones first, then wildcards, those that last longest first', async (t) => {
  const folder = t.testdir()
  const make2 = (days: number, ...names: string[]) =>
    make({ names, issuer: intermediate, untilMs: Date.now() + days * dayMs })
  const made = {
    wild: await make2(0.9, '*.example.com', 'example.com'),
    exact: await make2(0.5, 'www.example.com'),
    longer: await make2(0.8, 'www.example.com'),
    rsa: await make({
      names: ['www.example.com'],
      kind: 'rsa',
      issuer: intermediate,
      untilMs: Date.now() + 0.6 * dayMs,
    }),
    other: await make({
      names: ['other.example'],
      addresses: ['192.0.2.1'],
      issuer: intermediate,
      untilMs: Date.now() + 0.7 * dayMs,
    }),
  }
  const specs: CertificateFileSpec[] = []
  for (const [name, one] of Object.entries(made)) {
    await put(folder, { [`${name}.crt`]: chainOf(one), [`${name}.key`]: one.key })
    specs.push({ cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) })
  }
  specs.push({ cert: join(folder, 'copy.pem'), key: join(folder, 'copy.pem') })
  await put(folder, { 'copy.pem': made.other.key + chainOf(made.other) })
  const { files } = await open(t, specs)
  const found = (name: string) =>
    files
      .find(name)
      .map(
        ({ key }) => Object.entries(made).find(([, one]) => one.key.replace(/\s/g, '') === key.replace(/\s/g, ''))?.[0],
      )
  t.same(found('www.example.com'), ['longer', 'rsa', 'exact', 'wild'])
  t.same(found('x.example.com'), ['wild'])
  t.same(found('example.com'), ['wild'])
  t.same(found('a.b.example.com'), [], 'a wildcard stands for one label')
  t.same(found('com'), [])
  t.same(found('other.example'), ['other'], 'the same in two files is one')
  t.same(found('192.0.2.1'), ['other'])
  t.same(found(''), [])
  t.match(
    files.list().map(({ names }) => names),
    [
      ['*.example.com', 'example.com'],
      ['www.example.com'],
      ['www.example.com'],
      ['www.example.com'],
      ['other.example', '192.0.2.1'],
      ['other.example', '192.0.2.1'],
    ],
  )
})

t.test('a pair that is renewed is in use soon, whichever file comes first, and never one half of it', async (t) => {
  const folder = t.testdir()
  const [first, second, third] = [await issue('a.example'), await issue('a.example'), await issue('a.example')]
  const spec = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await put(folder, { 'cert.pem': chainOf(first), 'key.pem': first.key })
  const { files, until, faults } = await open(t, [spec])
  const isInUse = (made: Made) => () =>
    files.find('a.example')[0]?.chain.replace(/\s/g, '') === chainOf(made).replace(/\s/g, '')
  t.ok(isInUse(first)())
  await put(folder, { 'cert.pem': chainOf(second) })
  await put(folder, { 'key.pem': second.key })
  await until(isInUse(second))
  t.same(faults(), [])
  // As tools do it: beside, then in its place.
  await put(folder, { 'key.tmp': third.key, 'cert.tmp': chainOf(third) })
  await rename(join(folder, 'key.tmp'), spec.key)
  await rename(join(folder, 'cert.tmp'), spec.cert)
  await until(isInUse(third))
  t.same(faults(), [])
})

t.test('half of a pair is told when the other half does not come, and the old pair stays in use', async (t) => {
  const folder = t.testdir()
  const [first, second] = [await issue('a.example'), await issue('a.example')]
  await put(folder, { 'cert.pem': chainOf(first), 'key.pem': first.key })
  const warned: unknown[] = []
  const log = { warn: (...args: unknown[]) => warned.push(args), info: () => undefined } as unknown as NonNullable<
    CertificateFilesOptions['log']
  >
  const { files, until, faults } = await open(t, [{ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }], {
    log,
  })
  const [inUse] = files.find('a.example')
  await put(folder, { 'cert.pem': chainOf(second) })
  await until(() => faults().length > 0)
  t.same(faults(), ['key'])
  t.same(files.find('a.example'), [inUse])
  t.match(warned, [[{ reason: 'key', inUse: ['a.example'] }]])
  await put(folder, { 'key.pem': second.key })
  await until(() => faults().length === 0)
  t.notSame(files.find('a.example'), [inUse])
  t.equal(warned.length, 1, 'and told once')
})

t.test('a file that is written slowly is read when it is whole', async (t) => {
  const folder = t.testdir()
  const [first, second] = [await issue('a.example'), await issue('b.example')]
  const file = join(folder, 'both.pem')
  await writeFile(file, first.key + chainOf(first))
  const { files, until, faults } = await open(t, [{ cert: file, key: file }], { bounds: { settleMs: 150 } })
  const text = second.key + chainOf(second)
  const seen = new Set<string>()
  for (let end = 0; end < text.length; end += 250) {
    await writeFile(file, text.slice(0, end))
    for (const fault of faults()) seen.add(fault)
    await nodeEnvironment.sleep(10)
  }
  await writeFile(file, text)
  await until(() => files.find('b.example').length === 1)
  t.same([...seen], [])
})

t.test('a file that never comes to rest is read nevertheless', async (t) => {
  const folder = t.testdir()
  const [first, second] = [await issue('a.example'), await issue('b.example')]
  const file = join(folder, 'both.pem')
  await writeFile(file, first.key + chainOf(first))
  const { files } = await open(t, [{ cert: file, key: file }], { bounds: { settleMs: 60, settleMostMs: 200 } })
  let count = 0
  while (files.find('b.example').length === 0) {
    count += 1
    await writeFile(file, `# ${count}\n${second.key}${chainOf(second)}`)
    await nodeEnvironment.sleep(15)
  }
  t.ok(count > 0)
})

t.test('what else is written into a folder changes nothing, and is not looked at all the time', async (t) => {
  const folder = t.testdir()
  const a = await issue('a.example')
  await put(folder, { 'a.pem': a.key + chainOf(a) })
  let pauses = 0
  let changes = 0
  const environment = {
    ...nodeEnvironment,
    sleep(ms: number, signal?: AbortSignal) {
      pauses += 1
      return nodeEnvironment.sleep(ms, signal)
    },
  }
  const bounds = { settleMs: 50, pollMs: 600_000 }
  const file = join(folder, 'a.pem')
  const options = { environment, bounds, changed: () => (changes += 1) }
  await using files = await openCertificateFiles([{ cert: file, key: file }], options)
  const endMs = performance.now() + 500
  while (performance.now() < endMs) {
    await writeFile(join(folder, 'log.txt'), `${endMs}`)
    await nodeEnvironment.sleep(1)
  }
  t.equal(files.find('a.example').length, 1)
  t.equal(changes, 0)
  t.ok(pauses <= 20, `${pauses} looks`)
})

t.test('a folder has its pairs by name, in it and in the folders in it, and follows what comes and goes', async (t) => {
  const folder = t.testdir()
  const [a, b, c, d] = [
    await issue('a.example'),
    await issue('b.example'),
    await issue('c.example'),
    await issue('d.example'),
  ]
  const locked = await lock(folder, b.key, 'pass')
  const live = join(folder, 'live')
  await put(live, {
    'a.crt': chainOf(a),
    'a.key': a.key,
    'b.pem': chainOf(b),
    'b-key.pem': locked,
    README: 'hello',
    '.hidden.pem': 'x',
  })
  await put(join(live, 'c.example'), {
    'fullchain.pem': chainOf(c),
    'privkey.pem': c.key,
    'cert.pem': c.pem,
    'chain.pem': intermediate.pem,
  })
  const { files, until, faults } = await open(t, [{ folder: live, password: 'pass' }])
  const names = () =>
    files
      .list()
      .flatMap((one) => one.names)
      .sort()
  t.same(names(), ['a.example', 'b.example', 'c.example'])
  t.same(faults(), [])

  await put(live, { 'd.pem': d.key + chainOf(d) })
  await until(() => names().includes('d.example'))
  await rm(join(live, 'a.crt'))
  await until(() => faults().length > 0)
  t.match(
    files.list().find(({ file }) => file.endsWith('a.crt')),
    { names: ['a.example'], fault: { reason: 'file', message: /a\.crt is not there/ } },
    'the other half is there: it was not meant to go',
  )
  t.equal(files.find('a.example').length, 1)
  await rm(join(live, 'a.key'))
  await until(() => !names().includes('a.example'))
  t.same(files.find('a.example'), [])
  await rm(join(live, 'c.example'), { recursive: true })
  await until(() => !names().includes('c.example'))
  t.same(names(), ['b.example', 'd.example'])
  await put(live, { 'lone.key': a.key, 'broken.crt': 'nothing' })
  await until(() => faults().length >= 2)
  t.match(
    files
      .list()
      .filter(({ fault }) => fault)
      .map(({ file, fault }) => `${file.slice(live.length + 1)} ${fault?.reason}`)
      .sort(),
    ['broken.crt parse', 'lone.key file'],
  )
})

t.test('a folder that goes away keeps what was in it in use, and is followed when it comes back', async (t) => {
  const folder = join(t.testdir(), 'certs')
  const [a, b] = [await issue('a.example'), await issue('b.example')]
  const { files, until, faults } = await open(t, [{ folder }], { bounds: { settleMs: 20, pollMs: 50 } })
  t.match(files.list(), [{ file: folder, names: [], fault: { reason: 'file', message: /is not there/ } }])
  await put(folder, { 'a.crt': chainOf(a), 'a.key': a.key })
  await until(() => files.find('a.example').length === 1)
  t.same(faults(), [])
  await rm(folder, { recursive: true })
  await until(() => faults().length === 2)
  t.equal(files.find('a.example').length, 1)
  await put(folder, { 'b.crt': chainOf(b), 'b.key': b.key })
  await until(() => files.find('b.example').length === 1)
  t.same(files.find('a.example'), [])
  t.same(faults(), [])
})

t.test('links that are swapped in one step are followed, as clusters mount secrets', async (t) => {
  const folder = t.testdir()
  const [a, b] = [await issue('a.example'), await issue('b.example')]
  await put(join(folder, '..one'), { 'tls.crt': chainOf(a), 'tls.key': a.key })
  await put(join(folder, '..two'), { 'tls.crt': chainOf(b), 'tls.key': b.key })
  await symlink('..one', join(folder, '..data'))
  for (const name of ['tls.crt', 'tls.key']) await symlink(`..data/${name}`, join(folder, name))
  const { files, until } = await open(t, [{ folder }])
  t.equal(files.find('a.example').length, 1)
  await symlink('..two', join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  t.equal(await readlink(join(folder, '..data')), '..two')
  await until(() => files.find('b.example').length === 1)
  t.same(files.find('a.example'), [])
})

t.test('what nobody tells of is seen by looking now and then', async (t) => {
  const folder = t.testdir()
  const [a, b] = [await issue('a.example'), await issue('b.example')]
  await put(join(folder, 'far'), { 'one.pem': a.key + chainOf(a) })
  await symlink('far', join(folder, 'link'))
  const file = join(folder, 'link', 'one.pem')
  const { files, until } = await open(t, [{ cert: file, key: file }], { bounds: { settleMs: 5, pollMs: 20 } })
  await put(join(folder, 'other'), { 'one.pem': b.key + chainOf(b) })
  await symlink('other', join(folder, 'new'))
  await rename(join(folder, 'new'), join(folder, 'link'))
  await until(() => files.find('b.example').length === 1)
})

t.test('time passes: what has ended is not found and told, what begins is taken', async (t) => {
  const folder = t.testdir()
  let nowMs = Date.now()
  const environment = { ...nodeEnvironment, now: () => nowMs }
  const short = await make({ names: ['a.example'], issuer: intermediate, untilMs: nowMs + 3_600_000 })
  const next = await make({ names: ['b.example'], issuer: intermediate, fromMs: nowMs + 1_800_000 })
  await put(folder, { 'a.pem': short.key + chainOf(short), 'b.pem': next.key + chainOf(next) })
  const { files, until, faults } = await open(t, [{ folder }], { environment, bounds: { settleMs: 5, pollMs: 20 } })
  t.same(faults(), ['future'])
  nowMs += 1_900_000
  await until(() => faults().length === 0)
  t.equal(files.find('b.example').length, 1)
  nowMs += 3_600_000
  t.same(files.find('a.example'), [])
  t.match(files.list()[0], {
    names: ['a.example'],
    fault: { reason: 'expired', message: /a\.pem: the certificate ended at 2/ },
  })
})

t.test('bounds: entries of the config, and names in a folder', async (t) => {
  const many = Array.from({ length: limits.certFiles.specs + 1 }, () => ({ folder: '/nonexistent' }))
  await t.rejects(openCertificateFiles(many, { environment: nodeEnvironment }), {
    code: 'ERR_CERT',
    details: { reason: 'size' },
  })
  const folder = t.testdir()
  for (let i = 0; i <= limits.certFiles.folders; i += 1) await mkdir(join(folder, `f${i}`))
  const { files } = await open(t, [{ folder }])
  t.match(files.list(), [{ file: folder, fault: { reason: 'size', message: /more than 1000 folders/ } }])
})

t.test('after the end nothing is looked at, and what was found stays', async (t) => {
  const folder = t.testdir()
  const a = await issue('a.example')
  await put(folder, { 'a.pem': a.key + chainOf(a) })
  let changes = 0
  const files = await openCertificateFiles([{ folder }], {
    environment: nodeEnvironment,
    changed: () => (changes += 1),
    bounds: { settleMs: 5, pollMs: 5 },
  })
  await files.close()
  await rm(join(folder, 'a.pem'))
  await files.reload()
  await files.close()
  t.equal(files.find('a.example').length, 1)
  t.equal(changes, 0)
})

t.test('names are paired as tools write them', (t) => {
  const table: [string[], string[], string[]][] = [
    [['x.crt', 'x.key'], ['x.crt+x.key'], []],
    [['x.cert', 'x.key'], ['x.cert+x.key'], []],
    [['x.cer', 'x.key.pem'], ['x.cer+x.key.pem'], []],
    [['x.pem', 'x-key.pem'], ['x.pem+x-key.pem'], []],
    [['x-cert.pem', 'x-key.pem'], ['x-cert.pem+x-key.pem'], []],
    [['x.crt.pem', 'x.key.pem'], ['x.crt.pem+x.key.pem'], []],
    [['x.pem'], ['x.pem+x.pem'], []],
    [['x.crt', 'x.pem', 'x.key'], ['x.crt+x.key'], []],
    [
      ['fullchain.pem', 'privkey.pem', 'cert.pem', 'chain.pem', 'x.pem'],
      ['fullchain.pem+privkey.pem', 'x.pem+x.pem'],
      [],
    ],
    [['x.key', 'y.crt'], ['y.crt+y.crt'], ['x.key']],
    [
      ['_wildcard.example.com.pem', '_wildcard.example.com-key.pem'],
      ['_wildcard.example.com.pem+_wildcard.example.com-key.pem'],
      [],
    ],
    [['README', 'x.txt', '.key', '.pem', 'x.csr'], [], []],
    [[], [], []],
  ]
  for (const [names, pairs, lone] of table) {
    const found = pairUp(names)
    t.same(
      found.pairs.map(({ cert, key }) => `${cert}+${key}`),
      pairs,
      names.join(),
    )
    t.same(found.lone, lone)
  }
  t.end()
})
