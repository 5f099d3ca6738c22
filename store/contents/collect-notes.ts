/** What the last collection found without a use: a file that survives a restart. Losing it only makes things wait. */

import { join } from 'node:path'
import { z } from 'zod'
import type { Layout } from '../../core/layout.ts'
import { isMissingFile } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { isObjectKey } from '../objects/keys.ts'
import { temporaryFile } from './content-file.ts'

const notesSchema = z.object({ format: z.literal(1), unreferenced: z.record(z.string(), z.number()) })

/** When objects were found without a use first, keyed by object. A file that cannot be understood counts as none. */
export async function readNotes(env: Environment, file: string): Promise<Map<string, number>> {
  try {
    const { unreferenced } = notesSchema.parse(JSON.parse((await env.files.read(file)).toString('utf8')))
    return new Map(Object.entries(unreferenced).filter(([key]) => isObjectKey(key)))
  } catch (error) {
    if (isMissingFile(error) || error instanceof SyntaxError || error instanceof z.ZodError) return new Map()
    throw error
  }
}

/** Keeps the notes, in place of those before. */
export async function writeNotes(env: Environment, layout: Layout, notes: ReadonlyMap<string, number>): Promise<void> {
  const text = JSON.stringify({ format: 1, unreferenced: Object.fromEntries(notes) })
  const temporary = temporaryFile(env, layout)
  const writer = await env.files.create(temporary)
  try {
    await writer.write(Buffer.from(text))
    await writer.sync()
  } finally {
    await writer.close()
  }
  await env.files.rename(temporary, layout.unreferenced)
  await env.files.syncFolder(join(layout.unreferenced, '..'))
}
