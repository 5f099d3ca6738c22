/**
 * The program that confinement.ts runs as if it were a tenant: it loads what a tenant has to load, tries what a tenant
 * must not be able to do, and says what Node did not deny. It ends with 1 when something cannot be loaded.
 */

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'

/** What Node's permission model must deny. Each throws, or answers what emits an error. */
const attempts: Readonly<Record<string, () => unknown>> = {
  files: () => readFileSync('/proc/version'),
  writing: () => writeFileSync('/tmp/grove-probe', ''),
  processes: () => spawn('/bin/true'),
  network: () => connect(9, '127.0.0.1'),
}

/** Whether an attempt is denied, now or by the error that it ends with. */
async function isDenied(attempt: () => unknown): Promise<boolean> {
  const isDenial = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ERR_ACCESS_DENIED'
  try {
    const started = attempt() as { once?: (event: string, listener: (error: unknown) => void) => void } | undefined
    if (typeof started?.once !== 'function') return false
    return await new Promise((resolve) => {
      started.once?.('error', (error) => resolve(isDenial(error)))
      started.once?.('spawn', () => resolve(false))
      started.once?.('connect', () => resolve(false))
    })
  } catch (error) {
    return isDenial(error)
  }
}

for (const module of process.argv.slice(2)) await import(module)
const open: string[] = []
for (const [name, attempt] of Object.entries(attempts)) if (!(await isDenied(attempt))) open.push(name)
process.stdout.write(`open: ${open.join(', ')}\n`)
