import { pino } from 'pino'
import t from 'tap'
import { GroveError } from '../../core/errors.ts'
import type { Exchange } from '../../core/exchange.ts'
import type { SiteRuntime } from '../../proxy/site-runtime.ts'
import { whenLoaded } from '../../proxy/when-loaded.ts'
import { record } from './recorded-exchange.ts'

const log = pino({ level: 'silent' })
const site = { state: { name: 'blog' }, table: { version: 7 } } as SiteRuntime

t.test('a site that cannot be had in time is a 503, one of nobody a 421', async (t) => {
  const known = {
    nameAt: () => 'blog' as string | undefined,
    load: async () => {},
    at: () => site as SiteRuntime | undefined,
  }
  const fails = (code: 'ERR_TIMEOUT' | 'ERR_SITE_UNKNOWN') => () => Promise.reject(new GroveError(code, 'no'))
  let looks = 0
  const rows: [name: string, sites: typeof known, status: number][] = [
    ['an authority of nobody', { ...known, nameAt: () => undefined }, 421],
    ['a control that does not answer', { ...known, load: fails('ERR_TIMEOUT'), at: () => undefined }, 503],
    [
      'one that went while its visitor waited',
      {
        ...known,
        nameAt: () => (looks++ === 0 ? 'blog' : undefined),
        load: fails('ERR_SITE_UNKNOWN'),
        at: () => undefined,
      },
      421,
    ],
    ['one that was let go of at once', { ...known, at: () => undefined }, 503],
    ['one that came in spite of it', { ...known, load: fails('ERR_TIMEOUT') }, 200],
  ]
  for (const [name, sites, status] of rows) {
    const answer = await record(
      {},
      (exchange) => void whenLoaded(exchange, sites, () => exchange.respond(200, []), log),
    )
    t.equal(answer.status, status, name)
    t.equal(answer.get('retry-after'), status === 503 ? '2' : undefined)
  }
  const answer = await record({}, (exchange) => {
    void whenLoaded(exchange, known, (loaded) => exchange.respond(200, ['x-version', `${loaded.table?.version}`]), log)
  })
  t.equal(answer.get('x-version'), '7')
})

t.test('what goes wrong with a site that was loaded is answered', async (t) => {
  const sites = { nameAt: () => 'blog', load: async () => {}, at: () => site }
  const answer = await record({}, (exchange) => {
    const serve = () => {
      throw new Error('broken')
    }
    void whenLoaded(exchange, sites, serve, log)
  })
  t.equal(answer.status, 500)
  t.notMatch(answer.body.toString(), 'broken')
})

t.test('a visitor who has left meanwhile is served nothing', async (t) => {
  const gone = new AbortController()
  const sites = { nameAt: () => 'blog', load: async () => gone.abort(), at: () => site }
  const exchange = { authority: 'blog.localhost', signal: gone.signal } as Exchange
  await whenLoaded(exchange, sites, () => t.fail('it would never end'), log)
})
