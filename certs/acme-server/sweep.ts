/** Taking away what the ACME server keeps without a use any more, so that its bounds are never reached by what is over. */

import { limits } from '../../core/limits.ts'
import { keyRecordOf } from './authenticate.ts'
import type { ServerParts } from './exchange.ts'
import { accountSchema, certificateSchema, countRecords, keys, type Order, orderSchema } from './records.ts'

type Parts = Pick<ServerParts, 'vault' | 'environment' | 'log'>

/**
 * Removes orders and certificates that have ended, and accounts that have ordered nothing for very long (their clients,
 * if they come back, make new ones). Also what cannot be understood: nobody could use it. A record that cannot be read
 * or removed is told and passed over. Answers how many records.
 */
export async function sweepRecords(parts: Parts): Promise<number> {
  const { vault, environment } = parts
  const nowMs = environment.now()
  const { endedMs, idleAccountMs } = limits.acmeServer
  const orders = await sweep(parts, keys.orders, async (value) => {
    const order = orderSchema.safeParse(value)
    return !order.success || order.data.expiresMs + (isUntouched(order.data) ? 0 : endedMs) <= nowMs
  })
  const certificates = await sweep(parts, keys.certificates, async (value) => {
    const certificate = certificateSchema.safeParse(value)
    return !certificate.success || certificate.data.notAfterMs + endedMs <= nowMs
  })
  const accounts = await sweep(parts, keys.accounts, async (value) => {
    const account = accountSchema.safeParse(value)
    if (!account.success) return true
    const { id, createdMs, thumbprint } = account.data
    if (createdMs + idleAccountMs > nowMs || (await countRecords(vault, keys.ordersOf(id), 1)) > 0) return false
    const record = keyRecordOf(thumbprint)
    // Of two requests that made an account for one key at once, the key may have gone to the other.
    if ((await vault.read(record))?.text === id) await vault.remove(record)
    return true
  })
  return orders + certificates + accounts
}

/** Whether nobody ever said that a proof is there: then nobody asks how the order ended. */
function isUntouched({ authorizations }: Order): boolean {
  return authorizations.every(({ status, tried }) => status === 'pending' && tried === undefined)
}

/** Removes the records under a prefix that are over. Answers how many. */
async function sweep(
  { vault, log }: Parts,
  prefix: string,
  isOver: (value: unknown) => Promise<boolean>,
): Promise<number> {
  let removed = 0
  for await (const key of vault.list(prefix)) {
    try {
      const record = await vault.read(key)
      if (!record || !(await isOver(toValue(record.text)))) continue
      await vault.remove(key)
      removed += 1
    } catch (error) {
      log.warn({ err: error, key }, 'a record of the ACME server cannot be looked at; the others are')
    }
  }
  return removed
}

function toValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // No schema takes that.
  }
}
