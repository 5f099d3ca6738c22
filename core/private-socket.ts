/** Unix sockets that only the operator's own account can reach. */

import { chmod, rm } from 'node:fs/promises'
import type { Server } from 'node:net'
import { GroveError } from './errors.ts'

/**
 * Listens on a Unix socket of mode 0600, and takes away what an earlier process left there. The umask keeps others out
 * from the first moment; it leaves the owner's bits alone, because a folder may be made in another thread meanwhile.
 * Throws `ERR_PORT` when it cannot listen.
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  await rm(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const isTooLong = error.code === 'EINVAL' || error.code === 'ENAMETOOLONG'
      reject(
        new GroveError('ERR_PORT', `cannot listen on ${path}: ${error.message}`, {
          cause: error,
          ...(isTooLong && { hint: 'choose a data folder with a shorter path: that of a socket may have 107 bytes' }),
        }),
      )
    }
    server.once('error', fail)
    const before = process.umask(0o077)
    try {
      // Binds before it returns.
      server.listen(path, () => {
        server.off('error', fail)
        resolve()
      })
    } finally {
      process.umask(before)
    }
  })
  await chmod(path, 0o600)
}
