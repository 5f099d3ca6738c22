import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { forgottenKeyName } from '../../../sandbox/bridge-shapes.ts'
import { createSubtle, type Subtle, type SubtleOutcome } from '../../../sandbox/tenant/subtle.ts'

const subtle = createSubtle({ ...defaultSandboxLimits, cryptoKeys: 20 })

function run(method: string, args: readonly unknown[], parts: readonly Uint8Array[] = [], on: Subtle = subtle) {
  const lengths = parts.map((part) => part.byteLength)
  return on.run(JSON.stringify({ method, args, parts: lengths }), new Uint8Array(Buffer.concat(parts)))
}

function resultOf(outcome: SubtleOutcome): Record<string, never> {
  return JSON.parse(outcome.text ?? 'null').result
}

t.test('a digest comes back as bytes of their own', async (t) => {
  const outcome = await run('digest', ['SHA-256', { $bytes: 0 }], [new Uint8Array([97, 98, 99])])
  t.same(JSON.parse(outcome.text ?? ''), { result: { $bytes: 0 }, parts: [32] })
  t.equal(
    Buffer.from(outcome.bytes ?? [])
      .toString('hex')
      .slice(0, 8),
    'ba7816bf',
  )
  t.equal(outcome.bytes?.buffer.byteLength, 32)
})

