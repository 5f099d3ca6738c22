/**
 * The program of a tenant's process. Its argument is the number of fronts; file descriptor 3 is the link with the
 * supervisor, 4 and on those of fronts.
 */

import { Socket } from 'node:net'
import { startWatchdog } from './entry-watch.ts'
import { runTenant } from './tenant.ts'

const firstFd = 3

function socketOf(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: true })
}

const frontCount = Number(process.argv[2] ?? 0)
const watch = await startWatchdog()
runTenant({
  supervisor: socketOf(firstFd),
  fronts: Array.from({ length: frontCount }, (_, index) => socketOf(firstFd + 1 + index)),
  watch,
  // Without its supervisor nobody would watch it.
  over: () => process.exit(0),
})
