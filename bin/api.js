// What `import … from 'grove'` gives: the sources in a clone, the compiled form in the package.

import { existsSync } from 'node:fs'

const api = existsSync(new URL('../cli/api.ts', import.meta.url))
  ? await import('../cli/api.ts')
  : await import('../dist/cli/api.js')

// Names of an ES module are fixed before it runs, so they stand here once more; a test compares them with the source.
export const {
  cdnVarnish,
  cloudflareDns,
  defineConfig,
  desecDns,
  dnsError,
  execDns,
  GroveError,
  lazyOptions,
  local,
  loginPassword,
  rfc2136Dns,
  route53Dns,
  s3,
} = api
