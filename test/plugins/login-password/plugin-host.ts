/** A host for one plugin in a test: logs in memory, sessions as plain text, and a note of every revocation. */

import { pino } from 'pino'
import { GroveError } from '../../../core/errors.ts'
import type { Command, Plugin, PluginHost, PluginLog, RouteContext } from '../../../core/plugin.ts'
import type { Session } from '../../../core/session.ts'

/** What outlives a start of the plugin, as the store would keep it. */
export interface Kept {
  readonly logs: Map<string, unknown[]>
}

/** A started plugin and ways to talk to it. */
export interface TestHost {
  readonly kept: Kept
  /** Every session that was started, revoked and ended, in order. */
  readonly events: string[]
  readonly log: { fails: boolean }
  command(path: string, input: unknown): Promise<unknown>
  get(path: string, visitor?: Visitor): Promise<Response>
  post(path: string, fields: Readonly<Record<string, string>>, visitor?: Visitor): Promise<Response>
  send(method: string, path: string, init: RequestInit, visitor?: Visitor): Promise<Response>
}

/** Who asks, and where. */
export interface Visitor {
  readonly address?: string
  readonly site?: string
  readonly userId?: string
}

/** Starts a plugin. `kept`: logs of an earlier start. */
export async function startPlugin(plugin: Plugin, kept: Kept = { logs: new Map() }): Promise<TestHost> {
  const commands = new Map<string, Command>()
  const events: string[] = []
  const log = { fails: false }
  const host: PluginHost = {
    log: pino({ level: 'silent' }),
    openLog: async (name) => openLog(kept, name, log),
    revokeUser: async (userId) => void events.push(`revoke ${userId}`),
    command: (path, run) => void commands.set(path, run),
    sites: () => ['blog', 'shop'].map((name) => ({ name, authorities: [`${name}.localhost`] })),
  }
  await plugin.start?.(host)

  const send: TestHost['send'] = async (method, path, init, visitor = {}) => {
    const [pathname] = path.split('?')
    const handler = plugin.routes?.[`${method} ${pathname}`]
    if (!handler) throw new Error(`no route for ${method} ${pathname}`)
    const url = `https://blog.localhost/.grove/${plugin.name}${path}`
    return handler(new Request(url, { method, ...init }), contextOf(visitor, events))
  }
  return {
    kept,
    events,
    log,
    send,
    command: async (path, input) => {
      const run = commands.get(path)
      if (!run) throw new Error(`no command ${path}`)
      return run(input)
    },
    get: (path, visitor) => send('GET', path, {}, visitor),
    post: (path, fields, visitor) => send('POST', path, { body: new URLSearchParams(fields) }, visitor),
  }
}

function openLog(kept: Kept, name: string, log: { fails: boolean }): PluginLog {
  const records = kept.logs.get(name) ?? []
  kept.logs.set(name, records)
  return {
    read: async () => structuredClone(records),
    append: async (record) => {
      if (log.fails) throw new GroveError('ERR_INTERNAL', 'the disk is full')
      // As JSON, because that is what the store keeps.
      records.push(JSON.parse(JSON.stringify(record)))
    },
  }
}

function contextOf({ address = '192.0.2.1', site = 'blog', userId }: Visitor, events: string[]): RouteContext {
  const session: Session | undefined =
    userId === undefined ? undefined : { id: 'id', userId, site, issuedAtMs: 0, expiresAtMs: 1 }
  return {
    site: { name: site, authorities: [`${site}.localhost`] },
    requestId: 'request-1',
    clientAddress: address,
    session,
    signIn(id) {
      events.push(`sign in ${id}`)
      return `session=${id}`
    },
    async signOut() {
      events.push(`sign out ${userId}`)
      return 'session=; Max-Age=0'
    },
  }
}
