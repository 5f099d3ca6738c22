import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { configuredKeyring } from '../../../store/segments/configured-keys.ts'

t.test('without keys nothing is sealed', async (t) => {
  t.equal(await configuredKeyring({ keys: [] }, {}), undefined)
})

t.test('the first key is the current one, whatever way they are written and wherever they lie', async (t) => {
  const [one, two, three] = [randomBytes(32), randomBytes(32), randomBytes(32)]
  const folder = t.testdir({ one: `${one.toString('hex')}\n`, two: two.toString('base64') })
  const [first, second] = [{ file: join(folder, 'one') }, { file: join(folder, 'two') }]
  const third = { env: 'KEY' }
  const variables = { KEY: three.toString('hex').toUpperCase() }
  const ring = await configuredKeyring({ keys: [first, second, third] }, variables)
  const turned = await configuredKeyring({ keys: [third, first, second] }, variables)
  t.equal(ring?.ids.length, 3)
  t.equal(ring?.current, ring?.ids[0])
  t.equal(turned?.current, ring?.ids[2])
  t.same([...(turned?.ids ?? [])].sort(), [...(ring?.ids ?? [])].sort())
})

t.test('what is no key is told by its place, all of them at once, and nothing of it', async (t) => {
  const folder = t.testdir({ short: 'SECRET', raw: randomBytes(32), empty: '' })
  const keys = [
    { file: join(folder, 'short') },
    { file: join(folder, 'raw') },
    { file: join(folder, 'empty') },
    { file: join(folder, 'none') },
    { env: 'NONE' },
    { env: 'LONG' },
  ]
  const error = await configuredKeyring({ keys }, { LONG: 'SECRET'.repeat(20) }).catch((thrown) => thrown)
  t.equal(error.code, 'ERR_CONFIG_INVALID')
  t.notMatch(error.message, /SECRET/)
  const lines: string[] = error.message.split('\n')
  t.equal(lines.length, 6)
  for (const [index, expected] of [
    /short holds no key: expected 32 bytes, as 64 hex digits or in base64$/,
    /raw holds no key/,
    /empty is empty$/,
    /none cannot be read: ENOENT$/,
    /variable NONE is not set$/,
    /variable LONG holds no key/,
  ].entries()) {
    t.match(lines[index], new RegExp(`^encryption\\.keys\\[${index}\\]: `))
    t.match(lines[index], expected)
  }
})

t.test('one key in two places is told', async (t) => {
  const KEY = randomBytes(32).toString('hex')
  await t.rejects(configuredKeyring({ keys: [{ env: 'KEY' }, { env: 'SAME' }] }, { KEY, SAME: KEY.toUpperCase() }), {
    code: 'ERR_CONFIG_INVALID',
  })
})
