import { createHmac } from 'node:crypto'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { addGrant, dropKeys, rotateKeys } from '../../../store/grants/grant-changes.ts'
import { requireRight } from '../../../store/grants/grants.ts'
import { handleOf, narrow, nextKid, openHandle, rootGrantId } from '../../../store/grants/handle.ts'
import type { Caveats, Handle } from '../../../store/store.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { forever, grantStore, idOf } from './fixtures/grant-store.ts'

const hash = 'ab'.repeat(32)
const everything: Caveats = { path: '/a/b.c/@d', rights: ['read', 'write'], untilMs: 5_000, hash, bytes: 10 }

/** The documented pattern for scanners of leaked secrets: docs/grants.md. */
const scanner = /grove_[0-9a-z]{1,8}\.[A-Za-z0-9_-]{22}(?:\.[a-z][A-Za-z0-9_/~+-]*){0,16}\.[A-Za-z0-9_-]{43}/

t.test('a handle says what it was made with and narrowed to, in order', (t) => {
  const store = grantStore()
  const handle = store.child(store.root)
  const id = idOf(handle)
  t.match(handle, new RegExp(`^grove_1\\.${id}\\.[A-Za-z0-9_-]{43}$`))
  t.same(openHandle(handle, store.keys), { id, caveats: [] })
  const narrowed = narrow(narrow(handle, everything), { rights: [], path: '/' })
  t.match(narrowed, `grove_1.${id}.p/a/b~c/+d.rrw.u5000.h${hash}.b10.p/.r.`)
  t.same(openHandle(narrowed, store.keys), {
    id,
    caveats: [
      { path: '/a/b.c/@d' },
      { rights: ['read', 'write'] },
      { untilMs: 5_000 },
      { hash },
      { bytes: 10 },
      { path: '/' },
      { rights: [] },
    ],
  })
  t.equal(narrow(handle, {}), handle, 'nothing taken away is the same handle')
  t.end()
})

t.test('scanners find every handle whole', (t) => {
  const store = grantStore()
  const handle = store.child(store.root)
  const most = narrow(narrow(handle, everything), { ...everything, path: '/a/b.c/@d/e' })
  for (const one of [handle, narrow(handle, everything), most])
    t.equal(scanner.exec(`export GROVE_TOKEN="${one}"\n`)?.[0], one)
  t.equal(scanner.test(store.root), false, "the root's never leaves the process")
  t.end()
})

t.test('what is no caveat cannot narrow', async (t) => {
  const store = grantStore()
  const handle = store.child(store.root)
  const wrong: [string, Caveats, string][] = [
    ['a path with ..', { path: '/a/../b' }, 'ERR_BAD_REQUEST'],
    ['a path without /', { path: 'a' }, 'ERR_BAD_REQUEST'],
    ['a path that is not ASCII', { path: '/ä' }, 'ERR_BAD_REQUEST'],
    ['an end that is no number', { untilMs: Number.NaN }, 'ERR_BAD_REQUEST'],
    ['an end before all times', { untilMs: -1 }, 'ERR_BAD_REQUEST'],
    ['a half byte', { bytes: 0.5 }, 'ERR_BAD_REQUEST'],
    ['a hash in capitals', { hash: 'AB'.repeat(32) }, 'ERR_BAD_REQUEST'],
    ['a path too long', { path: `/${'x'.repeat(limits.store.pathBytes)}` }, 'ERR_BAD_REQUEST'],
  ]
  for (const [name, caveats, code] of wrong)
    t.equal(await codeOf(() => Promise.resolve(narrow(handle, caveats))), code, name)
  for (const text of ['', 'grove_', 'token', `${handle}x`, `h1.${handle}`, handle.replace('grove_', 'Grove_')])
    t.throws(() => narrow(text as Handle, {}), { code: 'ERR_BAD_REQUEST' }, text.slice(0, 20))
  const path = `/${'x'.repeat(limits.store.pathBytes - 1)}`
  const lengthen = () => Array.from({ length: 16 }, () => ({ path })).reduce<Handle>(narrow, handle)
  t.throws(lengthen, { code: 'ERR_TOO_LARGE' })
  let narrowed = handle
  for (let count = 0; count < 16; count += 1) narrowed = narrow(narrowed, { bytes: 100 - count })
  t.equal(openHandle(narrowed, store.keys)?.caveats.length, 16)
  t.throws(() => narrow(narrowed, { bytes: 1 }), { code: 'ERR_TOO_MANY' })
})

