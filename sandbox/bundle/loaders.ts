/** What becomes of a file by the end of its name. */

import type { Loader } from 'esbuild'

/** Keyed by extension. JSX is taken in plain JavaScript, as bundlers for Workers do. `.wasm` is handled apart. */
export const loaders: Readonly<Record<string, Loader>> = {
  '.js': 'jsx',
  '.mjs': 'jsx',
  '.cjs': 'jsx',
  '.jsx': 'jsx',
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.json': 'json',
  '.bin': 'binary',
  ...Object.fromEntries(
    ['css', 'csv', 'gql', 'graphql', 'html', 'md', 'sql', 'svg', 'toml', 'txt', 'xml', 'yaml', 'yml'].map(
      (each): [string, Loader] => [`.${each}`, 'text'],
    ),
  ),
}

/** What a file is loaded as, by its name or by the `type` of its import (`with { type: 'text' }`); undefined for none. */
export function loaderOf(path: string, type?: string): Loader | undefined {
  if (type === 'json' || type === 'text') return type
  if (type === 'bytes') return 'binary'
  return loaders[/\.[^./]+$/.exec(path)?.[0].toLowerCase() ?? '']
}
