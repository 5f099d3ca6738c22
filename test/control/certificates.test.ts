import t from 'tap'
import type { Certificate } from '../../certs/certificate.ts'
import { type CertificatesOptions, openCertificates } from '../../control/certificates.ts'
import { limits } from '../../core/limits.ts'
import { createScriptedCa } from '../certs/fixtures/scripted-ca.ts'
import { boot, createWorld, solverOf } from '../certs/fixtures/virtual-machines.ts'
import { silentLog } from './fixtures/silent-log.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

/** Certificates of a host in virtual time, whose names, files and domains with a wildcard a test changes. */
async function open(run: (host: Awaited<ReturnType<typeof hostOf>>) => Promise<void>) {
  const world = createWorld()
  await world.run(async () => {
    const host = await hostOf(world)
    await run(host)
    await host.stop()
  })
}

async function hostOf(world: ReturnType<typeof createWorld>) {
  const ca = createScriptedCa()
  const machine = await boot(world, 'one', [])
  const { env, vault } = machine
  const state = { names: [] as readonly string[], files: new Set<string>(), wildcards: [] as readonly string[] }
  const find: CertificatesOptions['files']['find'] = (name) =>
    state.files.has(name) ? [{ id: name } as unknown as Certificate] : []
  const certificates = openCertificates({
    issuers: [{ issuer: ca.issuer(env, vault) }],
    vault,
    files: { find, list: () => [] },
    leaves: { get: () => Promise.reject(new Error('nobody asks for one')) },
    solvers: () => [solverOf('dns-01')],
    wildcards: () => state.wildcards,
    serves: (name) => state.names.includes(name),
    broughtBy: (name) => (name.endsWith('.author.org') ? 'blog' : undefined),
    names: () => state.names,
    forget: () => {},
    environment: env,
    log: silentLog,
  })
  return {
    ca,
    env,
    state,
    certificates,
    ordered: () => ca.orders.map(({ name }) => name).sort(),
    states: () => certificates.list().map(({ names, state }) => `${names[0]} ${state}`),
    async stop() {
      await certificates[Symbol.asyncDispose]()
      await machine.stop()
    },
  }
}

t.test('names of the operator’s are ordered at once; of what authors bring, what a budget allows', (t) =>
  open(async ({ certificates, env, state, ordered }) => {
    const theirs = Array.from({ length: limits.onDemand.ownerOrders.atStart + 5 }, (_, index) => `n${index}.author.org`)
    state.names = ['blog.example.com', ...theirs]
    certificates.refresh()
    await env.sleep(minuteMs)
    t.strictSame(ordered(), ['blog.example.com'])
    for (const name of theirs) certificates.obtain(name)
    await env.sleep(10 * minuteMs)
    t.equal(ordered().length, 1 + limits.onDemand.ownerOrders.atStart)
    certificates.obtain(theirs[0] as string)
    await env.sleep(minuteMs)
    t.equal(ordered().length, 1 + limits.onDemand.ownerOrders.atStart, 'what is there is not ordered again')
    certificates.refresh()
    await env.sleep(61 * dayMs)
    t.equal(ordered().length, 2 * (1 + limits.onDemand.ownerOrders.atStart), 'each is renewed, as the operator’s')
  }),
)

t.test('a name that is taken away is not shown any more', (t) =>
  open(async ({ certificates, env, state, states }) => {
    state.names = ['www.author.org', 'blog.example.com']
    certificates.refresh()
    certificates.obtain('www.author.org')
    await env.sleep(minuteMs)
    t.equal(states().length, 2)
    state.names = []
    certificates.refresh()
    t.strictSame(states(), [])
    t.match(certificates.counts(), { valid: 0 })
  }),
)

t.test('who adds and takes away domains without end uses up the budget, and nothing else', (t) =>
  open(async ({ certificates, env, state, ordered }) => {
    for (let round = 0; round < 50; round += 1) {
      state.names = [`n${round}.author.org`]
      certificates.refresh()
      certificates.obtain(`n${round}.author.org`)
      await env.sleep(5_000)
    }
    t.equal(ordered().length, limits.onDemand.ownerOrders.atStart)
    state.names = ['blog.example.com']
    certificates.refresh()
    await env.sleep(minuteMs)
    t.ok(ordered().includes('blog.example.com'))
  }),
)

t.test('a name that a file covers is not looked after, and is again when none does', (t) =>
  open(async ({ certificates, env, state, ordered, states }) => {
    state.names = ['a.example.com', 'b.example.com']
    state.files.add('a.example.com')
    certificates.refresh()
    await env.sleep(minuteMs)
    t.strictSame(states(), ['b.example.com valid'])
    state.files = new Set(['b.example.com'])
    certificates.refresh(true)
    await env.sleep(minuteMs)
    t.strictSame(states(), ['a.example.com valid'])
    await env.sleep(61 * dayMs)
    t.strictSame(ordered(), ['a.example.com', 'a.example.com', 'b.example.com'], 'only the one is renewed')
  }),
)

t.test('another domain has its own wildcard', (t) =>
  open(async ({ certificates, env, state, ordered, states }) => {
    state.wildcards = ['example.com']
    state.names = ['a.example.com', 'b.example.com']
    certificates.refresh()
    await env.sleep(minuteMs)
    t.strictSame(ordered(), ['*.example.com'])
    state.wildcards = ['example.net']
    state.names = ['a.example.net', 'b.example.net']
    certificates.refresh()
    await env.sleep(minuteMs)
    t.strictSame(ordered(), ['*.example.com', '*.example.net'])
    t.strictSame(states(), ['*.example.net valid'])
  }),
)