t.test('a handle that was altered opens nothing', async (t) => {
  const store = grantStore()
  const other = grantStore('two')
  const handle = store.child(store.root)
  const [prefix = '', id = '', tag = ''] = handle.split('.')
  const narrowed = narrow(narrow(handle, { rights: ['read'] }), { bytes: 10 })
  const [, , first = '', second = '', narrowTag = ''] = narrowed.split('.')
  const extend = (caveat: string, from = tag) =>
    `${prefix}.${id}.${caveat}.${createHmac('sha256', Buffer.from(from, 'base64url')).update(caveat).digest('base64url')}`
  const otherLast = tag.endsWith('A') ? 'E' : 'A'
  const sameBits = String.fromCharCode(tag.charCodeAt(42) + 1)
  t.equal(openHandle(extend('rr') as Handle, store.keys)?.id, id, 'the same made with a known caveat opens')
  const hostile: [string, unknown][] = [
    ['nothing', ''],
    ['the prefix', 'grove_'],
    ['another type', undefined],
    ['an object', { toString: () => handle }],
    ['truncated by a character', handle.slice(0, -1)],
    ['truncated to its head', `${prefix}.${id}`],
    ['without a tag', `${prefix}.${id}.`],
    ['with an empty caveat', `${prefix}.${id}..${tag}`],
    ['extended by a character', `${handle}A`],
    ['extended by a part', `${handle}.x`],
    ['extended by a caveat that was not sealed', `${prefix}.${id}.rr.${tag}`],
    ['with another tag', `${prefix}.${id}.${tag.slice(0, -1)}${otherLast}`],
    ['with the tag of another grant', `${prefix}.${id}.${store.child(store.root).split('.')[2]}`],
    ['re-signed with a guessed key', `${prefix}.${id}.${createHmac('sha256', '').update(id).digest('base64url')}`],
    ['with the tag in base64', `${handle}=`],
    ['with the tag in another spelling of the same bytes', `${handle.slice(0, -1)}${sameBits}`],
    ['with the tag in hex', `${prefix}.${id}.${Buffer.from(tag, 'base64url').toString('hex')}`],
    ['in capitals', handle.toUpperCase()],
    ['after a space', ` ${handle}`],
    ['before a line end', `${handle}\n`],
    ['of the first format', `h1.${id}.${tag}`],
    ['of an unknown key', handle.replace('grove_1.', 'grove_2.')],
    ['of the key of the process', handle.replace('grove_1.', 'grove_0.')],
    ['with a name of a property as key', handle.replace('grove_1.', 'grove_length.')],
    ['that says it is the root', `${prefix}.root.${tag}`],
    ['of the root, made with a key of the file', handleOf('root-', store.keys).replace('root-', 'root')],
    ['not ASCII', `${prefix}.${id.slice(0, -1)}é.${tag}`],
    ['with a letter that only looks alike', handle.replace('grove', 'grоve')],
    ['with NUL', `${prefix}.${id}\0.${tag}`],
    ['narrowed, without the first caveat', [prefix, id, second, narrowTag].join('.')],
    ['narrowed, without the last caveat', [prefix, id, first, narrowTag].join('.')],
    ['narrowed, without any', [prefix, id, narrowTag].join('.')],
    ['narrowed, re-ordered', [prefix, id, second, first, narrowTag].join('.')],
    ['narrowed, with another value', narrowed.replace('.b10.', '.b11.')],
    ['narrowed, with a caveat twice', narrowed.replace('.b10.', '.b10.b10.')],
    ['with an unknown caveat', extend('x1')],
    ['with an unknown right', extend('rx')],
    ['with rights in another order', extend('rwr')],
    ['with a right twice', extend('rrr')],
    ['with a number that is written longer', extend('b010')],
    ['with a number with an exponent', extend('b1e9')],
    ['with a number beyond all', extend('b9999999999999999')],
    ['with an end without a number', extend('u')],
    ['with a path that goes up', extend('p/a/~~/b')],
    ['with a path that ends in /', extend('p/a/')],
    ['with an empty path', extend('p')],
    ['with a short hash', extend('hab')],
    ['with a hash in capitals', extend(`h${'AB'.repeat(32)}`)],
    ['with 17 caveats', seventeen(store.root, store)],
    ['of 1 MB', `${prefix}.${id}.${'b1.'.repeat(349_525)}${tag}`],
    ['of 1 MB without parts', `grove_${'x'.repeat(1_048_576)}`],
    ['of another store', other.child(other.root)],
    ['of the root of another store', other.root],
  ]
  for (const [name, text] of hostile) {
    t.equal(openHandle(text as Handle, store.keys), undefined, name)
    const use = () => Promise.resolve(requireRight(store, text as Handle, 'read', '/a'))
    t.equal(await codeOf(use), 'ERR_DENIED handle', `${name}, used`)
  }
  t.equal(await codeOf(() => Promise.resolve(requireRight(store, handle, 'read', '/a'))), 'none')
})

