/**
 * Runs the guestbook's upstream by itself, beside a Grove that runs elsewhere:
 *
 *   node examples/guestbook/upstream/server.ts --origin https://guestbook.localhost:8443 --root data/certs/root.pem
 *
 * `npm start` does not need this: it runs the upstream together with Grove.
 */

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startGuestbook } from './guestbook.ts'
import { createIdentityVerifier } from './identity.ts'
import { fetchJwks } from './jwks.ts'

const { values } = parseArgs({
  options: {
    origin: { type: 'string', default: 'https://guestbook.localhost:8443' },
    root: { type: 'string', default: 'data/certs/root.pem' },
    database: { type: 'string', default: 'data/guestbook/guestbook.db' },
    site: { type: 'string', default: join(import.meta.dirname, '../site') },
    port: { type: 'string', default: '7080' },
  },
})

const fetchKeys = () => fetchJwks(`${values.origin}/.grove/jwks.json`, values.root)
const guestbook = await startGuestbook({
  databaseFile: values.database,
  siteFolder: values.site,
  verifier: createIdentityVerifier({ fetchKeys, site: 'guestbook', now: Date.now }),
  port: Number(values.port),
  report: (error) => console.error(error),
})
console.log(`the guestbook's upstream listens on http://127.0.0.1:${guestbook.port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void guestbook[Symbol.asyncDispose]())
