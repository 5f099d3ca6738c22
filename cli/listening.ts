/**
 * The listening sockets: bound by the parent, which keeps a copy of each, so that they outlive every front.
 *
 * The parent never accepts from them. It hands each to all fronts, and the fronts share the kernel's one queue: when a
 * front dies, connections that wait in the queue are taken by the others or by its replacement. A port is surely ours
 * once the first front listens; somebody who takes it between the bind and that moment makes that front fail loudly.
 */

import net from 'node:net'
import { getSystemErrorName } from 'node:util'
import type { Logger } from 'pino'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { ListenerName, ListenSpec } from '../core/messages.ts'
import { findPortHolder } from './port-holder.ts'

/** The part of Node's native TCP handle that the parent uses. */
export interface NativeHandle {
  getsockname(out: { port?: number }): number
  close(): void
}

/** One bound socket. */
export interface BoundSocket {
  readonly name: ListenerName
  readonly address: string
  /** The real port. */
  readonly port: number
  /** What the config asked for: 0 for any. */
  readonly askedPort: number
  /** Names this socket in messages to fronts: `https 127.0.0.1:8443`. */
  readonly key: string
  readonly handle: NativeHandle
}

/** What a new set of specs means for the sockets that are held. */
export interface SocketChange {
  /** All sockets from now on, those that were kept and those that are new. */
  readonly sockets: readonly BoundSocket[]
  readonly fresh: readonly BoundSocket[]
  /** To be given up. A handle of these may live on in {@link sockets} under another name. */
  readonly dropped: readonly BoundSocket[]
}

type CreateHandle = (
  address: string,
  port: number,
  family: 4 | 6,
  fd: undefined,
  flags: number | undefined,
) => NativeHandle | number

// Node has no public way to bind a socket without accepting from it; its own cluster module is built on this one.
const createHandle = (net as unknown as { _createServerHandle: CreateHandle })._createServerHandle

const ipv6Only = 1

/**
 * Binds what `specs` ask for and is not held yet, all or nothing: throws `ERR_PORT` and then everything is as it was.
 * A socket that is wanted again is kept, also one that port 0 led to.
 */
export function bindSockets(specs: readonly ListenSpec[], held: readonly BoundSocket[], log: Logger): SocketChange {
  const made: NativeHandle[] = []
  try {
    const sockets = specs.flatMap((spec) => bindSpec(spec, { held, made, log }))
    return {
      sockets,
      fresh: sockets.filter((socket) => !held.includes(socket)),
      dropped: held.filter((socket) => !sockets.includes(socket)),
    }
  } catch (error) {
    for (const handle of made) handle.close()
    throw error
  }
}

/** Closes the handles of `dropped` that no socket of `kept` uses. */
export function closeSockets(dropped: readonly BoundSocket[], kept: readonly BoundSocket[]): void {
  const used = new Set(kept.map((socket) => socket.handle))
  for (const handle of new Set(dropped.map((socket) => socket.handle))) if (!used.has(handle)) handle.close()
}

interface Binding {
  readonly held: readonly BoundSocket[]
  /** Handles made so far, to be closed if a later one fails. */
  readonly made: NativeHandle[]
  readonly log: Logger
}

/** All sockets of one spec, on one port: with port 0 the first address chooses and the others follow. */
function bindSpec(spec: ListenSpec, binding: Binding): BoundSocket[] {
  for (let attempt = 1; ; attempt++) {
    const before = binding.made.length
    try {
      return bindAddresses(spec, binding)
    } catch (error) {
      // The port that the first address got may be taken on the second; another free one is as good.
      const taken = error instanceof GroveError && error.details?.['reason'] === 'EADDRINUSE'
      if (spec.port !== 0 || !taken || attempt >= limits.parent.freePortTries) throw error
      for (const handle of binding.made.splice(before)) handle.close()
    }
  }
}

