/** Ports for servers that cannot be told to take a free one by themselves. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A port of 127.0.0.1, outside of those that the system gives out by itself, so that no test's port 0 takes it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + (randomBytes(2).readUInt16BE() % 12_000)
    const server = createServer().listen(port, '127.0.0.1')
    // Rejects when the server tells an error instead: somebody else has the port.
    const taken = await once(server, 'listening').then(
      () => false,
      () => true,
    )
    if (taken) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
