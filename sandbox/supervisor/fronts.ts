/**
 * The fronts at `supervisor.sock`: a channel with each, and the connections that each opens for a process that is about
 * to start. Such a connection is handed on as it is: the supervisor reads its first line, and nothing after it.
 */

import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from 'pino'
import { Channel } from '../../core/channel.ts'
import { toGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { listenPrivately } from '../../core/private-socket.ts'
import {
  type FrontToSupervisor,
  frontToSupervisorSchema,
  linkLineSchema,
  releasedSchema,
  type SupervisorToFront,
} from '../../core/supervisor-messages.ts'

/** What a front asks for or says, but its hello. */
export type FrontMessage = Exclude<FrontToSupervisor, { kind: 'hello' }>

/** What the fronts are made with. */
export interface FrontsOptions {
  /** Path of the socket. */
  readonly socket: string
  /** Does what a front asks for, and answers it. `front`: its process id. */
  readonly receive: (front: number, message: FrontMessage) => unknown
  /** Called when a front has come or gone. */
  readonly changed: () => void
  readonly log: Logger
}

/** The fronts that are connected. */
export interface Fronts {
  /** Process ids of those that are there. */
  readonly current: ReadonlySet<number>
  /** Listens. Throws `ERR_PORT`. */
  listen(): Promise<void>
  /** A connection of each front for a process. Fronts that do not come in time are left out. Never rejects. */
  connect(process: string): Promise<Map<number, Socket>>
  /** Sees to it that no front sends anything more to a process, or to one version in it. Waits for all, but not for long. */
  release(process: string, version?: number): Promise<void>
  /** Tells all. */
  tell(message: SupervisorToFront): void
  close(): Promise<void>
}

/** Longest first line of a connection that is for a process. */
const lineBytes = 256

const newline = 0x0a

/** Sockets that wait for being handed on, by the process that they are for. */
interface Gathering {
  readonly sockets: Map<number, Socket>
  readonly wanted: Set<number>
  readonly done: () => void
}

/** Makes the fronts' place. */
export function createFronts(options: FrontsOptions): Fronts {
  return new ConnectedFronts(options)
}

class ConnectedFronts implements Fronts {
  readonly #options: FrontsOptions
  readonly #server: Server
  readonly #channels = new Map<number, Channel<FrontToSupervisor, SupervisorToFront>>()
  readonly #gathering = new Map<string, Gathering>()
  readonly #sockets = new Set<Socket>()
  #current: ReadonlySet<number> = new Set()

  constructor(options: FrontsOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accept(socket))
  }

  get current(): ReadonlySet<number> {
    return this.#current
  }

  listen(): Promise<void> {
    return listenPrivately(this.#server, this.#options.socket)
  }

  async connect(process: string): Promise<Map<number, Socket>> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const gathering: Gathering = { sockets: new Map(), wanted: new Set(this.#current), done: resolve }
    if (gathering.wanted.size === 0) return gathering.sockets
    this.#gathering.set(process, gathering)
    const timer = setTimeout(resolve, limits.sandboxProcess.linkMs)
    for (const [front, channel] of this.#channels)
      channel.call({ kind: 'link', process }, limits.sandboxProcess.linkMs).catch((error) => {
        this.#options.log.warn({ err: error, front }, 'front does not connect a sandbox')
        this.#leave(gathering, front)
      })
    await promise
    clearTimeout(timer)
    this.#gathering.delete(process)
    return gathering.sockets
  }

  async release(process: string, version?: number): Promise<void> {
    const message: SupervisorToFront = { kind: 'gone', process, ...(version !== undefined && { version }) }
    const asking = [...this.#channels].map(async ([front, channel]) => {
      try {
        releasedSchema.parse(await channel.call(message, limits.sandboxProcess.releaseMs))
      } catch (error) {
        if (channel.open) this.#options.log.warn({ err: error, front }, 'front did not give up a sandbox')
      }
    })
    await Promise.all(asking)
  }

  tell(message: SupervisorToFront): void {
    for (const channel of this.#channels.values()) channel.send(message)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const silent = setTimeout(() => socket.destroy(), limits.control.helloMs)
    const close = () => {
      clearTimeout(silent)
      this.#sockets.delete(socket)
    }
    socket.on('close', close)
    socket.on('error', () => socket.destroy())
    let begun = Buffer.alloc(0)
    const read = (piece: Buffer) => {
      begun = Buffer.concat([begun, piece])
      const end = begun.indexOf(newline)
      if (end === -1 && begun.length <= lineBytes) return
      socket.off('data', read)
      socket.pause()
      clearTimeout(silent)
      const link = end === -1 || end > lineBytes ? undefined : readLink(begun.subarray(0, end))
      if (!link) return this.#converse(socket, begun)
      // Whatever else it has sent before it was told that it may is lost, which its own protocol then shows.
      this.#sockets.delete(socket)
      this.#hand(link.link, link.front, socket)
    }
    socket.on('data', read)
  }

  #hand(process: string, front: number, socket: Socket): void {
    const gathering = this.#gathering.get(process)
    if (!gathering?.wanted.has(front) || gathering.sockets.has(front)) {
      socket.destroy() // Too late, or for nothing: the front sees it close.
      return
    }
    gathering.sockets.set(front, socket)
    socket.on('close', () => gathering.sockets.get(front) === socket && gathering.sockets.delete(front))
    if (gathering.sockets.size === gathering.wanted.size) gathering.done()
  }

  #leave(gathering: Gathering, front: number): void {
    gathering.wanted.delete(front)
    if (gathering.sockets.size >= gathering.wanted.size) gathering.done()
  }

  /** A connection whose first line is not for a process is a front's channel: it begins with what was read of it. */
  #converse(socket: Socket, begun: Buffer): void {
    let front: number | undefined
    socket.unshift(begun)
    const channel = new Channel<FrontToSupervisor, SupervisorToFront>(socket, {
      incoming: frontToSupervisorSchema,
      receive: (message) => {
        if (message.kind !== 'hello') return front === undefined ? {} : this.#options.receive(front, message)
        if (front !== undefined) return {}
        front = message.pid
        this.#channels.get(front)?.close()
        this.#channels.set(front, channel)
        this.#changed()
        return {}
      },
      closed: (error) => {
        if (error) this.#options.log.warn({ err: toGroveError(error), front }, "a front's line to the sandboxes broke")
        if (front === undefined || this.#channels.get(front) !== channel) return
        this.#channels.delete(front)
        for (const gathering of this.#gathering.values()) this.#leave(gathering, front)
        this.#changed()
      },
    })
    socket.resume()
  }

  #changed(): void {
    this.#current = new Set(this.#channels.keys())
    this.#options.changed()
  }
}

function readLink(line: Buffer): { link: string; front: number } | undefined {
  try {
    const parsed = linkLineSchema.safeParse(JSON.parse(line.toString('utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
