import t from 'tap'
import type { Certificate } from '../../certs/certificate.ts'
import { createOnDemand, type OnDemandOptions } from '../../certs/on-demand.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

const { onDemand } = limits
const address = '192.0.2.7'
const hourMs = 3_600_000

/** What stands behind certificates on demand, as a test tells it. */
function scripted(more: Partial<OnDemandOptions> = {}) {
  const calls: string[] = []
  const held = new Map<string, Certificate>()
  const clock = { nowMs: 0 }
  const gates: (() => void)[] = []
  const script = {
    permits: (name: string): boolean | Promise<boolean> => name.endsWith('ours.example'),
    order: async (name: string): Promise<Certificate> => ({ id: name, names: [name] }) as unknown as Certificate,
  }
  const demand = createOnDemand({
    permits(name) {
      calls.push(`permits ${name}`)
      return script.permits(name)
    },
    managed: {
      async recall(name) {
        calls.push(`recall ${name}`)
        const found = held.get(name)
        return found ? [found] : []
      },
      async ask(name) {
        calls.push(`order ${name}`)
        const certificate = await script.order(name)
        held.set(name, certificate)
        return [certificate]
      },
    },
    environment: {
      monotonic: () => clock.nowMs,
      // Nobody waits for time here, but for those who are given up.
      sleep: (_ms, signal) =>
        new Promise((resolve, reject) => {
          gates.push(resolve)
          signal?.addEventListener('abort', () => reject(signal.reason))
        }),
    },
    ...more,
  })
  return {
    demand,
    calls,
    held,
    clock,
    script,
    gates,
    count: (what: string) => calls.filter((call) => call.startsWith(what)).length,
  }
}

t.test('a name of ours gets a certificate; the permission is asked for once', async (t) => {
  const { demand, calls, count } = scripted()
  t.equal((await demand.ask('a.ours.example', address))[0]?.id, 'a.ours.example')
  t.strictSame(calls, ['permits a.ours.example', 'recall a.ours.example', 'order a.ours.example'])
  await demand.ask('a.ours.example', address)
  t.equal(count('permits'), 1)
  t.equal(count('order'), 1)
})

t.test('a name that is not ours is refused before anything is read, and remembered', async (t) => {
  const { demand, calls, clock, count } = scripted()
  await t.rejects(demand.ask('stranger.example', address), { code: 'ERR_CERT_NAME' })
  t.strictSame(calls, ['permits stranger.example'])
  for (let tries = 0; tries < 1_000; tries += 1)
    await t.rejects(demand.ask('stranger.example', address), { code: 'ERR_CERT_NAME' })
  t.equal(calls.length, 1)
  clock.nowMs += onDemand.refusedMs
  await t.rejects(demand.ask('stranger.example', address), { code: 'ERR_CERT_NAME' })
  t.equal(count('permits'), 2)
})

t.test('what no CA signs is refused without a question', async (t) => {
  const { demand, calls } = scripted({})
  const long = `${'a'.repeat(60)}.`.repeat(5)
  const names = [
    '',
    'localhost',
    'x.local',
    '127.0.0.1',
    '[::1]',
    '*.ours.example',
    'A.ours.example',
    'a b.ours.example',
  ]
  for (const name of [...names, 'a.ours.example.', 'ours', `${long}ours.example`, 'a\0.ours.example', 'é.ours.example'])
    await t.rejects(demand.ask(name, address), { code: 'ERR_CERT_NAME' }, JSON.stringify(name))
  t.strictSame(calls, [])
})

t.test('a flood of made-up names from one network asks little and orders nothing', async (t) => {
  const { demand, count } = scripted()
  const codes = new Map<string, number>()
  for (let index = 0; index < 5_000; index += 1) {
    const from = `2001:db8:1:2::${(index % 500).toString(16)}`
    await demand.ask(`x${index}.stranger.example`, from).catch(({ code }: GroveError) => {
      codes.set(code, (codes.get(code) ?? 0) + 1)
    })
  }
  t.equal(count('permits'), onDemand.questions.burst)
  t.equal(count('order') + count('recall'), 0)
  t.equal(codes.get('ERR_CERT_NAME'), onDemand.questions.burst)
  t.equal(codes.get('ERR_TOO_MANY'), 5_000 - onDemand.questions.burst)
  t.equal((await demand.ask('a.ours.example', '198.51.100.1')).length, 1, 'others do not feel it')
})

