import t from 'tap'
import { bannerLines } from '../../control/banner.ts'
import { limits } from '../../core/limits.ts'

const ca = { rootFile: '/data/certs/root.pem', fingerprint: 'abc' }
const site = (name: string) => ({
  name,
  urls: [`https://${name}/`],
  versions: 1,
  upstreams: [],
  from: 'config' as const,
})

t.test('it names each site and the root certificate', (t) => {
  t.same(bannerLines([site('a'), site('b')], ca), [
    'https://a/',
    'https://b/',
    'root certificate: /data/certs/root.pem (SHA-256 abc)',
  ])
  t.match(bannerLines([], ca)[0], 'grove publish')
  t.end()
})

t.test('many sites are counted, not listed', (t) => {
  const lines = bannerLines(
    Array.from({ length: limits.control.bannerUrls + 3 }, (_, index) => site(`s${index}`)),
    ca,
  )
  t.equal(lines.length, limits.control.bannerUrls + 2)
  t.match(lines[limits.control.bannerUrls], 'and 3 more')
  t.end()
})
