import { join } from 'node:path'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { allSecrets, readSecret, readText, secretFault, whereOf } from '../../core/secrets.ts'

t.test('a secret is read from its file or its variable, without white space around it', async (t) => {
  const folder = t.testdir({ key: '  one two\n\n' })
  t.equal(await readSecret({ file: join(folder, 'key') }, 'x', {}), 'one two')
  t.equal(await readSecret({ env: 'KEY' }, 'x', { KEY: 'three\n' }), 'three')
})

t.test('what cannot be had is told by its path and place', async (t) => {
  const large = 'SECRET'.repeat(limits.config.secretBytes)
  const folder = t.testdir({ empty: ' \n', folder: {}, large })
  const variables = { EMPTY: '', LARGE: large }
  const table: [Parameters<typeof readSecret>[0], RegExp][] = [
    [{ file: join(folder, 'none') }, /^store\.x: .*none cannot be read: ENOENT$/],
    [{ file: join(folder, 'folder') }, /cannot be read: EISDIR$/],
    [{ file: join(folder, 'empty') }, /empty is empty$/],
    [{ file: join(folder, 'large') }, /has more than \d+ bytes$/],
    [{ file: 'a\0b' }, /cannot be read: ERR_INVALID_ARG_VALUE$/],
    [{ env: 'NONE' }, /^store\.x: environment variable NONE is not set$/],
    [{ env: 'EMPTY' }, /^store\.x: environment variable EMPTY is empty$/],
    [{ env: 'LARGE' }, /too long for a secret$/],
  ]
  for (const [source, message] of table) {
    const error = await readSecret(source, 'store.x', variables).catch((thrown) => thrown)
    t.match(error, { code: 'ERR_CONFIG_INVALID', message, details: { path: 'store.x' } }, JSON.stringify(source))
    t.notMatch(error.message, /SECRET/)
  }
})

t.test('a device that never ends is not read to its end', async (t) => {
  await t.rejects(readText('/dev/zero', 'x'), { code: 'ERR_CONFIG_INVALID', message: /more than/ })
})

t.test('all faults are told at once', async (t) => {
  t.same(await allSecrets([Promise.resolve(1), Promise.resolve(2)]), [1, 2])
  const wrong = (what: string) => Promise.reject(secretFault(what, 'it is wrong'))
  await t.rejects(allSecrets([wrong('a'), Promise.resolve(1), wrong('b')]), {
    code: 'ERR_CONFIG_INVALID',
    message: 'a: it is wrong\nb: it is wrong',
    details: { faults: ['a: it is wrong', 'b: it is wrong'] },
  })
  await t.rejects(allSecrets([wrong('a'), Promise.reject(new TypeError('a bug'))]), { message: 'a bug' })
})

t.test('places have names for people', (t) => {
  t.equal(whereOf({ file: '/k' }), 'file /k')
  t.equal(whereOf({ env: 'K' }), 'environment variable K')
  t.end()
})
