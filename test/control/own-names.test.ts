import t from 'tap'
import { toConstraints } from '../../certs/name-constraints.ts'
import { ownNames } from '../../control/own-names.ts'
import { parseConfig } from '../../core/config.ts'

t.test('the own CA is for the domain, authorities of sites, and domains that were given', async (t) => {
  const input = {
    domain: 'example.com',
    sites: {
      blog: { authorities: ['blog.example.org'] },
      shop: { authorities: ['shop.example.org', 'shop.internal'] },
    },
  }
  const own = { domains: ['lan.example.net'] }
  const alone = parseConfig({ ...input, certs: { acme: false, own } }, 'test')
  const all = ['example.com', 'blog.example.org', 'shop.example.org', 'shop.internal', 'lan.example.net']
  t.strictSame(ownNames(alone), all)
  const besideCas = parseConfig({ ...input, certs: { own } }, 'test')
  t.strictSame(ownNames(besideCas), ['shop.internal', 'lan.example.net'], 'what a public CA signs is not for it')
  t.strictSame(ownNames(parseConfig({}, 'test')), ['localhost'])
})

t.test('names that public CAs sign never keep a host from starting, however many there are', async (t) => {
  const authorities = (site: number) => Array.from({ length: 100 }, (_, index) => `n${index}.s${site}.example.net`)
  const sites = Object.fromEntries(
    Array.from({ length: 15 }, (_, site) => [`s${site}`, { authorities: authorities(site) }]),
  )
  const config = parseConfig({ domain: 'example.com', sites }, 'test')
  t.strictSame(ownNames(config), [])
  t.ok(toConstraints(ownNames(config)))
  const alone = parseConfig({ sites, certs: { acme: false } }, 'test')
  t.throws(() => ownNames(alone), { code: 'ERR_CERT', hint: /certs\.own\.domains/ })
})

t.test('of domains that authors have proven there are as many as fit beside the operator’s', async (t) => {
  const config = parseConfig({ domain: 'example.com', certs: { acme: false } }, 'test')
  const proven = Array.from({ length: 1_000 }, (_, index) => `n${index}.example.net`)
  const names = ownNames(config, proven)
  t.ok(names.length > 300 && names.length < 1_000, `${names.length} names`)
  t.strictSame(names, ['example.com', ...proven.slice(0, names.length - 1)])
  t.ok(toConstraints(names), 'which is never too much')
})
