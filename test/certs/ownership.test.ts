import { createSocket } from 'node:dgram'
import t, { type Test } from 'tap'
import {
  checkOwnership,
  type OwnershipRecord,
  openOwnershipSecret,
  ownershipRecord,
  systemResolver,
} from '../../certs/ownership.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'

const secret = Buffer.alloc(32, 7)
const claim = { store: 'aaaa', site: 'blog', domain: 'shop.example.org', salt: 'once' }
const record = ownershipRecord(secret, claim)
const { signal } = new AbortController()

t.test('the record depends on the secret and on all of the claim', async (t) => {
  t.equal(record.name, '_grove-challenge.shop.example.org')
  t.match(record.value, /^grove-site=[\w-]{43}$/)
  t.strictSame(ownershipRecord(secret, { ...claim }), record)
  const others = [
    ownershipRecord(Buffer.alloc(32, 8), claim),
    ownershipRecord(secret, { ...claim, store: 'aaab' }),
    ownershipRecord(secret, { ...claim, site: 'blog2' }),
    ownershipRecord(secret, { ...claim, domain: 'hop.example.org' }),
    ownershipRecord(secret, { ...claim, salt: 'twice' }),
  ]
  for (const other of others) t.not(other.value, record.value)
})

t.test('what nobody can prove has no record', async (t) => {
  for (const domain of [
    'localhost',
    'x.local',
    '127.0.0.1',
    '*.example.org',
    '',
    'a b.org',
    ['a', 'b', 'c', 'd', 'org'].map((label) => label.repeat(60)).join('.'),
  ])
    t.throws(() => ownershipRecord(secret, { ...claim, domain }), { code: 'ERR_CERT_NAME' }, domain)
})

function check(
  texts: () => string[][] | Promise<string[][]>,
  more: Partial<Parameters<typeof checkOwnership>[1]> = {},
) {
  return checkOwnership(record, { environment: nodeEnvironment, signal, resolveTxt: async () => texts(), ...more })
}

t.test('the record proves it, among others and in pieces', async (t) => {
  t.strictSame(await check(() => [[record.value]]), { isProven: true, found: [] })
  const [first, last] = [record.value.slice(0, 20), record.value.slice(20)]
  t.strictSame(await check(() => [['v=spf1 -all'], [first, last]]), { isProven: true, found: ['v=spf1 -all'] })
  t.match(await check(() => [[` ${record.value} `]]), { isProven: true }, 'blanks around it are no matter')
})

t.test('nothing else does', async (t) => {
  const wrong = [[], [['']], [[record.value.toUpperCase()]], [[`${record.value}x`]], [[record.value.slice(0, -1)]]]
  for (const texts of [...wrong, [['grove-site=']], [[record.value.replace('grove-site=', '')]]])
    t.match(await check(() => texts), { isProven: false }, JSON.stringify(texts))
})

t.test('answers without end are looked at as far as the bounds go', async (t) => {
  const many = Array.from({ length: limits.ownership.records }, () => ['x'])
  t.match(await check(() => [...many, [record.value]]), { isProven: false })
  const { found } = await check(() => [['y'.repeat(100_000)]])
  t.ok((found[0]?.length ?? 0) <= 80)
})

t.test('a DNS that does not answer proves nothing, and says so', async (t) => {
  for (const code of ['ESERVFAIL', 'ETIMEOUT', 'EREFUSED', 'EBADRESP'])
    await t.rejects(
      check(() => {
        throw Object.assign(new Error('dns'), { code })
      }),
      { code: 'ERR_DNS', message: new RegExp(code) },
    )
  for (const code of ['ENOTFOUND', 'ENODATA'])
    t.strictSame(
      await check(() => {
        throw Object.assign(new Error('dns'), { code })
      }),
      { isProven: false, found: [] },
    )
})

