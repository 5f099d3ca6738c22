import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mock } from 'node:test'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { findConfig, loadConfig } from '../../core/load-config.ts'

t.test('without a file all is default and data lies in the folder', async (t) => {
  const cwd = t.testdir()
  const { config, file } = await loadConfig({ cwd })
  t.equal(file, undefined)
  t.equal(config.data, join(cwd, 'data'))
})

t.test('a TypeScript, JavaScript or JSON file is found and read', async (t) => {
  for (const [name, text] of [
    ['grove.config.ts', "const domain: string = 'a.example'\nexport default { domain }"],
    ['grove.config.js', "export default { domain: 'a.example' }"],
    ['grove.config.json', '{ "$schema": "./schema.json", "domain": "a.example" }'],
  ] as const) {
    const cwd = t.testdir({ 'package.json': '{"type":"module"}', [name]: text })
    const { config, file } = await loadConfig({ cwd })
    t.equal(file, join(cwd, name))
    t.equal(config.domain, 'a.example')
  }
})

t.test('a changed file is read again', async (t) => {
  const cwd = t.testdir({ 'grove.config.ts': 'export default { fronts: 1 }' })
  t.equal((await loadConfig({ cwd })).config.fronts, 1)
  writeFileSync(join(cwd, 'grove.config.ts'), 'export default { fronts: 2 }')
  t.equal((await loadConfig({ cwd })).config.fronts, 2)
})

t.test('the command line stands above the file, and its folder counts from where it was typed', async (t) => {
  const cwd = t.testdir({ etc: { 'g.json': '{ "data": "d", "listen": { "https": 1, "http": 2 } }' } })
  const plain = await loadConfig({ cwd, file: 'etc/g.json' })
  t.equal(plain.config.data, join(cwd, 'etc', 'd'))
  const { config } = await loadConfig({ cwd, file: 'etc/g.json', data: 'e', httpsPort: 3, httpPort: 4 })
  t.equal(config.data, join(cwd, 'e'))
  t.match(config.listen, { https: 3, http: 4 })
})

t.test('what cannot be loaded says why', async (t) => {
  const cwd = t.testdir({
    'none.ts': 'export const x = 1',
    'broken.ts': 'export default {',
    'throws.ts': "throw new Error('no luck')",
    'broken.json': '{',
    'list.json': '[]',
    'folder.json': {},
    'listen.json': '{ "listen": 5 }',
  })
  const table: [string, string, RegExp][] = [
    ['missing.ts', 'ERR_CONFIG_LOAD', /there is no config .*missing\.ts/],
    ['missing.json', 'ERR_CONFIG_LOAD', /there is no config/],
    ['folder.json', 'ERR_CONFIG_LOAD', /EISDIR/],
    ['none.ts', 'ERR_CONFIG_LOAD', /no default export/],
    ['broken.ts', 'ERR_CONFIG_LOAD', /cannot load/],
    ['throws.ts', 'ERR_CONFIG_LOAD', /no luck/],
    ['broken.json', 'ERR_CONFIG_LOAD', /JSON/],
    ['list.json', 'ERR_CONFIG_INVALID', /expected an object/],
    ['listen.json', 'ERR_CONFIG_INVALID', /listen: expected an object, found 5/],
  ]
  for (const [file, code, message] of table)
    await t.rejects(loadConfig({ cwd, file, httpsPort: 1 }), { code, message }, file)
})

t.test('a config that never finishes is given up, and the next one is read', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const cwd = t.testdir({ 'grove.config.ts': 'export default new Promise(() => {})' })
  const loading = loadConfig({ cwd })
  const failed = t.rejects(loading, { code: 'ERR_CONFIG_LOAD', message: /did not finish within 30 s/ })
  mock.timers.tick(limits.config.loadMs)
  await failed
  writeFileSync(join(cwd, 'grove.config.ts'), 'export default { fronts: 3 }')
  t.equal((await loadConfig({ cwd })).config.fronts, 3)
})

t.test('a file that was found once is missed when it is gone', async (t) => {
  const cwd = t.testdir({ 'grove.config.json': '{ "fronts": 2 }' })
  t.equal(findConfig({ cwd: t.testdirName, file: undefined }), join(cwd, 'grove.config.json'))
  const file = findConfig({ cwd })
  rmSync(join(cwd, 'grove.config.json'))
  await t.rejects(loadConfig({ cwd, file }), { code: 'ERR_CONFIG_LOAD', message: /there is no config/ })
  t.equal(findConfig({ cwd }), undefined)
})

t.test('files with secrets count from the folder of the config, wherever data lies', async (t) => {
  const text = '{ "encryption": { "keys": [{ "file": "a.key" }] } }'
  const cwd = t.testdir({ etc: { 'g.json': text } })
  const { config } = await loadConfig({ cwd, file: 'etc/g.json', data: 'elsewhere' })
  t.same(config.encryption.keys, [{ file: join(cwd, 'etc', 'a.key') }])
  t.equal(config.data, join(cwd, 'elsewhere'))
})
