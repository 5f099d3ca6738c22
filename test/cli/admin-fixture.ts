/** A control socket for tests of the command line: it keeps blobs and versions in memory, and fails when told to. */

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { PublishRequest } from '../../core/admin-api.ts'
import { GroveError, toGroveError, toPlainError } from '../../core/errors.ts'

/** A folder whose path is short enough for a socket in it (107 bytes on Linux), gone after the test. */
export function shortFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'grove-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What the command line asked. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly body: Buffer
  readonly authorization?: string | undefined
}

/** A publish of what changed, the only kind that the command line sends. */
export type Change = Extract<PublishRequest, { readonly base: number }>

type Answer = (asked: Asked) => unknown

/** A control socket in `data`; `answers` come before what it does by itself, keyed by method and path. */
export async function startAdmin(t: Test, data: string, answers: Record<string, Answer> = {}) {
  const socket = join(data, 'control.sock')
  const asked: Asked[] = []
  const blobs = new Map<string, Buffer>()
  const published: Change[] = []
  const state = { killAfter: Number.POSITIVE_INFINITY, server: undefined as Server | undefined }
  const connections = new Set<Socket>()

  const start = async () => {
    rmSync(socket, { force: true })
    const server = createServer((request, response) => void serve(request, response))
    server.on('connection', (connection) => {
      connections.add(connection)
      connection.on('close', () => connections.delete(connection))
    })
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    state.server = server
  }
  /** As a crash does it: no answer, and the socket file stays. */
  const crash = () => {
    state.server?.close()
    for (const connection of connections) connection.destroy()
  }
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    } catch {
      return // The client went away midway.
    }
    const { method = '', url: path = '', headers } = request
    const ask: Asked = { method, path, body: Buffer.concat(chunks), authorization: headers.authorization }
    asked.push(ask)
    if (asked.length > state.killAfter) {
      state.killAfter = Number.POSITIVE_INFINITY
      crash()
      await start()
      return
    }
    try {
      const answer = (answers[`${ask.method} ${ask.path}`] ?? own)(ask)
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    } catch (error) {
      response.statusCode = toGroveError(error).status
      response.end(JSON.stringify({ error: toPlainError(error) }))
    }
  }
  const own: Answer = ({ method, path, body }) => {
    if (method === 'PUT') {
      const hash = createHash('sha256').update(body).digest('hex')
      if (path.split('?')[0] !== `/blobs/${hash}`) throw new GroveError('ERR_BLOB_MISMATCH', 'content and hash differ')
      blobs.set(hash, body)
      return {}
    }
    const live = published.at(-1)
    if (method === 'GET' && /^\/sites\/[a-z]+\/live$/.test(path)) return live ? { version: published.length } : {}
    if (method === 'GET' && /^\/sites\/[a-z]+\/versions\/\d+\/files$/.test(path))
      return [...(live?.put ?? []), { end: true }].map((line) => `${JSON.stringify(line)}\n`).join('')
    if (method === 'POST' && /^\/sites\/[a-z]+\/versions$/.test(path)) {
      const request = JSON.parse(body.toString('utf8')) as Change
      const missing = [...new Set(request.put.map(({ hash }) => hash))].filter((hash) => !blobs.has(hash))
      if (missing.length > 0) return { missing }
      const before = published.findIndex(({ opId }) => opId === request.opId)
      if (before === -1) published.push(request)
      return {
        missing,
        version: before === -1 ? published.length : before + 1,
        added: request.put.length,
        urls: ['https://blog.localhost:8443/'],
        fronts: { live: 2, connected: 2 },
      }
    }
    throw new GroveError('ERR_NOT_FOUND', `there is nothing at ${method} ${path}`)
  }

  await start()
  t.teardown(() => {
    crash()
    rmSync(socket, { force: true })
  })
  return { asked, blobs, published, state, socket }
}
