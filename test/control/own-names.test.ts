import t from 'tap'
import { ownNames } from '../../control/own-names.ts'
import { parseConfig } from '../../core/config.ts'

t.test('the own CA is for the domain, authorities of sites, and domains that were given', async (t) => {
  const config = parseConfig(
    {
      domain: 'example.com',
      sites: { blog: { authorities: ['blog.example.org'] }, shop: { authorities: ['shop.example.org'] } },
      certs: { own: { domains: ['lan.example.net'] } },
    },
    'test',
  )
  t.strictSame(ownNames(config), ['example.com', 'blog.example.org', 'shop.example.org', 'lan.example.net'])
  t.strictSame(ownNames(parseConfig({}, 'test')), ['localhost'])
})
