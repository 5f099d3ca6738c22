/** `grove cert`: how certificates stand, and what can be done about them by hand. */

import { chmod, readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { certReasons } from '../../core/cert-api.ts'
import { GroveError } from '../../core/errors.ts'
import {
  exportCertificate,
  importCertificate,
  listCertificates,
  renewCertificate,
  revokeCertificate,
  rollOverAccounts,
} from '../cert-client.ts'
import { certificateLines, certificateTable } from '../cert-text.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  exampleText,
  printResult,
  withCommon,
} from '../command-context.ts'

/** Adds the command with its subcommands. */
export function addCert(program: Command, context: CommandContext): void {
  const cert = program.command('cert').description('certificates: how they stand, renew, revoke, bring your own')
  cert.addHelpText('after', exampleText('grove cert list'))
  addList(cert, context)
  addRenew(cert, context)
  addRevoke(cert, context)
  addRollover(cert, context)
  addImport(cert, context)
  addExport(cert, context)
}

function addList(cert: Command, context: CommandContext): void {
  const command = cert
    .command('list')
    .description('all names: who issued the certificate, until when, the last error and the next try')
  withCommon(command, 'grove cert list').action(async (options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const certificates = await listCertificates(client)
    printResult(options, context, { certificates }, certificateTable(certificates, Date.now()))
  })
}

function addRenew(cert: Command, context: CommandContext): void {
  const command = cert
    .command('renew')
    .argument('<name>', 'a name whose certificate comes from a CA')
    .description('renew now instead of when it is due, also when the next try is later')
  withCommon(command, 'grove cert renew www.example.com').action(async (name: string, options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const certificate = await renewCertificate(client, name)
    printResult(options, context, certificate, ['renewed', ...certificateLines(certificate)])
  })
}

interface RevokeOptions extends CommonOptions {
  readonly reason: (typeof certReasons)[number]
}

function addRevoke(cert: Command, context: CommandContext): void {
  const command = cert
    .command('revoke')
    .argument('<name>', 'a name whose certificate comes from a CA')
    .description('revoke at the CA, and get a new one at once')
    .addOption(new Option('--reason <reason>', 'why').choices(certReasons).default('unspecified'))
  withCommon(command, 'grove cert revoke www.example.com --reason keyCompromise').action(
    async (name: string, options: RevokeOptions) => {
      using client = await connectAdmin(options, context)
      await revokeCertificate(client, name, options.reason)
      printResult(options, context, { name, reason: options.reason }, [
        `revoked the certificate of ${name}: ${options.reason}; a new one is being ordered`,
      ])
    },
  )
}

function addRollover(cert: Command, context: CommandContext): void {
  const command = cert
    .command('rollover')
    .description('give the account at each CA a new key; certificates stay as they are')
  withCommon(command, 'grove cert rollover').action(async (options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const directories = await rollOverAccounts(client)
    const lines = directories.map((directory) => `the account at ${directory} has a new key`)
    printResult(options, context, { directories }, lines.length > 0 ? lines : ['there are no CAs: certs.acme is false'])
  })
}

function addImport(cert: Command, context: CommandContext): void {
  const command = cert
    .command('import')
    .argument('<cert>', 'PEM file with the certificate and those above it')
    .argument('<key>', 'PEM file with its key, without a password')
    .description('keep a certificate of your own in the data folder; it comes first where it covers a name')
  withCommon(command, 'grove cert import fullchain.pem privkey.pem').addHelpText(
    'after',
    `
Files that something else renews are better named in the config, certs.files: Grove reads them again when they change.`,
  )
  command.action(async (certFile: string, keyFile: string, options: CommonOptions) => {
    const read = (file: string) => readText(resolve(context.terminal.cwd, file))
    const [chain, key] = [await read(certFile), await read(keyFile)]
    using client = await connectAdmin(options, context)
    const certificate = await importCertificate(client, { chain, key })
    printResult(options, context, certificate, ['imported', ...certificateLines(certificate)])
  })
}

interface ExportOptions extends CommonOptions {
  readonly cert?: string
  readonly key?: string
}

function addExport(cert: Command, context: CommandContext): void {
  const command = cert
    .command('export')
    .argument('<name>', 'a name')
    .description('write the certificate of a name, and its key, into files for another program')
    .option('--cert <file>', 'PEM file for the certificate and those above it')
    .option('--key <file>', 'PEM file for its key, readable by you alone')
  withCommon(command, 'grove cert export mail.example.com --cert mail.crt --key mail.key').action(
    async (name: string, options: ExportOptions) => {
      const { cert: certFile, key: keyFile } = options
      if (certFile === undefined && keyFile === undefined && !options.json)
        command.error('error: say where to: --cert <file>, --key <file>, or both')
      using client = await connectAdmin(options, context)
      const pair = await exportCertificate(client, name)
      const at = (file: string) => resolve(context.terminal.cwd, file)
      if (certFile !== undefined) await writeFile(at(certFile), pair.chain)
      if (keyFile !== undefined) await writePrivate(at(keyFile), pair.key)
      const written = [certFile, keyFile].filter((file) => file !== undefined)
      // The key is on the terminal only for machines that asked for it by naming no file.
      const result = written.length === 0 ? pair : { name, files: written }
      printResult(options, context, result, [`wrote ${written.join(' and ')}`])
    },
  )
}

/** The mode comes before the content: a file that was there may be one that others can read. */
async function writePrivate(file: string, text: string): Promise<void> {
  await writeFile(file, '', { mode: 0o600 })
  await chmod(file, 0o600)
  await writeFile(file, text)
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new GroveError('ERR_DATA_IO', `cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? error}`, {
      cause: error,
      hint: 'name two PEM files: the certificate with those above it, and its key',
    })
  }
}
