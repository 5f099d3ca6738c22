import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { validateHere, validateModule } from '../../../sandbox/wasm/validate.ts'
import { foundModules, functions, moduleOf, section, voidType } from './fixtures/modules.ts'

const here = (bytes: Uint8Array) => validateHere({ bytes, limits: defaultSandboxLimits })

t.test('a module is checked in a process of its own', async (t) => {
  const { llhttp = new Uint8Array() } = foundModules()
  const info = await validateModule(llhttp, defaultSandboxLimits)
  t.ok(info.exports.includes('memory') || info.imports.length > 0)
  t.same(Buffer.from(info.bytes).equals(Buffer.from(here(llhttp).bytes)), true)
  const endless = await validateModule(moduleOf(section(5, 1, 0, 1)), defaultSandboxLimits)
  t.equal(endless.isRewritten, true)
  t.same([...endless.bytes.slice(-5)], [...moduleOf(section(5, 1, 1, 1, 0x80, 0x08)).slice(-5)])
})

t.test('its faults come back with their place', async (t) => {
  await t.rejects(validateModule(moduleOf(section(5, 1, 3, 1, 1)), defaultSandboxLimits), {
    code: 'ERR_CODE',
    message: /section memory, offset 11: a shared memory/,
    details: { offset: 11 },
  })
  await t.rejects(validateModule(new Uint8Array(9_000_000), defaultSandboxLimits), { code: 'ERR_CODE' })
})

t.test('what V8 does not take is refused in its words', (t) => {
  // A function that leaves nothing where its type says a number.
  const bytes = moduleOf(section(1, 1, [0x60, 0, 1, 0x7f]), functions([0, 0x0b]))
  t.throws(() => here(bytes), { code: 'ERR_CODE', message: /module: .*function #0.* failed/ })
  t.throws(() => here(moduleOf(voidType, functions([0, 0x10, 9, 0x0b]))), { message: /module: .*index/ })
  t.equal(here(moduleOf(voidType, functions([0, 0x0b]))).functions, 1)
  t.end()
})
