/** `.dev.vars`: secrets for `grove dev`, a line `NAME=value` each. The file is never published, as its name begins with a dot. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { envNamePattern } from '../../core/code-manifest.ts'
import { GroveError } from '../../core/errors.ts'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import type { SiteSecret } from '../../core/supervisor-messages.ts'

/** What the file is called, at the root of the site. */
export const devVariablesFile = '.dev.vars'

/** Reads the secrets of a folder; none where there is no file. Throws `ERR_CODE` with what is wrong in the file. */
export async function readDevVariables(
  folder: string,
  { vars, varBytes }: Pick<SandboxLimits, 'vars' | 'varBytes'>,
): Promise<SiteSecret[]> {
  const text = await readFile(join(folder, devVariablesFile), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new GroveError('ERR_CODE', `${devVariablesFile}: it cannot be read: ${error.message}`, { cause: error })
  })
  const secrets = Object.entries(parseEnv(text)).map(([name, value = '']) => ({ name, value, hosts: [] }))
  const faults = secrets.flatMap(({ name, value }) => {
    if (!envNamePattern.test(name)) return [`${name}: expected letters, digits and _, and not ASSETS, DATA or WASM`]
    return Buffer.byteLength(value) > varBytes ? [`${name}: more than ${varBytes} bytes`] : []
  })
  if (secrets.length > vars) faults.push(`more than ${vars} variables`)
  if (faults.length === 0) return secrets
  throw new GroveError('ERR_CODE', faults.map((fault) => `${devVariablesFile}: ${fault}`).join('\n'), {
    hint: 'write a line NAME=value for each secret',
  })
}
