/**
 * Revocations, told to the other machines that share a vault. What is in use is looked at every few minutes in any case;
 * a certificate whose key may be in the wrong hands must go sooner, and from every machine. So who revokes one leaves a
 * note, and all look for notes each minute.
 */

import { z } from 'zod'
import { limits } from '../core/limits.ts'
import { recordId } from './managed-record.ts'
import type { TendOptions } from './managed-tend.ts'
import type { Lease } from './vault.ts'

const noteSchema = z.object({ name: z.string(), atMs: z.number() })
const prefix = 'revoked/'

/** Notes that a certificate of a name was revoked. `id`: the certificate's. */
export async function noteRevocation(
  lease: Pick<Lease, 'write'>,
  name: string,
  { id, atMs }: { readonly id: string; readonly atMs: number },
): Promise<void> {
  await lease.write(`${prefix}${recordId(name)}/${id}`, JSON.stringify({ name, atMs }))
}

/** What looking for notes needs. */
export interface RevokedOptions extends Pick<TendOptions, 'vault' | 'environment' | 'log'> {
  /** Called with each name for which there is a new note. */
  readonly look: (name: string) => void
  readonly signal: AbortSignal
}

/** Looks for notes until the signal aborts. What cannot be looked at is tried again. Never rejects. */
export async function watchRevocations(options: RevokedOptions): Promise<void> {
  const { environment, log, signal } = options
  let seen: ReadonlySet<string> = new Set()
  while (!signal.aborted) {
    try {
      seen = await lookForNotes(options, seen)
    } catch (error) {
      if (signal.aborted) return
      log.warn({ err: error }, 'revocations of other machines cannot be looked for; it is tried again')
    }
    await environment.sleep(limits.managed.revokedEveryMs, signal).catch(() => {})
  }
}

/** Answers the keys of all notes. Those that are old are removed. */
async function lookForNotes(options: RevokedOptions, seen: ReadonlySet<string>): Promise<Set<string>> {
  const { vault, environment, look, signal } = options
  const found = new Set<string>()
  for await (const key of vault.list(prefix)) {
    signal.throwIfAborted()
    if (found.size >= limits.managed.revokedNotes) break
    const note = noteSchema.safeParse(toJson((await vault.read(key))?.text))
    if (!note.success) continue
    const { name, atMs } = note.data
    if (environment.now() - atMs > limits.managed.revokedKeptMs) await vault.remove(key)
    else found.add(key)
    if (!seen.has(key)) look(name)
  }
  return found
}

function toJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return undefined // Nobody's note: the look every few minutes finds what it was about.
  }
}
