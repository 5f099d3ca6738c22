/** Makes a store out of an engine: what callers hold, on this side of whatever the engine runs in. */

import { GroveError, isGroveError } from '../../core/errors.ts'
import type { Environment } from '../environment.ts'
import { nodeEnvironment } from '../environment-node.ts'
import { denied } from '../grants/denial.ts'
import { narrow } from '../grants/handle.ts'
import type { Handle, Store } from '../store.ts'
import { createCaller } from './caller.ts'
import { openEngine } from './engine.ts'
import { createFeeds } from './feeds.ts'
import { grantCalls } from './grant-calls.ts'
import { openLog } from './open-log.ts'
import type { OpenStore } from './open-store.ts'
import { toText } from './plain.ts'
import type { Records } from './records.ts'
import type { EngineLink } from './request.ts'
import { toLogPath } from './store-path.ts'
import { formatTs } from './timestamp.ts'
import { beginTransaction } from './transaction.ts'
import { createWatchers } from './watchers.ts'
import { requireOpId } from './write-rules.ts'

/** What every driver is opened with. */
export interface StoreOptions {
  /** Where time and randomness come from. @default nodeEnvironment */
  readonly env?: Environment
}

/** The store over some records, with its engine in this thread. It owns the records and closes them. */
export function createLocalStore(records: Records, options: StoreOptions = {}): Store {
  const { env = nodeEnvironment } = options
  const engine = openEngine(records, { processKey: env.randomBytes(32) })
  return createStore(
    { hello: engine.hello, run: async (batch) => engine.run(batch), close: async () => engine.close() },
    env,
  )
}

/** The store over an engine. It owns the engine and ends it. */
export function createStore(link: EngineLink, env: Environment): Store {
  const { storeId: id, root } = link.hello
  const inside = openInside(link, env)
  const { caller, feeds, watchers, requireOpen } = inside
  let closing: Promise<void> | undefined

  return {
    id,
    root,
    ...grantCalls(inside),
    async create(handle, path, { serialized }) {
      requireOpen()
      const narrowed = narrowedTo(toText(handle), toLogPath(path))
      await caller.call({ kind: 'create', handle: toText(handle), path, serialized: serialized === true })
      return narrowed
    },
    async stat(handle, path) {
      requireOpen()
      return caller.call({ kind: 'stat', handle: toText(handle), path: toText(path) })
    },
    async list(handle, prefix) {
      requireOpen()
      return caller.call({ kind: 'list', handle: toText(handle), prefix: toText(prefix) })
    },
    async open(handle, path) {
      requireOpen()
      return openLog(inside, toText(handle), toLogPath(path))
    },
    async begin(...logs) {
      requireOpen()
      return beginTransaction(inside, logs)
    },
    async lookup(handle, path, opId) {
      requireOpen()
      requireOpId(opId)
      const seq = await caller.call({ kind: 'lookup', handle: toText(handle), path: toText(path), opId })
      return seq === undefined ? undefined : formatTs(id, seq)
    },
    async copyTo(handle, file) {
      requireOpen()
      await caller.call({ kind: 'copyTo', handle: toText(handle), file: toText(file) })
    },
    [Symbol.asyncDispose]() {
      if (!closing) {
        closing = caller.close()
        inside.end()
        watchers.stop()
        feeds.wakeAll()
      }
      return closing
    },
  }
}

/** The handle of a log that is about to be made. */
function narrowedTo(handle: Handle, path: string): Handle {
  try {
    return narrow(handle, { path })
  } catch (error) {
    // The path is one, so the handle is none.
    throw isGroveError(error, 'ERR_BAD_REQUEST') ? denied('handle', 'the text is not a handle') : error
  }
}

function openInside(link: EngineLink, env: Environment): OpenStore & { end(): void } {
  let isClosed = false
  const feeds = createFeeds(link.hello.lastSeq)
  const watchers = createWatchers(env, () => feeds.wakeAll())
  return {
    id: link.hello.storeId,
    env,
    feeds,
    watchers,
    caller: createCaller(link, {
      env,
      done(batch, answer) {
        const before = feeds.lastSeq
        feeds.done(batch, answer)
        // Watchers of other logs are not woken by it, but will tell that they are this far.
        if (feeds.lastSeq > before) watchers.tick()
      },
      lost: () => feeds.lost(),
    }),
    requireOpen() {
      if (isClosed) throw new GroveError('ERR_CLOSED', 'store is closed')
    },
    end() {
      isClosed = true
    },
  }
}
