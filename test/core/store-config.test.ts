import { join } from 'node:path'
import t from 'tap'
import { parseConfig } from '../../core/config.ts'
import { local, s3, withAbsoluteFiles } from '../../core/store-config.ts'

const bucket = { endpoint: 'https://s3.example.com', bucket: 'my-bucket' }

t.test('without a word versions lie in the data folder, ten of them and those of a month', (t) => {
  const { store, cache, encryption, keep } = parseConfig({}, 'test')
  t.same(store, { kind: 'local' })
  t.same(cache, { bytes: 10 * 2 ** 30 })
  t.same(encryption, { keys: [] })
  t.same(keep, { versions: 10, days: 30 })
  t.same(parseConfig({ store: local() }, 'test').store, store)
  t.end()
})

t.test('a bucket is as Amazon or as a server of one’s own', (t) => {
  const defaults = { region: 'us-east-1', prefix: '', pathStyle: true }
  t.same(parseConfig({ store: s3(bucket) }, 'test').store, { kind: 's3', ...bucket, ...defaults })
  const full = {
    endpoint: 'http://127.0.0.1:9000/',
    bucket: 'b.ucket',
    region: 'auto',
    prefix: 'grove/one',
    pathStyle: false,
    accessKeyId: 'AK',
    secretAccessKey: { env: 'SK' },
    roots: 'ca.pem',
  }
  t.same(parseConfig({ store: s3(full) }, 'test').store, { kind: 's3', ...full })
  t.same(parseConfig({ store: { kind: 's3', ...full } }, 'test').store, { kind: 's3', ...full }, 'as in a .json file')
  t.end()
})

t.test('faults are told with their path, and never the value', (t) => {
  const store = (change: object) => ({ store: { kind: 's3', ...bucket, ...change } })
  const table: [string, unknown, RegExp][] = [
    ['no kind', { store: {} }, /store\.kind: expected "local" or "s3"/],
    ['another kind', { store: { kind: 'SECRET' } }, /store\.kind: expected "local" or "s3"/],
    ['a text', { store: 's3://SECRET' }, /store: expected an object, found a text/],
    ['a bucket for local', { store: { kind: 'local', bucket: 'SECRET' } }, /store\.bucket: expected no such key/],
    ['nothing', { store: { kind: 's3' } }, /2 faults:\n {2}store\.endpoint.*\n {2}store\.bucket/],
    ['a path', store({ endpoint: 'https://x/SECRET' }), /store\.endpoint: expected an https/],
    ['credentials in a URL', store({ endpoint: 'https://SECRET:SECRET@x' }), /store\.endpoint: expected an https/],
    ['a query', store({ endpoint: 'https://x/?SECRET' }), /store\.endpoint/],
    ['another protocol', store({ endpoint: 'ftp://SECRET' }), /store\.endpoint/],
    ['no URL', store({ endpoint: 'SECRET' }), /store\.endpoint/],
    ['a short bucket', store({ bucket: 'ab' }), /store\.bucket: expected a bucket's name: 3 to 63/],
    ['a bucket with a slash', store({ bucket: 'SECRET/x' }), /store\.bucket/],
    ['a prefix upwards', store({ prefix: '../SECRET' }), /store\.prefix: expected segments/],
    ['a prefix with a slash at its end', store({ prefix: 'a/' }), /store\.prefix/],
    ['a long prefix', store({ prefix: 'a'.repeat(129) }), /store\.prefix: expected at most 128/],
    ['a region', store({ region: 'SECRET x' }), /store\.region: expected a name of a region/],
    [
      'a secret twice',
      store({ accessKeyId: { env: 'A', file: 'SECRET' } }),
      /store\.accessKeyId: expected a text, \{ f/,
    ],
    ['a secret that is a number', store({ secretAccessKey: 5 }), /store\.secretAccessKey: expected a text/],
    ['an empty secret', store({ secretAccessKey: '' }), /store\.secretAccessKey/],
    ['an unknown key', store({ secretKey: 'SECRET' }), /store\.secretKey: expected no such key, found a text/],
    ['a key itself', { encryption: { keys: ['SECRET'] } }, /encryption\.keys\[0\]: expected \{ file: … \} or \{ env/],
    [
      'a variable that can be none',
      { encryption: { keys: [{ env: 'SECRET x' }] } },
      /keys\[0\]\.env: expected the name/,
    ],
    [
      'a key twice',
      { encryption: { keys: [{ env: 'A' }, { file: 'A' }, { env: 'A' }] } },
      /one fault:\n {2}encryption\.keys\[2\]/,
    ],
    [
      'too many keys',
      { encryption: { keys: Array(17).fill({ env: 'A' }) } },
      /encryption\.keys: expected at most 16 items/,
    ],
    ['a small cache', { cache: { bytes: 1 } }, /cache\.bytes: expected at least 67108864, found 1/],
    ['no versions', { keep: { versions: 0, days: -1 } }, /keep\.versions: .*\n {2}keep\.days/],
  ]
  for (const [name, input, message] of table) {
    try {
      parseConfig(input, 'test')
      t.fail(name)
    } catch (error) {
      t.match(error, { code: 'ERR_CONFIG_INVALID', message }, name)
      t.notMatch(JSON.stringify(error) + String(error), /SECRET/, name)
    }
  }
  t.end()
})

t.test('files count from the folder of the config', (t) => {
  const keys = [{ file: 'a.key' }, { file: '/etc/b.key' }, { env: 'C' }]
  const parsed = parseConfig(
    {
      store: s3({ ...bucket, roots: 'ca.pem', accessKeyId: 'AK', secretAccessKey: { file: 's' } }),
      encryption: { keys },
    },
    'x',
  )
  const { store, encryption, domain } = withAbsoluteFiles(parsed, '/etc/grove')
  t.match(store, {
    roots: join('/etc/grove', 'ca.pem'),
    accessKeyId: 'AK',
    secretAccessKey: { file: '/etc/grove/s' },
    bucket: 'my-bucket',
  })
  t.same(encryption.keys, [{ file: '/etc/grove/a.key' }, { file: '/etc/b.key' }, { env: 'C' }])
  t.equal(domain, 'localhost')
  const plain = parseConfig({ store: s3(bucket) }, 'x')
  t.same(withAbsoluteFiles(plain, '/etc'), plain)
  t.same(withAbsoluteFiles(parseConfig({}, 'x'), '/etc'), parseConfig({}, 'x'))
  t.end()
})
