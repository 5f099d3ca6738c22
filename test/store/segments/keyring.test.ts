import t from 'tap'
import { nodeEnvironment as env } from '../../../store/environment-node.ts'
import { keyIdOf, openKeyring, parseKey, unwrapKey, wrappedBytes } from '../../../store/segments/keyring.ts'
import { bind } from '../../../store/segments/seal.ts'
import { keyringOf } from './fixtures/segments.ts'

const scope = { owner: 'ada', bound: bind('test', 1), what: 'segment ab12' }
const key = Buffer.alloc(32, 9)

t.test('a wrapped key comes out again, and is another text each time', async (t) => {
  const keyring = keyringOf(1)
  const [one, two] = [keyring.wrap(env, scope, key), keyring.wrap(env, scope, key)]
  t.equal(one.length, wrappedBytes)
  t.notSame(one, two)
  t.same(keyring.unwrap(scope, one), key)
  t.same(unwrapKey(keyring, scope, two), key)
  t.notOk(one.includes(key), 'not in the clear')
})

t.test('a key that is not the first still opens, and the first seals', async (t) => {
  const old = keyringOf(1).wrap(env, scope, key)
  const rotated = keyringOf(2, 1)
  t.same(rotated.unwrap(scope, old), key)
  t.equal(keyIdOf({ seal: old }), keyringOf(1).current)
  t.equal(keyIdOf({ seal: old.toString('base64') }), keyringOf(1).current)
  t.equal(keyIdOf({ seal: rotated.wrap(env, scope, key) }), rotated.current)
  t.equal(keyIdOf({}), undefined)
  t.same(rotated.ids, [keyringOf(2).current, keyringOf(1).current])
})

t.test('a key that is not configured is named', async (t) => {
  const wrapped = keyringOf(1).wrap(env, scope, key)
  const id = keyringOf(1).current
  t.throws(() => keyringOf(2).unwrap(scope, wrapped), {
    code: 'ERR_KEY_MISSING',
    message: new RegExp(`^segment ab12 is sealed with key ${id}, which is not among .*${keyringOf(2).current}`),
    details: { key: id },
  })
  t.throws(() => unwrapKey(undefined, scope, wrapped), {
    code: 'ERR_KEY_MISSING',
    message: `segment ab12 is sealed with key ${id}, and no key is configured`,
  })
})

t.test('a wrapped key opens in its own place only, and no byte of it can change', async (t) => {
  const keyring = keyringOf(1)
  const wrapped = keyring.wrap(env, scope, key)
  t.throws(() => keyring.unwrap({ ...scope, owner: 'bob' }, wrapped), { code: 'ERR_BLOB_CORRUPT' })
  t.throws(() => keyring.unwrap({ ...scope, bound: bind('test', 2) }, wrapped), { code: 'ERR_BLOB_CORRUPT' })
  for (let at = 0; at < wrapped.length; at++) {
    const changed = Buffer.from(wrapped)
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
    t.throws(
      () => keyring.unwrap(scope, changed),
      { code: at < 8 ? 'ERR_KEY_MISSING' : 'ERR_BLOB_CORRUPT' },
      `byte ${at}`,
    )
  }
  for (const length of [0, 7, 8, 20, 52, 67])
    t.throws(() => keyring.unwrap(scope, wrapped.subarray(0, length)), { code: 'ERR_BLOB_CORRUPT' }, `${length} bytes`)
  t.throws(() => keyring.unwrap(scope, Buffer.concat([wrapped, key])), { code: 'ERR_BLOB_CORRUPT' })
})

t.test('owners have keys of their own: what one owner wraps, the same configured key opens for no other', async (t) => {
  const keyring = keyringOf(1)
  for (const owner of ['ada ', 'ad', 'ADA', 'ada\0', ''])
    t.throws(() => keyring.unwrap({ ...scope, owner }, keyring.wrap(env, scope, key)), { code: 'ERR_BLOB_CORRUPT' })
})

t.test('keys that cannot be used are refused', async (t) => {
  const good = Buffer.alloc(32, 1)
  const table: [string, Uint8Array[], RegExp][] = [
    ['none', [], /no key is given/],
    ['short', [Buffer.alloc(31)], /key 1 has 31 bytes, expected 32/],
    ['long', [good, Buffer.alloc(33)], /key 2 has 33 bytes, expected 32/],
    ['twice', [good, Buffer.alloc(32, 2), good], /key 3 is given twice/],
    ['many', Array.from({ length: 17 }, (_, byte) => Buffer.alloc(32, byte)), /more than 16 keys/],
  ]
  for (const [name, keys, message] of table)
    t.throws(() => openKeyring(keys), { code: 'ERR_CONFIG_INVALID', message }, name)
})

t.test('a keyring keeps its keys when the caller wipes its own', async (t) => {
  const given = Buffer.alloc(32, 1)
  const keyring = openKeyring([given])
  const wrapped = keyring.wrap(env, scope, key)
  given.fill(0)
  t.same(keyring.unwrap(scope, wrapped), key)
})

t.test('a key is read from hex or base64, and from nothing else', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7))
  const table: [string, string, Buffer | undefined][] = [
    ['hex', bytes.toString('hex'), bytes],
    ['upper-case hex with a line feed', `${bytes.toString('hex').toUpperCase()}\n`, bytes],
    ['base64', bytes.toString('base64'), bytes],
    ['base64 without padding', ` ${bytes.toString('base64').replace('=', '')} `, bytes],
    ['empty', '', undefined],
    ['short', bytes.toString('hex').slice(2), undefined],
    ['a word', 'correct horse battery staple', undefined],
    ['33 bytes', Buffer.alloc(33, 1).toString('base64'), undefined],
    ['two lines', `${bytes.toString('hex')}\n${bytes.toString('hex')}`, undefined],
  ]
  for (const [name, text, expected] of table) t.same(parseKey(text), expected, name)
})
