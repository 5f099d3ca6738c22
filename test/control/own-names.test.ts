import t from 'tap'
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
