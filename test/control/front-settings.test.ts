import t from 'tap'
import { frontSettings, listenSpecs } from '../../control/front-settings.ts'
import { parseConfig } from '../../core/config.ts'

const config = (input: unknown) => parseConfig(input, 'the test')

t.test('localhost is served on loopback, anything else everywhere, and plain HTTP on loopback always', (t) => {
  t.same(listenSpecs(config({})), [
    { name: 'https', port: 8443, addresses: ['127.0.0.1', '::1'] },
    { name: 'http', port: 8080, addresses: ['127.0.0.1', '::1'] },
  ])
  t.same(listenSpecs(config({ domain: 'example.com', listen: { https: 443, http: false, plain: 81 } })), [
    { name: 'https', port: 443, addresses: ['0.0.0.0', '::'] },
    { name: 'plain', port: 81, addresses: ['127.0.0.1', '::1'] },
  ])
  t.same(listenSpecs(config({ listen: { addresses: ['192.0.2.1'], http: false } })), [
    { name: 'https', port: 8443, addresses: ['192.0.2.1'] },
  ])
  t.end()
})

t.test('fronts are told real ports, and to load the config only where there is middleware', (t) => {
  const routes = { 'GET /x': () => new Response() }
  const plugins = [{ name: 'with', routes }, { name: 'empty', routes: {} }, { name: 'without' }]
  const loaded = {
    config: config({ plugins, listen: { https: 0 }, log: { level: 'warn', access: false } }),
    file: '/c.ts',
  }
  t.same(frontSettings(loaded, 3, { https: 12_345 }), {
    generation: 3,
    domain: 'localhost',
    httpsPort: 12_345,
    trustedProxies: [],
    logLevel: 'warn',
    accessLog: false,
    routed: ['with'],
    metered: false,
  })
  const meter = { config: config({ plugins: [{ name: 'm', metered: async () => {} }] }), file: '/c.ts' }
  t.equal(frontSettings(meter, 1, {}).metered, true)
  const middleware = { config: config({ plugins: [{ name: 'm', request: () => new Response() }] }), file: '/c.ts' }
  t.equal(frontSettings(middleware, 1, {}).middlewareFrom, '/c.ts')
  t.equal(frontSettings(middleware, 1, {}).httpsPort, 8443)
  t.equal(frontSettings({ ...middleware, file: undefined }, 1, {}).middlewareFrom, undefined)
  t.end()
})
