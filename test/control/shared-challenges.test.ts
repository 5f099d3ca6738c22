import { pino } from 'pino'
import t, { type Test } from 'tap'
import { type Challenge, type Solver, toChallenge } from '../../certs/acme/solver.ts'
import type { Vault } from '../../certs/vault.ts'
import { shareChallenges } from '../../control/shared-challenges.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { plainVault, type Records } from '../certs/fixtures/plain-vault.ts'

const everyMs = 1_000

/** A machine that shares a vault. It looks when it is told to, by a clock of its own. */
async function startMachine(t: Test, vault: Vault) {
  const state = {
    nowMs: 0,
    kinds: ['http-01', 'tls-alpn-01'] as Solver['kind'][],
    /** What presenting a challenge of a name fails with. */
    faults: new Map<string, Error>(),
  }
  /** What its fronts answer, as `kind name`. */
  const answered = new Set<string>()
  const waits: number[] = []
  const lines: string[] = []
  let next = Promise.withResolvers<void>()
  let asleep = Promise.withResolvers<void>()
  const solverOf = (kind: Solver['kind']): Solver => ({
    kind,
    async present({ name }) {
      const fault = state.faults.get(name)
      if (fault) throw fault
      answered.add(`${kind} ${name}`)
    },
    async remove({ name }) {
      answered.delete(`${kind} ${name}`)
    },
  })
  const shared = shareChallenges({
    vault,
    own: () => state.kinds.map(solverOf),
    everyMs,
    environment: {
      monotonic: () => state.nowMs,
      async sleep(ms, signal) {
        if (ms !== everyMs) return void waits.push(ms)
        asleep.resolve()
        const { promise, reject } = Promise.withResolvers<never>()
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
        await Promise.race([next.promise, promise])
      },
    },
    log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
  })
  t.teardown(() => shared[Symbol.asyncDispose]())
  await asleep.promise
  /** Looks once. */
  const look = async (aheadMs = everyMs) => {
    state.nowMs += aheadMs
    asleep = Promise.withResolvers()
    const before = next
    next = Promise.withResolvers()
    before.resolve()
    await asleep.promise
  }
  const solver = (kind: Solver['kind']) => shared.solvers().find((one) => one.kind === kind) as Solver
  return { state, shared, solver, answered: () => [...answered].sort(), waits, lines, look }
}

const challenge = (name: string): Challenge => toChallenge(name, `token-${name}`, `token-${name}.thumb`)

t.test(
  'a challenge is answered by all machines, once the others had time to learn of it, until it is removed',
  async (t) => {
    const vault = plainVault(new Map())
    const [one, other] = [await startMachine(t, vault), await startMachine(t, vault)]
    const [blog, shop] = [challenge('blog.example'), challenge('shop.example')]
    await one.solver('http-01').present(blog)
    await one.solver('tls-alpn-01').present(shop)
    t.strictSame(one.waits, [everyMs + limits.challenges.othersTellMs, everyMs + limits.challenges.othersTellMs])
    t.strictSame(other.answered(), [])
    await other.look()
    t.strictSame(other.answered(), ['http-01 blog.example', 'tls-alpn-01 shop.example'])
    await one.solver('http-01').remove(blog)
    t.strictSame(one.answered(), ['tls-alpn-01 shop.example'])
    await other.look()
    t.strictSame(other.answered(), ['tls-alpn-01 shop.example'])
    t.strictSame([...one.lines, ...other.lines], [])
  },
)

t.test('a record that is bad in any way hides no other one, and is told once', async (t) => {
  const records: Records = new Map()
  const vault = plainVault(records)
  const faults = new Map<string, Error>([
    ['challenges/2', new GroveError('ERR_CERT', 'damaged')],
    ['challenges/3', new Error('I/O error')],
  ])
  const one = await startMachine(t, vault)
  const reads: string[] = []
  const other = await startMachine(t, {
    ...vault,
    async read(key) {
      reads.push(key)
      const fault = faults.get(key)
      if (fault) throw fault
      return vault.read(key)
    },
  })
  other.state.faults.set('late.example', new GroveError('ERR_TIMEOUT', 'a front has not confirmed'))
  const texts = ['{', '{"kind":"dns-01"}', '', noteOf('slow.example'), '{"kind":"http-01","name":7}']
  for (const [index, text] of texts.entries()) records.set(`challenges/${index}`, { text, number: 1 })
  await one.solver('http-01').present(challenge('late.example'))
  await one.solver('http-01').present(challenge('blog.example'))
  for (let looks = 0; looks < 3; looks += 1) {
    await other.look()
    t.strictSame(other.answered(), ['http-01 blog.example'])
  }
  t.equal(other.lines.length, 6, other.lines.join(''))
  t.equal(reads.filter((key) => key === 'challenges/2').length, 1, 'a damaged one is not read again and again')
  faults.clear()
  other.state.faults.clear()
  await other.look()
  t.strictSame(other.answered(), ['http-01 blog.example', 'http-01 late.example', 'http-01 slow.example'])
})

t.test('a challenge whose machine has died goes when it was there for long, whatever clocks say', async (t) => {
  const records: Records = new Map()
  const vault = plainVault(records)
  const one = await startMachine(t, vault)
  one.state.nowMs = 1e12
  const other = await startMachine(t, vault)
  await one.solver('http-01').present(challenge('blog.example'))
  records.set('challenges/bad', { text: '{', number: 1 })
  // As a machine noted it whose clock is years behind.
  records.set('challenges/old', { text: JSON.stringify({ ...JSON.parse(noteOf('old.example')), atMs: 1 }), number: 1 })
  await other.look()
  t.strictSame(other.answered(), ['http-01 blog.example', 'http-01 old.example'])
  await other.look(limits.challenges.longestMs)
  t.equal(records.size, 3)
  await other.look(1)
  t.strictSame([...records.keys()], [])
  await other.look()
  t.strictSame(other.answered(), [])
})

t.test('a machine offers, and answers for others, what it can be asked for at the moment', async (t) => {
  const vault = plainVault(new Map())
  const [one, other] = [await startMachine(t, vault), await startMachine(t, vault)]
  other.state.kinds = ['tls-alpn-01']
  t.strictSame(
    other.shared.solvers().map(({ kind }) => kind),
    ['tls-alpn-01'],
  )
  await one.solver('http-01').present(challenge('blog.example'))
  await one.solver('tls-alpn-01').present(challenge('shop.example'))
  await other.look()
  t.strictSame(other.answered(), ['tls-alpn-01 shop.example'])
  t.strictSame(other.lines, [], 'which is nothing to tell')
})

t.test('a vault that is away is told once, and looked at again', async (t) => {
  let fault: Error | undefined
  const vault = plainVault(new Map())
  const one = await startMachine(t, vault)
  const other = await startMachine(t, {
    ...vault,
    list(prefix) {
      if (fault) throw fault
      return vault.list(prefix)
    },
  })
  await one.solver('http-01').present(challenge('blog.example'))
  fault = new GroveError('ERR_OBJECTS', 'the bucket is away')
  for (let looks = 0; looks < 3; looks += 1) await other.look()
  t.match(other.lines, [/the bucket is away/])
  t.equal(other.lines.length, 1)
  fault = undefined
  await other.look()
  t.strictSame(other.answered(), ['http-01 blog.example'])
})

/** What a machine writes into the vault for a challenge of a name. */
function noteOf(name: string): string {
  const { token, keyAuthorization } = challenge(name)
  return JSON.stringify({ kind: 'http-01', name, token, keyAuthorization })
}