/** A handle with 17 caveats whose tag is right. */
function seventeen(from: Handle, store: ReturnType<typeof grantStore>): string {
  const [prefix, id, tag = ''] = store.child(from).split('.')
  const texts = Array.from({ length: 17 }, (_, index) => `b${index}`)
  const sealed = texts.reduce(
    (key, text) => createHmac('sha256', key).update(text).digest(),
    Buffer.from(tag, 'base64url'),
  )
  return [prefix, id, ...texts, sealed.toString('base64url')].join('.')
}

t.test('the newest key signs, older ones open until they are dropped', async (t) => {
  const store = grantStore()
  const old = store.child(store.root)
  const oldNarrowed = narrow(old, { rights: ['read'] })
  t.equal(rotateKeys(store, store.root, Buffer.alloc(32, 7)).kid, '2')
  const young = store.child(store.root)
  t.match(young, /^grove_2\./)
  const reads = (handle: Handle) => codeOf(() => Promise.resolve(requireRight(store, handle, 'read', '/a')))
  for (const handle of [old, oldNarrowed, young, store.root]) t.equal(await reads(handle), 'none')
  t.equal(dropKeys(store, store.root), 1)
  for (const handle of [old, oldNarrowed]) t.equal(await reads(handle), 'ERR_DENIED handle')
  for (const handle of [young, store.root]) t.equal(await reads(handle), 'none')
  t.equal(dropKeys(store, store.root), 0, 'the last one stays')
  t.same(
    store.told.map(({ kind, kid, kids }) => [kind, kid ?? kids]).filter(([kind]) => kind !== 'grant'),
    [
      ['key', '2'],
      ['drop-keys', ['1']],
    ],
  )
  for (const handle of [young, narrow(store.root, { path: '/' }), old]) {
    t.match(await codeOf(() => Promise.resolve(rotateKeys(store, handle, Buffer.alloc(32)))), 'ERR_DENIED')
    t.match(await codeOf(() => Promise.resolve(dropKeys(store, handle))), 'ERR_DENIED')
  }
})

t.test('ids of keys count up and never come again', (t) => {
  t.equal(nextKid([]), '1')
  t.equal(nextKid([{ kid: '9' }]), 'a')
  t.equal(nextKid([{ kid: 'a' }, { kid: 'zz' }]), '100')
  t.throws(() => nextKid([{ kid: 'zzzzzzzz' }]), { code: 'ERR_TOO_MANY' })
  t.end()
})

t.test('a store without keys has a root and makes no handles', (t) => {
  const keys = { stored: [], process: Buffer.alloc(32, 1) }
  t.same(openHandle(handleOf(rootGrantId, keys), keys), { id: rootGrantId, caveats: [] })
  t.throws(() => handleOf('x'.repeat(22), keys), { code: 'ERR_DATA_FORMAT' })
  t.end()
})

t.test('a handle works for whoever holds it, also in another process with the same keys', (t) => {
  const store = grantStore()
  const handle = addGrant(store, store.root, { path: '/a', untilMs: forever, read: true }, 'y'.repeat(22))
  const reopened = { ...store, keys: { ...store.keys, process: Buffer.alloc(32, 9) } }
  t.equal(requireRight(reopened, handle, 'read', '/a').id, 'y'.repeat(22))
  t.throws(() => requireRight(reopened, store.root, 'read', '/a'), { code: 'ERR_DENIED' }, 'but not the root handle')
  t.end()
})
