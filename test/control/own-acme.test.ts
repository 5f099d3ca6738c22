import { networkInterfaces } from 'node:os'
import t from 'tap'
import { isServedHere } from '../../control/own-acme.ts'

const own = {
  domain: 'grove.home.arpa',
  registry: {
    siteAt: (name: string) => (name === 'blog.grove.home.arpa' || name === 'shop.internal' ? 'x' : undefined),
  },
  names: () => ['blog.grove.home.arpa', 'shop.internal', 'www.a.internal'],
}

t.test('no other program gets a certificate for what is this Grove’s own', async (t) => {
  const here = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.filter(({ family }) => family === 'IPv4').map(({ address }) => address),
  )
  const names = ['blog.grove.home.arpa', 'shop.internal', 'grove.home.arpa', '*.grove.home.arpa', '*.a.internal']
  const loopback = ['localhost', 'app.localhost', '*.app.localhost', '127.0.0.1', '127.9.9.9', '::1']
  for (const name of [...names, '*.home.arpa', ...loopback, ...here]) t.equal(isServedHere(name, own), true, name)
  const free = ['nas.home.arpa', 'new.grove.home.arpa', '*.nas.home.arpa', '*.b.internal', '10.255.255.254', 'fd12::9']
  for (const name of free) t.equal(isServedHere(name, own), false, name)
})
