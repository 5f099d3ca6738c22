import t from 'tap'
import { isSameOrigin } from '../../control/same-origin.ts'

const own = 'https://blog.localhost:8443'
const cases: { name: string; headers: Record<string, string>; expected: boolean }[] = [
  {
    name: 'a browser that says same-origin',
    headers: { 'sec-fetch-site': 'same-origin', origin: own },
    expected: true,
  },
  {
    name: 'the same under a policy that hides the origin',
    headers: { 'sec-fetch-site': 'same-origin', origin: 'null' },
    expected: true,
  },
  { name: 'an older browser with the own origin', headers: { origin: own }, expected: true },
  { name: 'the own origin at the default port', headers: { origin: 'https://blog.localhost' }, expected: true },
  {
    name: 'a sibling site',
    headers: { 'sec-fetch-site': 'same-site', origin: 'https://evil.localhost:8443' },
    expected: false,
  },
  {
    name: 'the own name at another port, in a browser that tells',
    headers: { 'sec-fetch-site': 'same-site', origin: 'https://blog.localhost:9' },
    expected: false,
  },
  {
    name: 'another site',
    headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    expected: false,
  },
  { name: 'an address typed in', headers: { 'sec-fetch-site': 'none' }, expected: false },
  { name: 'an unknown word', headers: { 'sec-fetch-site': 'Same-Origin', origin: own }, expected: false },
  { name: 'an empty word', headers: { 'sec-fetch-site': '', origin: own }, expected: false },
  { name: 'neither header', headers: {}, expected: false },
  { name: 'a sibling in an older browser', headers: { origin: 'https://evil.localhost:8443' }, expected: false },
  { name: 'the parent domain', headers: { origin: 'https://localhost:8443' }, expected: false },
  { name: 'a name that ends like ours', headers: { origin: 'https://evil-blog.localhost' }, expected: false },
  { name: 'a name that begins like ours', headers: { origin: 'https://blog.localhost.evil.example' }, expected: false },
  { name: 'our name as a user name', headers: { origin: 'https://blog.localhost@evil.example' }, expected: false },
  { name: 'plain http', headers: { origin: 'http://blog.localhost:8080' }, expected: false },
  { name: 'an opaque origin', headers: { origin: 'null' }, expected: false },
  { name: 'no URL', headers: { origin: 'blog.localhost' }, expected: false },
  { name: 'an empty origin', headers: { origin: '' }, expected: false },
]
for (const { name, headers, expected } of cases)
  t.test(`${expected ? 'believes' : 'refuses'} ${name}`, async (t) =>
    t.equal(isSameOrigin(headers, 'blog.localhost'), expected),
  )
