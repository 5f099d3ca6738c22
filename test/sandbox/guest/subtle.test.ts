import { createHash, createHmac, hkdfSync, pbkdf2Sync, type webcrypto } from 'node:crypto'
import t from 'tap'
import { crypto } from '../../../sandbox/guest/crypto.ts'
import { CryptoKey } from '../../../sandbox/guest/crypto-key.ts'
import { Response } from '../../../sandbox/guest/response.ts'
import { structuredClone } from '../../../sandbox/guest/structured-clone.ts'
import { SubtleCrypto } from '../../../sandbox/guest/subtle.ts'
import { createRequestHost } from './fixtures/request-host.ts'

const subtle = crypto.subtle as unknown as typeof webcrypto.subtle
const host = createRequestHost({ cryptoKeys: 8 })
const data = Buffer.from('what is signed')
const hex = (buffer: ArrayBuffer) => Buffer.from(buffer).toString('hex')

/** Runs `work` inside a request, where operations can be started. */
async function inside<T>(work: () => Promise<T>): Promise<T> {
  const result = Promise.withResolvers<T>()
  host.load({
    fetch: async () => {
      await work().then(result.resolve, result.reject)
      return new Response('done')
    },
  })
  await host.answer()
  return await result.promise
}

t.test('digests, small ones in one call and large ones by an operation', async (t) => {
  await inside(async () => {
    for (const name of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512', 'sha-256', 'MD5'])
      for (const size of [0, 10, 65_536, 65_537, 1_000_000]) {
        if (name === 'MD5' && size > 65_536) continue
        const bytes = Buffer.alloc(size, 'a')
        const digest = await subtle.digest({ name }, bytes)
        t.equal(digest instanceof ArrayBuffer, true)
        t.equal(
          hex(digest),
          createHash(name.toLowerCase().replace('-', '')).update(bytes).digest('hex'),
          `${name} ${size}`,
        )
      }
    await t.rejects(subtle.digest('SHA-0', data), { name: 'NotSupportedError' })
    await t.rejects(subtle.digest('SHA-256', 'text' as never), TypeError)
    await t.rejects(subtle.digest({} as never, data), TypeError)
    await t.rejects((subtle.digest as unknown as (a: string) => Promise<unknown>)('SHA-256'), TypeError)
  })
})

t.test('HMAC', async (t) => {
  await inside(async () => {
    const raw = Buffer.from('secret')
    const key = await subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
    t.same([key.type, key.extractable, key.usages], ['secret', false, ['sign', 'verify']])
    t.match(key.algorithm, { name: 'HMAC', hash: { name: 'SHA-256' }, length: 48 })
    t.equal(key.algorithm, key.algorithm)
    t.equal(key instanceof (CryptoKey as never), true)
    const signature = await subtle.sign('HMAC', key, data)
    t.equal(hex(signature), createHmac('sha256', raw).update(data).digest('hex'))
    t.equal(await subtle.verify('HMAC', key, signature, data), true)
    t.equal(await subtle.verify('HMAC', key, signature, Buffer.from('other')), false)
    await t.rejects(subtle.exportKey('raw', key), { name: 'InvalidAccessError' })
    await t.rejects(subtle.encrypt('AES-GCM', key, data), Error)
    const jwk = { kty: 'oct', k: raw.toString('base64url'), alg: 'HS256', key_ops: ['sign'], ext: true }
    const again = await subtle.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
    t.equal(hex(await subtle.sign('HMAC', again, data)), hex(signature))
    t.match(await subtle.exportKey('jwk', again), jwk)
    await t.rejects(subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, true, []), { name: 'SyntaxError' })
    await t.rejects(subtle.importKey('raw', raw, 'HMAC', true, ['sign']), TypeError)
  })
})

t.test('a clone of a key is another object for the same key', async (t) => {
  await inside(async () => {
    const hmac = { name: 'HMAC', hash: 'SHA-256' }
    const key = await subtle.importKey('raw', Buffer.alloc(32, 1), hmac, false, ['sign'])
    const clone = structuredClone(key) as unknown as typeof key
    t.not(clone, key)
    t.match(clone, { type: 'secret', extractable: false, usages: ['sign'] })
    t.equal(hex(await subtle.sign('HMAC', clone, data)), hex(await subtle.sign('HMAC', key, data)))
    await t.rejects(subtle.exportKey('raw', clone), { name: 'InvalidAccessError' }, 'and may do no more')
  })
})