t.test('a question is given up after a time, and when it is not wanted any more', async (t) => {
  const never = () => new Promise<string[][]>(() => {})
  const environment = { sleep: async () => {} }
  await t.rejects(check(never, { environment }), { code: 'ERR_DNS' })
  const ended = new AbortController()
  const asked = check(never, { signal: ended.signal })
  ended.abort(new Error('enough'))
  await t.rejects(asked, { message: 'enough' })
})

/** A DNS server that answers TXT questions, or with a response code. Answers its address. */
async function serve(t: Test, answer: (name: string) => readonly string[] | number | undefined): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (question, { port, address }) => {
    const labels: string[] = []
    let at = 12
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const asked = question.subarray(12, at + 5)
    const said = answer(labels.join('.'))
    if (said === undefined) return
    const texts = typeof said === 'number' ? [] : said
    const code = typeof said === 'number' ? said : 0
    const records = texts.map((text) => {
      const parts = (text.match(/.{1,200}/g) ?? ['']).map((part) =>
        Buffer.concat([Buffer.from([part.length]), Buffer.from(part)]),
      )
      const data = Buffer.concat(parts)
      const head = Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 255])
      return Buffer.concat([head, data])
    })
    const head = Buffer.from([0, 0, 0x81, 0x80 | code, 0, 1, 0, records.length, 0, 0, 0, 0])
    question.copy(head, 0, 0, 2)
    socket.send(Buffer.concat([head, asked, ...records]), port, address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

t.test('the DNS is asked for the record', async (t) => {
  const zone = new Map<string, readonly string[] | number>([
    [record.name, ['something else', record.value]],
    ['_grove-challenge.none.example.org', []],
    ['_grove-challenge.broken.example.org', 2],
  ])
  const resolveTxt = systemResolver([await serve(t, (name) => zone.get(name.toLowerCase()) ?? 3)])
  const ask = ({ name }: Pick<OwnershipRecord, 'name'>) =>
    checkOwnership({ ...record, name }, { environment: nodeEnvironment, signal, resolveTxt })
  t.strictSame(await ask(record), { isProven: true, found: ['something else'] })
  t.strictSame(await ask({ name: '_grove-challenge.none.example.org' }), { isProven: false, found: [] })
  t.strictSame(await ask({ name: '_grove-challenge.unknown.example.org' }), { isProven: false, found: [] })
  await t.rejects(ask({ name: '_grove-challenge.broken.example.org' }), { code: 'ERR_DNS' })
})

t.test('a question to a server that is silent ends with its signal', async (t) => {
  const asked = Promise.withResolvers<void>()
  const server = await serve(t, () => {
    asked.resolve()
    return undefined
  })
  const ended = new AbortController()
  const checked = checkOwnership(record, {
    environment: nodeEnvironment,
    signal: ended.signal,
    resolveTxt: systemResolver([server]),
  })
  await asked.promise
  ended.abort(new Error('enough'))
  await t.rejects(checked, { message: 'enough' })
})

t.test('the secret is made once, by whoever comes first', async (t) => {
  const kept: string[] = []
  const read = async () => (kept[0] === undefined ? undefined : { text: kept[0], number: 1 })
  const vault = {
    read,
    async write(_key: string, text: string, expect: number) {
      if (expect !== 0 || kept.length > 0) throw new GroveError('ERR_CERT_RACED', 'somebody else wrote')
      kept.push(text)
      return 1
    },
  }
  const [first, second] = await Promise.all([openOwnershipSecret(vault), openOwnershipSecret(vault)])
  t.equal(first.length, 32)
  t.strictSame(Buffer.from(second), Buffer.from(first), 'who comes second takes what is there')
  t.strictSame(Buffer.from(await openOwnershipSecret(vault)), Buffer.from(first))
  const broken = (code: 'ERR_CERT_RACED' | 'ERR_DATA_IO') => ({
    read: async () => undefined,
    write: async () => {
      throw new GroveError(code, 'not written')
    },
  })
  for (const code of ['ERR_CERT_RACED', 'ERR_DATA_IO'] as const)
    await t.rejects(openOwnershipSecret(broken(code)), { code })
})
