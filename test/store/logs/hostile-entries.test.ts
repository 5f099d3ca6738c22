import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { GrantOptions, Handle, Log, Store, Ts, WriteOptions } from '../../../store/store.ts'
import { bytes, codeOf, dump, eachDriver, forever, rootLog } from '../fixtures/drivers.ts'

/** Values that no caller of ours gives; a plugin or a bug may. None can be sent to another thread. */
const unsendable: readonly unknown[] = [() => {}, Symbol('s'), new Proxy({}, {}), new WeakMap(), Promise.resolve()]

const digits = (seq: number | string) => String(seq).padStart(20, '0')

/** Moments that are none of the store, with the code of the refusal. */
function badMoments(store: Store, ts: Ts): readonly { name: string; ts: unknown; code: string }[] {
  const refused = 'ERR_BAD_REQUEST'
  return [
    { name: 'what is to come', ts: `${store.id}.${digits(1_000)}`, code: 'ERR_AFTER_NOT_VISIBLE' },
    { name: 'a moment beyond numbers', ts: `${store.id}.${'9'.repeat(20)}`, code: 'ERR_AFTER_NOT_VISIBLE' },
    { name: 'another store’s', ts: `${'0'.repeat(16)}.${digits(1)}`, code: 'ERR_AFTER_NOT_VISIBLE' },
    { name: 'nothing', ts: '', code: refused },
    { name: 'an id alone', ts: store.id, code: refused },
    { name: 'too few digits', ts: `${store.id}.1`, code: refused },
    { name: 'too many digits', ts: `${store.id}.${digits(1)}0`, code: refused },
    { name: 'a line after it', ts: `${ts}\n`, code: refused },
    { name: 'a space before it', ts: ` ${ts}`, code: refused },
    { name: 'a sign', ts: `${store.id}.-${digits(1).slice(1)}`, code: refused },
    { name: 'a power', ts: `${store.id}.${digits('1e3')}`, code: refused },
    { name: 'other digits', ts: `${store.id}.${digits(1).replaceAll('0', '٠')}`, code: refused },
    { name: 'capital letters', ts: ts.toUpperCase().replace(/[0-9]+\./, 'ABCDEF0123456789.'), code: refused },
    { name: 'a NUL', ts: `${ts.slice(0, -1)}\0`, code: refused },
    { name: 'a megabyte', ts: 'x'.repeat(1_048_576), code: refused },
    { name: 'a number', ts: 1, code: refused },
    { name: 'null', ts: null, code: refused },
    { name: 'a list', ts: [ts], code: refused },
    { name: 'an object that says it is a text', ts: { toString: () => ts }, code: refused },
    ...unsendable.map((value) => ({ name: `a ${typeof value}`, ts: value, code: refused })),
  ]
}

/** Writes that are refused, whoever writes. */
function badWrites(store: Store, ts: Ts): readonly { name: string; options: unknown; code: string }[] {
  const refused = 'ERR_BAD_REQUEST'
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  const opIds = [
    '',
    'short',
    'x'.repeat(65),
    'x'.repeat(1_048_576),
    'operation\0',
    'operation 1',
    'opération',
    'a\ud800bcdefgh',
    8,
    {},
  ]
  return [
    ...badMoments(store, ts).map(({ name, ts: moment, code }) => ({
      name: `after ${name}`,
      options: { after: [moment] },
      code,
    })),
    { name: 'after itself', options: { after: [`${store.id}.${digits(3)}`] }, code: 'ERR_AFTER_NOT_VISIBLE' },
    { name: 'after one good and one bad', options: { after: [ts, 'x'] }, code: refused },
    { name: 'after a list in a circle', options: { after: cyclic }, code: refused },
    { name: 'after a text', options: { after: ts }, code: refused },
    { name: 'after null', options: { after: null }, code: refused },
    { name: 'after too many', options: { after: Array.from({ length: 65 }, () => ts) }, code: 'ERR_TOO_MANY' },
    { name: 'after a list with holes', options: { after: new Array(3) }, code: refused },
    ...[...opIds, ...unsendable].map((opId) => ({
      name: `operation ${typeof opId} ${String(typeof opId === 'symbol' ? '' : opId).slice(0, 20)}`,
      options: { opId },
      code: refused,
    })),
    ...badMoments(store, ts).flatMap(({ name, ts: moment, code }) => [
      { name: `covers from ${name}`, options: { covers: { lo: moment, hi: ts } }, code },
      { name: `covers to ${name}`, options: { covers: { lo: ts, hi: moment } }, code },
    ]),
    { name: 'covers backwards', options: { covers: { lo: ts, hi: `${store.id}.${digits(0)}` } }, code: refused },
    {
      name: 'covers what it is itself',
      options: { covers: { lo: ts, hi: `${store.id}.${digits(3)}` } },
      code: 'ERR_AFTER_NOT_VISIBLE',
    },
    { name: 'covers null', options: { covers: null }, code: refused },
    { name: 'covers a text', options: { covers: 'x' }, code: refused },
    { name: 'covers nothing', options: { covers: {} }, code: refused },
    ...badMoments(store, ts).map(({ name, ts: moment }) => ({
      name: `expects ${name}`,
      options: { expect: moment },
      code: 'ERR_CONFLICT',
    })),
  ]
}