t.test('AES in all its modes', async (t) => {
  const iv = Buffer.alloc(16, 1)
  const modes: { name: string; params: Record<string, unknown> }[] = [
    {
      name: 'AES-GCM',
      params: { name: 'AES-GCM', iv: iv.subarray(0, 12), additionalData: Buffer.from('with'), tagLength: 128 },
    },
    { name: 'AES-CBC', params: { name: 'AES-CBC', iv } },
    { name: 'AES-CTR', params: { name: 'AES-CTR', counter: iv, length: 64 } },
  ]
  await inside(async () => {
    for (const { name, params } of modes) {
      const key = await subtle.generateKey({ name, length: 256 }, true, ['encrypt', 'decrypt'])
      t.match(key.algorithm, { name, length: 256 })
      const sealed = await subtle.encrypt(params as never, key, data)
      t.not(hex(sealed), data.toString('hex'))
      t.equal(hex(await subtle.decrypt(params as never, key, sealed)), data.toString('hex'), name)
      t.equal((await subtle.exportKey('raw', key)).byteLength, 32)
    }
    const [gcm] = modes
    const key = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt', 'decrypt'])
    const sealed = Buffer.from(await subtle.encrypt(gcm?.params as never, key, data))
    sealed[0] = (sealed[0] as number) ^ 1
    await t.rejects(subtle.decrypt(gcm?.params as never, key, sealed), { name: 'OperationError' })
    await t.rejects(subtle.generateKey({ name: 'AES-GCM', length: 100 }, true, ['encrypt']), { name: 'OperationError' })
    await t.rejects(subtle.encrypt({ name: 'AES-GCM', iv: 'text' } as never, key, data), TypeError)
  })
})

