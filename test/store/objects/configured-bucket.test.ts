import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openOwnCa } from '../../../certs/own-ca.ts'
import { parseConfig } from '../../../core/config.ts'
import { type S3StoreInput, s3 } from '../../../core/store-config.ts'
import { configuredBucket } from '../../../store/objects/configured-bucket.ts'

const place = { endpoint: 'https://s3.example.com', bucket: 'my-bucket' }
const storeOf = (input: Partial<S3StoreInput>) => parseConfig({ store: s3({ ...place, ...input }) }, 'test').store

t.test('a folder needs nothing', async (t) => {
  t.equal(await configuredBucket(parseConfig({}, 'test').store, {}), undefined)
})

t.test('credentials come from the config, from what it names, or from the environment', async (t) => {
  const folder = t.testdir({ secret: 'from-file\n' })
  const aws = { AWS_ACCESS_KEY_ID: 'aws-id', AWS_SECRET_ACCESS_KEY: 'aws-secret' }
  const grove = { GROVE_S3_ACCESS_KEY_ID: 'id', GROVE_S3_SECRET_ACCESS_KEY: 'secret' }
  const table: [Partial<S3StoreInput>, Record<string, string>, string, string][] = [
    [{ accessKeyId: 'a', secretAccessKey: 'b' }, { ...aws, ...grove }, 'a', 'b'],
    [{ accessKeyId: { env: 'A' }, secretAccessKey: { file: join(folder, 'secret') } }, { A: 'a' }, 'a', 'from-file'],
    [{}, grove, 'id', 'secret'],
    [{}, aws, 'aws-id', 'aws-secret'],
    [{}, { ...aws, ...grove }, 'id', 'secret'],
  ]
  for (const [input, variables, accessKeyId, secretAccessKey] of table) {
    const found = await configuredBucket(storeOf(input), variables)
    t.same(found, { ...place, region: 'us-east-1', prefix: '', pathStyle: true, accessKeyId, secretAccessKey })
  }
})

t.test('roots are certificates', async (t) => {
  const ca = await openOwnCa(join(t.testdirName, 'ca'))
  const folder = t.testdir({
    'two.pem': `a comment\n${ca.rootPem}\n${ca.rootPem}`,
    'none.pem': 'hello',
    'broken.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  })
  const keys = { accessKeyId: 'a', secretAccessKey: 'b' }
  const found = await configuredBucket(storeOf({ ...keys, roots: join(folder, 'two.pem') }), {})
  t.equal(found?.roots, `${ca.rootPem.trim()}\n${ca.rootPem.trim()}`)
  for (const [file, message] of [
    ['none.pem', /^store\.roots: file .*none\.pem holds no certificate in PEM$/],
    ['broken.pem', /certificate 1 in file .*broken\.pem cannot be read/],
    ['missing.pem', /missing\.pem cannot be read: ENOENT/],
  ] as const)
    await t.rejects(configuredBucket(storeOf({ ...keys, roots: join(folder, file) }), {}), {
      code: 'ERR_CONFIG_INVALID',
      message,
    })
  t.match(await readFile(join(folder, 'two.pem'), 'utf8'), /comment/)
})

t.test('all that is missing is told at once', async (t) => {
  await t.rejects(configuredBucket(storeOf({ roots: '/none' }), { GROVE_S3_SECRET_ACCESS_KEY: '' }), {
    code: 'ERR_CONFIG_INVALID',
    message: [
      'store.accessKeyId: it is not in the config, and neither GROVE_S3_ACCESS_KEY_ID nor AWS_ACCESS_KEY_ID is set',
      'store.secretAccessKey: environment variable GROVE_S3_SECRET_ACCESS_KEY is empty',
      'store.roots: /none cannot be read: ENOENT',
    ].join('\n'),
  })
})
