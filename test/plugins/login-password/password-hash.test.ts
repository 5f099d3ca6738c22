import t from 'tap'
import {
  defaultHashCost,
  hashPassword,
  isOutdated,
  passwordBytes,
  unmatchedHash,
  verifyPassword,
} from '../../../plugins/login-password/password-hash.ts'

const cheap = { memoryKiB: 64, passes: 1, lanes: 1 }

t.test('a hash says how it was made and verifies only its own password', async (t) => {
  const hash = await hashPassword('correct horse', defaultHashCost)
  t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.equal(await verifyPassword('correct horse', hash), true)
  t.equal(await verifyPassword('correct horsf', hash), false)
  t.equal(await verifyPassword('', hash), false)
})

t.test('a hash of another maker verifies, by the reference implementation in C', async (t) => {
  // Out of the test vectors of the reference code: memory 2^16 KiB, 2 passes, 1 lane, salt "somesalt".
  const hash = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  t.equal(await verifyPassword('password', hash), true)
  t.equal(await verifyPassword('passwore', hash), false)
})

t.test('two hashes of one password differ', async (t) => {
  t.not(await hashPassword('the same', cheap), await hashPassword('the same', cheap))
})

t.test('a password typed as other code points of the same text is the same', async (t) => {
  const hash = await hashPassword('caf\u00e9 au lait', cheap)
  t.equal(await verifyPassword('cafe\u0301 au lait', hash), true)
  t.equal(passwordBytes('cafe\u0301'), 5)
})

t.test('nothing matches the unmatched hash, and it costs what a real one costs', async (t) => {
  const hash = unmatchedHash(cheap)
  t.equal(await verifyPassword('', hash), false)
  t.equal(isOutdated(hash, cheap), false)
})

t.test('a hash is outdated when any part of the cost differs', async (t) => {
  const hash = await hashPassword('x', cheap)
  t.equal(isOutdated(hash, cheap), false)
  t.equal(isOutdated(hash, { ...cheap, memoryKiB: 65 }), true)
  t.equal(isOutdated(hash, { ...cheap, passes: 2 }), true)
  t.equal(isOutdated(hash, { ...cheap, lanes: 2 }), true)
})

for (const hash of [
  '',
  'plain text',
  '$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
  '$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
  '$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
  '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$short',
]) {
  t.test(`"${hash.slice(0, 40)}" is refused as a stored hash, and not quoted`, async (t) => {
    await t.rejects(verifyPassword('x', hash), {
      code: 'ERR_DATA_FORMAT',
      message: 'a stored password hash is not an argon2id PHC string',
    })
  })
}
