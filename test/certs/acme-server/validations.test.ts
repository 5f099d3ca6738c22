import t, { type Test } from 'tap'
import type { AccountKey } from '../../../certs/acme-server/jwk.ts'
import { keys, type Order, orderSchema } from '../../../certs/acme-server/records.ts'
import { createValidations, type Proof } from '../../../certs/acme-server/validations.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment as environment } from '../../../store/environment-node.ts'
import { silentLog } from '../../control/fixtures/silent-log.ts'
import { plainVault, type Records } from '../fixtures/plain-vault.ts'
import { until } from './fixture.ts'

const key = { thumbprint: 'thumb' } as AccountKey

/** Validations whose proofs are right once the gate is open. */
async function setUp(t: Test) {
  const records: Records = new Map()
  const vault = plainVault(records)
  const gate = Promise.withResolvers<void>()
  /** Names of proofs that are being looked at, or were. */
  const looked: string[] = []
  const validations = createValidations({
    vault,
    environment,
    log: silentLog,
    failed: () => {},
    async validate({ value }: Proof, signal) {
      looked.push(value)
      const given = Promise.withResolvers<void>()
      signal.addEventListener('abort', () => given.reject(signal.reason), { once: true })
      await Promise.race([gate.promise, given.promise])
    },
  })
  t.teardown(() => validations[Symbol.asyncDispose]())
  /** Orders of one proof each, which is said to be there. */
  async function ordersOf(account: string, count: number): Promise<Order[]> {
    const orders = Array.from({ length: count }, (_, index): Order => {
      const identifier = { type: 'dns' as const, value: `${index}.${account}.internal` }
      const authorizations = [{ identifier, token: `token-${index}`, status: 'pending', tried: 'http-01' } as const]
      return { id: `${account}-${index}`, account, createdMs: 0, expiresMs: 1, authorizations: [...authorizations] }
    })
    for (const order of orders) await vault.write(keys.order(account, order.id), JSON.stringify(order), 0)
    return orders
  }
  const proven = (orders: readonly Order[]) =>
    orders.filter(({ account, id }) => {
      const { authorizations } = orderSchema.parse(JSON.parse(records.get(keys.order(account, id))?.text ?? ''))
      return authorizations[0]?.status === 'valid'
    }).length
  return { validations, ordersOf, looked, proven, open: gate.resolve }
}

t.test('an account whose servers hang has few proofs looked at, and holds up no other account', async (t) => {
  const { validations, ordersOf, looked, proven, open } = await setUp(t)
  const { validations: parallel, validationsOfAccount } = limits.acmeServer
  const slow = await ordersOf('slow', 2 * parallel)
  const quick = await ordersOf('quick', 1)
  for (const order of [...slow, ...quick]) validations.resume(order, 0, key)
  await until(async () => looked.includes('0.quick.internal'))
  t.equal(looked.length, validationsOfAccount + 1)
  open()
  await until(async () => proven(slow) === 2 * parallel && proven(quick) === 1)
  t.equal(looked.length, 2 * parallel + 1, 'each once')
})

t.test('of very many proofs of an account the last wait until their client asks again', async (t) => {
  const { validations, ordersOf, proven, open } = await setUp(t)
  const { waitingOfAccount } = limits.acmeServer
  const many = await ordersOf('many', waitingOfAccount + 2)
  for (const order of many) validations.resume(order, 0, key)
  open()
  await until(async () => proven(many) === waitingOfAccount)
  for (const order of many.slice(-1)) validations.resume(order, 0, key)
  await until(async () => proven(many) === waitingOfAccount + 1)
})
