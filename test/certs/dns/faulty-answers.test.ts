// What the DNS can answer: each row is a fault of a resolver or of an authoritative server, and what becomes of it.

import t from 'tap'
import { toChallenge } from '../../../certs/acme/solver.ts'
import type { DnsBounds } from '../../../certs/dns/bounds.ts'
import { createDnsSolver } from '../../../certs/dns/dns-solver.ts'
import type { DnsProvider, DnsReason } from '../../../core/dns-provider.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import {
  type Answer,
  codes,
  type FaultyDns,
  type Question,
  type Reply,
  startFaultyDns,
  writeReply,
} from '../../services/faulty-dns.ts'

const bounds: Partial<DnsBounds> = {
  queryMs: 60,
  tries: 1,
  questionMs: 1_000,
  pollMs: 10,
  propagationMs: 250,
  silentRounds: 2,
  removeTries: 1,
}

/** What has to go well does so on a machine that is busy, too. */
const patient: Partial<DnsBounds> = { ...bounds, queryMs: 400, propagationMs: 10_000 }

const challenge = toChallenge('www.example.test', 'token', 'token.thumb')
const value = challenge.dnsValue
const at = '_acme-challenge.www.example.test'

/** What a well-kept zone answers. */
function right({ name, type }: Question): Reply {
  const answers = (...list: Answer[]): Reply => ({ answers: list })
  if (type === 'NS' && name === 'example.test')
    return answers({ type, data: 'ns1.example.test' }, { type, data: 'ns2.example.test' })
  if (type === 'A' && name === 'ns1.example.test') return answers({ type, data: '127.0.0.1' })
  if (type === 'A' && name === 'ns2.example.test') return answers({ type, data: '127.0.0.2' })
  if (type === 'TXT' && name === at) return answers({ type, data: value })
  return name === at || name === 'example.test' || name.startsWith('ns') ? {} : { code: codes.nxDomain }
}

interface Row {
  readonly what: string
  /** Answers in place of what is right; undefined for that. `count`: how often this was asked before. */
  readonly answer: (question: Question, count: number) => Reply | undefined
  /** Why it fails; undefined when it has to go well. */
  readonly reason?: DnsReason
  readonly message?: RegExp
  readonly check?: (server: FaultyDns) => unknown
}

const only =
  (type: Question['type'], reply: (question: Question, count: number) => Reply | undefined): Row['answer'] =>
  (question, count) =>
    question.type === type ? reply(question, count) : undefined
const texts = (data: string | readonly string[], name?: string): Reply => ({
  answers: [{ type: 'TXT', data, ...(name && { name }) }],
})
const aliases = (table: Readonly<Record<string, string>>) =>
  only('CNAME', ({ name }) => (table[name] === undefined ? {} : { answers: [{ type: 'CNAME', data: table[name] }] }))
const spoiled = (query: Buffer, spoil: (message: Buffer) => Buffer | undefined): Buffer => {
  const message = writeReply(query, { answers: [{ type: 'TXT', data: value }] })
  return spoil(message) ?? message
}
const many = (count: number) =>
  Array.from({ length: count }, (_, i): Answer => ({ type: 'TXT', data: `${i} ${'x'.repeat(120)}` }))

