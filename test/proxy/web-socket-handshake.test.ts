import t from 'tap'
import { handshakeFault } from '../../proxy/web-socket-handshake.ts'

const good = [
  'host',
  'blog.localhost',
  'upgrade',
  'websocket',
  'connection',
  'Upgrade',
  'sec-websocket-key',
  'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version',
  '13',
]
const replaced = (name: string, value: string | undefined) => {
  const list: string[] = []
  for (let i = 0; i < good.length; i += 2) if (good[i] !== name) list.push(good[i] as string, good[i + 1] as string)
  return value === undefined ? list : [...list, name, value]
}

t.test('a right handshake passes', (t) => {
  t.equal(handshakeFault({ method: 'GET', headers: good }), undefined)
  t.equal(handshakeFault({ method: 'GET', headers: replaced('upgrade', 'WebSocket') }), undefined)
  t.equal(handshakeFault({ method: 'GET', headers: [...good, 'content-length', '0'] }), undefined)
  t.end()
})

t.test('what is not right is refused before anybody is connected to', (t) => {
  const rows: [string, string, readonly string[], number][] = [
    ['a POST', 'POST', good, 405],
    ['another protocol', 'GET', replaced('upgrade', 'h2c'), 501],
    ['two protocols', 'GET', replaced('upgrade', 'websocket, h2c'), 501],
    ['no protocol', 'GET', replaced('upgrade', undefined), 501],
    ['a body', 'GET', [...good, 'content-length', '5'], 400],
    ['a chunked body', 'GET', [...good, 'transfer-encoding', 'chunked'], 400],
    ['an old version', 'GET', replaced('sec-websocket-version', '8'), 426],
    ['no version', 'GET', replaced('sec-websocket-version', undefined), 426],
    ['two versions', 'GET', [...good, 'sec-websocket-version', '13'], 426],
    ['no key', 'GET', replaced('sec-websocket-key', undefined), 400],
    ['a short key', 'GET', replaced('sec-websocket-key', 'YWJj'), 400],
    ['two keys', 'GET', [...good, 'sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='], 400],
  ]
  for (const [title, method, headers, status] of rows)
    t.equal(handshakeFault({ method, headers })?.status, status, title)
  t.same(handshakeFault({ method: 'GET', headers: replaced('sec-websocket-version', '8') })?.headers, [
    'sec-websocket-version',
    '13',
  ])
  t.end()
})
