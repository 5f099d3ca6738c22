/** Fetching Grove's public keys over TLS, from a Grove that has its own certificate authority. */

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { LookupFunction } from 'node:net'

const timeoutMs = 5_000
const maxBytes = 65_536

/**
 * The JSON at `url`. The server's certificate must come from the root in `rootFile` (PEM), which is read each time.
 * Rejects when the answer is not 200, takes longer than 5 s or has more than 64 KiB.
 */
export async function fetchJwks(url: string, rootFile: string): Promise<unknown> {
  const options = { ca: await readFile(rootFile), lookup, signal: AbortSignal.timeout(timeoutMs), agent: false }
  const outgoing = request(url, options).end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`${url} answered more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  if (answer.statusCode !== 200) throw new Error(`${url} answered ${answer.statusCode}, expected 200`)
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

/** Names under `localhost` are this machine (RFC 6761 section 6.3); not every resolver knows. */
const lookup: LookupFunction = (_name, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}