const rows: Row[] = [
  { what: 'everything is right', answer: () => undefined },
  // The resolver.
  {
    what: 'the resolver is silent',
    answer: () => 'silent',
    reason: 'resolver',
    message: /alias of .*: nobody answers/,
  },
  { what: 'the resolver fails', answer: () => ({ code: codes.servFail }), reason: 'resolver', message: /SERVFAIL/ },
  { what: 'the resolver refuses', answer: () => ({ code: codes.refused }), reason: 'resolver', message: /REFUSED/ },
  {
    what: 'the resolver finds the question wrong',
    answer: () => ({ code: codes.formErr }),
    reason: 'resolver',
    message: /FORMERR/,
  },
  {
    what: 'the resolver knows no such questions',
    answer: () => ({ code: codes.notImp }),
    reason: 'resolver',
    message: /NOTIMP/,
  },
  {
    what: 'answers have a wrong id',
    answer: ({ query }) => ({ id: query.readUInt16BE(0) ^ 1 }),
    reason: 'resolver',
    message: /nobody answers/,
  },
  {
    what: 'a forged answer with a wrong id comes before the right one',
    answer: only('CNAME', ({ query }) => [
      writeReply(query, { id: query.readUInt16BE(0) ^ 1, answers: [{ type: 'CNAME', data: 'evil.test' }] }),
      writeReply(query, {}),
    ]),
  },
  {
    what: 'an answer to another question comes before the right one',
    answer: only('CNAME', ({ query }) => {
      const forged = writeReply(query, { answers: [{ type: 'CNAME', data: 'evil.test' }] })
      forged.write('x', 13, 'latin1')
      return [forged, writeReply(query, {})]
    }),
  },
  { what: 'answers are noise', answer: () => Buffer.from('not a message of the DNS at all'), reason: 'resolver' },
  { what: 'answers are empty', answer: () => Buffer.alloc(0), reason: 'resolver' },
  { what: 'answers are cut in their head', answer: () => ({ cut: 7 }), reason: 'resolver' },
  {
    what: 'answers are cut in a record',
    answer: only('NS', () => ({ answers: [{ type: 'NS', data: 'ns1.example.test' }], cut: 50 })),
    reason: 'resolver',
  },
  { what: 'answers are questions', answer: ({ query }) => query, reason: 'resolver' },
  {
    what: 'answers are cut, and TCP has the whole',
    answer: (question) => (question.transport === 'udp' ? { truncated: true } : right(question)),
  },
  {
    what: 'answers are cut, and TCP ends the connection',
    answer: ({ transport }) => (transport === 'udp' ? { truncated: true } : 'close'),
    reason: 'resolver',
  },
  {
    what: 'answers are cut, and TCP is silent',
    answer: ({ transport }) => (transport === 'udp' ? { truncated: true } : 'silent'),
    reason: 'resolver',
  },
  {
    what: 'no zone is there',
    answer: only('NS', () => ({ code: codes.nxDomain })),
    reason: 'resolver',
    message: /nobody knows a zone/,
  },
  {
    what: 'the servers of the zone have no addresses',
    answer: (question) => (question.type === 'A' || question.type === 'AAAA' ? { code: codes.nxDomain } : undefined),
    reason: 'resolver',
    message: /none of the name servers of example\.test has an address: ns1/,
  },
  { what: 'only one family of addresses is answered', answer: only('AAAA', () => 'silent') },
  {
    what: 'one server has no address',
    answer: (question) =>
      question.type === 'A' && question.name === 'ns2.example.test' ? { code: codes.servFail } : undefined,
  },
  {
    what: 'a zone has very many servers',
    answer: (question) => {
      if (question.type === 'NS' && question.name === 'example.test')
        return {
          answers: Array.from({ length: 2_000 }, (_, i): Answer => ({ type: 'NS', data: `ns${i}.example.test` })),
          truncated: question.transport === 'udp',
        }
      return question.type === 'A' ? { answers: [{ type: 'A', data: '127.0.0.1' }] } : undefined
    },
    check: ({ questions }) => questions.filter((one) => one.startsWith('A ')).length <= 40,
  },
  {
    what: 'a server has very many addresses',
    answer: only('A', ({ transport }) => ({
      answers: Array.from({ length: 3_000 }, (): Answer => ({ type: 'A', data: '127.0.0.1' })),
      truncated: transport === 'udp',
    })),
    check: ({ questions }) => questions.filter((one) => one.startsWith('TXT ')).length <= 100,
  },
  // Aliases.
  { what: 'an alias of itself', answer: aliases({ [at]: at }), reason: 'alias', message: /circle/ },
  {
    what: 'aliases in a circle',
    answer: aliases({ [at]: 'a.test', 'a.test': 'b.test', 'b.test': at }),
    reason: 'alias',
    message: /circle: .* -> a\.test -> b\.test -> /,
  },
  {
    what: 'aliases without end',
    answer: only('CNAME', ({ name }) => ({ answers: [{ type: 'CNAME', data: `x.${name}` }] })),
    reason: 'alias',
    message: /more than 8 aliases/,
  },
  {
    what: 'an alias with a space',
    answer: aliases({ [at]: 'two words.test' }),
    reason: 'alias',
    message: /cannot have a record/,
  },
  { what: 'an alias of a wildcard', answer: aliases({ [at]: '*.test' }), reason: 'alias' },
  { what: 'an alias of the root', answer: aliases({ [at]: '.' }), reason: 'alias' },
  {
    what: 'an alias in upper case',
    answer: (question, count) =>
      aliases({ [at]: 'X.EXAMPLE.TEST' })(question, count) ??
      (question.name === 'x.example.test' && question.type === 'TXT' ? texts(value) : undefined),
  },
  // Authoritative servers.
  {
    what: 'servers do not know the name',
    answer: only('TXT', () => ({ code: codes.nxDomain })),
    reason: 'propagation',
    message: /no TXT record/,
  },
  {
    what: 'servers have the name without texts',
    answer: only('TXT', () => ({})),
    reason: 'propagation',
    message: /no TXT record/,
  },
  {
    what: 'servers have other texts',
    answer: only('TXT', () => texts('other')),
    reason: 'propagation',
    message: /1 other TXT/,
  },
  {
    what: 'servers have it in another case',
    answer: only('TXT', () => texts(value.toLowerCase())),
    reason: 'propagation',
  },
  {
    what: 'servers have it with something behind it',
    answer: only('TXT', () => texts([value, ' '])),
    reason: 'propagation',
  },
  {
    what: 'servers fail',
    answer: only('TXT', () => ({ code: codes.servFail })),
    reason: 'propagation',
    message: /SERVFAIL/,
  },
  {
    what: 'servers refuse',
    answer: only('TXT', () => ({ code: codes.refused })),
    reason: 'propagation',
    message: /REFUSED/,
  },
  { what: 'servers are silent', answer: only('TXT', () => 'silent'), reason: 'propagation', message: /nobody answers/ },
  {
    what: 'servers answer with a wrong id',
    answer: only('TXT', ({ query }) => ({ id: query.readUInt16BE(0) ^ 1, answers: [{ type: 'TXT', data: value }] })),
    reason: 'propagation',
  },
  {
    what: 'answers end inside a text',
    answer: only('TXT', ({ query }) => spoiled(query, (message) => message.subarray(0, -5))),
    reason: 'propagation',
  },
  {
    what: 'a text is longer than its record',
    answer: only('TXT', ({ query }) =>
      spoiled(query, (message) => {
        message[message.length - value.length - 1] = 255
        return undefined
      }),
    ),
    reason: 'propagation',
  },
  {
    what: 'the name of a record leads in a circle',
    answer: only('TXT', ({ query }) =>
      spoiled(query, (message) => {
        const owner = message.length - value.length - 13
        message.writeUInt16BE(0xc000 | owner, owner)
        return undefined
      }),
    ),
    reason: 'propagation',
  },
  {
    what: 'the head promises more records than come',
    answer: only('TXT', ({ query }) =>
      spoiled(query, (message) => {
        message.writeUInt16BE(40_000, 6)
        return undefined
      }),
    ),
    reason: 'propagation',
  },
  { what: 'the value comes in pieces', answer: only('TXT', () => texts([value.slice(0, 10), '', value.slice(10)])) },
  {
    what: 'it comes only after a while',
    answer: only('TXT', (_, count) => (count < 6 ? { code: codes.nxDomain } : undefined)),
  },
  {
    what: 'it comes after failures',
    answer: only('TXT', (_, count) => (count < 6 ? { code: codes.servFail } : undefined)),
  },
  {
    what: 'it is among very many texts, too many for one datagram',
    answer: only('TXT', ({ transport }) => ({
      truncated: transport === 'udp',
      answers: transport === 'udp' ? [] : [...many(400), { type: 'TXT', data: value }],
    })),
  },
  {
    what: 'there are very many other texts',
    answer: only('TXT', ({ transport }) => ({
      truncated: transport === 'udp',
      answers: transport === 'udp' ? [] : many(450),
    })),
    reason: 'propagation',
    message: /450 other TXT/,
  },
  {
    what: 'a text is as large as texts get',
    answer: only('TXT', ({ transport }) =>
      transport === 'udp' ? { truncated: true } : texts(Array.from({ length: 250 }, () => 'x'.repeat(255))),
    ),
    reason: 'propagation',
  },
  {
    what: 'one server has it and one is silent',
    answer: only('TXT', ({ address }) => (address === '127.0.0.2' ? 'silent' : undefined)),
  },
  {
    what: 'one server has it and one refuses',
    answer: only('TXT', ({ address }) => (address === '127.0.0.2' ? { code: codes.refused } : undefined)),
  },
  {
    what: 'one server has it and one never gets it',
    answer: only('TXT', ({ address }) => (address === '127.0.0.2' ? {} : undefined)),
    reason: 'propagation',
    message: /: ns2\.example\.test \(127\.0\.0\.2\) has no TXT record there$/,
  },
  {
    what: 'a server has it at one address and is silent at the other',
    answer: (question) => {
      if (question.type === 'A')
        return {
          answers: [
            { type: 'A', data: '127.0.0.1' },
            { type: 'A', data: '127.0.0.3' },
          ],
        }
      return undefined
    },
  },
]

