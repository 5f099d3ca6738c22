/** Telling plugins of certificates: once, without a second try. What is to last is in `grove cert list`. */

import type { Logger } from 'pino'
import type { CertificateState, ManagedEvents } from '../certs/managed.ts'
import type { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { CertificateEvent, Plugin } from '../core/plugin.ts'
import { within } from './within.ts'

/** What telling needs. */
export interface CertificateEventsOptions {
  /** Those that run at the moment. */
  readonly plugins: () => readonly Plugin[]
  readonly log: Logger
}

/**
 * Calls the `certificate` hooks. A hook that fails, or takes longer than `limits.plugin.certificateTimeoutMs`, is logged.
 * Hooks that hang may not pile up: while one plugin has `limits.plugin.certificateCalls` under way, it is told of no more.
 */
export function certificateEvents({ plugins, log }: CertificateEventsOptions): ManagedEvents {
  /** Calls under way, keyed by plugin. */
  const calls = new Map<string, number>()

  async function call(plugin: Plugin, event: CertificateEvent): Promise<void> {
    const { name } = plugin
    const before = calls.get(name) ?? 0
    if (before >= limits.plugin.certificateCalls) {
      log.warn(
        { plugin: name, event: event.kind },
        'a plugin is not told of a certificate: it has not taken those before',
      )
      return
    }
    calls.set(name, before + 1)
    const told = Promise.try(() => plugin.certificate?.(event))
    const ended = () => {
      const now = (calls.get(name) ?? 1) - 1
      if (now > 0) calls.set(name, now)
      else calls.delete(name)
    }
    told.then(ended, ended)
    try {
      await within(told, limits.plugin.certificateTimeoutMs)
    } catch (error) {
      log.error({ err: error, plugin: name, event: event.kind }, 'a plugin failed on a certificate')
    }
  }

  const tell = (kind: CertificateEvent['kind'], state: CertificateState, error?: GroveError) => {
    const event = toEvent(kind, state, error)
    for (const plugin of plugins()) if (plugin.certificate) void call(plugin, event)
  }
  return {
    obtained: (state) => tell('obtained', state),
    renewed: (state) => tell('renewed', state),
    failed: (state, error) => tell('failed', state, error),
    expiresSoon: (state) => tell('expires-soon', state),
    revoked: (state) => tell('revoked', state),
  }
}

function toEvent(kind: CertificateEvent['kind'], state: CertificateState, error?: GroveError): CertificateEvent {
  const { names, issuer, notAfterMs, nextTryAtMs } = state
  return {
    kind,
    names: [...names],
    ...(issuer !== undefined && { issuer }),
    ...(notAfterMs !== undefined && { notAfterMs }),
    ...(error && { error: { code: error.code, message: error.message } }),
    ...(nextTryAtMs !== undefined && { nextTryAtMs }),
  }
}