t.test('signatures with pairs of keys', async (t) => {
  const algorithms: { generate: Record<string, unknown>; sign: unknown }[] = [
    { generate: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
    { generate: { name: 'ECDSA', namedCurve: 'P-384' }, sign: { name: 'ECDSA', hash: { name: 'SHA-384' } } },
    { generate: { name: 'Ed25519' }, sign: 'Ed25519' },
    {
      generate: {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 2048,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
      sign: 'RSASSA-PKCS1-v1_5',
    },
    {
      generate: { name: 'RSA-PSS', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
      sign: { name: 'RSA-PSS', saltLength: 32 },
    },
  ]
  for (const { generate, sign } of algorithms)
    await inside(async () => {
      const name = JSON.stringify(generate)
      const pair = (await subtle.generateKey(generate as never, false, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
      t.same(
        [pair.privateKey.type, pair.publicKey.type, pair.privateKey.extractable, pair.publicKey.extractable],
        ['private', 'public', false, true],
      )
      t.same([pair.privateKey.usages, pair.publicKey.usages], [['sign'], ['verify']], name)
      const signature = await subtle.sign(sign as never, pair.privateKey, data)
      t.equal(await subtle.verify(sign as never, pair.publicKey, signature, data), true)
      t.equal(await subtle.verify(sign as never, pair.publicKey, signature, Buffer.from('other')), false)
      const spki = await subtle.exportKey('spki', pair.publicKey)
      const again = await subtle.importKey('spki', spki, generate as never, true, ['verify'])
      t.equal(await subtle.verify(sign as never, again, signature, data), true)
      const jwk = await subtle.exportKey('jwk', pair.publicKey)
      const third = await subtle.importKey('jwk', jwk, generate as never, true, ['verify'])
      t.equal(await subtle.verify(sign as never, third, signature, data), true)
      if (generate['publicExponent'])
        t.same([...(again.algorithm as unknown as { publicExponent: Uint8Array }).publicExponent], [1, 0, 1])
      await t.rejects(subtle.exportKey('pkcs8', pair.privateKey), { name: 'InvalidAccessError' })
    })
})

t.test('agreement and derivation', async (t) => {
  await inside(async () => {
    for (const algorithm of [{ name: 'ECDH', namedCurve: 'P-256' }, { name: 'X25519' }]) {
      const make = () =>
        subtle.generateKey(algorithm as never, true, [
          'deriveBits',
          'deriveKey',
        ]) as unknown as Promise<webcrypto.CryptoKeyPair>
      const [ours, theirs] = [await make(), await make()]
      const name = algorithm.name
      const first = await subtle.deriveBits({ name, public: theirs.publicKey }, ours.privateKey, 256)
      const second = await subtle.deriveBits({ name, public: ours.publicKey } as never, theirs.privateKey, 256)
      t.equal(hex(first), hex(second), name)
      const whole = await (subtle.deriveBits as unknown as (a: unknown, k: unknown) => Promise<ArrayBuffer>)(
        { name, public: theirs.publicKey },
        ours.privateKey,
      )
      t.equal(hex(whole), hex(first))
      const key = await subtle.deriveKey(
        { name, public: theirs.publicKey },
        ours.privateKey,
        { name: 'AES-GCM', length: 256 },
        true,
        ['encrypt'],
      )
      t.equal(hex(await subtle.exportKey('raw', key)), hex(first))
      await t.rejects(subtle.deriveBits({ name, public: {} } as never, ours.privateKey, 256), TypeError)
    }
  })
  await inside(async () => {
    const salt = Buffer.from('salt')
    const hkdf = await subtle.importKey('raw', data, 'HKDF', false, ['deriveBits'])
    const info = Buffer.from('info')
    const bits = await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, hkdf, 256)
    t.equal(hex(bits), hex(hkdfSync('sha256', data, salt, info, 32)))
    const password = await subtle.importKey('raw', data, 'PBKDF2', false, ['deriveBits', 'deriveKey'])
    const params = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 1_000 }
    t.equal(
      hex(await subtle.deriveBits(params, password, 256)),
      pbkdf2Sync(data, salt, 1_000, 32, 'sha256').toString('hex'),
    )
    await t.rejects(subtle.deriveBits({ ...params, iterations: 600_001 }, password, 256), {
      name: 'OperationError',
      message: /600000/,
    })
    await t.rejects(subtle.deriveBits({ ...params, iterations: 1e9 }, password, 256), { name: 'OperationError' })
    await t.rejects(
      subtle.deriveKey({ ...params, iterations: 1e9 }, password, { name: 'AES-GCM', length: 128 }, true, ['encrypt']),
      { name: 'OperationError' },
    )
    await t.rejects(subtle.deriveBits({ ...params, iterations: 2 ** 40 }, password, 256), TypeError)
    await t.rejects(subtle.deriveBits({ ...params, iterations: 'x' } as never, password, 256), TypeError)
  })
})

t.test('encryption with RSA, and wrapped keys', async (t) => {
  await inside(async () => {
    const generate = {
      name: 'RSA-OAEP',
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: 'SHA-256',
    }
    const pair = (await subtle.generateKey(generate, true, [
      'encrypt',
      'decrypt',
      'wrapKey',
      'unwrapKey',
    ])) as webcrypto.CryptoKeyPair
    const sealed = await subtle.encrypt({ name: 'RSA-OAEP', label: Buffer.from('l') }, pair.publicKey, data)
    t.equal(
      hex(await subtle.decrypt({ name: 'RSA-OAEP', label: Buffer.from('l') }, pair.privateKey, sealed)),
      data.toString('hex'),
    )
    await t.rejects(subtle.decrypt('RSA-OAEP', pair.privateKey, sealed), { name: 'OperationError' })
    const key = (await subtle.generateKey({ name: 'AES-GCM', length: 256 }, true, ['encrypt'])) as webcrypto.CryptoKey
    const raw = hex(await subtle.exportKey('raw', key))
    for (const [wrapping, algorithm] of [
      [{ open: pair.privateKey, close: pair.publicKey }, 'RSA-OAEP'],
      [
        (await subtle.generateKey({ name: 'AES-KW', length: 256 }, true, [
          'wrapKey',
          'unwrapKey',
        ])) as webcrypto.CryptoKey,
        'AES-KW',
      ],
    ] as const) {
      const { open, close } = 'open' in wrapping ? wrapping : { open: wrapping, close: wrapping }
      const wrapped = await subtle.wrapKey('raw', key, close, algorithm)
      const again = await subtle.unwrapKey('raw', wrapped, open, algorithm, 'AES-GCM', true, ['encrypt'])
      t.equal(hex(await subtle.exportKey('raw', again)), raw, algorithm)
    }
  })
})

t.test('RSA keys that cost too much are refused', async (t) => {
  await inside(async () => {
    const make = (modulusLength: number, publicExponent: Uint8Array) =>
      subtle.generateKey({ name: 'RSA-OAEP', modulusLength, publicExponent, hash: 'SHA-256' } as never, true, [
        'encrypt',
      ])
    await t.rejects(make(16_384, new Uint8Array([1, 0, 1])), { name: 'OperationError' })
    await t.rejects(make(2_048, new Uint8Array([7])), { name: 'OperationError' })
  })
})

t.test('a key that the host has forgotten is imported again, and no other is there any more', async (t) => {
  await inside(async () => {
    const algorithm = { name: 'HMAC', hash: 'SHA-256' }
    const imported = await subtle.importKey('raw', Buffer.from('old'), algorithm, false, ['sign'])
    const generated = (await subtle.generateKey(algorithm, false, ['sign'])) as webcrypto.CryptoKey
    const before = hex(await subtle.sign('HMAC', imported, data))
    for (let index = 0; index < 10; index++) await subtle.importKey('raw', Buffer.from('x'), algorithm, false, ['sign'])
    t.equal(hex(await subtle.sign('HMAC', imported, data)), before)
    t.equal(hex(await subtle.sign('HMAC', imported, data)), before)
    t.equal((await subtle.sign('HMAC', generated, data)).byteLength, 32, 'what cannot be imported again stays longer')
    for (let index = 0; index < 10; index++) await subtle.generateKey(algorithm, false, ['sign'])
    await t.rejects(subtle.sign('HMAC', generated, data), { name: 'OperationError' })
  })
})

t.test('what is given is read once and in order, and copied', async (t) => {
  await inside(async () => {
    const key = await subtle.importKey('raw', Buffer.alloc(16), 'AES-CBC', false, ['encrypt'])
    const plain = Buffer.from('plain')
    let reads = 0
    const algorithm = {
      name: 'AES-CBC',
      get iv() {
        reads++
        return new Uint8Array(16)
      },
    }
    const sealing = subtle.encrypt(algorithm, key, plain)
    plain.fill(0)
    const expected = await subtle.encrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, key, Buffer.from('plain'))
    t.equal(hex(await sealing), hex(expected))
    t.equal(reads, 1)
    await t.rejects(
      subtle.encrypt(
        {
          name: 'AES-CBC',
          get iv() {
            throw new RangeError('mine')
          },
        } as never,
        key,
        plain,
      ),
      { message: 'mine' },
    )
  })
})

t.test('arguments of wrong types are TypeErrors, as rejections', async (t) => {
  const any = subtle as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
  const reject = async (method: string, ...args: unknown[]) => await any[method]?.(...args)
  await inside(async () => {
    const counts = {
      encrypt: 3,
      decrypt: 3,
      sign: 3,
      verify: 4,
      digest: 2,
      generateKey: 3,
      deriveKey: 5,
      deriveBits: 2,
      importKey: 5,
      exportKey: 2,
      wrapKey: 4,
      unwrapKey: 7,
    }
    for (const [method, count] of Object.entries(counts)) {
      t.equal(any[method]?.length, count, method)
      await t.rejects(reject(method, ...new Array(count - 1).fill('x')), TypeError, method)
      await t.rejects(
        async () => await any[method]?.call({}, ...new Array(count).fill('x')),
        TypeError,
        `${method} of another object`,
      )
    }
    await t.rejects(reject('sign', 'HMAC', {}, data), TypeError)
    await t.rejects(reject('importKey', 'raw', 'text', 'HMAC', true, []), TypeError)
    await t.rejects(reject('importKey', 'jwk', 'text', 'HMAC', true, []), TypeError)
    await t.rejects(reject('importKey', 'raw', data, 'HMAC', true, 'sign'), Error)
    await t.rejects(reject('generateKey', { name: 'AES-GCM', length: 128 }, true, ['fly']), Error)
  })
  t.throws(() => new (SubtleCrypto as unknown as new () => unknown)(), TypeError)
  t.throws(() => new (CryptoKey as unknown as new () => unknown)(), TypeError)
})

t.test('while the code loads there is no cryptography with keys', async (t) => {
  let atTop: Promise<unknown> | undefined
  host.load(() => {
    atTop = subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt'])
    return { default: { fetch: () => new Response('x') } }
  })
  await t.rejects(atTop as Promise<unknown>, { name: 'NotAllowedError' })
})
