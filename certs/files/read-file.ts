/** Reading files that others write, whatever they are: bounded, and never waiting for a pipe or a device. */

import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { certificateFault } from '../certificate-fault.ts'

/** What the codes of the system mean, for people. */
const meanings: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  ELOOP: 'is a link that leads in a circle',
  ENOTDIR: 'is not there',
}

/** A whole file. Throws `ERR_CERT`: `file` when it cannot be read, `size` when it has more than `mostBytes`. */
export async function readWhole(file: string, mostBytes: number): Promise<Buffer> {
  try {
    // Without O_NONBLOCK the opening of a pipe waits until somebody writes to it.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    if (!(await handle.stat()).isFile()) throw certificateFault('file', `${file} is not a file`)
    const buffer = Buffer.alloc(mostBytes + 1)
    let filled = 0
    while (filled < buffer.length) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    if (filled > mostBytes) throw certificateFault('size', `${file} has more than ${mostBytes} bytes`)
    return buffer.subarray(0, filled)
  } catch (cause) {
    throw toFault(file, cause)
  }
}

/** What tells one content of a file from another without reading it; for what cannot be looked at, why. */
export async function signatureOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'it failed'
  }
}

/** A failure of the system as `ERR_CERT` (`file`). */
export function toFault(file: string, cause: unknown): Error {
  if (cause instanceof Error && cause.name === 'GroveError') return cause
  const { code = 'it failed' } = cause as NodeJS.ErrnoException
  return certificateFault('file', `${file} ${meanings[code] ?? `cannot be read: ${code}`}`, { cause })
}
