/**
 * The sandbox of `grove dev`: the supervisor and tenant processes that visitors of a published site would be answered by,
 * with the same limits, and the site's data in a file of its own.
 */

import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { SiteBags } from '../../control/site-bags.ts'
import { GroveError } from '../../core/errors.ts'
import { blobFile, type Layout, layoutOf } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { setNewest } from '../../core/newest.ts'
import type { Capability, SiteCode, SiteLogLine, SupervisorToControl } from '../../core/supervisor-messages.ts'
import { type CodeUpstream, createCodeUpstream } from '../../proxy/code-upstream.ts'
import { SupervisorLink } from '../../proxy/supervisor-link.ts'
import { createAddressCheck } from '../../sandbox/egress/addresses.ts'
import { buildPrelude } from '../../sandbox/isolated/prelude-bundle.ts'
import { createRedactor } from '../../sandbox/secrets.ts'
import type { ControlCalls } from '../../sandbox/supervisor/codes.ts'
import { createEgressOperations } from '../../sandbox/supervisor/egress-operations.ts'
import { createHostOperations } from '../../sandbox/supervisor/host-operations.ts'
import { openTenantProgram } from '../../sandbox/supervisor/program-files.ts'
import { createSupervisor } from '../../sandbox/supervisor/supervisor.ts'
import { openSqliteStore } from '../../store/drivers/sqlite.ts'
import { type DevCode, devLimits } from './dev-build.ts'
import type { FileAnswer } from './dev-folder.ts'

/** The one site. */
export const devSite = 'dev'

/** Where data of the site lies, in its folder. */
export const devDataFolder = '.grove-dev'

/** What it is made with. */
export interface DevSandboxOptions {
  /** The site's folder. */
  readonly root: string
  /** A file for `env.ASSETS`. */
  readonly asset: (url: string, ifNoneMatch: string | undefined) => Promise<FileAnswer>
  /** Takes what the code says, and what is said about it; places are mapped, secrets taken out. */
  readonly line: (line: SiteLogLine) => void
  readonly log: Logger
}

/** Runs the code of one site. */
export interface DevSandbox extends AsyncDisposable {
  /** What confines the code on this machine. */
  readonly capabilities: readonly Capability[]
  /** Puts a code in force, as its next version, and resolves when it is loaded or could not be. */
  use(code: DevCode): Promise<CodeUpstream>
}

interface Version {
  readonly code: DevCode
  readonly siteCode: SiteCode
  readonly redact: (text: string) => string
}

/** Starts it. Throws `ERR_DATA_LOCKED` when the folder is served already. */
export async function startDevSandbox(options: DevSandboxOptions): Promise<DevSandbox> {
  const { root, log } = options
  await using parts = new AsyncDisposableStack()
  const layout = layoutOf(await temporaryFolder(parts))
  const data = join(root, devDataFolder)
  await mkdir(data, { recursive: true })
  // Nobody's repository is to have it.
  await writeFile(join(data, '.gitignore'), '*\n')
  const store = parts.use(await openSqliteStore(join(data, 'data.db')).catch(alreadyServed))
  const bags = parts.use(new SiteBags({ store, now: Date.now, log }))
  const versions = new Map<number, Version>()
  const control: ControlCalls = {
    send: () => {},
    call: (message) => answer(message, { versions, bags, layout, options }),
  }
  const program = await openTenantProgram()
  const supervisor = createSupervisor({
    layout,
    control,
    operations: createHostOperations({
      fetch: createEgressOperations({ check: createAddressCheck(), ports: [] }),
      control,
      layout,
    }),
    siteLog: (line) => options.line(mapped(line, versions)),
    log,
    prelude: await buildPrelude(),
    entry: program.entry,
    files: program,
    processes: limits.dev.processes,
    spares: 1,
  })
  parts.defer(() => supervisor.close())
  await supervisor.start()
  const links = parts.use(new SupervisorLink({ socket: layout.supervisorSocket, log }))
  const owned = parts.move()
  let newest = 0
  return {
    capabilities: supervisor.status.capabilities,
    async use(code) {
      newest += 1
      const version = newest
      const siteCode = await keepCode(layout, version, code)
      const { text } = createRedactor(code.secrets)
      setNewest(versions, version, { code, siteCode, redact: text }, limits.dev.versions)
      // Another code deserves another chance, whatever the one before has done.
      await supervisor.receive({ kind: 'release', site: devSite })
      await supervisor.receive({ kind: 'live', site: devSite, version })
      return createCodeUpstream(devSite, version, links)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A folder for sockets and contents. Paths of sockets have about 100 bytes at most, and that of a project may have more. */
async function temporaryFolder(parts: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-dev-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function alreadyServed(error: unknown): never {
  if (!(error instanceof GroveError) || error.code !== 'ERR_DATA_LOCKED') throw error
  throw new GroveError('ERR_DATA_LOCKED', 'another grove dev serves this folder', {
    cause: error,
    hint: 'end that one with Ctrl-C, or open the address that it has printed',
  })
}

interface Answering {
  readonly versions: ReadonlyMap<number, Version>
  readonly bags: SiteBags
  readonly layout: Layout
  readonly options: DevSandboxOptions
}

/** What the supervisor asks control for. */
async function answer(message: SupervisorToControl, { versions, bags, layout, options }: Answering): Promise<unknown> {
  switch (message.kind) {
    case 'code': {
      const found = versions.get(message.version)
      if (found) return found.siteCode
      throw new GroveError('ERR_NOT_FOUND', `there is no version ${message.version} any more`)
    }
    case 'data': {
      const value = message.value === undefined ? undefined : Buffer.from(message.value, 'base64')
      const reply = await bags.answer(message.site, message.call, value)
      return { answer: reply.answer, ...(reply.value && { value: Buffer.from(reply.value).toString('base64') }) }
    }
    case 'asset': {
      const { status, headers, body } = await options.asset(message.url, headerOf(message.headers, 'if-none-match'))
      return { status, headers, ...(body && { content: await keep(layout, body) }) }
    }
    default:
      throw new GroveError('ERR_NOT_FOUND', `grove dev has no ${message.kind}`)
  }
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  return headers.find((_, index) => index % 2 === 1 && headers[index - 1] === name)
}

async function keepCode(layout: Layout, version: number, code: DevCode): Promise<SiteCode> {
  const { bundle, vars, secrets, allow } = code
  const wasm: SiteCode['wasm'] = []
  for (const { name, bytes } of code.wasm) wasm.push({ name, ...(await keep(layout, bytes)) })
  return {
    ...{ site: devSite, version, bundle: await keep(layout, bundle), wasm, vars: { ...vars }, secrets: [...secrets] },
    ...(allow && { allow: [...allow] }),
    ...{ limits: devLimits, assets: true, data: true },
  }
}

/** Puts a content where the supervisor finds it. */
async function keep(layout: Layout, content: Uint8Array): Promise<SiteCode['bundle']> {
  const hash = createHash('sha256').update(content).digest('hex')
  const file = blobFile(layout, hash)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
  return { hash, bytes: content.length }
}

function mapped(line: SiteLogLine, versions: ReadonlyMap<number, Version>): SiteLogLine {
  const newest = [...versions.keys()].at(-1) ?? 0
  const found = versions.get(line.version ?? newest)
  return found ? { ...line, text: found.code.map.map(found.redact(line.text)) } : line
}
