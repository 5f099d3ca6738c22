/** `grove trust`: has this machine believe the own CA, or no longer. */

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { fingerprintOf } from '../../certs/pem.ts'
import type { TrustRoot } from '../../certs/trust-change.ts'
import { GroveError } from '../../core/errors.ts'
import { layoutOf } from '../../core/layout.ts'
import { type CommandContext, type CommonOptions, findDataFolder, printResult, withCommon } from '../command-context.ts'

/** Adds the command. */
export function addTrust(program: Command, context: CommandContext): void {
  const command = program
    .command('trust')
    .description("trust Grove's own root certificate on this machine: system and browsers; says what it changed")
    .option('--remove', 'no longer trust it')
  withCommon(command, 'sudo grove trust --data /var/lib/grove').addHelpText(
    'after',
    `
Whoever has the root's key can then stand in for any server towards this machine. The key lies in the data folder
and is readable by its owner only.`,
  )
  command.action(async (options: CommonOptions & { readonly remove?: boolean }) => {
    const { installTrust, removeTrust, thisEnvironment } = await import('../../certs/trust.ts')
    const root = await readRoot(await findDataFolder(options, context.terminal.cwd))
    const change = options.remove ? removeTrust : installTrust
    const changes = await change(root, thisEnvironment())
    const lines = [`${root.file} (SHA-256 ${root.fingerprint})`, ...changes.map(({ sentence }) => `  ${sentence}`)]
    printResult(options, context, { ...root, changes }, lines)
    if (changes.some(({ outcome }) => outcome === 'failed')) context.exitCode = 1
  })
}

async function readRoot(data: string): Promise<TrustRoot> {
  const file = join(layoutOf(data).certs, 'root.pem')
  try {
    return { file, fingerprint: fingerprintOf(new X509Certificate(await readFile(file))) }
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new GroveError(
      'ERR_TRUST',
      gone ? `there is no root certificate at ${file}` : `${file} is not a certificate`,
      {
        cause: error,
        ...(gone && { hint: `it is made at the first start: grove serve --data ${data}` }),
      },
    )
  }
}
