/** How much work a file may ask for before it opens. */

import { limits } from '../../core/limits.ts'
import { certificateFault } from '../certificate-fault.ts'

/** Refuses a number of rounds that would take minutes. Throws `ERR_CERT` (`size`). */
export function checkRounds(rounds: number): void {
  const most = limits.certFiles.rounds
  if (!(rounds >= 1 && rounds <= most))
    throw certificateFault('size', `it asks for ${rounds} rounds to derive a key, ${most} are the most`)
}
