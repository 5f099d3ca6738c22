import { join } from 'node:path'
import t from 'tap'
import type { FrontSettings } from '../../core/messages.ts'
import { toSettings } from '../../proxy/settings.ts'

const raw: FrontSettings = {
  generation: 1,
  domain: 'localhost',
  httpsPort: 8443,
  trustedProxies: ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '::1'],
  logLevel: 'info',
  accessLog: true,
  routed: ['login'],
  metered: false,
}

t.test('addresses and networks are matched in both families', async (t) => {
  const { trustedProxies, routed, middleware } = await toSettings(raw)
  t.ok(trustedProxies.check('10.1.2.3'))
  t.ok(trustedProxies.check('192.0.2.1'))
  t.notOk(trustedProxies.check('192.0.2.2'))
  t.ok(trustedProxies.check('2001:db8::5', 'ipv6'))
  t.ok(trustedProxies.check('::1', 'ipv6'))
  t.ok(routed.has('login'))
  t.equal(middleware, undefined)
})

t.test('what is no address is refused', async (t) => {
  await t.rejects(toSettings({ ...raw, trustedProxies: ['x/8'] }), { code: 'ERR_CONFIG_INVALID', message: /x\/8/ })
})

t.test('middleware comes from the config file', async (t) => {
  const folder = t.testdir({
    'grove.config.ts': "export default { plugins: [{ name: 'a', request: (request, next) => next(request) }] }",
    'none.config.ts': "export default { plugins: [{ name: 'a' }] }",
  })
  t.ok((await toSettings({ ...raw, middlewareFrom: join(folder, 'grove.config.ts') })).middleware)
  t.equal((await toSettings({ ...raw, middlewareFrom: join(folder, 'none.config.ts') })).middleware, undefined)
  await t.rejects(toSettings({ ...raw, middlewareFrom: join(folder, 'gone.ts') }), { code: 'ERR_CONFIG_LOAD' })
})