for (const { what, answer, reason, message, check } of rows) {
  t.test(`${what}: ${reason ?? 'goes well'}`, async (t) => {
    const counts = new Map<string, number>()
    const server = await startFaultyDns(
      t,
      (question) => {
        const key = `${question.type} ${question.name} ${question.transport}`
        const count = counts.get(key) ?? 0
        counts.set(key, count + 1)
        return answer(question, count) ?? right(question)
      },
      { addresses: ['127.0.0.1', '127.0.0.2'] },
    )
    const calls: string[] = []
    const provider: DnsProvider = {
      name: 'memory',
      async present({ name }) {
        calls.push(`present ${name}`)
      },
      async remove({ name }) {
        calls.push(`remove ${name}`)
      },
    }
    const solver = createDnsSolver({
      provider,
      environment: nodeEnvironment,
      resolvers: [server.server],
      port: server.port,
      bounds: reason === undefined ? patient : bounds,
    })
    if (reason === undefined) {
      await solver.present(challenge)
      t.equal(calls.length, 1)
      await solver.remove(challenge)
    } else {
      await t.rejects(solver.present(challenge), { code: 'ERR_DNS', details: { reason }, ...(message && { message }) })
    }
    t.equal(
      calls.filter((call) => call.startsWith('present')).length,
      calls.filter((call) => call.startsWith('remove')).length,
      'what was presented was taken away',
    )
    t.ok(server.questions.length < 600, `${server.questions.length} questions`)
    if (check) t.ok(check(server), 'questions are bounded')
  })
}
