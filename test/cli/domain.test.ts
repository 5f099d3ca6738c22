import t from 'tap'
import type { SiteDomain } from '../../core/domain-api.ts'
import { GroveError } from '../../core/errors.ts'
import { shortFolder, startAdmin } from './admin-fixture.ts'
import { grove } from './command-line.ts'

const pending: SiteDomain = {
  domain: 'www.author.example',
  state: 'pending',
  record: { name: '_grove-challenge.www.author.example', value: 'grove-site=abc' },
  addedAtMs: 1,
  isElsewhere: false,
}
const proven: SiteDomain = { ...pending, state: 'proven', provenAtMs: 2 }
const failed = { state: 'failed', lastError: 'the CA says no' }

const cwd = shortFolder(t)
const state = { looks: 0, provenAfter: 1, isTaken: false }
const look = ({ body }: { body: Buffer }) => {
  state.looks += 1
  if (state.isTaken && !body.includes('true'))
    throw new GroveError('ERR_CONFLICT', 'another site has it', { details: { reason: 'taken' } })
  return state.looks >= state.provenAfter ? proven : { ...pending, found: ['other'], isElsewhere: true }
}
const verify = 'POST /sites/blog/domains/www.author.example/verify'
const admin = await startAdmin(t, cwd, {
  'POST /sites/blog/domains': ({ body }) => (body.includes('broken') ? { ...pending, problem: 'no DNS' } : pending),
  [verify]: look,
  'GET /sites/blog/domains': () => ({
    domains: [pending, { ...proven, domain: 'b.example', certificate: failed }, { ...proven, state: 'overruled' }],
  }),
  'GET /sites/empty/domains': () => ({ domains: [] }),
  'DELETE /sites/blog/domains/www.author.example': () => ({}),
  'POST /sites/over/domains': () => ({ ...proven, state: 'overruled' }),
  'POST /sites/gone/domains': () => ({ ...proven, problem: 'its record is gone; the domain stays' }),
})
const run = (args: readonly string[], keys?: readonly string[]) =>
  grove(['site', 'domain', ...args, '--data', cwd], { cwd, ...(keys && { keys }) })
const begin = (more: Partial<typeof state> = {}) =>
  Object.assign(state, { looks: 0, provenAfter: 1, isTaken: false }, more)

t.test('what is to be done is shown', async (t) => {
  const { exitCode, out } = await run(['add', 'blog', 'www.author.example'])
  t.equal(exitCode, 0)
  t.match(out, /_grove-challenge\.www\.author\.example\. {2}TXT {2}"grove-site=abc"/)
  t.match(out, /Then: grove site domain verify blog www\.author\.example/)
  t.match((await run(['add', 'blog', 'broken.example'])).out, /no DNS/)
  t.match((await run(['add', 'over', 'x.example'])).out, /config leads it elsewhere/)
  t.match((await run(['add', 'gone', 'x.example'])).out, /note: its record is gone/)
  t.same(JSON.parse((await run(['add', 'blog', 'www.author.example', '--json'])).out), pending)
})

t.test('it is looked for once, or until it is there', async (t) => {
  begin({ provenAfter: 9 })
  const once = await run(['verify', 'blog', 'www.author.example'])
  t.equal(once.exitCode, 1)
  t.match(once.out, /found there instead: "other"/)
  t.match(once.out, /--take-over moves it/)
  begin({ provenAfter: 2 })
  const waited = await run(['verify', 'blog', 'www.author.example', '--wait'])
  t.match(waited, { exitCode: 0, out: /blog has www\.author\.example: https:/, err: /waiting for the record/ })
  begin()
  t.match(await run(['add', 'blog', 'www.author.example', '--wait', '1m']), { exitCode: 0, out: /blog has/ })
  begin({ provenAfter: 9 })
  t.match(await run(['verify', 'blog', 'www.author.example', '--wait', '0s']), { exitCode: 1, err: /not there yet/ })
  t.equal((await run(['verify', 'blog', 'www.author.example', '--wait', 'soon'])).exitCode, 2)
})

t.test('a domain of another site moves when somebody said so', async (t) => {
  begin({ isTaken: true })
  t.match(await run(['verify', 'blog', 'www.author.example']), { exitCode: 1, err: /another site has it/ })
  t.match(await run(['verify', 'blog', 'www.author.example', '--take-over']), { exitCode: 0 })
  t.match(await run(['verify', 'blog', 'www.author.example'], ['y\n']), { exitCode: 0, out: /blog has/ })
  const kept = await run(['verify', 'blog', 'www.author.example'], ['n\n'])
  t.match(kept, { exitCode: 1, err: /Another site has this domain/ })
})

t.test('domains are listed and taken away', async (t) => {
  const { out } = await run(['list', 'blog'])
  t.match(out, /DOMAIN +STATE +SINCE +CERTIFICATE +UNTIL/)
  t.match(out, /b\.example +proven .* failed/)
  t.match(out, /b\.example: the CA says no/)
  t.match((await run(['list', 'empty'])).out, /no domains of its own/)
  t.match(await run(['remove', 'blog', 'www.author.example']), { exitCode: 0, out: /took www\.author\.example away/ })
  t.equal(admin.asked.at(-1)?.method, 'DELETE')
})
