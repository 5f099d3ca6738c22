import t from 'tap'
import { z } from 'zod'
import { parseConfig } from '../../core/config.ts'
import type { ConfigFault } from '../../core/config-faults.ts'
import type { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { checkOptions, lazyOptions } from '../../core/plugin-options.ts'
import { isStandardSchema, type StandardIssue, type StandardSchemaV1 } from '../../core/standard-schema.ts'

/** A schema of a library that nobody has heard of. */
function schemaOf(validate: (value: unknown) => unknown): StandardSchemaV1 {
  return { '~standard': { version: 1, vendor: 'own', validate: validate as never } }
}

const refusing = (...issues: StandardIssue[]) => schemaOf(() => ({ issues }))

function faultsOf(input: unknown): readonly ConfigFault[] {
  try {
    parseConfig(input, 'the test')
  } catch (thrown) {
    return (thrown as GroveError).details?.['faults'] as ConfigFault[]
  }
  return []
}

t.test('faults in options are told with all others, with path, expected and found', async (t) => {
  const schema = z.strictObject({
    urls: z.array(z.string().refine((text) => text.startsWith('http'), 'a URL')).min(1),
    maxAgeSeconds: z.int().min(0).optional(),
    mode: z.enum(['soft', 'hard']),
  })
  const input = {
    fronts: 0,
    plugins: [
      { name: 'fine', schema, options: { urls: ['http://a'], mode: 'soft' } },
      {
        name: 'cdn',
        schema,
        options: { urls: ['http://a', 'tcp://b', 7], maxAgeSeconds: -1, mode: 'x', token: 'hunter2' },
      },
      { name: 'none', schema },
      { name: 'fine', options: 'whatever it likes' },
    ],
  }
  t.strictSame(faultsOf(input), [
    { path: 'fronts', expected: 'at least 1', found: '0' },
    { path: 'plugins[1].options.urls[1]', expected: 'a URL', found: 'a text' },
    { path: 'plugins[1].options.urls[2]', expected: 'a string', found: 'a number' },
    { path: 'plugins[1].options.maxAgeSeconds', expected: 'at least 0', found: 'a number' },
    { path: 'plugins[1].options.mode', expected: 'one of "soft", "hard"', found: 'a text' },
    { path: 'plugins[1].options.token', expected: 'no such key', found: 'a text' },
    { path: 'plugins[2].options', expected: 'an object', found: 'nothing' },
  ])
  t.throws(() => parseConfig(input, 'grove.config.ts'), {
    message:
      /^grove\.config\.ts has 7 faults:\n.*\n {2}plugins\[1\]\.options\.urls\[1\]: expected a URL, found a text\n/,
  })
  t.match(faultsOf({ ...input, fronts: 1 }).at(0), { path: 'plugins[3].name' }, 'and with those between plugins')
})

t.test('options that are as they should be stay as they were written', async (t) => {
  const schema = z.strictObject({ seconds: z.int().default(7) })
  const options = {}
  const [plugin] = parseConfig({ plugins: [{ name: 'a', schema, options }] }, 'the test').plugins
  t.equal(plugin?.options, options)
  const parsed = lazyOptions(schema, options)
  t.strictSame(parsed(), { seconds: 7 })
  t.equal(parsed(), parsed(), 'checked once')
})

t.test('a plugin that is asked without a check throws all faults', async (t) => {
  const parsed = lazyOptions(z.strictObject({ a: z.string(), b: z.int() }), { a: 1 })
  const error = {
    code: 'ERR_CONFIG_INVALID',
    message: 'options.a: expected a string, found a number; options.b: expected a number, found nothing',
  }
  t.throws(parsed, error)
  t.throws(parsed, error, 'each time')
})

t.test('a schema that does not do what schemas do is a fault that says so', async (t) => {
  const table: [string, unknown, RegExp][] = [
    [
      'a promise',
      schemaOf(async () => ({ value: 1 })),
      /options: expected a schema that answers at once, found one that answers with a promise/,
    ],
    ['a promise that fails', schemaOf(() => Promise.reject(new Error('hunter2'))), /answers with a promise/],
    ['a refinement that waits', z.any().refine(async () => true), /answers with a promise/],
    [
      'a throw',
      schemaOf(() => {
        throw new Error('hunter2')
      }),
      /expected a schema that does not throw, found one that does$/,
    ],
    ['nothing', schemaOf(() => undefined), /does not throw/],
    ['issues that are none', schemaOf(() => ({ issues: 5 })), /does not throw/],
    ['no issues at all', refusing(), /options: expected what its schema takes, found a text/],
    [
      'another version',
      { '~standard': { version: 2, validate: () => ({}) } },
      /plugins\[0\]: expected a plugin: .*, found an object$/,
    ],
    ['no check', { '~standard': { version: 1 } }, /plugins\[0\]: expected a plugin/],
    ['an empty standard', { '~standard': null }, /plugins\[0\]: expected a plugin/],
    ['a text', 'schema', /plugins\[0\]: expected a plugin/],
    ['null', null, /plugins\[0\]: expected a plugin/],
  ]
  for (const [name, schema, message] of table) {
    const error = t.throws(
      () => parseConfig({ plugins: [{ name: 'a', schema, options: 'secret-token' }] }, 'the test'),
      { code: 'ERR_CONFIG_INVALID', message },
      name,
    )
    t.notMatch(String(error), /secret-token|hunter2/, name)
  }
  t.ok(
    isStandardSchema(
      Object.assign(
        () => {},
        schemaOf(() => ({ value: 1 })),
      ),
    ),
    'a function can be one',
  )
})

t.test('whatever a library says, no value of the options is in a message', async (t) => {
  const token = 'sk-live-0123456789'
  const options = { token, port: 123456, nested: { list: [`${token}-b`, 'quo"te'] }, big: 123456789n }
  const table: [string, StandardIssue, string, string][] = [
    ['zod', { message: 'Invalid input: expected string, received number', path: ['port'] }, 'string', 'a number'],
    [
      'valibot',
      { message: `Invalid type: Expected number but received "${token}"`, path: [{ key: 'token' }] },
      'number',
      'a text',
    ],
    [
      'arktype',
      { message: `must be a number (was "${token}")`, path: ['token'] },
      'what its schema takes (must be a number)',
      'a text',
    ],
    [
      'the value in the middle',
      { message: `"${token}" is not a URL`, path: ['token'] },
      'what its schema takes',
      'a text',
    ],
    [
      'a part of an object',
      { message: `bad nested ${token}-b`, path: ['nested'] },
      'what its schema takes',
      'an object',
    ],
    ['a key of an object', { message: 'no list there', path: ['nested'] }, 'what its schema takes', 'an object'],
    ['an escaped value', { message: 'not quo\\"te', path: ['nested', 'list', 1] }, 'what its schema takes', 'a text'],
    ['a number', { message: '123456 is too large', path: ['port'] }, 'what its schema takes', 'a number'],
    ['a large number', { message: '123456789 is too large', path: ['big'] }, 'what its schema takes', 'a number'],
    ['the whole', { message: `${token} and more` }, 'what its schema takes', 'an object'],
    [
      'a sentence',
      { message: 'The name of a\n zone.', path: ['zone', 'x'] },
      'what its schema takes (The name of a zone)',
      'nothing',
    ],
    [
      'zod, its own words',
      { message: `not ${token}`, path: ['token'], code: 'custom' } as StandardIssue,
      'what its schema takes',
      'a text',
    ],
    [
      'too long',
      { message: `expected ${'x'.repeat(1_000)}`, path: ['port'] },
      'x'.repeat(limits.plugin.faultChars),
      'a number',
    ],
  ]
  for (const [name, issue, expected, found] of table) {
    const { faults } = checkOptions(refusing(issue), options, ['plugins', 3, 'options'])
    t.match(faults, [{ expected, found }], name)
    t.notMatch(JSON.stringify(faults), new RegExp(token), name)
  }
})

t.test('what is told and looked into is bounded', async (t) => {
  const base = ['options']
  const many = Array.from({ length: 5_000 }, (_, index) => ({ message: 'a number', path: [index] }))
  t.equal(checkOptions(refusing(...many), [], base).faults?.length, limits.plugin.optionFaults)
  const deep = { message: 'a number', path: Array.from({ length: 500 }, () => 'x') }
  t.equal(checkOptions(refusing(deep), {}, base).faults?.[0]?.path.split('.').length, 1 + limits.plugin.optionPath)
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const wide = Array.from({ length: 50_000 }, (_, index) => `value ${index}`)
  for (const options of [circle, wide])
    t.match(checkOptions(refusing({ message: 'a number' }), options, base).faults, [
      { expected: 'what its schema takes' },
    ])
})

t.test('a plugin that is none is told without a word of its options', async (t) => {
  const error = t.throws(() =>
    parseConfig({ plugins: [{ name: 'a', start: 1, options: { token: 'hunter2' } }] }, 'the test'),
  )
  t.match(String(error), /plugins\[0\]: expected a plugin: .*, found an object/)
  t.match(faultsOf({ plugins: { token: 'hunter2' } }), [{ path: 'plugins', expected: 'an array', found: 'an object' }])
  t.match(faultsOf({ fronts: 1n }), [{ path: 'fronts', found: 'a number' }], 'what JSON cannot tell is told')
})
