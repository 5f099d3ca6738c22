import t from 'tap'
import { connectRaw, openClient, startTransport } from './transport-harness.ts'

const hsts = 'max-age=31536000; includeSubDomains'
const name = 'strict-transport-security'

t.test('every answer over https says it, in place of what a site says', async (t) => {
  const harness = await startTransport(t, {
    hsts,
    handle: (exchange) =>
      exchange.respond(
        exchange.path === '/gone' ? 404 : 200,
        [name, 'max-age=0', 'x-a', 'b', name, 'x'],
        Buffer.from('1'),
      ),
  })
  for (const version of ['1.1', '2.0'] as const) {
    const client = openClient(version, harness)
    for (const path of ['/', '/gone']) {
      const { headers } = await client.send({ path })
      t.equal(headers[name], hsts)
      t.equal(headers['x-a'], 'b')
    }
    t.equal((await client.send({ method: 'HEAD' })).headers[name], hsts)
    client.close()
  }
})

t.test('nothing is said over plain HTTP, but where a trusted proxy speaks https', async (t) => {
  const harness = await startTransport(t, { hsts, trusted: ['127.0.0.1'] })
  const ask = async (port: number, headers = '') => {
    const connection = await connectRaw(port)
    connection.send(`GET / HTTP/1.1\r\nHost: blog.localhost\r\nConnection: close\r\n${headers}\r\n`)
    return connection.whole()
  }
  t.notMatch(await ask(harness.ports.http), name)
  t.notMatch(await ask(harness.ports.plain), name)
  t.match(await ask(harness.ports.plain, 'X-Forwarded-Proto: https\r\n'), `${name}: ${hsts}\r\n`)
})

t.test('by default it is left to the sites', async (t) => {
  const harness = await startTransport(t, { handle: (exchange) => exchange.respond(200, [name, 'max-age=5']) })
  const client = openClient('2.0', harness)
  t.equal((await client.send({})).headers[name], 'max-age=5')
  client.close()
})
