import t from 'tap'
import { readCodeAnswer } from '../../proxy/code-answer.ts'

const read = (head: unknown) => readCodeAnswer(Buffer.from(JSON.stringify(head)), 'blog.example.com')

t.test('a head that can be passed on', async (t) => {
  const headers = ['content-type', 'text/plain', 'set-cookie', 'a=1', 'connection', 'x-gone', 'x-gone', '1']
  t.same(read({ status: 201, headers, hasBody: true }), {
    status: 201,
    headers: ['content-type', 'text/plain', 'set-cookie', 'a=1'],
    hasBody: true,
  })
})

t.test('what cannot be sent is no answer', async (t) => {
  const ok = { status: 200, headers: [], hasBody: false }
  const rows: [unknown, RegExp][] = [
    [null, /no object/],
    [1, /no object/],
    [{ ...ok, status: 0 }, /status/],
    [{ ...ok, status: 99 }, /status/],
    [{ ...ok, status: 100 }, /status/],
    [{ ...ok, status: 103 }, /status/],
    [{ ...ok, status: 600 }, /status/],
    [{ ...ok, status: 200.5 }, /status/],
    [{ ...ok, status: '200' }, /status/],
    [{ ...ok, hasBody: 'no' }, /not whole/],
    [{ ...ok, headers: {} }, /not whole/],
    [{ ...ok, headers: ['a'] }, /pairs/],
    [{ ...ok, headers: ['a', 1] }, /no text/],
    [{ ...ok, headers: ['A', 'b'] }, /not allowed/],
    [{ ...ok, headers: ['a b', 'b'] }, /not allowed/],
    [{ ...ok, headers: ['', 'b'] }, /not allowed/],
    [{ ...ok, headers: ['a', 'b\r\nset-cookie: x=1'] }, /not allowed/],
    [{ ...ok, headers: ['a', 'b\0'] }, /not allowed/],
    [{ ...ok, headers: ['a', 'x'.repeat(131_073)] }, /too large/],
    [{ ...ok, headers: Array.from({ length: 1_026 }, () => 'a') }, /pairs/],
  ]
  for (const [head, fault] of rows) t.match(read(head), fault, JSON.stringify(head).slice(0, 60))
  t.match(readCodeAnswer(Buffer.from('{"status":'), 'a'), /no JSON/)
  t.match(readCodeAnswer(Buffer.alloc(300_000, 0x20), 'a'), /too large/)
})

t.test('code sets cookies for its own authority, and for nobody else', async (t) => {
  const rows: [string, boolean][] = [
    ['a=1', true],
    ['a=1; Path=/; Secure', true],
    ['a=1; Domain=blog.example.com', true],
    ['a=1; domain=.BLOG.example.com', true],
    ['a=1; Domain=', true],
    ['a=1; Domain=example.com', false],
    ['a=1; Domain=.example.com', false],
    ['a=1; Domain=shop.example.com', false],
    ['a=1; Domain=blog.example.com; Domain=example.com', false],
    ['a=1; Domain = example.com', false],
    ['a=Domain=example.com', true],
  ]
  for (const [cookie, isSent] of rows) {
    const head = read({ status: 200, headers: ['x', 'y', 'set-cookie', cookie], hasBody: false })
    t.same(
      typeof head === 'string' ? head : head.headers,
      isSent ? ['x', 'y', 'set-cookie', cookie] : ['x', 'y'],
      cookie,
    )
  }
})