t.test('a name that is known passes though its network has used up its questions', async (t) => {
  const { demand } = scripted()
  await demand.ask('a.ours.example', address)
  for (let index = 0; index < 100; index += 1) await demand.ask(`x${index}.stranger.example`, address).catch(() => {})
  t.equal((await demand.ask('a.ours.example', address)).length, 1)
})

t.test('orders are bounded for each address, each registered domain, and altogether', async (t) => {
  const byAddress = scripted()
  for (let index = 0; index < 20; index += 1)
    await byAddress.demand.ask(`a.x${index}-ours.example`, address).catch(() => {})
  t.equal(byAddress.count('order'), onDemand.addressOrders.atStart)
  byAddress.clock.nowMs += hourMs
  for (let index = 20; index < 60; index += 1)
    await byAddress.demand.ask(`a.x${index}-ours.example`, address).catch(() => {})
  t.equal(byAddress.count('order'), onDemand.addressOrders.atStart + onDemand.addressOrders.perHour)

  const byDomain = scripted()
  for (let index = 0; index < 60; index += 1)
    await byDomain.demand.ask(`x${index}.ours.example`, `192.0.2.${index}`).catch(() => {})
  t.equal(byDomain.count('order'), onDemand.domainOrders.atStart)
  await t.rejects(byDomain.demand.ask('late.ours.example', '203.0.113.1'), {
    code: 'ERR_TOO_MANY',
    message: /ours\.example/,
  })

  const all = scripted()
  for (let index = 0; index < 300; index += 1)
    await all.demand.ask(`a.x${index}-ours.example`, `192.0.${index % 3}.${index % 250}`).catch(() => {})
  t.equal(all.count('order'), onDemand.allOrders.atStart)
  await t.rejects(all.demand.ask('a.late-ours.example', '203.0.113.1'), { code: 'ERR_TOO_MANY', message: /together/ })
})

t.test('what one owner brings has a budget over all addresses and domains, also when nobody asked', async (t) => {
  const { demand, count } = scripted({ ownerOf: (name) => (name.startsWith('theirs') ? 'blog' : undefined) })
  const { atStart } = onDemand.ownerOrders
  for (let index = 0; index < atStart + 5; index += 1) {
    const name = `theirs.x${index}-ours.example`
    await (index % 2 ? demand.ask(name) : demand.ask(name, `192.0.2.${index}`)).catch(() => {})
  }
  t.equal(count('order'), atStart)
  await t.rejects(demand.ask('theirs.late-ours.example'), { code: 'ERR_TOO_MANY', message: /blog/ })
  t.equal((await demand.ask('a.operators-ours.example')).length, 1, 'others do not feel it')
  await t.rejects(demand.ask('stranger.example'), { code: 'ERR_CERT_NAME' })
})

t.test('what the vault holds costs no budget', async (t) => {
  const { demand, held, count } = scripted()
  for (let index = 0; index < 500; index += 1) held.set(`x${index}.ours.example`, {} as Certificate)
  for (let index = 0; index < 500; index += 1) t.equal((await demand.ask(`x${index}.ours.example`, address)).length, 1)
  t.equal(count('order'), 0)
})

t.test('one order for all who wait; too many who wait are refused', async (t) => {
  const { demand, script, count } = scripted()
  const order = Promise.withResolvers<Certificate>()
  script.order = () => order.promise
  const waiting = Array.from({ length: limits.managed.waiters + 3 }, () => demand.ask('a.ours.example', address))
  const settled = Promise.allSettled(waiting)
  order.resolve({} as Certificate)
  const refused = (await settled).filter(({ status }) => status === 'rejected')
  t.equal(count('order a.ours.example'), 1)
  t.equal(count('permits a.ours.example'), 1)
  t.equal(refused.length, 3)
})