function bindAddresses(spec: ListenSpec, binding: Binding): BoundSocket[] {
  const sockets: BoundSocket[] = []
  for (const address of spec.addresses) {
    const kept = binding.held.find(
      ({ name, address: heldAddress, port, askedPort }) =>
        name === spec.name && heldAddress === address && (askedPort === spec.port || port === spec.port),
    )
    const socket = kept ?? bindOne(spec, address, spec.port || (sockets[0]?.port ?? 0), binding)
    if (socket) sockets.push(socket)
  }
  return sockets
}

function bindOne(spec: ListenSpec, address: string, port: number, binding: Binding): BoundSocket | undefined {
  // A port that changes its meaning, such as https and http swapped, goes on with the same kernel socket.
  const moved = binding.held.find((socket) => socket.address === address && socket.port === port && port !== 0)
  const handle = moved?.handle ?? createBound(spec, address, port)
  if (typeof handle === 'string') {
    const noIpv6 = handle === 'EAFNOSUPPORT' || handle === 'EADDRNOTAVAIL'
    if (noIpv6 && spec.addresses.length > 1 && (address === '::' || address === '::1')) {
      binding.log.warn({ listener: spec.name, address }, 'this machine has no IPv6: going on without it')
      return undefined
    }
    throw bindError(spec.name, address, port, handle)
  }
  if (!moved) binding.made.push(handle)
  const real: { port?: number } = {}
  handle.getsockname(real)
  const realPort = real.port ?? port
  return {
    name: spec.name,
    address,
    port: realPort,
    askedPort: spec.port,
    key: `${spec.name} ${showAddress(address, realPort)}`,
    handle,
  }
}

/** A bound handle, or the name of the system's error. */
function createBound(spec: ListenSpec, address: string, port: number): NativeHandle | string {
  const family = address.includes(':') ? 6 : 4
  // `::` alone takes IPv4 too; beside `0.0.0.0` it must not, or the two are in each other's way.
  const flags = family === 6 && spec.addresses.includes('0.0.0.0') ? ipv6Only : undefined
  const made = createHandle(address, port, family, undefined, flags)
  if (typeof made === 'number') return getSystemErrorName(made)
  // libuv keeps a port that is taken to itself until the handle is used; asking for its name is a use.
  const failure = made.getsockname({})
  if (failure === 0) return made
  made.close()
  return getSystemErrorName(failure)
}

function bindError(name: ListenerName, address: string, port: number, reason: string): GroveError {
  const where = `cannot listen on ${showAddress(address, port)} (${name})`
  const details = { address, port, listener: name, reason }
  if (reason === 'EADDRINUSE') {
    const holder = findPortHolder(address, port)
    const who = holder ? `process ${holder.pid} (${holder.command}) holds the port` : 'another process holds the port'
    const own = holder?.pid === process.pid
    return new GroveError('ERR_PORT', `${where}: ${own ? 'this grove holds the port under another address' : who}`, {
      details: { ...details, ...(holder && { pid: holder.pid, command: holder.command }) },
      hint: own
        ? 'stop grove and start it again to change the addresses of a port that is in use'
        : `stop that process, or choose another port: ${portOption(name)}`,
    })
  }
  if (reason === 'EACCES') {
    return new GroveError('ERR_PORT', `${where}: this user may not listen on port ${port}`, {
      details,
      hint: `allow it with "sudo sysctl net.ipv4.ip_unprivileged_port_start=${port}", or choose a port from 1024 up: ${portOption(name)}`,
    })
  }
  if (reason === 'EADDRNOTAVAIL')
    return new GroveError('ERR_PORT', `${where}: this machine does not have the address`, {
      details,
      hint: 'see listen.addresses in the config',
    })
  return new GroveError('ERR_PORT', `${where}: ${reason}`, { details })
}

function portOption(name: ListenerName): string {
  return name === 'plain' ? 'listen.plain in the config' : `--${name}-port, or listen.${name} in the config`
}

function showAddress(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
