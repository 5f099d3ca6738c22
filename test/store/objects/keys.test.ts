import t from 'tap'
import { epochOf, isKeyPrefix, isObjectKey, objectKeys } from '../../../store/objects/keys.ts'
import { hostileKeys } from './contract.ts'

const id = 'ab'.repeat(32)

t.test('a key is a few plain segments', (t) => {
  for (const key of ['a', 'a/b', '0/1/2/3/4/5/6/7', 'a-b_c.d', 'a..b', 'x'.repeat(128), id]) t.ok(isObjectKey(key), key)
  for (const key of hostileKeys) t.notOk(isObjectKey(key), JSON.stringify(key))
  t.end()
})

t.test('a beginning of keys may end with a slash, or be nothing', (t) => {
  for (const prefix of ['', 'a', 'a/', 'a/b/', 'a/0000']) t.ok(isKeyPrefix(prefix), JSON.stringify(prefix))
  for (const prefix of hostileKeys.filter((key) => key !== '' && key !== 'a/'))
    t.notOk(isKeyPrefix(prefix), JSON.stringify(prefix))
  t.end()
})

t.test('the keys of Grove', (t) => {
  t.equal(objectKeys.segment('main', 'blog', id), `main/seg/blog/${id}`)
  t.equal(objectKeys.large('main', 'blog', id), `main/big/blog/${id}`)
  t.equal(objectKeys.epoch('main', 7), 'main/meta/epoch/00000007')
  t.equal(objectKeys.root('main', 'blog', 12), 'main/meta/root/blog/00000012')
  for (const key of [
    objectKeys.segment('main', 'blog', id),
    objectKeys.large('a'.repeat(63), 'b'.repeat(63), id),
    objectKeys.epoch('main', 99_999_999),
    objectKeys.root('main', 'blog', 0),
  ])
    t.ok(isObjectKey(key), key)
  for (const prefix of [
    objectKeys.segments('main', 'blog'),
    objectKeys.larges('main', 'blog'),
    objectKeys.epochs('main'),
    objectKeys.roots('main', 'blog'),
    objectKeys.ownerRoots('main'),
  ])
    t.ok(isKeyPrefix(prefix) && prefix.endsWith('/'), prefix)
  t.end()
})

t.test('the epoch of a key', (t) => {
  t.equal(epochOf(objectKeys.epoch('main', 7)), 7)
  t.equal(epochOf(objectKeys.root('main', 'blog', 12)), 12)
  for (const key of ['main/meta/epoch/7', 'main/seg/blog/00000007', 'main/meta/epoch/000000070', '00000007', ''])
    t.equal(epochOf(key), undefined, key)
  t.end()
})

t.test('names that are none make no key', (t) => {
  const refused = { code: 'ERR_BAD_REQUEST' }
  for (const name of ['', '..', 'a/b', 'A', 'a.b', 'a\0', '-', 'x'.repeat(64)]) {
    t.throws(() => objectKeys.segments(name, 'blog'), refused)
    t.throws(() => objectKeys.segments('main', name), refused)
    t.throws(() => objectKeys.epochs(name), refused)
    t.throws(() => objectKeys.roots('main', name), refused)
  }
  for (const hash of ['', 'ab', id.toUpperCase(), `${id}0`, '../x'])
    t.throws(() => objectKeys.segment('main', 'blog', hash), refused)
  for (const epoch of [-1, 0.5, Number.NaN, 100_000_000, Number.POSITIVE_INFINITY])
    t.throws(() => objectKeys.epoch('main', epoch), refused)
  t.end()
})
