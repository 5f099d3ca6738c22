/** `tsconfig.json` of an upload: the few options that change what code does. Everything else there is about other tools. */

import type { TsconfigRaw } from 'esbuild'
import { z } from 'zod'
import type { SourceReader } from './source-reader.ts'

const schema = z.object({
  compilerOptions: z
    .object({
      jsx: z.enum(['preserve', 'react-native', 'react', 'react-jsx', 'react-jsxdev']).optional().catch(undefined),
      jsxFactory: z.string().max(200).optional().catch(undefined),
      jsxFragmentFactory: z.string().max(200).optional().catch(undefined),
      jsxImportSource: z.string().max(200).optional().catch(undefined),
      experimentalDecorators: z.boolean().optional().catch(undefined),
      useDefineForClassFields: z.boolean().optional().catch(undefined),
      verbatimModuleSyntax: z.boolean().optional().catch(undefined),
    })
    .catch({}),
})

/** What is longer is not a person's; and comments are looked for in time that grows with its square. */
const mostChars = 16_384

/**
 * The options of the `tsconfig.json` at the root. Where it says nothing of JSX, that is made into calls of a library which
 * a file or its package names, not of a React that is nowhere.
 */
export async function readTsconfig(reader: SourceReader): Promise<TsconfigRaw> {
  const text = (await reader.readText('tsconfig.json')) ?? '{}'
  return { compilerOptions: { jsx: 'react-jsx', ...readOptions(text) } }
}

type CompilerOptions = NonNullable<TsconfigRaw['compilerOptions']>

/** None where it cannot be read. */
function readOptions(text: string): CompilerOptions {
  if (text.length > mostChars) return {}
  try {
    const { compilerOptions } = schema.parse(JSON.parse(withoutComments(text)))
    // Without what is there and undefined.
    return JSON.parse(JSON.stringify(compilerOptions)) as CompilerOptions
  } catch {
    return {}
  }
}

/** JSON without comments and without commas before a closing bracket. Strings stay as they are. */
export function withoutComments(text: string): string {
  const plain = text
    .replace(/^\ufeff/, '')
    .replace(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, string?: string) => string ?? '')
  return plain.replace(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, (_, string?: string) => string ?? '')
}
