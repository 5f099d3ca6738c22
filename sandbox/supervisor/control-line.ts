/**
 * The supervisor's line to control, which mends itself: sites that run go on while control is away, and what is asked
 * waits for it a while.
 */

import { connect } from 'node:net'
import type { Logger } from 'pino'
import { Channel } from '../../core/channel.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import {
  type ControlToSupervisor,
  controlToSupervisorSchema,
  type SupervisorToControl,
} from '../../core/supervisor-messages.ts'
import type { ControlCalls } from './codes.ts'

/** What a line is made with. */
export interface ControlLineOptions {
  /** Path of control's socket. */
  readonly socket: string
  /** Does what control asks for, and answers it. */
  readonly receive: (message: ControlToSupervisor) => Promise<unknown>
  /** What is said first, whenever a line is there: undefined for nothing yet. */
  readonly hello: () => SupervisorToControl | undefined
  readonly log: Logger
}

/** A line to control. */
export interface ControlLine extends ControlCalls {
  close(): void
}

type ControlChannel = Channel<ControlToSupervisor, SupervisorToControl>

/** Begins to connect, and goes on until it is closed. */
export function createControlLine(options: ControlLineOptions): ControlLine {
  const { firstRetryMs, longestRetryMs } = limits.front
  let channel: ControlChannel | undefined
  let arrived = Promise.withResolvers<ControlChannel>()
  let waitMs: number = firstRetryMs
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  arrived.promise.catch(() => {})

  function begin(): void {
    const socket = connect(options.socket)
    const retry = () => {
      if (channel) options.log.warn('control is away; what runs of sites goes on')
      channel = undefined
      if (isClosed) return
      timer = setTimeout(begin, waitMs)
      waitMs = Math.min(waitMs * 2, longestRetryMs)
    }
    socket.once('error', retry)
    socket.once('connect', () => {
      socket.off('error', retry)
      waitMs = firstRetryMs
      channel = new Channel(socket, { incoming: controlToSupervisorSchema, receive: options.receive, closed: retry })
      const hello = options.hello()
      if (hello) channel.send(hello)
      arrived.resolve(channel)
      arrived = Promise.withResolvers()
      arrived.promise.catch(() => {})
    })
  }

  async function next(): Promise<ControlChannel> {
    const late = setTimeout(
      () => arrived.reject(new GroveError('ERR_CLOSED', 'control is away')),
      limits.sandboxProcess.controlMs,
    )
    try {
      return await arrived.promise
    } finally {
      clearTimeout(late)
    }
  }

  begin()
  return {
    send: (message) => channel?.send(message),
    call: async (message, timeoutMs) => (channel ?? (await next())).call(message, timeoutMs),
    close() {
      isClosed = true
      clearTimeout(timer)
      arrived.reject(new GroveError('ERR_CLOSED', 'the supervisor ends'))
      channel?.close()
    },
  }
}
