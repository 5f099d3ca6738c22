/** Nobody who publishes a page can have certificates for its name: where CAs look for proofs, sites do not answer. */

import { get } from 'node:http'
import t from 'tap'
import { folderOf } from './bucket.ts'
import { startGrove } from './harness.ts'

const files = {
  'index.html': 'here',
  '.well-known/acme-challenge/tok-en': 'tok-en.thumb',
  '.well-known/pki-validation/file.txt': 'proof',
  '.well-known/security.txt': 'Contact: mailto:a@b.example',
}
const proofs = [
  '/.well-known/acme-challenge/tok-en',
  '/.well-known/acme%2Dchallenge/tok-en',
  '/.well-known/pki-validation/file.txt',
]

t.test('files where CAs look are served only on sites of which the operator says so', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1, sites: { own: { provesNames: true } } } })
  for (const site of ['blog', 'own']) await grove.publish(site, folderOf(grove, site, files))
  for (const ask of ['http1', 'http2'] as const) {
    for (const path of proofs) {
      t.equal((await grove.visitor[ask](grove.url('blog', path))).status, 404, `blog ${path}`)
      t.equal((await grove.visitor[ask](grove.url('own', path))).status, 200, `own ${path}`)
    }
    t.equal((await grove.visitor[ask](grove.url('blog', '/.well-known/security.txt'))).status, 200)
  }
  const plain = await new Promise<[status: number | undefined, location: string | undefined]>((resolve, reject) => {
    const headers = { host: 'blog.localhost' }
    get({ host: '127.0.0.1', port: grove.httpPort, path: proofs[0] ?? '', headers }, (response) => {
      response.resume()
      resolve([response.statusCode, response.headers.location])
    }).on('error', reject)
  })
  t.strictSame(plain, [308, grove.url('blog', proofs[0])], 'which is nowhere')
})
