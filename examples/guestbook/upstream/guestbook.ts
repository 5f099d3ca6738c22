/** The upstream of the guestbook: a plain node:http server that answers what is not the same for everyone. */

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openEntries } from './entries.ts'
import { headerOf, originOf, Refusal, sendJson } from './http-answer.ts'
import type { IdentityVerifier } from './identity.ts'
import { createLive } from './live.ts'
import { createRoutes } from './routes.ts'

/** What {@link startGuestbook} needs. */
export interface GuestbookOptions {
  readonly databaseFile: string
  /** The folder of the published pages, which are also the pattern for the personal ones. */
  readonly siteFolder: string
  readonly verifier: IdentityVerifier
  /** Default: a free one. Listens on 127.0.0.1 only: Grove is the way in. */
  readonly port?: number
  readonly now?: () => number
  /** How often a page that listens has to show that it is there, in milliseconds. Default: 30,000. */
  readonly pingEveryMs?: number
  /** Takes errors that visitors do not see. */
  readonly report: (error: unknown) => void
}

/** A running guestbook. */
export interface Guestbook extends AsyncDisposable {
  readonly port: number
}

/** Starts the guestbook. Rejects when the port is taken or the database cannot be opened. */
export async function startGuestbook(options: GuestbookOptions): Promise<Guestbook> {
  const { databaseFile, siteFolder, verifier, port = 0, now = Date.now, pingEveryMs = 30_000, report } = options
  const entries = openEntries(databaseFile)
  const live = createLive(pingEveryMs)
  const answer = createRoutes({ entries, live, siteFolder, now })

  const server = createServer(async (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1)
    const visit = { request, response, path }
    try {
      const userId = await verifier.verify(headerOf(request, 'grove-identity'), originOf(request))
      await answer({ ...visit, userId })
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'Something went wrong here.')
      // A visitor who went away while sending is no fault of ours.
      if (refusal !== error && !request.destroyed) report(error)
      sendJson({ ...visit, userId: undefined }, refusal.status, { error: refusal.message }, refusal.headers)
    }
  })
  server.on('upgrade', (request, socket, head) => {
    // ws takes care of its own errors; this is for a socket that breaks before it is a WebSocket.
    socket.on('error', () => socket.destroy())
    if (isOurPage(request)) live.accept(request, socket, head)
    else socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  })
  server.requestTimeout = 10_000
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      live.close()
      server.close()
      server.closeIdleConnections()
      await once(server, 'close')
      entries[Symbol.dispose]()
    },
  }
}

/** Browsers let any page open a WebSocket to anywhere, and say which page it is (RFC 6455 section 10.2). */
function isOurPage(request: IncomingMessage): boolean {
  return request.url === '/api/live' && headerOf(request, 'origin') === originOf(request)
}