t.test('keys stay with the host; what is known of them is told', async (t) => {
  const made = resultOf(await run('generateKey', [{ name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']]))
  t.match(made, { type: 'secret', extractable: true, algorithm: { name: 'HMAC' }, usages: ['sign', 'verify'] })
  const { $key } = made
  const signed = await run('sign', ['HMAC', { $key }, { $bytes: 0 }], [new Uint8Array([1])])
  t.equal(signed.bytes?.byteLength, 32)
  const parts = [signed.bytes ?? new Uint8Array(0), new Uint8Array([1])]
  t.equal(resultOf(await run('verify', ['HMAC', { $key }, { $bytes: 0 }, { $bytes: 1 }], parts)), true)
  t.match(resultOf(await run('exportKey', ['jwk', { $key }])), { kty: 'oct', k: /^[\w-]+$/ })
})

t.test('a pair is told as two keys, with the bytes of its algorithm', async (t) => {
  const algorithm = { name: 'RSA-OAEP', modulusLength: 2_048, publicExponent: { $bytes: 0 }, hash: 'SHA-256' }
  const outcome = await run('generateKey', [algorithm, true, ['encrypt', 'decrypt']], [new Uint8Array([1, 0, 1])])
  t.match(resultOf(outcome), { publicKey: { type: 'public' }, privateKey: { type: 'private' } })
  t.same(JSON.parse(outcome.text ?? '').parts, [3, 3])
})

t.test('keys that were made stay longer than those that can be imported again', async (t) => {
  const few = createSubtle({ ...defaultSandboxLimits, cryptoKeys: 3 })
  const made = resultOf(await run('generateKey', [{ name: 'AES-GCM', length: 128 }, true, ['encrypt']], [], few))
  const load = () => run('importKey', ['raw', { $bytes: 0 }, 'AES-GCM', true, ['encrypt']], [new Uint8Array(16)], few)
  for (let index = 0; index < 10; index++) await load()
  t.notOk((await run('exportKey', ['jwk', { $key: made['$key'] }], [], few)).error)
  for (let index = 0; index < 3; index++)
    await run('generateKey', [{ name: 'AES-GCM', length: 128 }, true, ['encrypt']], [], few)
  t.match(await run('exportKey', ['jwk', { $key: made['$key'] }], [], few), { error: { name: forgottenKeyName } })
})

t.test('the least recently used key is forgotten, and who asks for it is told so', async (t) => {
  const few = createSubtle({ ...defaultSandboxLimits, cryptoKeys: 2 })
  const make = async () =>
    resultOf(await run('importKey', ['raw', { $bytes: 0 }, 'AES-GCM', true, ['encrypt']], [new Uint8Array(16)], few))
  const first = await make()
  const second = await make()
  const use = ($key: unknown) => run('exportKey', ['jwk', { $key }], [], few)
  t.notOk((await use(first['$key'])).error)
  const third = await make()
  t.match(await use(second['$key']), { error: { name: forgottenKeyName } })
  t.notOk((await use(first['$key'])).error)
  t.notOk((await use(third['$key'])).error)
})

const pbkdf2 = async (iterations: number, hash = 'SHA-1') => {
  const key = resultOf(
    await run('importKey', ['raw', { $bytes: 0 }, 'PBKDF2', false, ['deriveBits']], [new Uint8Array(4)]),
  )
  return run(
    'deriveBits',
    [{ name: 'PBKDF2', hash, iterations, salt: { $bytes: 0 } }, { $key: key['$key'] }, 128],
    [new Uint8Array(8)],
  )
}

t.test('what would cost too much is refused, with the bound in the words', async (t) => {
  t.equal((await pbkdf2(1_000)).bytes?.byteLength, 16)
  t.match(await pbkdf2(1e9), { error: { name: 'OperationError', message: /600000 iterations.*pbkdf2Iterations/ } })
  const rsa = { name: 'RSA-PSS', hash: 'SHA-256', publicExponent: { $bytes: 0 } }
  const generate = (modulusLength: number, exponent: number[]) =>
    run('generateKey', [{ ...rsa, modulusLength }, false, ['sign']], [new Uint8Array(exponent)])
  t.match(await generate(16_384, [1, 0, 1]), { error: { message: /4096 bits.*rsaBits/ } })
  t.match(await generate(1_024, [9, 9, 9]), { error: { message: /exponent/ } })
  t.match(await generate(1_024, [0, 255, 255, 255, 255, 255, 255, 255, 255, 255]), { error: { message: /exponent/ } })
  t.match(await run('deriveBits', ['x', {}, 1e12]), { error: { message: /bits are derived/ } })
})

t.test('slow ones run one after the other, and all come to their end', async (t) => {
  const outcomes = await Promise.all([pbkdf2(20_000), pbkdf2(1_000), pbkdf2(1e9), pbkdf2(1_000)])
  t.same(
    outcomes.map(({ error }) => error === undefined),
    [true, true, false, true],
  )
})

t.test('many at one time all come to their end', async (t) => {
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, i) => run('digest', ['SHA-512', { $bytes: 0 }], [new Uint8Array(i * 1_000)])),
  )
  t.ok(outcomes.every(({ bytes }) => bytes?.byteLength === 64))
})

const hostile: readonly { readonly name: string; readonly text: string; readonly expected: object }[] = [
  { name: 'no JSON', text: '{', expected: { name: 'TypeError' } },
  { name: 'null', text: 'null', expected: { name: 'TypeError' } },
  { name: 'no method', text: '{"args":[],"parts":[]}', expected: { name: 'NotSupportedError' } },
  {
    name: 'the constructor',
    text: '{"method":"constructor","args":[],"parts":[]}',
    expected: { name: 'NotSupportedError' },
  },
  { name: 'no arguments', text: '{"method":"digest","parts":[]}', expected: { name: 'NotSupportedError' } },
  {
    name: 'parts that are longer than the bytes',
    text: '{"method":"digest","args":[1],"parts":[99]}',
    expected: { name: 'TypeError' },
  },
  { name: 'parts below zero', text: '{"method":"digest","args":[1],"parts":[-1]}', expected: { name: 'TypeError' } },
  {
    name: 'a part that is not there',
    text: '{"method":"digest","args":["SHA-256",{"$bytes":3}],"parts":[]}',
    expected: { name: 'TypeError' },
  },
  {
    name: 'a key that is not there',
    text: '{"method":"exportKey","args":["raw",{"$key":999}],"parts":[]}',
    expected: { name: forgottenKeyName },
  },
  {
    name: 'an algorithm that is none',
    text: '{"method":"digest","args":["ROT13",{"$bytes":0}],"parts":[0]}',
    expected: { name: 'NotSupportedError' },
  },
  {
    name: 'arguments that are deep',
    text: `{"method":"digest","args":[${'['.repeat(50)}${']'.repeat(50)}],"parts":[]}`,
    expected: { name: 'TypeError', message: /deep/ },
  },
  {
    name: 'arguments without end',
    text: JSON.stringify({ method: 'digest', args: Array(10_000).fill(1), parts: [] }),
    expected: { name: 'TypeError', message: 'too many arguments' },
  },
  {
    name: '__proto__ as a name',
    text: '{"method":"digest","args":[{"__proto__":{"name":"SHA-256"}},{"$bytes":0}],"parts":[0]}',
    expected: {},
  },
]
for (const { name, text, expected } of hostile)
  t.test(`${name}: an error for the guest, and nothing else`, async (t) => {
    const { error } = await subtle.run(text, undefined)
    t.match(error, expected)
    t.notMatch(error?.message, /node:|\/|\.ts/)
    t.equal(Object.getPrototypeOf({})['name'], undefined)
  })

t.test('what nobody waits for any more is not done when its turn comes', async (t) => {
  const args = JSON.stringify({
    method: 'generateKey',
    args: [{ name: 'AES-GCM', length: 256 }, false, ['encrypt']],
    parts: [],
  })
  const asked: string[] = []
  const before = subtle.run(args, undefined, () => asked.push('first') > 0)
  const gone = subtle.run(args, undefined, () => asked.push('second') < 0)
  t.notOk((await before).error)
  t.match((await gone).error, { name: 'AbortError' })
  t.same(asked, ['first', 'second'], 'each is asked when its turn comes')
})