t.test('a failed order is told to all who wait, and the next one asks again', async (t) => {
  const { demand, script, count } = scripted()
  script.order = async () => {
    throw new GroveError('ERR_ACME', 'the CA is down')
  }
  const both = await Promise.allSettled([demand.ask('a.ours.example', address), demand.ask('a.ours.example', address)])
  t.ok(both.every(({ status }) => status === 'rejected'))
  t.equal(count('order'), 1)
  await t.rejects(demand.ask('a.ours.example', address), { code: 'ERR_ACME' })
  t.equal(count('order'), 2)
})

t.test('a permission is asked for again after a while, and when it is forgotten', async (t) => {
  const { demand, clock, script, count } = scripted()
  await demand.ask('a.ours.example', address)
  clock.nowMs += onDemand.allowedMs
  await demand.ask('a.ours.example', address)
  t.equal(count('permits'), 2)
  script.permits = () => false
  await demand.ask('a.ours.example', address)
  demand.forget(['a.ours.example'])
  await t.rejects(demand.ask('a.ours.example', address), { code: 'ERR_CERT_NAME' })
  script.permits = () => true
  await t.rejects(demand.ask('a.ours.example', address), { code: 'ERR_CERT_NAME' }, 'still remembered')
  demand.forget(['a.ours.example'])
  t.equal((await demand.ask('a.ours.example', address)).length, 1)
})

t.test('an answer that comes after its name was forgotten is not remembered', async (t) => {
  const { demand, script, count } = scripted()
  const answer = Promise.withResolvers<boolean>()
  script.permits = () => answer.promise
  const asked = demand.ask('a.ours.example', address)
  demand.forget(['a.ours.example'])
  answer.resolve(false)
  await t.rejects(asked, { code: 'ERR_CERT_NAME' })
  script.permits = () => true
  t.equal((await demand.ask('a.ours.example', address)).length, 1)
  t.equal(count('permits'), 2)
})

t.test('a permission that fails refuses, and is not remembered', async (t) => {
  const { demand, script } = scripted()
  script.permits = () => {
    throw new Error('the registry is closed')
  }
  await t.rejects(demand.ask('a.ours.example', address), { message: /registry is closed/ })
  script.permits = () => true
  t.equal((await demand.ask('a.ours.example', address)).length, 1)
})

t.test('a permission that takes too long is given up; so many at once are asked for', async (t) => {
  const { demand, script, gates } = scripted()
  script.permits = () => new Promise<boolean>(() => {})
  const asked = Array.from({ length: onDemand.asking + 4 }, (_, index) =>
    demand.ask(`x${index}.ours.example`, `198.51.${index >> 4}.${index & 15}`),
  )
  const codes = Promise.all(asked.map((one) => one.catch(({ code }: GroveError) => code)))
  for (const wake of gates) wake()
  const all = await codes
  const count = (code: string) => all.filter((one) => one === code).length
  t.equal(count('ERR_TIMEOUT'), onDemand.asking)
  t.equal(count('ERR_TOO_MANY'), 4)
})

t.test('at the end who waits for a permission is told so', async (t) => {
  const { demand, script } = scripted()
  script.permits = () => new Promise<boolean>(() => {})
  const asked = t.rejects(demand.ask('a.ours.example', address), { code: 'ERR_CLOSED' })
  demand[Symbol.dispose]()
  await asked
})

t.test('a name that is taken away while it is waited for is forgotten', async (t) => {
  const { demand, script, count } = scripted()
  script.order = async () => {
    throw new GroveError('ERR_CERT_NAME', 'it is no longer looked after')
  }
  await t.rejects(demand.ask('a.ours.example', address), { code: 'ERR_CERT_NAME' })
  await t.rejects(demand.ask('a.ours.example', address), { code: 'ERR_CERT_NAME' })
  t.equal(count('permits'), 2)
})
