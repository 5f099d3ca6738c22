import t from 'tap'
import { nodeEnvironment as env } from '../../../store/environment-node.ts'
import { isSealed, openBytes, sealBytes } from '../../../store/segments/sealed-bytes.ts'
import { keyringOf, seeded } from './fixtures/segments.ts'

const place = { owner: 'ada', name: 'ada/meta/root/blog/00000003' }
const plain = Buffer.from('{"live":42}')

t.test('sealed bytes open in their place, with their key', async (t) => {
  for (const text of [plain, Buffer.alloc(0), Buffer.alloc(200_000, 'x')]) {
    const sealed = sealBytes(keyringOf(1), env, place, text)
    t.equal(sealed.length, text.length + 92)
    t.ok(isSealed(sealed))
    t.same(openBytes(keyringOf(2, 1), place, sealed), text)
  }
  t.notOk(sealBytes(keyringOf(1), env, place, plain).includes('live'))
  t.notSame(sealBytes(keyringOf(1), env, place, plain), sealBytes(keyringOf(1), env, place, plain))
  t.same(sealBytes(keyringOf(1), seeded(5), place, plain), sealBytes(keyringOf(1), seeded(5), place, plain))
})

t.test('sealed bytes open nowhere else, and without their key not at all', async (t) => {
  const sealed = sealBytes(keyringOf(1), env, place, plain)
  t.throws(() => openBytes(keyringOf(1), { ...place, owner: 'bob' }, sealed), { code: 'ERR_BLOB_CORRUPT' })
  t.throws(() => openBytes(keyringOf(1), { ...place, name: `${place.name}4` }, sealed), { code: 'ERR_BLOB_CORRUPT' })
  t.throws(() => openBytes(keyringOf(2), place, sealed), { code: 'ERR_KEY_MISSING' })
  t.throws(() => openBytes(undefined, place, sealed), { code: 'ERR_KEY_MISSING' })
})

t.test('plain bytes do not pass for sealed ones', async (t) => {
  t.notOk(isSealed(plain))
  t.throws(() => openBytes(keyringOf(1), place, plain), { code: 'ERR_DATA_FORMAT', message: /00000003 is not sealed/ })
})

t.test('no byte of sealed bytes can change, go or come', async (t) => {
  const sealed = sealBytes(keyringOf(1), env, place, plain)
  const codes = (at: number) => (at < 8 ? 'ERR_DATA_FORMAT' : at < 16 ? 'ERR_KEY_MISSING' : 'ERR_BLOB_CORRUPT')
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed.writeUInt8(changed.readUInt8(at) ^ 0x80, at)
    t.throws(() => openBytes(keyringOf(1), place, changed), { code: codes(at) }, `byte ${at}`)
  }
  for (let length = 0; length < sealed.length; length++) {
    const code = length < 8 ? 'ERR_DATA_FORMAT' : 'ERR_BLOB_CORRUPT'
    t.throws(() => openBytes(keyringOf(1), place, sealed.subarray(0, length)), { code }, `${length} bytes`)
  }
  t.throws(() => openBytes(keyringOf(1), place, Buffer.concat([sealed, plain])), { code: 'ERR_BLOB_CORRUPT' })
})
