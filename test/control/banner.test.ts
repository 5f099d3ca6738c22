import t from 'tap'
import { bannerLines } from '../../control/banner.ts'
import { limits } from '../../core/limits.ts'

const ca = { rootFile: '/data/certs/root.pem', fingerprint: 'abc', notices: [] }
const sites = (...names: string[]) => ({
  count: names.length,
  firstUrls: (most: number) => names.slice(0, most).map((name) => `https://${name}/`),
})

t.test('it names each site and the root certificate', (t) => {
  t.same(bannerLines(sites('a', 'b'), ca), [
    'https://a/',
    'https://b/',
    'root certificate: /data/certs/root.pem (SHA-256 abc)',
  ])
  t.match(bannerLines(sites(), ca)[0], 'grove publish')
  t.equal(bannerLines(sites('a'), { ...ca, notices: ['The root ends soon.'] }).at(-1), 'The root ends soon.')
  t.equal(bannerLines(sites('a'), ca, ['ACME server']).at(-1), 'ACME server')
  t.end()
})

t.test('many sites are counted, not listed', (t) => {
  const lines = bannerLines(
    sites(...Array.from({ length: limits.control.bannerUrls + 3 }, (_, index) => `s${index}`)),
    ca,
  )
  t.equal(lines.length, limits.control.bannerUrls + 2)
  t.match(lines[limits.control.bannerUrls], 'and 3 more')
  t.end()
})
