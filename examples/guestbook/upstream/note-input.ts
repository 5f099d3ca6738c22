/** A note as it comes in: read within limits, checked, and cleaned. */

import type { IncomingMessage } from 'node:http'
import { headerOf, originOf, Refusal } from './http-answer.ts'
import { maxTextChars } from './personal-page.ts'

const maxBodyBytes = 8_192

/** The text of the note that a request brings. Throws a {@link Refusal}. */
export async function readNote(request: IncomingMessage): Promise<string> {
  // A form of another site cannot send this type without asking first (CORS), and nobody would say yes.
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new Refusal(415, 'A note is sent as JSON.')
  const input = await readJson(request)
  const text = typeof input === 'object' && input !== null && 'text' in input ? input.text : undefined
  if (typeof text !== 'string' || !text.isWellFormed()) throw new Refusal(400, 'A note is a text.')
  // Control characters go, but for line ends.
  const lines = text.replace(/\r\n?/g, '\n')
  const clean = lines.replace(/[^\P{Cc}\n]/gu, '').trim()
  if (clean === '') throw new Refusal(400, 'The note is empty.')
  if (Array.from(clean).length > maxTextChars) throw new Refusal(413, `A note has up to ${maxTextChars} characters.`)
  return clean
}

/** Grove lets a request of another site through without an identity; this refuses it with a reason. */
export function checkSameOrigin(request: IncomingMessage): void {
  const origin = headerOf(request, 'origin')
  if (origin !== undefined && origin !== originOf(request)) throw new Refusal(403, 'Notes are left on this site only.')
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new Refusal(413, 'The note is too long.', { connection: 'close' })
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new Refusal(400, 'A note is sent as JSON.')
  }
}
