/** Giving code to a tenant process: the head, the bundle and the modules within the credit that it gives, its answer. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { frameTypes, readCredit } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import {
  type Loaded,
  type LoadHead,
  loadedSchema,
  loadFailedSchema,
  readJson,
  type Unload,
} from '../../core/sandbox-messages.ts'
import { createSendWindow, type SendWindow } from '../../core/sandbox-window.ts'
import type { CodeContents } from './codes.ts'

/** Loads of one process. */
export interface CodeLoads {
  /**
   * Gives a code and resolves once it is loaded. Rejects with `ERR_SITE_CODE` when the code itself fails, with what it
   * said in the details, and with `ERR_CLOSED` when the process ends meanwhile.
   */
  load(contents: CodeContents): Promise<Loaded>
  unload(version: number): void
  /** Takes a frame of a stream that the supervisor began. Answers what is wrong with it, undefined if nothing is. */
  take(type: number, stream: number, payload: Buffer): string | undefined
  /** Loads under way. */
  readonly size: number
  close(): void
}

interface Loading {
  readonly version: number
  readonly window: SendWindow
  wake: () => void
  readonly answer: PromiseWithResolvers<Loaded>
}

/** Makes what loads code. `late` is called when a process does not answer a load in time. */
export function createCodeLoads(link: FrameLink, late: () => void): CodeLoads {
  const loading = new Map<number, Loading>()
  /** Even numbers are the supervisor's; 0 is for what belongs to no stream. */
  let lastStream = 0

  async function send(stream: number, self: Loading, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && loading.get(stream) === self; ) {
      const taken = self.window.take(Math.min(bytes.length - at, limits.sandboxLink.chunkBytes))
      if (taken === 0)
        await new Promise<void>((resolve) => {
          self.wake = resolve
        })
      else link.write(frameTypes.body, stream, bytes.subarray(at, at + taken))
      at += taken
    }
  }

  async function sendAll(stream: number, self: Loading, { bundle, wasm }: CodeContents): Promise<void> {
    for (const bytes of [bundle, ...wasm.map((module) => module.bytes)]) await send(stream, self, bytes)
    if (loading.get(stream) === self) link.write(frameTypes.end, stream)
  }

  function finish(stream: number, self: Loading): void {
    loading.delete(stream)
    self.wake()
  }

  /** The answer of the process to a load. */
  function settle(type: number, stream: number, self: Loading, payload: Buffer): string | undefined {
    if (type === frameTypes.loaded) {
      const loaded = readJson(loadedSchema, payload)
      if (loaded?.version !== self.version) return 'an answer to a load that is none'
      self.answer.resolve(loaded)
    } else {
      const failed = readJson(loadFailedSchema, payload)
      if (!failed) return 'a failed load without a reason'
      const message = `the site's code does not load: ${failed.message}`
      self.answer.reject(new GroveError('ERR_SITE_CODE', message, { details: failed }))
    }
    finish(stream, self)
    return undefined
  }

  return {
    async load(contents) {
      const head = JSON.stringify(headOf(contents))
      if (Buffer.byteLength(head) > limits.sandboxLink.payloadBytes) throw tooMuch()
      lastStream += 2
      const stream = lastStream
      const self: Loading = {
        version: contents.code.version,
        window: createSendWindow(),
        wake: () => {},
        answer: Promise.withResolvers<Loaded>(),
      }
      loading.set(stream, self)
      const timer = setTimeout(late, limits.sandboxProcess.loadMs)
      link.write(frameTypes.load, stream, head)
      try {
        const [loaded] = await Promise.all([self.answer.promise, sendAll(stream, self, contents)])
        return loaded
      } finally {
        clearTimeout(timer)
        finish(stream, self)
      }
    },
    unload(version) {
      const unload: Unload = { version, graceMs: limits.sandboxProcess.unloadGraceMs }
      link.write(frameTypes.unload, 0, JSON.stringify(unload))
    },
    take(type, stream, payload) {
      const self = loading.get(stream)
      if (type === frameTypes.credit) {
        const bytes = readCredit(payload)
        if (bytes === undefined) return 'credit that is none'
        if (!self) return undefined
        const fits = self.window.give(bytes)
        self.wake()
        return fits ? undefined : 'more credit than there can be'
      }
      if (type !== frameTypes.loaded && type !== frameTypes.failed) return `a frame of type ${type} about a load`
      return self ? settle(type, stream, self, payload) : undefined
    },
    get size() {
      return loading.size
    },
    close() {
      for (const [stream, self] of loading) {
        self.answer.reject(new GroveError('ERR_CLOSED', 'the process ended before the code was loaded'))
        finish(stream, self)
      }
    },
  }
}

/** Variables and secrets go along in one frame, so together they have a bound beside that of each. */
function tooMuch(): GroveError {
  const most = limits.sandboxLink.payloadBytes
  return new GroveError('ERR_SITE_CODE', `the variables and secrets together have more than ${most} bytes`)
}

function headOf({ code, bundle, wasm }: CodeContents): LoadHead {
  // A secret for no host at all is one that the code works with itself: to sign with it, or to check a signature.
  const secrets = code.placeheld.map(({ name, value, hosts, placeholder }) => [
    name,
    hosts.length > 0 ? placeholder : value,
  ])
  return {
    site: code.site,
    version: code.version,
    limits: code.limits,
    env: { ...code.vars, ...(Object.fromEntries(secrets) as Record<string, string>) },
    bundleBytes: bundle.length,
    wasm: wasm.map(({ name, bytes }) => ({ name, bytes: bytes.length })),
    assets: code.assets,
    data: code.data,
  }
}
