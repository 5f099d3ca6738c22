/**
 * What the guestbook answers.
 *
 * | request | answer |
 * |---|---|
 * | `GET /`, `GET /about/` | the page with the visitor's name, a form and the notes |
 * | `GET /api/entries` | `{ entries }`, the newest 100 |
 * | `POST /api/entries` `{ text }` | `{ entry }`; only for who is signed in |
 * | `GET /api/live` | a WebSocket that sends each new entry as JSON |
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entries } from './entries.ts'
import { Refusal, sendHtml, sendJson, type Visit } from './http-answer.ts'
import type { Live } from './live.ts'
import { checkSameOrigin, readNote } from './note-input.ts'
import { personalize } from './personal-page.ts'

/** What the answers are made from. */
export interface RouteOptions {
  readonly entries: Entries
  readonly live: Live
  readonly siteFolder: string
  readonly now: () => number
}

const shownEntries = 100
/** Notes of one user within a minute. */
const notesPerMinute = 10
/** Users who are counted at once; with more, all start anew. */
const maxUsersCounted = 10_000

/** The pages that exist for signed-in visitors, keyed by path; the values are files in the site's folder. */
const pages: ReadonlyMap<string, string> = new Map([
  ['/', 'index.html'],
  ['/index.html', 'index.html'],
  ['/about/', 'about/index.html'],
  ['/about/index.html', 'about/index.html'],
])

/** Answers one request. Rejects with a {@link Refusal}, or with an error that is not for the visitor. */
export function createRoutes({ entries, live, siteFolder, now }: RouteOptions): (visit: Visit) => Promise<void> {
  const counter = createCounter(now)

  const addEntry = async (visit: Visit) => {
    const { request, userId } = visit
    checkSameOrigin(request)
    // RFC 9110 section 15.5.2: a 401 names a challenge; this one is a sign-in page, which no header can describe.
    if (userId === undefined) throw new Refusal(401, 'Please sign in to write.', { 'www-authenticate': 'Grove' })
    const text = await readNote(request)
    if (!counter.take(userId))
      throw new Refusal(429, 'That was a lot at once. Please try again in a minute.', { 'retry-after': '60' })
    const entry = entries.add({ author: userId, text, atMs: now() })
    live.tell(entry)
    sendJson(visit, 201, { entry })
  }

  const sendPage = async (visit: Visit, status: number, file: string) => {
    const html = await readFile(join(siteFolder, file), 'utf8')
    sendHtml(visit, status, personalize(html, { userId: visit.userId, entries: entries.newest(shownEntries) }))
  }

  return async (visit) => {
    const { path } = visit
    const { method } = visit.request
    const isRead = method === 'GET' || method === 'HEAD'
    if (path === '/api/entries' && method === 'POST') return addEntry(visit)
    if (!isRead) throw new Refusal(405, 'This address can only be read.', { allow: allowedAt(path) })
    if (path === '/api/entries') return sendJson(visit, 200, { entries: entries.newest(shownEntries) })
    if (path === '/api/live') throw new Refusal(426, 'This address is a WebSocket.', { upgrade: 'websocket' })
    if (path.startsWith('/api/')) throw new Refusal(404, 'There is nothing at this address.')
    const file = pages.get(path)
    return file === undefined ? sendPage(visit, 404, '404.html') : sendPage(visit, 200, file)
  }
}

function allowedAt(path: string): string {
  return path === '/api/entries' ? 'GET, HEAD, POST' : 'GET, HEAD'
}

/** Counts notes per user in the minute that runs. Keyed by user id, emptied with each minute. */
function createCounter(now: () => number): { take(userId: string): boolean } {
  const counts = new Map<string, number>()
  let minute = 0
  return {
    take(userId) {
      const current = Math.floor(now() / 60_000)
      if (current !== minute || counts.size >= maxUsersCounted) counts.clear()
      minute = current
      const count = (counts.get(userId) ?? 0) + 1
      counts.set(userId, count)
      return count <= notesPerMinute
    },
  }
}