async function prepared(open: () => Promise<Store>): Promise<{ store: Store; log: Log; ts: Ts }> {
  const store = await open()
  const log = await rootLog(store, '/a')
  await log.write(bytes('1'))
  return { store, log, ts: await log.write(bytes('2')) }
}

eachDriver(t, 'a write with anything wrong is refused with the reason and changes nothing', async (t, open) => {
  const { store, log, ts } = await prepared(open)
  const other = await rootLog(store, '/b')
  const before = await dump(store)
  for (const { name, options, code } of badWrites(store, ts)) {
    t.equal(await codeOf(log.write(bytes('x'), options as WriteOptions)), code, name)
    const { opId, after, ...own } = options as WriteOptions
    const tx = await store.begin(other, log)
    tx.write(other, bytes('x'))
    const inTransaction = codeOf(async () => {
      tx.write(log, bytes('x'), own)
      await tx.commit({ ...(opId !== undefined && { opId }), ...(after !== undefined && { after }) })
    })
    t.equal(await inTransaction, code, `${name}, in a transaction`)
  }
  t.same(await dump(store), before)
  t.equal(await codeOf(log.write(bytes('3'))), 'none', 'and the log goes on')
})

eachDriver(t, 'entries that name each other, or themselves, are refused, also in one batch', async (t, open) => {
  const { store, log } = await prepared(open)
  const other = await rootLog(store, '/b')
  const ts = await other.write(bytes('last'))
  const later = (by: number) => `${store.id}.${digits(Number(ts.split('.')[1]) + by)}` as Ts
  const before = await dump(store)
  // The first would be at the next moment and the second at the one after it; had one of them been written, the other
  // one's moment would be there to be named.
  const refused = await Promise.all([
    codeOf(log.write(bytes('a'), { after: [later(2)] })),
    codeOf(other.write(bytes('b'), { after: [later(1)] })),
    codeOf(log.write(bytes('c'), { after: [later(3), later(2), later(1)] })),
  ])
  t.same(refused, Array(3).fill('ERR_AFTER_NOT_VISIBLE'))
  const tx = await store.begin(log, other)
  tx.write(log, bytes('a'))
  tx.write(other, bytes('b'))
  t.equal(
    await codeOf(tx.commit({ after: [later(1)] })),
    'ERR_AFTER_NOT_VISIBLE',
    'both have the moment that they name',
  )
  t.same(await dump(store), before)
})

eachDriver(t, 'data that is none, or too much, is refused', async (t, open) => {
  const { store, log } = await prepared(open)
  const before = await dump(store)
  const data: readonly { name: string; data: unknown; code: string }[] = [
    { name: 'one byte too many', data: new Uint8Array(limits.store.entryBytes + 1), code: 'ERR_TOO_LARGE' },
    { name: 'a text', data: 'text', code: 'ERR_BAD_REQUEST' },
    { name: 'a number', data: 5, code: 'ERR_BAD_REQUEST' },
    { name: 'nothing', data: undefined, code: 'ERR_BAD_REQUEST' },
    { name: 'a buffer without a view', data: new ArrayBuffer(5), code: 'ERR_BAD_REQUEST' },
    { name: 'wider numbers', data: new Uint16Array(5), code: 'ERR_BAD_REQUEST' },
    { name: 'a list', data: [1, 2], code: 'ERR_BAD_REQUEST' },
  ]
  for (const { name, data: value, code } of data) {
    t.equal(await codeOf(log.write(value as Uint8Array)), code, name)
    const tx = await store.begin(log)
    t.equal(await codeOf(() => tx.write(log, value as Uint8Array)), code, `${name}, in a transaction`)
  }
  t.same(await dump(store), before)
  t.equal(await codeOf(log.write(new Uint8Array(0))), 'none', 'no bytes are data')
  t.equal(await codeOf(log.write(new Uint8Array(limits.store.entryBytes))), 'none', 'and the most are')
  const part = new Uint8Array(new SharedArrayBuffer(8), 2, 3).fill(7)
  t.equal(await codeOf(log.write(part)), 'none', 'and a part of shared memory is')
  t.same((await Array.fromAsync(log.read())).at(-1)?.data, new Uint8Array([7, 7, 7]))
})

eachDriver(t, 'a range of a read and a cursor of a watch have to be moments of the store', async (t, open) => {
  const { store, log, ts } = await prepared(open)
  for (const { name, ts: moment, code } of badMoments(store, ts)) {
    if (moment === undefined) continue
    t.equal(await codeOf(() => log.read({ after: moment as Ts })), code, `after ${name}`)
    t.equal(await codeOf(() => log.read({ upto: moment as Ts })), code, `up to ${name}`)
    t.equal(await codeOf(() => log.watch(moment as Ts, { signal: AbortSignal.abort() })), code, `watching ${name}`)
    t.equal(await codeOf(log.trim(moment as Ts, ts, { by: ts })), code, `trimming from ${name}`)
    t.equal(await codeOf(log.trim(ts, ts, { by: moment as Ts })), code, `trimming by ${name}`)
  }
})

