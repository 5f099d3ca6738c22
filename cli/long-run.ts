/** Long work that control does: its lines are shown as progress until the one with the result. */

import type { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import type { progressSchema } from '../core/store-api.ts'
import type { AdminClient } from './admin-client.ts'
import { createTally } from './progress.ts'
import type { Terminal } from './terminal.ts'

type Line<Result> = { readonly progress: z.output<typeof progressSchema> } | { readonly result: Result }

/** Has control do something long and answers its result. Rejects with control's error. */
export async function runLong<Result>(
  client: AdminClient,
  terminal: Terminal,
  { path, json, line }: { readonly path: string; readonly json: unknown; readonly line: z.ZodType<Line<Result>> },
): Promise<Result> {
  using tally = createTally(terminal)
  let result: { readonly value: Result } | undefined
  for await (const said of client.lines(path, json, line)) {
    if ('progress' in said) tally.show(said.progress)
    else result = { value: said.result }
  }
  if (result) return result.value
  throw new GroveError('ERR_CHANNEL', 'control ended without saying what it did')
}
