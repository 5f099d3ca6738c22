import t from 'tap'
import { publicCaNotices } from '../../control/public-ca-notices.ts'
import { type ConfigInput, parseConfig } from '../../core/config.ts'

const notices = (input: ConfigInput) => publicCaNotices(parseConfig(input, 'the test'))

t.test('a host with public names says that it uses Let’s Encrypt, and what that means', async (t) => {
  const domain = 'example.com'
  t.match(notices({ domain }), [/Let's Encrypt.*terms of service.*https:\/\/letsencrypt\.org\/repository/])
  t.match(notices({ sites: { blog: { authorities: ['blog.example.org'] } } }), [/Let's Encrypt/])
  t.strictSame(notices({}), [], 'localhost gets nothing there')
  t.strictSame(notices({ domain, certs: { acme: false } }), [])
  t.strictSame(notices({ domain, certs: { acme: [{ directory: 'https://127.0.0.1:14000/dir' }] } }), [])
})