/** Texts that are no paths of logs. */
const badPaths: readonly unknown[] = [
  ...['', '/', '//', 'a', 'a/b', '/a/', '/a//b', '/.', '/..', '/../a', '/a/..', '/a/../b', '/a/./b', '/.a', '/a/.b'],
  ...[
    '/a\0',
    '/a\0/b',
    '/a\nb',
    '/a b',
    '/a\tb',
    '/a\\b',
    '/a%2e%2e/b',
    '/a?b',
    '/a#b',
    '/a:b',
    '/a;b',
    '/a*',
    "/a'b",
    '/~a',
  ],
  ...['/ä', '/а', '/ａ', '/a\u200b', '/a\u202eb', '/a\u0301', '/․․/a', '/‥/a', '∕a', '／a', '/\ud800', '/🌳'],
  ...[`/${'a'.repeat(limits.store.pathBytes)}`, `/${'a'.repeat(4_096)}/b`, '/a'.repeat(600), 'x'.repeat(1_048_576)],
  ...[undefined, null, 5, {}, ['/a'], { toString: () => '/a' }, ...unsendable],
]

eachDriver(t, 'a path that is none is refused everywhere and makes nothing', async (t, open) => {
  const { store } = await prepared(open)
  const before = await dump(store)
  const grant: GrantOptions = { path: '/a', untilMs: forever, read: true }
  for (const value of badPaths) {
    const path = value as string
    const name = JSON.stringify(String(typeof value === 'symbol' ? 'symbol' : value).slice(0, 40))
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      create: () => store.create(store.root, path, { serialized: false }),
      open: () => store.open(store.root, path),
      stat: () => store.stat(store.root, path),
      lookup: () => store.lookup(store.root, path, 'operation-1'),
      ...(path !== '/' && {
        list: () => store.list(store.root, path),
        grants: () => store.grants(store.root, path),
        grant: () => store.grant(store.root, { ...grant, path }),
        check: () => store.check(store.root, 'read', path),
        charge: () => store.charge(store.root, path, { bytes: 1 }),
      }),
    }
    for (const [what, call] of Object.entries(calls)) t.equal(await codeOf(call), 'ERR_BAD_REQUEST', `${what} ${name}`)
  }
  t.same(await dump(store), before)
  const longest = `/${'a'.repeat(limits.store.pathBytes - 1)}`
  t.equal(await codeOf(store.create(store.root, longest, { serialized: false })), 'none', 'the longest is one')
  t.same(await store.list(store.root, longest), [longest])
})

eachDriver(t, 'whatever is given as a handle is denied, and disturbs nobody in the same batch', async (t, open) => {
  const { store, log } = await prepared(open)
  const before = await dump(store)
  const bad = [
    '',
    'grove_',
    `${store.root}x`,
    store.root.toUpperCase(),
    'x'.repeat(1_048_576),
    null,
    5,
    {},
    [store.root],
    ...unsendable,
  ]
  const [good, ...codes] = await Promise.all([
    codeOf(log.head()),
    ...bad.flatMap((value) => {
      const handle = value as Handle
      return [
        codeOf(store.create(handle, '/x', { serialized: false })),
        codeOf(store.open(handle, '/a')),
        codeOf(store.list(handle, '/')),
        codeOf(store.grant(handle, { path: '/a', untilMs: forever })),
        codeOf(store.whoami(handle)),
        codeOf(store.revoke(handle, handle)),
        codeOf(store.revoke(store.root, handle)),
        codeOf(store.rotateKeys(handle)),
        codeOf(store.dropKeys(handle)),
        codeOf(store.copyTo(handle, '/nowhere')),
      ]
    }),
  ])
  t.equal(good, 'none')
  t.same([...new Set(codes)], ['ERR_DENIED handle'])
  t.same(await dump(store), before)
})

eachDriver(t, 'options of a grant have to be what they are called', async (t, open) => {
  const { store } = await prepared(open)
  const good: GrantOptions = { path: '/a', untilMs: forever, read: true }
  const before = await dump(store)
  const wrong: readonly object[] = [
    { untilMs: '2100' },
    { untilMs: undefined },
    { read: 'yes' },
    { write: 1 },
    { label: 5 },
    { label: 'a\nb' },
    { maxBytes: '5' },
    { maxBytes: -1 },
    { maxBytes: 1.5 },
    { maxWrites: Number.NaN },
    ...unsendable.map((value) => ({ label: value })),
  ]
  for (const options of wrong)
    t.equal(
      await codeOf(store.grant(store.root, { ...good, ...options })),
      'ERR_BAD_REQUEST',
      Object.keys(options).join(),
    )
  for (const claim of [{ bytes: -1 }, { bytes: 'x' }, { bytes: 0.5 }, { hash: 5 }])
    t.equal(await codeOf(store.charge(store.root, '/a', claim as object)), 'ERR_BAD_REQUEST')
  t.same(await dump(store), before)
})
